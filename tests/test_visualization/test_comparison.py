import numpy as np

from mmssc.structures import VoxelGrid
from mmssc.visualization.comparison import ERRORS, draw_comparison, error_map

COLORS = {'right': (196, 202, 208), 'wrong class': (240, 160, 32), 'missed': (38, 110, 200),
          'invented': (214, 39, 40)}  # fmt: skip


def test_errors_by_hand():
    target = np.array([0, 0, 1, 1, 1, 255, 2, 255], np.uint8).reshape(2, 2, 2)
    prediction = np.array([0, 1, 1, 2, 0, 1, 2, 0], np.uint8).reshape(2, 2, 2)
    errors = error_map(prediction, target)
    names = [ERRORS[number] for number in errors.flat]
    assert names == [
        'empty', 'invented', 'right', 'wrong class', 'missed', 'empty', 'right', 'empty'
    ]  # fmt: skip
    mask = np.array([1, 1, 1, 0, 0, 1, 1, 1], bool).reshape(2, 2, 2)
    assert (error_map(prediction, target, mask) == np.where(mask, errors, 0)).all()


def colors_of(picture):
    return {tuple(color) for color in np.unique(picture.reshape(-1, 3), axis=0).tolist()}


def test_the_errors_of_each_prediction_are_drawn_without_the_roof():
    grid = VoxelGrid((0, -2, 0), 1.0, (4, 4, 3))
    target = np.zeros(grid.shape, np.uint8)
    target[:, :, 0] = 1
    target[:, :, 2] = 2  # the roof
    good, bad, roofless = target.copy(), target.copy(), target.copy()
    bad[0, :, 0], bad[1, :, 0], bad[2:, 0, 1] = 3, 0, 3
    roofless[:, :, 2] = 0
    meta = dict(classes=('empty', 'floor', 'ceiling', 'car'), roof_classes=('ceiling',))
    image = np.full((10, 20, 3), (1, 2, 3), np.uint8)
    predictions = dict(good=good, bad=bad, roofless=roofless)
    picture = draw_comparison(target, predictions, grid, meta, 'a/1', image)
    # Without the upper row, and without the legend, which has all colours.
    errors = picture[picture.shape[0] // 2 : -80]
    tiles = map(colors_of, np.array_split(errors, 4, axis=1))
    assert (1, 2, 3) in next(tiles)
    shown = [{name for name in COLORS if COLORS[name] in tile} for tile in tiles]
    assert shown == [{'right'}, {*COLORS}, {'right'}]


def test_the_camera_frames_what_is_occupied():
    """As in the panels of single frames: a room without its roof fills more of the tile."""
    grid = VoxelGrid((0, -3, 0), 1.0, (6, 6, 6))
    floor = np.zeros(grid.shape, np.uint8)
    floor[:, :, 0] = 1
    meta = dict(classes=('empty', 'floor'), palette=[(0, 0, 0), (0, 200, 0)])
    picture = draw_comparison(floor, dict(same=floor), grid, meta, 'a/1')
    tile = picture[: picture.shape[0] // 2, : picture.shape[1] // 2]
    green = (tile[..., 1] > 100) & (tile[..., 0] < 50)
    assert np.ptp(np.nonzero(green.any(1))[0]) > 0.8 * tile.shape[0]
