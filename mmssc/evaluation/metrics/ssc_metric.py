"""The metric of semantic scene completion."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch import Tensor

from mmssc.errors import DataError, counted
from mmssc.geometry.projection import field_of_view_mask
from mmssc.geometry.ranges import range_slices
from mmssc.registry import METRICS
from mmssc.structures import VoxelGrid

from ..functional import SSCCounts, SSCScores, count_voxels, scores_from_counts, sum_counts
from ..protocols import FULL, count_protocol, protocol_masks
from ..score_table import name_all_class_figures, name_figures, score_table
from ..submission import (
    SubmissionRules,
    check_submission,
    frames_of,
    pack_submission,
    prediction_path,
    write_prediction,
)

__all__ = ['SSCMetric']

FIELD_OF_VIEW = 'fov'
MAX_CACHED_MASKS = 4


@METRICS.register_module()
class SSCMetric(BaseMetric):
    """Scene completion (SC) and semantic scene completion (SSC) scores, in percent.

    The metric keeps counts per **sample**, so it can drop samples that a distributed sampler
    repeats. It sums them over the split before it divides. One run scores all protocols, ranges
    and the field of view; voxels labelled ``ignore_index`` never count.

    Keys, after ``PREFIX/``: ``SC_Precision``, ``SC_Recall``, ``SC_IoU``, ``SSC_mIoU``,
    ``SSC_<class>_IoU`` and ``combined_IoU`` (IoU + mIoU). Keys of other views than ``full`` end in
    the view, as in ``SSC_mIoU_12.8m``, ``SSC_mIoU_fov`` or ``SC_IoU_occluded``.
    ``save_best='auto'`` of ``CheckpointHook`` takes the first key: name a key instead.

    A data sample needs ``pred_voxels`` and ``gt_voxels`` (X, Y, Z), ``eval_masks[NAME]`` for a
    protocol other than ``full`` (two for ``nyu``), ``voxel_grid`` for ranges, and ``voxel_grid``,
    ``lidar2cam``, ``cam2img`` and ``img_shape`` (or a size of images) for the field of view.

    Args:
        protocols: Name or names of the voxel sets to score: ``full``; ``nyu``, the protocol of the
            indoor papers: SSC on the mask ``nyu_ssc`` (voxels of the label weight), SC on
            ``nyu_sc`` (the same voxels without the visible surface); on drives ``visible``,
            ``occluded`` and ``unobserved``, see :func:`mmssc.datasets.eval_masks.scan_masks`; or
            any mask of ``eval_masks``.
        ranges: Also score ``full`` inside these ranges in metres; see
            :func:`mmssc.geometry.ranges.range_slices`.
        field_of_view: Also score ``full`` in the voxels whose centre the reference camera sees.
            (height, width) in pixels for methods that read no image, such as those of scans:
            ``(370, 1220)`` is the view of camera methods on SemanticKITTI.
        ignored_as_empty: Report the official codes' figure of class 0, which counts every voxel
            without a label as a hit. No other figure changes.
        all_classes: Also report ``mIoU_with_NAME``, the mean IoU over all classes and the empty
            one, whose name is NAME, and ``Accuracy``, the share of voxels with the right class.
            CarlaSC publishes these two; ``SSC_mIoU`` stays the mean without the empty class.
        format_only: Write predictions for a test server without scoring.
        output_dir: Folder for ``sequences/`` and ``submission.zip``; needed with ``format_only``.
        allow_unofficial_grid: With ``format_only``: also write volumes that no server accepts.
        prefix: Prefix of the keys, e.g. ``'semkitti'``.
        collect_device: ``'cpu'`` or ``'gpu'``, see mmengine.
        collect_dir: Folder through which processes exchange counts, see mmengine.
    """

    default_prefix = 'ssc'

    def __init__(
        self,
        protocols: str | Sequence[str] = (FULL,),
        ranges: Sequence[float] = (),
        field_of_view: bool | Sequence[int] = False,
        ignored_as_empty: bool = False,
        all_classes: bool = False,
        format_only: bool = False,
        output_dir: str | PathLike[str] | None = None,
        allow_unofficial_grid: bool = False,
        prefix: str | None = None,
        collect_device: str = 'cpu',
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        if format_only and output_dir is None:
            expected = 'a folder for the predictions of format_only=True'
            raise DataError('config', 'SSCMetric.output_dir', expected, 'none')
        if not protocols:
            hint = "('full',) scores the whole volume"
            raise DataError('config', 'SSCMetric.protocols', 'at least one', 'none', hint)
        self.protocols = (protocols,) if isinstance(protocols, str) else tuple(protocols)
        self.ranges = tuple(float(extent) for extent in ranges)
        self.field_of_view = _checked_view(field_of_view)
        self.ignored_as_empty = ignored_as_empty
        self.all_classes = all_classes
        self.format_only = format_only
        self.output_dir = Path() if output_dir is None else Path(output_dir)
        self.allow_unofficial_grid = allow_unofficial_grid
        self._seen: OrderedDict[tuple, Tensor] = OrderedDict()

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names of the data set, the empty class first."""
        if not self.dataset_meta or 'classes' not in self.dataset_meta:
            raise DataError(
                'SSCMetric', 'dataset_meta', "a dict with 'classes'", self.dataset_meta,
                'A Runner sets it; without one assign metric.dataset_meta, or use calculate()',
            )  # fmt: skip
        return tuple(self.dataset_meta['classes'])

    def figure_names(self) -> list[str]:
        """Keys of all figures, with the prefix; none with ``format_only``.

        Raises:
            DataError: The classes are not known yet.
        """
        if self.format_only:
            return []
        views = [*self.protocols, *(_range_name(extent) for extent in self.ranges)]
        views += [FIELD_OF_VIEW] if self.field_of_view else []
        nothing = torch.zeros(0, dtype=torch.uint8)
        counts = count_voxels(nothing, nothing, len(self.classes))
        return [
            f'{self.prefix}/{name}'
            for view in views
            for name in self._name_figures(scores_from_counts(counts), counts, view)
        ]

    def _name_figures(self, scores: SSCScores, counts: SSCCounts, view: str) -> dict[str, float]:
        suffix = _suffix(view)
        figures = name_figures(scores, self.classes, suffix)
        if self.all_classes:
            figures |= name_all_class_figures(scores, counts, self.classes, suffix)
        return figures

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Count every sample of a batch (or write its prediction).

        Raises:
            DataError: A sample lacks labels, a mask or its calibration.
        """
        for sample in data_samples:
            if self.format_only:
                self.results.append(self._export(sample))
                continue
            name = f'sample {sample.get("sequence", "?")}/{sample.get("frame_id", "?")}'
            try:
                self.results.append(self._count(sample, name))
            except DataError as error:
                field = error.field if error.file == name else f'{error.file}, {error.field}'
                raise DataError(name, field, error.expected, error.found, error.hint) from error

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Sum the counts of all samples, log the table, return the figures (2 decimals).

        With ``format_only``, zip the predictions, check the zip and return no figures.
        """
        if not results:
            return {}
        if self.format_only:
            self._pack(results)
            return {}
        classes = self.classes
        counts = {
            view: sum_counts((record[view] for record in results), len(classes))
            for view in results[0]
        }
        scores = {
            view: scores_from_counts(total, ignored_as_empty=self.ignored_as_empty)
            for view, total in counts.items()
        }
        title = f'{self.prefix}: {counted(len(results), "sample")}'
        print_log(f'{title}\n{score_table(scores, counts, classes, self.all_classes)}', 'current')
        figures: dict[str, float] = {}
        for view, score in scores.items():
            if not counts[view].confusion.any():
                text = f'{title}: no voxel of {view!r} has a label; its figures mean nothing'
                print_log(text, 'current', logging.WARNING)
            figures.update(self._name_figures(score, counts[view], view))
        return figures

    @staticmethod
    def calculate(
        predictions: Sequence[Tensor | np.ndarray],
        targets: Sequence[Tensor | np.ndarray],
        classes: Sequence[str],
        masks: Sequence[Tensor | np.ndarray] | None = None,
        ignored_as_empty: bool = False,
    ) -> dict[str, float]:
        """Score volumes without a Runner.

        Args:
            predictions: One volume (X, Y, Z) of class ids per sample.
            targets: The labels, 255 = ignore.
            classes: K names, the empty class first.
            masks: Per sample, the voxels to count, bool.
            ignored_as_empty: As in the constructor.

        Returns:
            The figures without prefix, in percent with 2 decimals.
        """
        if len(predictions) != len(targets) or len(masks or targets) != len(targets):
            raise DataError(
                'SSCMetric.calculate', 'samples', f'{len(targets)} of each', len(predictions)
            )
        counts = (
            count_voxels(
                torch.as_tensor(predictions[n]),
                torch.as_tensor(targets[n]),
                len(classes),
                None if masks is None else torch.as_tensor(masks[n]),
            )
            for n in range(len(targets))
        )
        total = sum_counts(counts, len(classes))
        return name_figures(scores_from_counts(total, ignored_as_empty=ignored_as_empty), classes)

    def _export(self, sample: Mapping[str, Any]) -> str:
        rules = SubmissionRules.official(self.dataset_meta or {})
        sequence, frame_id = sample['sequence'], sample['frame_id']
        prediction = sample['pred_voxels'].cpu().numpy()
        write_prediction(
            self.output_dir, sequence, frame_id, prediction, rules, self.allow_unofficial_grid
        )
        return prediction_path(sequence, frame_id)

    def _pack(self, names: Sequence[str]) -> None:
        """Zip the predictions and check the zip.

        Raises:
            DataError: A prediction is missing, or the zip has a problem.
        """
        archive = pack_submission(self.output_dir, names, self.output_dir / 'submission.zip')
        rules = SubmissionRules.official(self.dataset_meta or {})
        count, problems = check_submission(
            archive, rules, frames_of(names), any_size=self.allow_unofficial_grid
        )
        if problems:
            found = f'{counted(len(problems), "problem")}, {problems[0]}'
            raise DataError(archive, None, 'names, sizes and label values that pass', found)
        text = f'Submission of {counted(count, "frame")} written to {archive}'
        text += ': names, sizes and labels pass'
        print_log(text, 'current')

    def _count(self, sample: Mapping[str, Any], name: str) -> dict[str, SSCCounts]:
        if sample.get('gt_voxels') is None:
            raise DataError(
                name, 'gt_voxels', 'labels to score against', 'none',
                'A split without labels has no score; to write a submission: tools/test.py '
                '--format-only --output-dir DIR, or SSCMetric(format_only=True, output_dir=...)',
            )  # fmt: skip
        prediction, target = (
            sample['pred_voxels'],
            sample['gt_voxels'].to(sample['pred_voxels'].device),
        )
        num_classes = len(self.classes)
        record = {}
        for protocol in self.protocols:
            masks = protocol_masks(sample, protocol, name)
            record[protocol] = count_protocol(prediction, target, num_classes, masks)
        for extent in self.ranges:
            part = range_slices(_require(sample, 'voxel_grid', name), extent)
            record[_range_name(extent)] = count_voxels(prediction[part], target[part], num_classes)
        if self.field_of_view:
            mask = self._visible(sample, name)
            record[FIELD_OF_VIEW] = count_voxels(prediction, target, num_classes, mask)
        return record

    def _visible(self, sample: Mapping[str, Any], name: str) -> Tensor:
        """Field of view of the reference frame, computed once per calibration."""
        grid: VoxelGrid = _require(sample, 'voxel_grid', name)
        lidar2cam = torch.as_tensor(_require(sample, 'lidar2cam', name), dtype=torch.float64)[0]
        cam2img = torch.as_tensor(_require(sample, 'cam2img', name), dtype=torch.float64)
        height, width = self._image_size(sample, name)
        key = (grid, height, width, *lidar2cam.flatten().tolist(), *cam2img.flatten().tolist())
        if key not in self._seen:
            self._seen[key] = field_of_view_mask(
                grid, lidar2cam.cpu(), cam2img.cpu(), (height, width)
            )
            if len(self._seen) > MAX_CACHED_MASKS:
                self._seen.popitem(last=False)
        self._seen.move_to_end(key)
        return self._seen[key]

    def _image_size(self, sample: Mapping[str, Any], name: str) -> tuple[int, int]:
        """(height, width) of the image, or of the images that the config names."""
        if not isinstance(self.field_of_view, bool):
            return self.field_of_view
        if sample.get('img_shape') is None:
            expected = 'the size of the image, for the field of view'
            hint = 'Give it as [HEIGHT,WIDTH]: test_evaluator.field_of_view=[370,1220]'
            raise DataError(name, 'img_shape', expected, 'a method without images', hint)
        height, width = (int(side) for side in sample['img_shape'][:2])
        return height, width


def _checked_view(value: bool | Sequence[int]) -> bool | tuple[int, int]:
    if isinstance(value, bool):
        return value
    if (
        not isinstance(value, Sequence)
        or len(value) != 2
        or not all(isinstance(side, int) and side > 0 for side in value)
    ):
        expected = 'True, False or (height, width) in pixels'
        raise DataError('config', 'SSCMetric.field_of_view', expected, repr(value))
    return value[0], value[1]


def _range_name(extent: float) -> str:
    return f'{extent:g}m'


def _suffix(view: str) -> str:
    return '' if view == FULL else f'_{view}'


def _require(sample: Mapping[str, Any], field: str, name: str) -> Any:
    if sample.get(field) is None:
        raise DataError(name, field, 'a value (the metric needs it for ranges or view)', 'none')
    return sample[field]
