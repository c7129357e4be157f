"""The rendered lidar of synthetic streets, and targets that the lidar command makes from it."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mmssc.errors import DataError
from mmssc.formats.kitti import read_raw_labels, read_velodyne, read_voxel_bits
from mmssc.formats.point_labels import read_point_labels
from mmssc.preparation.lidar.command import prepare_lidar_targets
from mmssc.structures import VoxelGrid
from mmssc.synthetic.solids import BOX, SolidList
from mmssc.synthetic.streets.drive import DriveSettings, SyntheticDrive, write_synthetic_drive
from mmssc.synthetic.streets.lidar import LidarModel, returned
from mmssc.synthetic.streets.objects import GLASS, RAW_IDS, SIGN

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools' / 'dataset_converters'))
import make_synthetic

EXACT = DriveSettings(
    frames=4, frame_step=3.0, label_step=3, image_size=(24, 80), lidar_size=(48, 400),
    grid=VoxelGrid((0.0, -25.6, -2.0), (0.8,) * 3, (64, 64, 8)),
)  # fmt: skip
RENDERED = dataclasses.replace(EXACT, lidar=LidarModel())
TINY = ['--image-size', '24', '80', '--lidar-size', '16', '60', '--grid-shape', '32', '32', '4',
        '--sequences', '03', '--frames', '1']  # fmt: skip


def ranges(points):
    return np.linalg.norm(points[:, :3], axis=1)


def test_a_lidar_loses_beams_but_keeps_places_and_labels() -> None:
    exact, exact_labels = SyntheticDrive('03', EXACT).scan(1)
    perfect = LidarModel(ranges=(0.0, 80.0), dropout=0.0, noise=0.0)
    points, labels = SyntheticDrive('03', dataclasses.replace(EXACT, lidar=perfect)).scan(1)
    assert 0.5 * len(exact) < len(points) < len(exact)
    by_place = {tuple(point): label for point, label in zip(exact[:, :3].tolist(), exact_labels)}
    assert all(by_place[tuple(p)] == label for p, label in zip(points[:, :3].tolist(), labels))
    # Far road is dark and oblique: it goes first.
    road = RAW_IDS['road']
    assert ranges(points[labels == road]).max() < ranges(exact[exact_labels == road]).max()


def test_range_dropout_and_noise_are_those_of_the_settings() -> None:
    drive = SyntheticDrive('03', EXACT)
    everything = LidarModel(ranges=(0.0, 80.0), dropout=0.0, noise=0.0)

    def scan(**changes):
        model = dataclasses.replace(everything, **changes)
        drive.settings = dataclasses.replace(EXACT, lidar=model)
        return drive.scan(1)[0]

    whole = scan()
    short = scan(ranges=(5.0, 30.0))
    assert ranges(short).min() >= 5 and ranges(short).max() <= 30.001
    assert len(scan(dropout=0.3)) / len(whole) == pytest.approx(0.7, abs=0.02)
    noisy = scan(noise=0.05)
    assert (ranges(noisy) - ranges(whole)).std() == pytest.approx(0.05, rel=0.05)
    upper = scan(elevations=(2.0, -1.0))
    assert np.rad2deg(np.arcsin(upper[:, 2] / ranges(upper))).min() > -1.01


def test_reflectance_follows_the_material() -> None:
    solids = SolidList(RAW_IDS)
    for y, color, style in ((0, (0.9,) * 3, 0), (2, (0.1,) * 3, 0), (4, (0.1,) * 3, SIGN),
                            (6, (0.1,) * 3, GLASS)):  # fmt: skip
        solids.place((10.5, y), 0.0, 'car')
        solids.add(BOX, (0, 0, 1), (1, 1, 2), color, style)
    points = np.array([(10.0, y, 1.0) for y in (0, 2, 4, 6)] + [(10.0, 8.0, 0.0)])
    index, labels = np.array((0, 1, 2, 3, -1)), np.array((10, 10, 10, 10, 40))
    sensor, rng = np.array((0.0, 3.0, 1.0)), np.random.default_rng(0)
    model = LidarModel(dropout=0.0, noise=0.0)
    found = [
        returned(model, solids.build(), points, sensor, index, labels, rng)[1] for _ in range(50)
    ]
    bright, dark, sign, glass, road = np.mean(found, axis=0)
    assert sign > 0.85 and bright > 0.65 and glass < 0.1
    assert 0.08 < dark < 0.2 and 0.15 < road < 0.25
    far = np.array((-60.0, 3.0, 1.0))
    kept = returned(model, solids.build(), points, far, index, labels, rng)[2]
    assert kept[2] and not kept[3] and not kept[4]


@pytest.mark.parametrize(
    'wrong', [dict(ranges=(5, 5)), dict(ranges=(0, 100)), dict(dropout=1), dict(noise=-1.0),
              dict(elevations=(-3, 3)), dict(noise=float('nan'))],
)  # fmt: skip
def test_impossible_lidars_are_refused(wrong) -> None:
    with pytest.raises(DataError, match=next(iter(wrong))):
        LidarModel(**wrong)


def test_only_the_lidar_changes(tmp_path: Path) -> None:
    write_synthetic_drive(tmp_path / 'exact', '03', EXACT)
    write_synthetic_drive(tmp_path / 'rendered', '03', RENDERED)
    files = {path.relative_to(tmp_path / 'exact') for path in (tmp_path / 'exact').rglob('*.*')}
    more = {
        path.relative_to(tmp_path / 'rendered') for path in (tmp_path / 'rendered').rglob('*.*')
    }
    sequence = Path('dataset/sequences/03')
    assert more - files == {sequence / f'labels/{frame:06d}.label' for frame in range(4)}
    for path in files:
        if path.parent.name not in ('velodyne', 'voxels'):
            same = (tmp_path / 'exact' / path).read_bytes()
            assert (tmp_path / 'rendered' / path).read_bytes() == same
    points = read_velodyne(tmp_path / 'rendered' / sequence / 'velodyne/000002.bin')
    labels = read_point_labels(
        tmp_path / 'rendered' / sequence / 'labels/000002.label', len(points)
    )
    assert {40, 50, 70} <= set(labels.tolist())


def test_targets_of_a_street_agree_with_its_labels(tmp_path: Path) -> None:
    settings = dataclasses.replace(RENDERED, frames=7, lidar_size=(64, 900))
    write_synthetic_drive(tmp_path / 'street', '03', settings)
    shape = settings.grid.shape
    options = ['--grid-shape', *map(str, shape), '--voxel-size', '0.8', '--every', '3', '--past',
               '9', '--future', '9', '--view-step', '1', '--workers', '1']  # fmt: skip
    out = tmp_path / 'own'
    assert prepare_lidar_targets('', [str(tmp_path / 'street'), '--out', str(out), *options]) == 0
    for frame in ('000000', '000003', '000006'):
        path = Path('dataset/sequences/03/voxels') / frame
        own = read_raw_labels(out / f'{path}.label', shape)
        true = read_raw_labels(tmp_path / 'street' / f'{path}.label', shape)
        scan, true_scan = (
            read_voxel_bits(root / f'{path}.bin', shape) for root in (out, tmp_path / 'street')
        )
        assert (scan == true_scan).all()
        hidden, truly_hidden = (
            read_voxel_bits(root / f'{path}.occluded', shape) for root in (out, tmp_path / 'street')
        )
        invalid = read_voxel_bits(out / f'{path}.invalid', shape)
        both = (own > 0) & (true > 0)
        assert both.sum() / (own > 0).sum() > 0.95
        assert (own == true)[both].mean() > 0.9
        # Space that the rays call empty holds next to nothing.
        empty = (own == 0) & ~invalid
        assert (true[empty] > 0).mean() < 0.06
        assert truly_hidden[hidden].mean() > 0.8


def run(out: Path, *options: str) -> int:
    return make_synthetic.main(['--out', str(out), *TINY, *options])


def test_options_of_the_lidar(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert not run(tmp_path / 'exact')
    # Trees of earlier releases have no such setting, and continue.
    record = json.loads((tmp_path / 'exact/synthetic.json').read_text())
    assert 'lidar' not in record['settings']
    assert run(tmp_path / 'exact', '--lidar', 'rendered') == 2
    assert 'lidar' in capsys.readouterr().err
    assert run(tmp_path / 'none', '--lidar-noise', '0.1') == 2
    assert 'Give --lidar rendered, or leave --lidar-noise out' in capsys.readouterr().err
    options = ['--lidar', 'rendered', '--lidar-ranges', '3', '40', '--lidar-dropout', '0.1']
    assert not run(tmp_path / 'rendered', *options)
    record = json.loads((tmp_path / 'rendered/synthetic.json').read_text())
    assert record['settings']['lidar']['ranges'] == [3, 40]
    assert not run(tmp_path / 'rendered', *options)
    assert run(tmp_path / 'rendered') == 2
