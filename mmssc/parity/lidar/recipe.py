"""Parity of LMSCNet and SSCNet with the official implementations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mmssc.checkpoints import get_method, read_state_dict
from mmssc.errors import DataError
from mmssc.models.completors import LidarCompletor
from mmssc.models.heads.scaled_volume_head import target_name
from mmssc.models.losses import BalancedCrossEntropyLoss
from mmssc.parity.recipe import (
    ParityRecipe,
    ParityRun,
    fill_checkpoint,
    load_reference,
    total_loss,
)
from mmssc.parity.report import ParityCase, ParityReport, seed_of_units
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample

from .comparison import CaseCheck
from .inputs import (
    carla_occupancy,
    carla_samples,
    carla_selection,
    compare_occupancy,
    full_inputs,
    kitti_scan,
    semantic_selection,
    tiny_inputs,
)
from .losses import lidar_losses
from .units import check_lidar_units

__all__ = ['CarlaParity', 'LidarParity']

# Relative to the value of a loss, of each step.
_LOSS = 1e-5
_STEPS = (1e-4, 1e-3, 1e-3)
# Voxels that may have another class than the reference's: near ties of the logits.
_ARGMAX_FULL, _ARGMAX_SMALL = 200, 10
_METHODS = {
    'lmscnet': 'lmscnet', 'lmscnet-ss': 'lmscnet', 'sscnet-full': 'sscnet-full', 'sscnet': 'sscnet',
}  # fmt: skip


def _fix_selection(model: LidarCompletor, selected: Tensor) -> None:
    """Let SSCNet's loss take the voxels of the case instead of drawing them."""
    for loss in model.head.losses.values():
        if isinstance(loss, BalancedCrossEntropyLoss):
            loss.select = lambda target: selected  # type: ignore[method-assign]


class LidarParity(ParityRecipe):
    """Recipe of a model on SemanticKITTI: full-size and tiny cases.

    Args:
        kind: ``'lmscnet'``, ``'lmscnet-ss'``, ``'sscnet-full'`` or ``'sscnet'``.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        parts = ('grad', 'train_', 'steps')
        self.training_arrays = (*parts, *(f'{kind}/{part}' for part in parts))

    def check_units(self, case: ParityCase, report: ParityReport) -> None:
        """Compare single parts with ``units_1.npz``."""
        check_lidar_units(case, report)
        report.note_unused(case)

    def compare(self, run: ParityRun) -> None:
        """Compare the model with one case file."""
        manifest, case, report, options = run
        is_tiny, seed = 'input/occ_packed' in case, seed_of_units(case)
        prefix = f'{self.kind}/' if is_tiny else ''
        if f'{prefix}logit_1_1/shape' not in case:
            raise DataError(case.path, 'arrays', f'a case of {self.kind}', 'another case file')
        for other in _METHODS:
            if other != self.kind:
                case.mark_used(f'{other}/')
        made = (tiny_inputs if is_tiny else full_inputs)(case, seed, report)
        occupancy = made[0].to(options.device)
        samples = [sample.to(options.device) for sample in made[1]]
        reference = fill_checkpoint(manifest, seed)
        config = options.model_config or self._config(reference, occupancy.shape[1:])
        check = self._check(config, reference, run, prefix, is_tiny)
        target = torch.stack([sample.gt_voxels for sample in samples])
        if self.kind.startswith('sscnet'):
            selected = semantic_selection(target.cpu(), seed).to(options.device)
            _fix_selection(check.model, selected)
            valid = target != 255
            for name, mask in (('selected', selected), ('not_selected', valid & ~selected)):
                name = f'{prefix}balance/{name}'
                report.equal(name, int(mask.sum()), case[name])
        self._compare_modes(check, occupancy, samples, options.forward_only)
        if f'{prefix}steps/values' in case and not options.forward_only:
            fresh = self._check(config, reference, run, prefix, is_tiny)
            if self.kind.startswith('sscnet'):
                _fix_selection(fresh.model, selected)
            self._compare_steps(fresh, occupancy, samples)

    def _config(self, reference: Mapping[str, Tensor], shape: Sequence[int]) -> dict[str, Any]:
        shapes = {key: tuple(value.shape) for key, value in reference.items()}
        config = get_method(_METHODS[self.kind]).model_config(shapes)
        config['voxel_grid'] = dict(config['voxel_grid'], shape=tuple(shape))
        config['head'].update(losses=lidar_losses(self.kind))
        return config

    def _check(
        self,
        config: Mapping[str, Any],
        reference: Mapping[str, Tensor],
        run: ParityRun,
        prefix: str,
        is_tiny: bool,
    ) -> CaseCheck:
        model, method = MODELS.build(dict(config)), get_method(_METHODS[self.kind])
        load_reference(model, reference, method, run.manifest)
        model.to(run.options.device)
        voxels = _ARGMAX_SMALL if is_tiny else _ARGMAX_FULL
        return CaseCheck(model, method, run.case, run.report, prefix, voxels)

    def _losses(
        self, check: CaseCheck, logits: Mapping[int, Tensor], samples: Sequence[SSCDataSample]
    ) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Our losses, and the values under the reference's names."""
        losses = check.model.head.loss(logits, samples)
        scales = check.model.head.scales
        values = {
            f'semantic_1_{scale}': len(scales) * float(value.detach())
            for scale, value in zip(scales, losses.values())
        }
        return losses, {**values, 'total': float(total_loss(losses.values()).detach())}

    def _compare_modes(
        self,
        check: CaseCheck,
        occupancy: Tensor,
        samples: Sequence[SSCDataSample],
        forward_only: bool,
    ) -> None:
        has_training = check.prefix + 'train_logit_1_1/shape' in check.case
        for mode in (False, True) if has_training and not forward_only else (False,):
            start = 'train_' if mode else ''
            with torch.set_grad_enabled(not forward_only):
                logits = check.logits(occupancy, mode)
                check.compare_logits(logits, mode, scaled=True)
                losses, values = self._losses(check, logits, samples)
            del logits
            for name, value in values.items():
                check.close(f'{start}loss/{name}', value, _LOSS)
            if not forward_only:
                check.backward(losses, f'{start}grad')
        if has_training and not forward_only:
            check.compare_statistics()

    def _compare_steps(
        self, check: CaseCheck, occupancy: Tensor, samples: Sequence[SSCDataSample]
    ) -> None:
        """Three steps of Adam."""
        model, prefix = check.model.train(), check.prefix
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        terms = check.case[f'{prefix}steps/terms'].tolist()
        expected = check.case[f'{prefix}steps/values']
        for number, limit in enumerate(_STEPS):
            logits = model.head(model.extract_feat(dict(occupancy=occupancy)))
            losses, values = self._losses(check, logits, samples)
            found = [values[term] for term in terms]
            check.report.close(f'{prefix}steps/{number}', found, expected[number], relative=limit)
            optimizer.zero_grad()
            total_loss(losses.values()).backward()
            optimizer.step()


class CarlaParity(ParityRecipe):
    """Recipe of a model with the published weights of CarlaSC.

    Args:
        kind: ``'lmscnet-ss'`` or ``'sscnet-full'``.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.training_arrays = (f'{kind}/synthetic/grad', f'{kind}/synthetic/train_')

    def check_units(self, case: ParityCase, report: ParityReport) -> None:
        """Compare single parts with ``units_1.npz``."""
        check_lidar_units(case, report)
        report.note_unused(case)

    def compare(self, run: ParityRun) -> None:
        """Compare the model with one case file.

        Raises:
            DataError: The official weights are not given, or the case is another one.
        """
        case, report, options = run.case, run.report, run.options
        if options.weights is None:
            expected = f'the official checkpoint of {self.kind} (--weights FILE)'
            raise DataError(case.path, 'weights', expected, 'none',
                            'configs/lmscnet/README.md says where it is')  # fmt: skip
        if f'{self.kind}/synthetic/loss' not in case:
            raise DataError(case.path, 'arrays', 'a case of CarlaSC', 'another case file')
        for other in _METHODS:
            if other != self.kind:
                case.mark_used(f'{other}/')
        seed = seed_of_units(case)
        check = self._check(run)
        occupancy = carla_occupancy(seed)
        compare_occupancy('synthetic', occupancy, case, report)
        samples = [s.to(options.device) for s in carla_samples(case, seed, report)]
        target = samples[0].gt_voxels[None]
        if self.kind == 'sscnet-full':
            _fix_selection(check.model, carla_selection(target.cpu(), seed).to(options.device))
        self._compare_losses(check, occupancy.to(options.device), samples, options.forward_only)
        self._compare_kitti(run)

    def _check(self, run: ParityRun) -> CaseCheck:
        """The model with the official weights, whose keys must be those of the manifest."""
        reference = read_state_dict(str(run.options.weights))
        expected = set(fill_checkpoint(run.manifest, 0))
        if set(reference) != expected:
            wrong = sorted(set(reference) ^ expected)[0]
            raise DataError(str(run.options.weights), 'keys', f'those of {run.manifest}', wrong)
        method = get_method(_METHODS[self.kind])
        shapes = {key: tuple(value.shape) for key, value in reference.items()}
        config = run.options.model_config or method.model_config(shapes)
        config = dict(config, head=dict(config['head'], losses=lidar_losses(self.kind, carla=True)))
        model = MODELS.build(config)
        load_reference(model, reference, method, str(run.options.weights))
        model.to(run.options.device)
        prefix = f'{self.kind}/synthetic/'
        return CaseCheck(model, method, run.case, run.report, prefix, _ARGMAX_SMALL)

    def _compare_losses(
        self,
        check: CaseCheck,
        occupancy: Tensor,
        samples: Sequence[SSCDataSample],
        forward_only: bool,
    ) -> None:
        has_training = f'{check.prefix}train_loss' in check.case and not forward_only
        (loss,) = check.model.head.losses.values()
        target = samples[0].get(target_name(1))[None]
        is_balanced = isinstance(loss, BalancedCrossEntropyLoss)
        voxels = loss.select(target) if is_balanced else target != 255
        for mode in (False, True) if has_training else (False,):
            start = 'train_' if mode else ''
            with torch.set_grad_enabled(not forward_only):
                logits = check.logits(occupancy, mode)
                check.compare_logits(logits, mode, scaled=False)
                losses = check.model.head.loss(logits, samples)
            check.close(f'{start}loss', total_loss(losses.values()), _LOSS)
            name = f'{check.prefix}{start}n_loss_voxels'
            check.report.equal(name, int(voxels.sum()), check.case[name])
            if not forward_only:
                check.backward(losses, f'{start}grad')

    def _compare_kitti(self, run: ParityRun) -> None:
        """Compare the completion of a scan of KITTI, if its tree is given."""
        case, report, options = run.case, run.report, run.options
        frame = str(case['kitti/frame'])
        scan = None if case.data is None else kitti_scan(case.data, frame)
        if scan is None:
            print(
                f'Without the scan {frame}: --data is no SemanticKITTI tree that has it.',
                flush=True,
            )
            return
        compare_occupancy('kitti', scan, case, report)
        check = self._check(run)
        check.prefix = f'{self.kind}/kitti/'
        with torch.no_grad():
            logits = check.logits(scan.to(options.device), train=False)
            check.compare_logits(logits, train=False, scaled=False)
