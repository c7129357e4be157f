"""Parity of SGN's network blocks, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from mmssc.checkpoints import get_method
from mmssc.models.heads import PointOccupancyHead
from mmssc.models.heads.sgn.multi_scale_pooling import MultiScalePooling
from mmssc.models.heads.sgn.semantic_diffusion import SemanticDiffusion
from mmssc.models.heads.sgn.sparse_blocks import SparseGuidance, SparseResidualBlock
from mmssc.models.layers import UpsamplingClassifier
from mmssc.models.lifters.flosp import lift_features
from mmssc.ops import SparseIndex, SubMConv3d
from mmssc.parity import reference_fill as fill
from mmssc.parity.report import ParityCase, ParityReport
from mmssc.structures import VoxelGrid

__all__ = ['check_blocks', 'load_block']

Block = TypeVar('Block', bound=nn.Module)

_CLOSE, _GRADIENT = 1e-4, 1e-3
_SHAPE_XYZ = (16, 12, 8)
_POINT_GRID = VoxelGrid((0.0, -25.6, -2.0), (1.6, 1.6, 0.4), (32, 32, 16))
_BN = dict(type='BN')
# Block -> its path in the reference and in our model.
_PLACES = {
    'basic_block': ('sgb.conv_block.spconv_layers.0', 'sparse_guidance.block'),
    'sgfe': ('sgb.proj_block', 'sparse_guidance.attention'),
    'sgb': ('sgb', 'sparse_guidance'),
    'occ_head': ('pts_header', 'points_head'),
    'sdb': ('sdb', 'diffusion'),
    'header': ('ssc_header', 'ssc_header'),
}


def check_blocks(case: ParityCase, report: ParityReport, seed: int) -> None:
    """Compare every network block of the unit cases."""
    _check_sparse(case, report, seed)
    _check_guidance_gradients(case, report, seed)
    _check_points_head(case, report, seed)
    _check_dense(case, report, seed)
    _check_lifting(case, report, seed)


def load_block(module: Block, block: str, case: ParityCase, seed: int) -> Block:
    """Fill a block through the importer's rules, strictly, and set it to eval mode.

    Args:
        module: Our block.
        block: Name of the reference's block; its keys are in ``unit.BLOCK.keys``.
        case: The unit cases.
        seed: Their seed.
    """
    rules, drop_reason = get_method('sgn').rules, get_method('sgn').drop_reason
    reference_place, our_place = _PLACES[block]
    rows = [line.split(',') for line in case[f'unit.{block}.keys'].tolist()]
    state = {}
    for key, shape in fill.parse_manifest_rows(rows, f'unit.{block}.keys').items():
        reference = f'pts_bbox_head.{reference_place}.{key}'
        if drop_reason(reference) is not None:
            continue
        names = (rule.to_ours(reference) for rule in rules)
        name = next(name for name in names if name is not None)
        value = fill.fill_tensor(f'unit.{block}.{key}', shape, seed)
        state[name[len(f'head.{our_place}.') :]] = torch.from_numpy(value)
    module.load_state_dict(state, strict=True)
    return module.eval()


def _our_name(block: str, key: str) -> str:
    reference_place, our_place = _PLACES[block]
    names = (
        rule.to_ours(f'pts_bbox_head.{reference_place}.{key}') for rule in get_method('sgn').rules
    )
    return next(name for name in names if name is not None)[len(f'head.{our_place}.') :]


def _compare(case: ParityCase, report: ParityReport, name: str, found: Tensor) -> None:
    scale = float(case[name].std())
    report.close(name, found, case[name], relative=_CLOSE, scale=scale)


def _indices(case: ParityCase) -> tuple[SparseIndex, SparseIndex]:
    """The voxels of the sparse cases on axes (x, y, z) and on axes (z, y, x), same rows."""
    coords = torch.from_numpy(case['sparse/coords_xyz'])
    batch = torch.zeros(len(coords), 1, dtype=torch.int64)
    xyz = SparseIndex(torch.cat([batch, coords], 1), _SHAPE_XYZ, 1)
    zyx_shape = (_SHAPE_XYZ[2], _SHAPE_XYZ[1], _SHAPE_XYZ[0])
    return xyz, SparseIndex(torch.cat([batch, coords.flip(1)], 1), zyx_shape, 1)


@torch.no_grad()
def _check_sparse(case: ParityCase, report: ParityReport, seed: int) -> None:
    features = torch.from_numpy(case['sparse/feats'])
    width = features.shape[1]
    xyz, zyx = _indices(case)
    for name, kernel in (('subm1', 1), ('subm3', 3)):
        conv = SubMConv3d(width, width, kernel)
        ((key, shape),) = fill.parse_manifest_rows(
            [line.split(',') for line in case[f'unit.{name}.keys'].tolist()], name
        ).items()
        weight = fill.fill_tensor(f'unit.{name}.{key}', shape, seed)
        conv.load_state_dict({key: torch.from_numpy(weight)})
        row = f'sparse/{name}' if kernel == 1 else f'sparse/{name}_zyx'
        _compare(case, report, row, conv(features, zyx))
    block = load_block(SparseResidualBlock(width, _BN), 'basic_block', case, seed)
    _compare(case, report, 'sparse/basic_block_zyx', block(features, zyx))
    _compare(case, report, 'sparse/basic_block_xyz', block(features, xyz))
    _compare(case, report, 'sparse/basic_block_zyx_train_bn', block.train()(features, zyx))
    pooling = load_block(MultiScalePooling(width, width, width), 'sgfe', case, seed)
    _compare(case, report, 'sparse/sgfe', pooling(features, zyx))


def _check_guidance_gradients(case: ParityCase, report: ParityReport, seed: int) -> None:
    features = torch.from_numpy(case['sparse/feats']).requires_grad_()
    guidance = load_block(SparseGuidance(features.shape[1], _BN), 'sgb', case, seed)
    output = guidance(features, _indices(case)[1])
    _compare(case, report, 'sparse/sgb', output)
    parameters = dict(guidance.named_parameters())
    of_features, *of_parameters = torch.autograd.grad(
        output.square().sum(), [features, *parameters.values()]
    )
    _compare(case, report, 'sparse/sgb_sq_grad_feats', of_features)
    norms = {name: float(g.double().norm()) for name, g in zip(parameters, of_parameters)}
    found = [norms[_our_name('sgb', key)] for key in case['sparse/sgb_sq_grad_l2_keys'].tolist()]
    report.close('sparse/sgb_sq_grad_l2', found, case['sparse/sgb_sq_grad_l2'], relative=_GRADIENT)


@torch.no_grad()
def _check_points_head(case: ParityCase, report: ParityReport, seed: int) -> None:
    head = load_block(PointOccupancyHead(_POINT_GRID), 'occ_head', case, seed)
    points = [torch.from_numpy(case['occ_head/points'])]
    features, group, index = head.voxelize.group_points(points)
    _compare(case, report, 'occ_head/point_features', features)
    report.equal('occ_head/voxel_coords_bxyz', index.coords, case['occ_head/voxel_coords_bxyz'])
    encoded = head.voxelize.encode_voxels(features, group, index)
    _compare(case, report, 'occ_head/voxel_features', encoded)
    logits, guidance, grid = head(points)
    _compare(case, report, 'occ_head/grid', grid)
    _compare(case, report, 'occ_head/occ_logit', logits[:, None])
    _compare(case, report, 'occ_head/occ_x', guidance)


@torch.no_grad()
def _check_dense(case: ParityCase, report: ParityReport, seed: int) -> None:
    stages: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda module, args, output: stages.update({name: output})

    diffusion = load_block(SemanticDiffusion(6, 4, depth=2), 'sdb', case, seed)
    diffusion.conv_in.register_forward_hook(keep('after_conv_in'))
    diffusion.blocks[-1].register_forward_hook(keep('after_diffusion'))
    stages['out'] = diffusion(torch.from_numpy(fill.normal('sdb_in', (1, 6, 8, 10, 6), seed)))
    for name, value in stages.items():
        _compare(case, report, f'sdb/{name}', value)
    header = load_block(UpsamplingClassifier(4, 5), 'header', case, seed)
    output = header(torch.from_numpy(fill.normal('header_in', (1, 4, 4, 6, 3), seed)))
    _compare(case, report, 'header/out', output)


def _check_lifting(case: ParityCase, report: ParityReport, seed: int) -> None:
    features = torch.from_numpy(fill.normal('flosp_feat', (1, 3, 4, 6, 8), seed))
    pixels = torch.from_numpy(case['flosp/pix'].astype(np.int64))[None]
    visible = torch.from_numpy(case['flosp/fov'])[None]
    for name, frames in (('out', 3), ('out_single', 1)):
        lifted = lift_features(features[:, :frames], pixels[:, :frames], visible[:, :frames], 16)
        _compare(case, report, f'flosp/{name}', lifted.mT)
