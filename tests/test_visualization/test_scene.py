"""Panels and files of a sample, and the visualiser that hands them to backends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from mmssc.errors import DataError
from mmssc.registry import VISUALIZERS
from mmssc.visualization import Scene, bird_eye_view, draw_legend, draw_points
from mmssc.visualization.panel import compose_panel

IMAGE = np.full((37, 122, 3), (90, 120, 30), dtype=np.uint8)


def test_hides_ignored_voxels_of_labels_and_prediction(sample, meta, labels):
    scene = Scene.from_sample(sample, meta)
    assert list(scene.volumes) == ['prediction', 'ground truth']
    for volume in scene.volumes.values():
        assert (volume[labels == 255] == 0).all()
        assert (volume[labels != 255] == labels[labels != 255]).all()
    shown = Scene.from_sample(sample, meta, hide_unevaluated=False)
    assert (shown.volumes['prediction'][labels == 255] == 1).all()
    assert (shown.volumes['ground truth'][labels == 255] == 0).all()


def test_hides_what_no_evaluation_mask_covers(sample, meta, grid):
    surface, occluded = (torch.zeros(grid.shape, dtype=torch.bool) for _ in range(2))
    surface[:, :, :1], occluded[8:, :, 1:] = True, True
    sample.eval_masks = {'surface': surface, 'occluded': occluded}
    prediction = Scene.from_sample(sample, meta).volumes['prediction']
    assert (prediction[:8, :, 1:] == 0).all()  # The pole.
    assert (prediction[8:12, 6:9, 1:3] == 1).all()


def test_hides_predictions_beyond_the_reach_of_the_view(sample, meta, grid):
    sample.within_reach = torch.zeros(grid.shape, dtype=torch.bool)
    sample.within_reach[8:] = True
    for labelled in (True, False):
        prediction = Scene.from_sample(sample, meta).volumes['prediction']
        assert (prediction[:8] == 0).all() and (prediction[8:12, 6:9, 1:3] == 1).all()
        shown = Scene.from_sample(sample, meta, hide_unevaluated=False)
        assert np.array_equal(shown.volumes['prediction'], sample.pred_voxels)
        if labelled:
            del sample.gt_voxels


def test_without_labels_the_prediction_stands_alone(sample, meta):
    del sample.gt_voxels
    scene = Scene.from_sample(sample, meta)
    assert list(scene.volumes) == ['prediction']
    assert scene.draw(800).shape[1] == 800
    del sample.pred_voxels
    with pytest.raises(DataError, match='08/000005: pred_voxels'):
        Scene.from_sample(sample, meta)


def test_every_class_needs_a_colour(sample):
    with pytest.raises(DataError, match='palette'):
        Scene.from_sample(sample, dict(classes=('empty', 'car'), palette=[(0, 0, 0)]))


def test_panel_grows_with_its_parts_and_shows_their_colours(sample, meta):
    plain = Scene.from_sample(sample, meta, draw_truth=False)
    full = Scene.from_sample(sample, meta, IMAGE, np.array([[6.0, 0.0, 0.0]]))
    picture = full.draw(900)
    assert picture.dtype == np.uint8 and picture.shape[1:] == (900, 3)
    colors = {tuple(color) for color in picture.reshape(-1, 3).tolist()}
    for color in ((90, 120, 30), (100, 150, 245), (255, 0, 255), (255, 240, 150)):
        assert color in colors
    assert (90, 120, 30) not in {tuple(c) for c in plain.draw(900).reshape(-1, 3).tolist()}


def test_depth_stands_beside_the_image_and_the_name_of_the_file_above(sample, meta):
    depth = np.tile(np.linspace(0.5, 3.0, 122), (37, 1))
    scene = Scene.from_sample(sample, meta, IMAGE, depth=depth)
    plain = Scene.from_sample(sample, meta, IMAGE)
    panel = scene.draw(900)
    blue = (panel[:150, 300:600, 2].astype(int) - panel[:150, 300:600, 0] > 100).any()
    assert blue and (panel[40:60, 100] == IMAGE[0, 0]).all()
    assert scene.page_frame().image is IMAGE
    alone = Scene.from_sample(sample, meta, depth=depth)
    assert alone.page_frame().image.shape == (37, 122, 3)
    # The name is there with an image, with depth alone and with volumes alone.
    for one in (plain, alone, Scene.from_sample(sample, meta)):
        named, unnamed = (replace(one, title=title).draw(900)[:30] for title in ('08', ''))
        assert (named != unnamed).any()


def test_files_of_every_format(tmp_path, sample, meta):
    scene = Scene.from_sample(sample, meta, IMAGE)
    written = scene.save(tmp_path / 'new' / '08_000005', ('png', 'bev', 'ply', 'glb', 'html'))
    names = sorted(path.name for path in (tmp_path / 'new').iterdir())
    assert names == sorted(path.name for path in written) == [
        '08_000005.glb', '08_000005.html', '08_000005.ply', '08_000005.png', '08_000005_bev.png',
        '08_000005_ground_truth.glb', '08_000005_ground_truth.ply',
        '08_000005_ground_truth_bev.png',
    ]  # fmt: skip
    with Image.open(tmp_path / 'new' / '08_000005.png') as picture:
        assert picture.size[0] == 1600
    with pytest.raises(ValueError, match='found vrml'):
        scene.save(tmp_path / 'x', ('vrml',))


def test_legend_has_every_colour_and_fades_absent_names(meta):
    colors = np.array(meta['palette'])
    legend = draw_legend(meta['classes'], colors, 500)
    found = {tuple(color) for color in legend.reshape(-1, 3).tolist()}
    assert {tuple(color) for color in meta['palette'][1:]} <= found
    faded = draw_legend(meta['classes'], colors, 500, present=[1])
    assert faded.shape == legend.shape
    assert faded.astype(int).sum() > legend.astype(int).sum()
    narrow = draw_legend(meta['classes'], colors, 90)
    assert narrow.shape[0] > 2 * legend.shape[0]


def test_points_are_drawn_where_the_camera_sees_them(kitti_lidar2cam):
    cam2img = np.array([[60.0, 0, 60], [0, 60, 18], [0, 0, 1]])
    points = np.array([[10.0, 0.0, 0.0], [-10.0, 0.0, 0.0], [10.0, 100.0, 0.0]])
    picture = draw_points(IMAGE, points, kitti_lidar2cam, cam2img)
    changed = (picture != (IMAGE * 0.45).astype(np.uint8)).any(2)
    assert changed.sum() == 4
    v, u = np.argwhere(changed)[0]
    local = kitti_lidar2cam[:3, :3] @ points[0] + kitti_lidar2cam[:3, 3]
    np.testing.assert_allclose([u, v], (cam2img @ local)[:2] / local[2], atol=0.51)


def test_rows_of_a_panel_keep_their_proportions():
    wide = np.zeros((50, 200, 3), dtype=np.uint8)
    picture = compose_panel([[('one', wide)], [], [('a', wide), ('b', wide)]], width=424)
    assert picture.shape[1] == 424
    assert (picture == 0).all(2).sum() == 400 * 100 + 2 * 194 * round(50 * 194 / 200)


def test_visualizer_writes_files_and_feeds_backends(tmp_path, sample, meta):
    visualizer = VISUALIZERS.build(
        dict(
            type='mmssc.SSCVisualizer',
            name='test_scene',
            save_dir=str(tmp_path),
            vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')],
        )
    )
    visualizer.dataset_meta = meta
    picture = visualizer.add_datasample('val/08', IMAGE, sample, step=7)
    stored = tmp_path / 'vis_data' / 'vis_image' / 'val_08_7.png'
    with Image.open(stored) as image:
        assert (np.asarray(image) == picture).all()
    assert (visualizer.get_image() == picture).all()
    visualizer.close()
    assert list((tmp_path / 'vis_data').rglob('events.out.tfevents*'))
    visualizer.add_datasample('x', IMAGE, sample, out_file=tmp_path / 'one.png')
    assert (tmp_path / 'one.png').is_file()


def test_a_room_is_seen_from_behind_the_camera_and_without_its_ceiling(room, tmp_path):
    sample, meta = room
    ceiling, bed = (tuple(meta['palette'][index]) for index in (1, 3))
    scene = Scene.from_sample(sample, meta)
    scene.save(tmp_path / 'room', ('bev', 'html'))
    below = scene.volumes['ground truth'].copy()
    below[below == 1] = 0
    above = bird_eye_view(below, scene.grid, scene.colors)
    # Forward (+y, 10 voxels) is up, right (+x, 8 voxels) is right: the bed is far and to the left.
    assert above.shape == (30, 24, 3)
    rows, columns = np.nonzero((above == bed).all(2))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 11, 3, 8)
    with Image.open(tmp_path / 'room_bev.png') as picture:
        written = np.asarray(picture)
    assert (written == bed).all(2).sum() > 60 * 60 * 6
    assert (written == ceiling).all(2).sum() < 400  # Only in the legend.
    page = (tmp_path / 'room.html').read_text(encoding='utf-8')
    assert '"hidden":[1]' in page and '"forward":90.0' in page
    # From above no red; the camera below the ceiling sees it, and the legend names it.
    panel = scene.draw(800)
    views = panel[-530:-60]
    red = (views[..., 0] > 2 * views[..., 1].astype(int)) & (views[..., 0] > 90)
    assert not red.any()
    assert (panel == ceiling).all(2).any()
    # Ahead of the camera the bed is left of the middle.
    tan = (panel.astype(int)[..., 0] > 150) & (panel[..., 2] < 0.6 * panel[..., 0])
    columns = np.nonzero(tan[-530:-60].any(0))[0]
    assert columns.size and columns.mean() < 400


def test_points_of_a_room_are_coloured_over_the_room(room):
    sample, meta = room
    image = np.zeros((80, 120, 3), dtype=np.uint8)
    points = np.array([(0.0, 1.2, 1.0), (0.3, 3.4, 1.0)])
    drawn = Scene.from_sample(sample, meta, image, points).draw(800)
    colors = drawn.reshape(-1, 3).astype(int)
    blue = (colors[:, 2] > 100) & (colors[:, 0] < 80)
    assert blue.any(), 'the farther point is not as red as the nearer one'


def test_a_flipped_sample_has_no_view_from_the_camera(room):
    sample, meta = room
    sample.set_metainfo(dict(cam2img=np.diag([-1.0, 1, 1]) @ sample.cam2img))
    assert Scene.from_sample(sample, meta).camera is None


def test_a_left_handed_scene_is_mirrored(sample, meta, grid):
    points = np.array([[4.0, 1.0, 0.0]], np.float32)
    right = Scene.from_sample(sample, meta, points=points)
    left_grid = replace(grid, frame='carla')
    sample.set_metainfo(dict(voxel_grid=left_grid))
    mirrored = Scene.from_sample(sample, meta, points=points)
    axis = grid.axes.index('y')
    for name, volume in right.volumes.items():
        assert np.array_equal(mirrored.volumes[name], np.flip(volume, axis))
    assert np.array_equal(mirrored.unlabelled, np.flip(right.unlabelled, axis))
    assert mirrored.points.tolist() == [[4, -1, 0]]
    assert mirrored.grid.frame == 'lidar' and not mirrored.grid.is_left_handed
    assert mirrored.grid.origin[axis] == -grid.upper[axis]
    # Nothing else changes: drawn again, it is the same.
    assert mirrored.draw(400).shape[1] == 400
