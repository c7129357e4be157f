"""File layouts of an RGB-D data set: every common layout of NYU, and ours."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mmssc.datasets.nyu_split import official_split
from mmssc.datasets.rgbd_list import SHARED, Frame, FrameFile, RGBDList
from mmssc.errors import DataError
from mmssc.formats.regular_files import read_text
from mmssc.formats.rgbd_format import FrameSpec
from mmssc.formats.rgbd_prepared import PREPARED_NAMES
from mmssc.formats.sscnet import read_sscnet_header

__all__ = ['RAW_SOURCES', 'SPLITS', 'FrameTree', 'RawFrame', 'prepared_path']

SPLITS = ('train', 'test')
#: Source -> templates of its raw depth image; the ``.bin`` has the same name.
RAW_SOURCES: dict[str, tuple[str, ...]] = dict(
    nyu=(
        'NYU{split}/NYU{frame_id}_0000.png',
        '{split}/depth/NYU{frame_id}_0000.png',
        '{split}set/depth/NYU{frame_id}_0000.png',
    ),
    nyucad=(
        'NYUCAD{split}/NYU{frame_id}_0000.png',
        'NYUCAD/{split}/depth/NYU{frame_id}_0000.png',
        'NYUCAD/{split}set/depth/NYU{frame_id}_0000.png',
    ),
)
# A tree may start one folder above NYU, as in CleanerS and AMMNet.
_PREFIXES = ('', 'NYU/')
_TORCHSSC = (
    ('tsdf', 'TSDF/{frame_id}.npz', 'torchssc_tsdf'),
    ('label_weight', 'TSDF/{frame_id}.npz', 'torchssc_tsdf'),
    ('voxel_to_pixel', 'Mapping/{frame_id}.npz', 'torchssc_mapping'),
    ('gt_voxels', 'Label/{frame_id}.npz', 'torchssc_label'),
    ('gt_sketch', 'sketch3D/{frame_id}.npy', 'torchssc_sketch'),
    # Without sketch files, sketches are computed from the labels.
    ('gt_sketch', 'Label/{frame_id}.npz', 'torchssc_label'),
)
_FRAME_ID = re.compile(r'\d{4}')


def prepared_path(source: str, fine: bool = False) -> str:
    """Template of a prepared npz, relative to the data root."""
    return f'prepared/{source}{"_fine" if fine else ""}/{{frame_id}}.npz'


def _prepared(source: str) -> dict[str, list[tuple[str, str]]]:
    return {
        key: [(prepared_path(source, key == 'tsdf_fine'), 'prepared')] for key in PREPARED_NAMES
    }


def _candidates(depth_format: str) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """Source -> key -> (path template, format), best first."""
    table = {source: _prepared(source) for source in RAW_SOURCES}
    for source, raw in RAW_SOURCES.items():
        table[source]['depth'] = [
            (prefix + template, depth_format) for prefix in _PREFIXES for template in raw
        ]
    table['nyu']['depth'] += [
        (f'{prefix}{{split}}/depth/NYU{{frame_id}}_depth_mm.png', 'depth_mm')
        for prefix in _PREFIXES
    ]
    nyu, cad = table['nyu'], table['nyucad']
    voxels = 'NYU{frame_id}_0000_voxels.npz'
    ddrnet = ('tsdf', 'tsdf_fine', 'voxel_to_pixel', 'gt_voxels', 'label_weight', 'gt_sketch')
    # Flipped TSDF volumes are another quantity, so they are separate sources.
    for source, folder in (('nyu_flipped', 'NYU'), ('nyucad_flipped', 'NYUCAD')):
        table[source] = {key: [(f'{folder}{{split}}_npz/{voxels}', 'ddrnet')] for key in ddrnet}
    flipped = table['nyucad_flipped']
    flipped['tsdf'].append((f'NYUCAD/{{split}}/TSDF_lr/{voxels}', 'ammnet_cad_tsdf'))
    mapping = (f'NYUCAD/{{split}}/mapping/{voxels}', 'ammnet_cad_mapping')
    flipped['voxel_to_pixel'].append(mapping)
    for key, name, format_name in _TORCHSSC:
        nyu[key] += [(prefix + name, format_name) for prefix in _PREFIXES]
        cad[key].append((f'NYUCAD/{name}', format_name))
    cad['voxel_to_pixel'].append(mapping)
    images = ('RGB/NYU{frame_id}_rgb.png', 'RGB/NYU{frame_id}_colors.png', 'RGB/{frame_id}.png')
    table[SHARED] = dict(
        img=[
            (f'{prefix}{folder}{name}', 'rgb')
            for prefix in _PREFIXES
            for folder in ('', '{split}/', '{split}set/')
            for name in images
        ]
        + [('NYU{split}/NYU{frame_id}_0000_color.jpg', 'rgb')],
        segmentation=[
            (f'{prefix}{folder}/{{frame_id}}.png', 'ids')
            for prefix in _PREFIXES
            for folder in ('seg13', 'seg_result_label13')
        ],
    )
    return table


@dataclass(frozen=True)
class RawFrame:
    """Raw files of one frame of one source."""

    source: str
    split: str
    frame_id: str
    depth: Path
    volume: Path


class FrameTree:
    """A data set on disk.

    Args:
        root: Folder of the raw or distributed files.
        out: Folder for results, searched first; the data root of the info lists. Default:
            ``root``.

    Raises:
        DataError: The folder ``root`` does not exist.
    """

    def __init__(self, root: str | Path, out: str | Path | None = None) -> None:
        self.root = Path(root)
        self.out = self.root if out is None else Path(out)
        if not self.root.is_dir():
            raise DataError(self.root, 'root', 'a folder', 'none')
        self._names = lru_cache(maxsize=None)(_file_names)

    def _find(self, template: str, split: str, frames: Iterable[str]) -> tuple[str, Path] | None:
        """Template for an info list, and folder, if any of the frames has the file."""
        template = template.replace('{split}', split)
        for base in dict.fromkeys((self.out, self.root)):
            if any(self.has(base / template.replace('{frame_id}', name)) for name in frames):
                inside = base == self.out
                return (template if inside else str((base / template).absolute())), base
        return None

    def has(self, path: Path) -> bool:
        """Whether a file exists; folders are listed once."""
        return path.name in self._names(path.parent)

    def raw_frames(self, source: str, split: str) -> list[RawFrame]:
        """Raw frames of a source, sorted; depth images without a volume are left out."""
        for prefix in _PREFIXES:
            for template in RAW_SOURCES[source]:
                path = self.root / (prefix + template).replace('{split}', split)
                frames = list(self._raw_frames_of(source, split, path))
                if frames:
                    return frames
        return []

    def _raw_frames_of(self, source: str, split: str, path: Path) -> Iterator[RawFrame]:
        start, end = path.name.split('{frame_id}')
        for name in sorted(self._names(path.parent)):
            frame_id = name[len(start) : -len(end)]
            if name == f'{start}{frame_id}{end}' and _FRAME_ID.fullmatch(frame_id):
                depth = path.with_name(name)
                volume = depth.with_suffix('.bin')
                if self.has(volume):
                    yield RawFrame(source, split, frame_id, depth, volume)

    def frame_ids(self, split: str) -> list[str]:
        """Frames of a split: from ``{split}.txt``, or the raw folders, or the official split."""
        for prefix in _PREFIXES:
            path = self.root / f'{prefix}{split}.txt'
            if path.is_file():
                return _listed_ids(path)
        for source in RAW_SOURCES:
            raw = self.raw_frames(source, split)
            if raw:
                return [frame.frame_id for frame in raw]
        return official_split()[split]

    def frame_list(
        self,
        split: str,
        cameras: Mapping[str, Sequence[float]],
        spec: FrameSpec,
        depth_format: str = 'nyu_depth',
    ) -> tuple[RGBDList, list[str]]:
        """The existing files of a split, and remarks.

        Frames without any TSDF are left out.

        Args:
            split: ``'train'`` or ``'test'``.
            cameras: Source -> fx, fy, cx, cy.
            spec: Grid and image size.
            depth_format: Of the raw depth images.
        """
        names = self.frame_ids(split)
        files: dict[str, dict[str, FrameFile]] = {}
        for source, keys in _candidates(depth_format).items():
            for key, options in keys.items():
                for template, format_name in options:
                    found = self._find(template, split, names)
                    if found is not None:
                        files.setdefault(source, {})[key] = FrameFile(found[0], format_name)
                        break
        raw = {
            frame.frame_id: frame
            for source in reversed(RAW_SOURCES)
            for frame in self.raw_frames(source, split)
        }
        frames = [self._frame(name, raw.get(name), files, spec) for name in names]
        sources = [source for source in files if 'tsdf' in files[source]]
        kept = [
            frame
            for frame in frames
            if any(f'{source}/tsdf' not in frame.missing for source in sources)
        ]
        used = {
            source: (float(fx), float(fy), float(cx), float(cy))
            for source, (fx, fy, cx, cy) in cameras.items()
            if source in files
        }
        listed = RGBDList(
            'NYU', split, spec.grid, spec.image_size, used, files, kept, spec.fine_factor
        )
        return listed, self._remarks(listed, len(names))

    def _frame(
        self,
        name: str,
        raw: RawFrame | None,
        files: Mapping[str, Mapping[str, FrameFile]],
        spec: FrameSpec,
    ) -> Frame:
        missing = frozenset(
            f'{source}/{key}'
            for source, keys in files.items()
            for key, file in keys.items()
            if not self.has(self.out / file.of(name))
        )
        if raw is None:
            return Frame(name, missing)
        origin, pose = read_sscnet_header(raw.volume)
        return Frame(name, missing, spec.placed_grid(origin).origin, pose)

    @staticmethod
    def _remarks(listed: RGBDList, asked: int) -> list[str]:
        remarks = [f'{listed.split}: {len(listed.frames)} of {asked} frames have a TSDF']
        for source, keys in listed.files.items():
            counts = {
                key: sum(f'{source}/{key}' not in frame.missing for frame in listed.frames)
                for key in keys
            }
            text = ', '.join(f'{key} {count}' for key, count in counts.items())
            remarks.append(f'{listed.split}: {source}: {text}')
        return remarks


def _file_names(folder: Path) -> frozenset[str]:
    if not folder.is_dir():
        return frozenset()
    return frozenset(path.name for path in folder.iterdir() if path.name[0] != '.')


def _listed_ids(path: Path) -> list[str]:
    """Frame ids of a list file: the first four digits of each line."""
    ids = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip():
            found = _FRAME_ID.search(line)
            if found is None:
                raise DataError(path, f'line {number}', 'a frame id of four digits', line[:40])
            ids.append(found[0])
    double = [name for name, count in Counter(ids).items() if count > 1]
    if double:
        raise DataError(path, 'frames', 'every frame once', double[:5])
    return ids
