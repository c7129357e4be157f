"""Parity of the parts of VoxDet-LiDAR: unit cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from mmcv.cnn.bricks.drop import DropPath
from mmengine.optim import OneCycleLR
from torch import Tensor, nn

from mmssc.checkpoints.importer.voxdet import PLANE_NAMES, REFINEMENT_NAMES
from mmssc.datasets import SemanticKITTIDataset
from mmssc.geometry import hide_long_runs, run_lengths
from mmssc.models.backbones import PointCellEncoder, PointVolumeEncoder, VolumeResNet
from mmssc.models.heads.voxdet import DirectionalRefinement, sampling_grids
from mmssc.models.losses import (
    GeometricScalLoss,
    RunLengthLoss,
    SemanticScalLoss,
    VoxelCrossEntropyLoss,
    class_weights_from_counts,
)
from mmssc.models.necks import ThreePlanes
from mmssc.ops import deform_conv2d
from mmssc.parity import reference_fill as fill
from mmssc.parity.report import ParityCase, ParityReport, seed_of_units
from mmssc.structures import VoxelGrid

from .inputs import NUM_CLASSES

__all__ = ['HIDDEN_RUNS', 'check_voxdet_units', 'class_weights']

_CLOSE, _LOSS, _GRADIENT = 1e-5, 1e-5, 1e-3
# Gradients that cancel to about 1e-6.
_CANCELLED = 1e-4
#: Runs that the official training hides: cars of 30 voxels and more.
HIDDEN_RUNS = ((1, 30),)
_GN = dict(type='GN', num_groups=4)
# Cases of the camera model only.
_CAMERA_CASES = (
    'bins/', 'class_weights/kitti360', 'cross/', 'depth_loss/', 'depthnet/', 'dfa/',
    'drop_path/resnet50d', 'image/', 'lss/', 'natten/', 'project/', 'proposal/',
)  # fmt: skip
Draw = Callable[..., Tensor]


def class_weights() -> list[float]:
    """Class weights of the cross entropy on SemanticKITTI."""
    counts = SemanticKITTIDataset.METAINFO['class_counts']
    return class_weights_from_counts(counts, scale=1.0, offset=1e-3, digits=None)


def check_voxdet_units(case: ParityCase, report: ParityReport) -> None:
    """Compare the parts of the LiDAR model with a ``units_N.npz``."""
    seed = seed_of_units(case)

    def normal(name: str, *shape: int, scale: float = 1.0) -> Tensor:
        return torch.from_numpy(fill.normal(name, shape, seed, scale))

    def uniform(name: str, *shape: int) -> Tensor:
        return torch.from_numpy(fill.uniform(name, shape, seed))

    _check_runs(case, report)
    _check_run_loss(case, report, uniform)
    _check_places(case, report, seed, normal, uniform)
    _check_planes(case, report, seed, normal)
    _check_deform_conv(case, report, normal)
    _check_points(case, report, seed)
    _check_encoder(case, report, seed, normal)
    _check_losses(case, report, normal)
    _check_settings(case, report)
    case.mark_used(*_CAMERA_CASES)
    print('The cases of the camera model are not checked.', flush=True)


def _check_runs(case: ParityCase, report: ParityReport) -> None:
    labels = torch.tensor(case['box/labels'])
    lengths = run_lengths(labels)
    report.equal('box/offsets', lengths, case['box/offsets'])
    report.equal('reg/labels_down', labels[..., ::4, ::4, ::4], case['reg/labels_down'])
    extent = torch.tensor(labels.shape[1:]).repeat_interleave(2).view(-1, 1, 1, 1)
    target = lengths[..., ::4, ::4, ::4] / extent
    report.close('reg/target', target, case['reg/target'], relative=_CLOSE)

    cars = torch.zeros(1, 40, 36, 34, dtype=torch.uint8)
    cars[0, 2:31, 1, 1] = cars[0, 2:32, 3, 1] = cars[0, 0:40, 5, 1] = 1
    cars[0, 10, 4:33, 5] = cars[0, 12, 4:34, 5] = 1
    cars[0, 20, 20, 2:31] = cars[0, 22, 20, 2:32] = 1
    cars[0, 25:35, 8:15, 8:12] = 1
    cars[0, 2:34, 30, 20] = 4
    found = hide_long_runs(cars, run_lengths(cars), HIDDEN_RUNS)
    report.equal('car_filter/packed', np.packbits(found == 255), case['car_filter/packed'])
    counts = torch.bincount(found.flatten().int(), minlength=256)
    report.equal('car_filter/hist', counts, case['car_filter/hist'])


def _check_run_loss(case: ParityCase, report: ParityReport, uniform: Draw) -> None:
    predicted = uniform('reg_pred', 2, 6, 6, 5, 4)
    target = torch.tensor(case['reg/target'])
    labels = torch.tensor(case['reg/labels_down'])
    for batch in (1, 2):
        name, parts = f'reg/b{batch}', (target[:batch], labels[:batch])
        report.equal(f'{name}/valid', int((parts[1] != 255).sum()), case[f'{name}/valid'])
        released, masked = (
            RunLengthLoss(masked=masked, reduction='batch') for masked in (False, True)
        )
        _check_loss(released, predicted[:batch], parts, name, case, report, value='loss')
        key = f'{name}/masked_sum_over_valid'
        report.close(key, masked(predicted[:batch], *parts), case[key], relative=_LOSS)
    # A variant of the reference: the mean over the directions, too.
    masked = RunLengthLoss(masked=True, loss_weight=1 / 6, reduction='batch')
    _check_loss(masked, predicted, (target, labels), 'reg/b2_v6', case, report, value='loss')


def _check_loss(
    loss: nn.Module, variable: Tensor, targets: tuple[Tensor, ...], name: str, case: ParityCase,
    report: ParityReport, value: str = '',
) -> None:  # fmt: skip
    """Compare a loss and the norm of its gradient."""
    variable = variable.clone().requires_grad_()
    found = loss(variable, *targets)
    key = f'{name}/{value}' if value else name
    report.close(key, found, case[key], relative=_LOSS)
    (gradient,) = torch.autograd.grad(found, variable)
    key = f'{name}/grad_norm'
    report.close(key, gradient.double().norm(), case[key], relative=_GRADIENT)


def _check_places(
    case: ParityCase, report: ParityReport, seed: int, normal: Draw, uniform: Draw
) -> None:
    distances = uniform('grid_off', 2, 6, 4, 3, 2)
    report.close('grid', sampling_grids(distances), case['grid'], absolute=1e-6)
    names = {ours: theirs for theirs, ours in REFINEMENT_NAMES.items()}
    module = _filled(DirectionalRefinement(16, _GN), 'refine', seed, case['refine/keys'], names)
    inputs = [normal('refine_x', 2, 16, 8, 6, 4), distances]
    for tensor in inputs:
        tensor.requires_grad_()
    found = module(inputs[0], sampling_grids(distances))
    _check_module(module, inputs, found, 'refine', case, report, normal, names)


def _check_planes(case: ParityCase, report: ParityReport, seed: int, normal: Draw) -> None:
    names = {ours: theirs for theirs, ours in PLANE_NAMES.items()}
    module = _filled(ThreePlanes(16, _GN), 'tpv', seed, case['tpv/keys'], names)
    x = normal('tpv_x', 2, 16, 7, 6, 5).requires_grad_()
    _check_module(module, [x], module(x), 'tpv', case, report, normal, names)


def _check_deform_conv(case: ParityCase, report: ParityReport, normal: Draw) -> None:
    x, offset = normal('dcn_x', 2, 8, 6, 7), normal('dcn_off', 2, 18, 6, 7, scale=1.5)
    for key, name, groups in (('dcn/out', 'dcn_w', 1), ('dcn/out_groups4', 'dcn_wg', 4)):
        weight = normal(name, 8, 8 // groups, 3, 3, scale=0.2)
        found = deform_conv2d(x, offset, weight, padding=1, groups=groups)
        scale = float(case[key].std())
        report.close(key, found, case[key], relative=_CLOSE, scale=scale)


def _check_points(case: ParityCase, report: ParityReport, seed: int) -> None:
    """Points on the faces of cells, and outside the grid."""
    low, high = np.array([-2.0, -28.0, -3.0, 0.0]), np.array([54.0, 28.0, 6.0, 1.0])
    points = (low + (high - low) * fill.uniform('prep', (400, 4), seed)).astype(np.float32)
    grid = VoxelGrid((0.0, -25.6, -2.0), 0.4, (128, 128, 16))
    corner = fill.integers('prep_k', (200, 3), seed, -1, 130)
    points[:200, :3] = np.array(grid.origin) + 0.4 * corner
    part = dict(type='mmssc.VolumeResNet', channels=4)
    encoder = PointVolumeEncoder(4, grid, part, part)
    cloud = torch.from_numpy(points)
    made = dict(points=[cloud[:, :3]], reflectance=[cloud[:, 3]])
    features, cells = encoder.point_features(made)
    report.equal('prep/n', len(cells), case['prep/n'])
    report.equal('prep/grid_ind', cells[:, 1:], case['prep/grid_ind'])
    report.close('prep/points', features, case['prep/points'], absolute=1e-5)


def _check_encoder(case: ParityCase, report: ParityReport, seed: int, normal: Draw) -> None:
    root, shape = 'points_enc', (6, 5, 4)
    module = _filled(PointCellEncoder(16), 'enc', seed, case[f'{root}/keys'])
    features = normal('enc_pts', 1, 1, 90, 6)[0, 0]
    cells = torch.zeros(90, 4, dtype=torch.int64)
    for axis, side in enumerate(shape):
        cells[:, axis + 1] = torch.from_numpy(fill.integers(f'enc_i{axis}', (90,), seed, 0, side))
    report.probed(case, f'{root}/eval', module(features, cells, 1, shape), _CLOSE)
    found = module.train()(features, cells, 1, shape)
    _check_module(module, [], found, root, case, report, normal, output='train')
    buffers = dict(module.named_buffers())
    for key in case.below(f'{root}/after/'):
        name = key.removeprefix(f'{root}/after/')
        report.close(key, buffers[name], case[key], relative=_CLOSE, absolute=1e-6)


def _check_losses(case: ParityCase, report: ParityReport, normal: Draw) -> None:
    labels = torch.tensor(case['box/labels'])
    logits = normal('loss_logits', len(labels), NUM_CLASSES, *labels.shape[1:], scale=2.0)
    losses: dict[str, nn.Module] = dict(
        ce=VoxelCrossEntropyLoss(class_weights(), normalizer='weights', reduction='batch'),
        sem_scal=SemanticScalLoss(reduction='batch'),
        geo_scal=GeometricScalLoss(reduction='batch'),
    )
    # Terms of the reference without any voxel: 100, a constant. Ours are 0.
    constants = {'geo_scal/all_empty': 200.0, 'geo_scal/all_occupied': 100.0}
    for name, loss in losses.items():
        _check_loss(loss, logits, (labels,), f'loss/{name}', case, report)
        for kind, label in (('all_empty', 0), ('all_occupied', 1), ('all_ignored', 255)):
            key = f'loss/{name}/{kind}'
            value = loss(logits, torch.full_like(labels, label))
            if label == 255:
                case.mark_used(key)
                report.equal(f'{key}: 0', float(value), 0.0)
                continue
            found = value + constants.get(f'{name}/{kind}', 0.0)
            report.close(key, found, case[key], relative=_LOSS)


def _check_settings(case: ParityCase, report: ParityReport) -> None:
    """Class weights, rates of dropped paths and the learning rate."""
    key = 'class_weights/kitti'
    report.close(key, class_weights(), case[key], relative=1e-6)
    network = VolumeResNet(4, depths=(3, 3, 3))
    rates = [part.drop_prob for part in network.modules() if isinstance(part, DropPath)]
    report.close('drop_path/3d_333', rates, case['drop_path/3d_333'], absolute=1e-7)
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=3e-4)
    total = int(case['lr/step'][-1]) + 1
    schedule = OneCycleLR(
        optimizer, eta_max=3e-4, total_steps=total, pct_start=0.05, by_epoch=False
    )
    found = []
    for _ in range(total):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        schedule.step()
    report.close('lr/value', np.array(found)[case['lr/step']], case['lr/value'], relative=1e-4)


def _filled(
    module: nn.Module, prefix: str, seed: int, keys: np.ndarray,
    names: Mapping[str, str] | None = None,
) -> nn.Module:  # fmt: skip
    """Load the weights of a unit case in evaluation mode; ``names``: our part -> theirs."""
    known = {key.split(':')[0] for key in keys.tolist()}
    state = {}
    for key, tensor in module.state_dict().items():
        theirs = _their_name(key, names)
        if theirs not in known:
            raise KeyError(theirs)
        filled = fill.fill_tensor(f'{prefix}.{theirs}', tuple(tensor.shape), seed)
        state[key] = torch.from_numpy(np.asarray(filled))
    module.load_state_dict(state)
    return module.eval()


def _their_name(key: str, names: Mapping[str, str] | None) -> str:
    part, _, last = key.rpartition('.')
    return f'{(names or {}).get(part, part)}.{last}'


def _check_module(
    module: nn.Module, inputs: Sequence[Tensor], found: Tensor, root: str, case: ParityCase,
    report: ParityReport, normal: Draw, names: Mapping[str, str] | None = None,
    output: str = 'out',
) -> None:  # fmt: skip
    """Compare an output of a module and the norms of the gradients of parameters and inputs."""
    report.probed(case, f'{root}/{output}', found, _CLOSE)
    (found * normal(f'{root}_grad', *found.shape)).sum().backward()
    tensors = {f'input{number}': tensor for number, tensor in enumerate(inputs)}
    tensors |= {_their_name(key, names): value for key, value in module.named_parameters()}
    for key, norm in zip(case[f'{root}/grad_names'].tolist(), case[f'{root}/grad_norm'].tolist()):
        gradient = tensors[key].grad
        assert gradient is not None
        report.close(
            f'{root}/grad/{key}', gradient.double().norm(), norm,
            relative=_GRADIENT, absolute=_CANCELLED,
        )  # fmt: skip
