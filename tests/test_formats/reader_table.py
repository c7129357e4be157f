"""Every reader of files from outside: how to write a valid file, and what each result keeps to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from scan_files import POINTS, write_las, write_pcd, write_ply
from tiny_nyu import IMAGE_SIZE, SPEC, frame_arrays, make_list
from tiny_tree import make_info

from mmssc.compat import read_checkpoint
from mmssc.config_file import read_config_file
from mmssc.datasets.driving_list import read_driving_list, write_driving_list
from mmssc.datasets.rgbd_list import read_rgbd_list, write_rgbd_list
from mmssc.engine.resuming import find_resume_checkpoint
from mmssc.evaluation.result_comparison import read_figures_file
from mmssc.evaluation.submission import SubmissionRules, check_submission
from mmssc.formats import (
    carla_sc,
    depth_units,
    images,
    json_fields,
    kitti,
    las,
    matrices,
    numpy_arrays,
    pcd,
    ply,
    point_labels,
    regular_files,
    rgbd_frame,
    scalar_logs,
    scans,
    sscnet,
    torch_file,
    torchssc,
    video,
)  # fmt: skip
from mmssc.formats.rgbd_cache import CACHED_NAMES, read_cached, write_frame_cache
from mmssc.formats.rgbd_prepared import PREPARED_NAMES, has_prepared, read_prepared, write_prepared
from mmssc.parity.reference_fill import read_manifest
from mmssc.parity.report import ParityCase
from mmssc.preparation.folder_settings import read_recipe
from mmssc.preparation.rgbd.published_figures import read_figures

SHAPE = (4, 4, 4)
FINE = SPEC.fine_grid.shape
RNG = np.random.default_rng(0)
TSDF = RNG.uniform(-1, 1, SHAPE).astype(np.float32)
LABELS = RNG.integers(0, 12, SHAPE).astype(np.uint8)
POSES = np.tile(np.eye(4), (3, 1, 1))
CAMERA = np.array([[700.0, 0, 600, 0], [0, 700, 180, 0], [0, 0, 1, 0]])
FRAME = frame_arrays(0)


@dataclass(frozen=True)
class Reader:
    """A reader.

    Args:
        name: Of the file.
        write: Writes a valid file.
        read: Reads it.
        check: Whether a result keeps to the documentation of the reader.
    """

    name: str
    write: Callable[[Path], Any]
    read: Callable[[Path], Any]
    check: Callable[[Any], bool] = lambda value: True


def is_array(shape: tuple[int | None, ...], dtype: Any, low: Any = None, high: Any = None) -> Any:
    """A check of shape, type and range."""

    def check(array: np.ndarray) -> bool:
        sides = len(array.shape) == len(shape) and all(
            wanted in (None, found) for wanted, found in zip(shape, array.shape)
        )
        within = (low is None or (array >= low).all()) and (high is None or (array <= high).all())
        return sides and array.dtype == dtype and bool(within) and bool(np.isfinite(array).all())

    return check


def all_of(*checks: Any) -> Any:
    return lambda values: all(check(value) for check, value in zip(checks, values))


def save(image: np.ndarray) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(image).save(path)


def save_npz(**arrays: np.ndarray) -> Callable[[Path], None]:
    return lambda path: numpy_arrays.write_npz(path, arrays)


def save_npy(array: np.ndarray) -> Callable[[Path], None]:
    return lambda path: numpy_arrays.write_npy(path, array)


def save_text(text: str) -> Callable[[Path], Any]:
    return lambda path: path.write_text(text, encoding='utf-8')


def save_torch(legacy: bool) -> Callable[[Path], None]:
    content = dict(state_dict={'a': torch.arange(6.0).reshape(2, 3)}, meta=dict(epoch=1, log='x'))
    return lambda path: torch.save(content, path, _use_new_zipfile_serialization=not legacy)


def read_archive(path: Path) -> np.ndarray:
    with numpy_arrays.NpzArchive(path) as archive:
        return archive.read('a')


def is_plain(value: Any, depth: int = 0) -> bool:
    if isinstance(value, dict):
        return depth <= 100 and all(is_plain(one, depth + 1) for one in (*value, *value.values()))
    if isinstance(value, (list, tuple, set)):
        return depth <= 100 and all(is_plain(one, depth + 1) for one in value)
    return isinstance(value, (str, bytes, int, float, torch.Tensor, np.ndarray, type(None)))


is_points = is_array((None, 3), np.float32, -10_000, 10_000)


def is_scan(scan: Any) -> bool:
    bright = scan.reflectance
    return is_points(scan.points) and (
        bright is None or is_array((None,), np.float32, 0, 1)(bright)
    )


RULES = SubmissionRules(SHAPE, np.arange(20, dtype=np.uint16))
KEYS = tuple(PREPARED_NAMES)
CACHED = tuple(key for key in CACHED_NAMES if key in FRAME)
DDRNET = dict(
    tsdf_lr=FRAME['tsdf'], target_lr=FRAME['gt_voxels'],
    tsdf_hr=np.zeros(FINE, np.float32), position=np.zeros(IMAGE_SIZE, np.int64),
)  # fmt: skip
VOLUME = sscnet.SSCNetVolume(np.zeros(3, np.float32), np.eye(4, dtype=np.float32), LABELS)
DEPTH = np.linspace(1, 5, 80).reshape(8, 10)
MILLIMETRES = (DEPTH * 1000).astype(np.uint16)
IDS = FRAME['segmentation']
METRES = is_array((None, None), np.float32, 0)
TSDF_CHECK = is_array(SHAPE, np.float32, -1.001, 1.001)
MAPPING_CHECK = is_array(SHAPE, np.int32, -1, 79)
FRAME_ARRAYS = {key: FRAME[key] for key in KEYS if key in FRAME}


def frame_check(arrays: dict[str, np.ndarray]) -> bool:
    return all(array.shape in (SPEC.shape, FINE, IMAGE_SIZE) for array in arrays.values())


def write_prepared_file(path: Path) -> None:
    write_prepared(path, FRAME_ARRAYS, SPEC)


def write_small_video(path: Path) -> None:
    code = cv2.VideoWriter_fourcc(*('MJPG' if path.suffix == '.avi' else 'mp4v'))
    video_file = cv2.VideoWriter(str(path), code, 10, (24, 16))
    for value in range(0, 250, 50):
        video_file.write(np.full((16, 24, 3), value, np.uint8))
    video_file.release()


def write_submission(path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('sequences/11/predictions/000000.label', bytes(2 * LABELS.size))


#: Name of the function, and of a variant behind a dot -> reader.
READERS = {
    # regular_files, json_fields, matrices
    'read_bytes': Reader('a.bin', lambda p: p.write_bytes(b'abc'), regular_files.read_bytes),
    'read_ends': Reader('a.bin', lambda p: p.write_bytes(b'abc'), regular_files.read_ends),
    'read_text': Reader('a.txt', save_text('text'), regular_files.read_text),
    'read_csv_rows': Reader('a.csv', save_text('a,"b"\n1,2\n'), regular_files.read_csv_rows),
    'read_json': Reader('a.json', save_text('{"a": [1, 2.5, {"b": null}]}'), json_fields.read_json),
    'read_matrix': Reader(
        'a.txt', save_text('1 2\n3 4.5\n'), lambda p: matrices.read_matrix(p, (2, 2)),
        is_array((2, 2), np.float64),
    ),
    'read_scalar_log': Reader(
        'scalars.json', save_text('{"loss": 1.5, "iter": 1}\n{"loss": NaN, "iter": 2}\n'),
        scalar_logs.read_scalar_log,
        lambda found: all(type(one) is float for record in found for one in record.values()),
    ),
    # numpy_arrays
    'read_npy': Reader('a.npy', save_npy(TSDF), numpy_arrays.read_npy, lambda a: a.size >= 0),
    'read_npy_shape': Reader('a.npy', save_npy(TSDF), numpy_arrays.read_npy_shape),
    'read_npz': Reader(
        'a.npz', save_npz(a=TSDF, b=LABELS), lambda p: numpy_arrays.read_npz(p, ['a'], ['b']),
        lambda found: found['a'].dtype.isnative,
    ),
    'NpzArchive': Reader('a.npz', save_npz(a=TSDF), read_archive),
    # carla_sc
    'read_raw_ids': Reader(
        'f.label', lambda p: carla_sc.write_raw_ids(p, LABELS),
        lambda p: carla_sc.read_raw_ids(p, SHAPE), is_array(SHAPE, np.uint8, 0, 22),
    ),
    'read_ray_counts': Reader(
        'f.bin', lambda p: carla_sc.write_ray_counts(p, LABELS),
        lambda p: carla_sc.read_ray_counts(p, SHAPE), is_array(SHAPE, np.float32, 0),
    ),
    # kitti, depth_units
    'read_calib': Reader(
        'calib.txt', lambda p: kitti.write_calib(p, dict(P2=CAMERA, Tr=np.eye(4))),
        kitti.read_calib, lambda found: all(map(is_array((3, 4), np.float64), found.values())),
    ),
    'read_poses': Reader(
        'poses.txt', lambda p: kitti.write_poses(p, POSES), kitti.read_poses,
        is_array((None, 4, 4), np.float64),
    ),
    'read_indexed_poses': Reader(
        'poses.txt', lambda p: kitti.write_indexed_poses(p, np.array([1, 2, 7]), POSES),
        kitti.read_indexed_poses,
        all_of(is_array((None,), np.int64, 0), is_array((None, 4, 4), np.float64)),
    ),
    'read_voxel_bits': Reader(
        'a.bin', lambda p: kitti.write_voxel_bits(p, LABELS > 5),
        lambda p: kitti.read_voxel_bits(p, SHAPE), is_array(SHAPE, bool),
    ),
    'read_raw_labels': Reader(
        'a.label', lambda p: kitti.write_raw_labels(p, LABELS),
        lambda p: kitti.read_raw_labels(p, SHAPE), is_array(SHAPE, np.uint16),
    ),
    'read_velodyne': Reader(
        'a.bin', lambda p: kitti.write_velodyne(p, np.ones((5, 3))), kitti.read_velodyne,
        is_array((None, 4), np.float32),
    ),
    'read_scan': Reader(
        'a.bin', lambda p: kitti.write_velodyne(p, np.ones((5, 3))), kitti.read_scan,
        is_array((None, 4), np.float32),
    ),
    # scans of users
    'read_scan_file': Reader(
        'a.bin', lambda p: p.write_bytes(POINTS.tobytes()), scans.read_scan_file, is_scan
    ),
    'read_scan_file.npy': Reader('a.npy', save_npy(POINTS), scans.read_scan_file, is_scan),
    'read_pcd': Reader('a.pcd', write_pcd, pcd.read_pcd, is_scan),
    'read_pcd.ascii': Reader('a.pcd', lambda p: write_pcd(p, 'ascii'), pcd.read_pcd, is_scan),
    'read_pcd.packed': Reader(
        'a.pcd', lambda p: write_pcd(p, 'binary_compressed'), pcd.read_pcd, is_scan
    ),
    'read_ply': Reader('a.ply', write_ply, ply.read_ply, is_scan),
    'read_ply.ascii': Reader('a.ply', lambda p: write_ply(p, 'ascii'), ply.read_ply, is_scan),
    'read_las': Reader('a.las', write_las, las.read_las, is_scan),
    'read_point_labels': Reader(
        'a.label', lambda p: point_labels.write_point_labels(p, np.arange(5)),
        lambda p: point_labels.read_point_labels(p, 5), is_array((5,), np.uint16),
    ),
    'read_voxel_labels': Reader(
        'a.npy', save_npy(LABELS.astype(np.float32)), lambda p: kitti.read_voxel_labels(p, SHAPE),
        is_array(SHAPE, np.uint8),
    ),
    'read_depth': Reader('a.npy', save_npy(DEPTH.astype(np.float32)), kitti.read_depth, METRES),
    'read_depth.png': Reader('a.png', save(MILLIMETRES), kitti.read_depth, METRES),
    'read_metres': Reader('a.npy', save_npy(DEPTH), depth_units.read_metres),
    # images
    'read_rgb': Reader(
        'a.png', save(FRAME['img']), images.read_rgb, is_array((None, None, 3), np.uint8)
    ),
    'read_rgb.jpg': Reader(
        'a.jpg', save(FRAME['img']), images.read_rgb, is_array((None, None, 3), np.uint8)
    ),
    'read_image_shape': Reader('a.png', save(FRAME['img']), images.read_image_shape),
    'read_png_uint8': Reader(
        'a.png', save(IDS), images.read_png_uint8, is_array((None, None), np.uint8)
    ),
    'read_png_uint16': Reader(
        'a.png', save(MILLIMETRES), images.read_png_uint16, is_array((None, None), np.uint16)
    ),
    'read_png_uint16.tif': Reader(
        'a.tif', save(MILLIMETRES), images.read_png_uint16, is_array((None, None), np.uint16)
    ),
    # video
    'read_video': Reader(
        'a.avi', write_small_video, lambda p: [*video.read_video(p)],
        lambda found: all(map(is_array((16, 24, 3), np.uint8), found)),
    ),
    'read_video.mp4': Reader(
        'a.mp4', write_small_video, lambda p: [*video.read_video(p)],
        lambda found: all(map(is_array((None, None, 3), np.uint8), found)),
    ),
    # sscnet
    'read_nyu_depth': Reader(
        'a.png', lambda p: sscnet.write_nyu_depth(p, DEPTH), sscnet.read_nyu_depth, METRES
    ),
    'read_plain_depth_mm': Reader(
        'a.png', lambda p: sscnet.write_plain_depth_mm(p, DEPTH),
        lambda p: sscnet.read_plain_depth_mm(p, IMAGE_SIZE), is_array(IMAGE_SIZE, np.float32, 0),
    ),
    'read_sscnet_bin': Reader(
        'a.bin', lambda p: sscnet.write_sscnet_bin(p, VOLUME),
        lambda p: sscnet.read_sscnet_bin(p, SHAPE),
        lambda found: is_array(SHAPE, np.uint8)(found.raw_ids) and np.isfinite(found.origin).all(),
    ),
    'read_sscnet_header': Reader(
        'a.bin', lambda p: sscnet.write_sscnet_bin(p, VOLUME), sscnet.read_sscnet_header,
        all_of(is_array((3,), np.float32), is_array((4, 4), np.float32)),
    ),
    # torchssc
    'read_torchssc_tsdf': Reader(
        'a.npz', lambda p: torchssc.write_torchssc_tsdf(p, TSDF, TSDF > 0),
        lambda p: torchssc.read_torchssc_tsdf(p, SHAPE), TSDF_CHECK,
    ),
    'read_torchssc_weight': Reader(
        'a.npz', lambda p: torchssc.write_torchssc_tsdf(p, TSDF, TSDF > 0),
        lambda p: torchssc.read_torchssc_weight(p, SHAPE), is_array(SHAPE, bool),
    ),
    'read_torchssc_mapping': Reader(
        'a.npz', lambda p: torchssc.write_torchssc_mapping(p, LABELS.astype(int) - 1, IMAGE_SIZE),
        lambda p: torchssc.read_torchssc_mapping(p, SHAPE, IMAGE_SIZE), MAPPING_CHECK,
    ),
    'read_torchssc_label': Reader(
        'a.npz', lambda p: torchssc.write_torchssc_label(p, LABELS, 12),
        lambda p: torchssc.read_torchssc_label(p, SHAPE, 12), is_array(SHAPE, np.uint8),
    ),
    'read_torchssc_sketch': Reader(
        'a.npy', lambda p: torchssc.write_torchssc_sketch(p, LABELS > 3),
        lambda p: torchssc.read_torchssc_sketch(p, SHAPE), is_array(SHAPE, np.uint8, 0, 1),
    ),
    'read_ammnet_cad_tsdf': Reader(
        'a.npz', save_npz(tsdf_lr=TSDF), lambda p: torchssc.read_ammnet_cad_tsdf(p, SHAPE),
        TSDF_CHECK,
    ),
    'read_ammnet_cad_mapping': Reader(
        'a.npz', save_npz(arr_1=LABELS.astype(np.int64)),
        lambda p: torchssc.read_ammnet_cad_mapping(p, SHAPE, IMAGE_SIZE), MAPPING_CHECK,
    ),
    'read_ddrnet_tsdf': Reader(
        'a.npz', save_npz(tsdf_lr=TSDF), lambda p: torchssc.read_ddrnet_tsdf(p, SHAPE), TSDF_CHECK
    ),
    'read_ddrnet_label': Reader(
        'a.npz', save_npz(target_lr=LABELS), lambda p: torchssc.read_ddrnet_label(p, SHAPE, 12),
        is_array(SHAPE, np.uint8),
    ),
    'read_ddrnet_position': Reader(
        'a.npz', save_npz(position=np.arange(80).reshape(IMAGE_SIZE)),
        lambda p: torchssc.read_ddrnet_position(p, IMAGE_SIZE, 100),
        is_array(IMAGE_SIZE, np.int64, -1, 99),
    ),
    # our own files of RGB-D frames
    'read_prepared': Reader(
        'a.npz', write_prepared_file, lambda p: read_prepared(p, tuple(FRAME_ARRAYS), SPEC),
        frame_check,
    ),
    'has_prepared': Reader('a.npz', write_prepared_file, lambda p: has_prepared(p, KEYS)),
    'read_cached': Reader(
        'a.npz', lambda p: write_frame_cache(p, [('3', {key: FRAME[key] for key in CACHED})]),
        lambda p: read_cached(p / '3', CACHED, SPEC), frame_check,
    ),
    'read_frame_file': Reader(
        'a.npz', save_npz(**DDRNET), lambda p: rgbd_frame.read_frame_file(
            p, 'ddrnet', ('tsdf', 'voxel_to_pixel', 'gt_voxels', 'label_weight'), SPEC
        ), frame_check,
    ),
    # checkpoints
    'read_torch_file': Reader('a.pth', save_torch(False), torch_file.read_torch_file, is_plain),
    'read_torch_file.old': Reader('a.pth', save_torch(True), torch_file.read_torch_file, is_plain),
    'read_checkpoint': Reader('a.pth', save_torch(False), read_checkpoint, is_plain),
    'find_resume_checkpoint': Reader(
        'last_checkpoint', save_text('epoch_1.pth'), lambda p: find_resume_checkpoint(p.parent)
    ),
    # lists, settings and reports of other rooms
    'read_driving_list': Reader(
        'a.json', lambda p: write_driving_list(p, make_info()), read_driving_list
    ),
    'read_rgbd_list': Reader('a.json', lambda p: write_rgbd_list(p, make_list()), read_rgbd_list),
    'read_recipe': Reader(
        'recipe.json', save_text(json.dumps(dict(a=1, b=[2.5]))), lambda p: read_recipe(p.parent)
    ),
    'read_config_file': Reader(
        'a.yaml', save_text('model: &m {shape: [4, 4], scale: 1e-3}\nother: *m\n'), read_config_file
    ),
    'read_config_file.json': Reader('a.json', save_text('{"a": {"b": [1]}}'), read_config_file),
    'read_figures_file': Reader('a.json', save_text('{"ssc/SC_IoU": 1.5}'), read_figures_file),
    'read_figures': Reader('a.csv', save_text('frame,split,a\n3,test,1.5\n'), read_figures),
    'read_manifest': Reader('a.csv', save_text('a.weight,3x4\nb,\n'), read_manifest),
    'ParityCase': Reader('a_1.npz', save_npz(seed=np.int64(3), a=TSDF), ParityCase),
    'check_submission': Reader('a.zip', write_submission, lambda p: check_submission(p, RULES)),
}  # fmt: skip
if find_spec('lazrs'):
    READERS['read_las.laz'] = Reader(
        'a.laz', lambda p: write_las(p, packed=True), las.read_las, is_scan
    )
