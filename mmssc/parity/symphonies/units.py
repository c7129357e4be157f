"""Parity of the parts of Symphonies' encoder and decoder: unit cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from mmssc.geometry.working_volume import depth_to_coordinates, merge_heights, normalized_centers
from mmssc.models.heads.symphonies.deform_transformer import (
    DeformableTransformerLayer,
    SqueezedDeformableLayer,
    TransformerLayer,
    squeeze_points,
    squeeze_volume,
)
from mmssc.models.heads.symphonies.scene_classifier import TransposedConvBlock3D
from mmssc.models.heads.symphonies.scene_position import ScenePosition
from mmssc.models.necks.maskdino_pixel_decoder import DeformableEncoder, token_centers
from mmssc.ops import MultiScaleDeformableAttention, deformable_attention
from mmssc.parity import reference_fill as fill
from mmssc.parity.frustum_units import CALIBRATIONS
from mmssc.parity.report import ParityCase, ParityReport, seed_of_units
from mmssc.registry import MODELS
from mmssc.structures import VoxelGrid

__all__ = ['check_symphonies_units']

_CLOSE, _GRADIENT = 1e-5, 1e-4
_SHAPES = [(12, 20), (6, 10), (3, 5)]
_SIZE = 315
_BN = dict(type='BN')
Draw = Callable[..., Tensor]
Module = TypeVar('Module', bound=nn.Module)


def check_symphonies_units(case: ParityCase, report: ParityReport) -> None:
    """Compare the parts that only Symphonies has."""
    seed = seed_of_units(case)

    def normal(name: str, *shape: int) -> Tensor:
        return torch.from_numpy(fill.normal(name, shape, seed))

    def uniform(name: str, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return torch.from_numpy(fill.uniform(name, shape, seed, low, high))

    _check_function(case, report, normal, uniform)
    with torch.no_grad():
        _check_attention(case, report, seed, normal, uniform)
        _check_squeeze(case, report, seed, normal, uniform)
        _check_layers(case, report, seed, normal, uniform)
        _check_encoder(case, report, seed, normal)
        _check_positions(case, report, seed)
        _check_geometry(case, report, seed, uniform)
        _check_up_sampling(case, report, seed, normal)


def _filled(
    module: Module, case: ParityCase, name: str, prefix: str, seed: int,
    renamed: Mapping[str, str] | None = None,
) -> Module:  # fmt: skip
    """Load the weights of a unit case into a module; ``renamed``: start of a key -> ours."""
    rows = [key.split(':') for key in case[f'{name}/keys'].tolist()]
    state = {}
    for key, shape in fill.parse_manifest_rows(rows, f'{name}/keys').items():
        value = torch.from_numpy(np.asarray(fill.fill_tensor(f'{prefix}.{key}', shape, seed)))
        for before, after in (renamed or {}).items():
            if key.startswith(before):
                key = after + key[len(before) :]
                break
        state[key] = value
    own = module.state_dict()
    module.load_state_dict({key: value for key, value in state.items() if key in own})
    return module.eval()


def _fill(
    module: nn.Module, prefix: str, seed: int, renamed: Mapping[str, str]
) -> dict[str, Tensor]:
    """Weights of a module without a key list; ``renamed``: our part -> the reference's."""
    state = {}
    for key, tensor in module.state_dict().items():
        part, _, rest = key.partition('.')
        name = f'{renamed[part]}.{rest}' if part in renamed else key
        filled = fill.fill_tensor(f'{prefix}.{name}', tuple(tensor.shape), seed)
        state[key] = torch.from_numpy(np.asarray(filled))
    return state


def _close(
    report: ParityReport, case: ParityCase, name: str, found: Tensor, relative: float = _CLOSE
) -> None:
    expected = case[name]
    report.close(name, found, expected, relative=relative, scale=float(np.abs(expected).max()))


def _check_function(case: ParityCase, report: ParityReport, normal: Draw, uniform: Draw) -> None:
    places = (2, 17, 4, 3, 4)
    value = normal('msda_value', 2, _SIZE, 4, 8).requires_grad_()
    locations = uniform('msda_loc', *places, 2, low=-0.2, high=1.2).requires_grad_()
    weights = normal('msda_w', 2, 17, 4, 12).softmax(-1).view(places).requires_grad_()
    output = deformable_attention(value, _SHAPES, locations, weights)
    root = 'msda_function'
    _close(report, case, f'{root}/out', output)
    variables = dict(value=value, loc=locations, weight=weights)
    objective = (output * normal('msda_grad', *output.shape)).sum()
    gradients = dict(zip(variables, torch.autograd.grad(objective, list(variables.values()))))
    for name, gradient in gradients.items():
        key = f'{root}/grad_{name}_norm'
        report.close(key, gradient.double().norm(), case[key], relative=_GRADIENT)
    _close(report, case, f'{root}/grad_loc', gradients['loc'], _GRADIENT)


def _check_attention(
    case: ParityCase, report: ParityReport, seed: int, normal: Draw, uniform: Draw
) -> None:
    root = 'msda_module'
    module = MultiScaleDeformableAttention(32, 4, 3, 4)
    bias = module.sampling_offsets.bias.clone()
    _close(report, case, f'{root}/init_offset_bias', bias)
    _filled(module, case, root, 'msda', seed)
    query, position = normal('mod_query', 2, 17, 32), normal('mod_query_pos', 2, 17, 32)
    value, reference = normal('mod_value', 2, _SIZE, 32), uniform('mod_ref', 2, 17, 3, 2)
    boxes, padding = uniform('mod_ref4', 2, 17, 3, 4), uniform('mod_pad', 2, _SIZE) < 0.2
    for name, places, pos, mask in (
        ('out', reference, None, None),
        ('out_pos', reference, position, None),
        ('out_ref4', boxes, position, None),
        ('out_padded', reference, position, padding),
    ):
        found = module(query, value, places, _SHAPES, pos, key_padding_mask=mask)
        _close(report, case, f'{root}/{name}', found)


def _check_squeeze(
    case: ParityCase, report: ParityReport, seed: int, normal: Draw, uniform: Draw
) -> None:
    shape = (6, 5, 4)
    query, position = normal('sq_query', 2, 9, 32), normal('sq_pos', 2, 9, 32)
    volume = normal('sq_value', 2, 120, 32).unflatten(1, shape)
    points = uniform('sq_ref_xyz', 2, 9, 1, 3)
    value, shapes = squeeze_volume(volume)
    reference = squeeze_points(points, shape)
    report.equal('squeeze/shapes', shapes, case['squeeze/shapes'])
    _close(report, case, 'squeeze/value', value)
    _close(report, case, 'squeeze/ref', reference)
    module = MultiScaleDeformableAttention(32, 4, 1, 8)
    _filled(module, case, 'squeeze', 'squeeze', seed, {'attns.0.': ''})
    _close(report, case, 'squeeze/out', module(query, value, reference, shapes, position))
    for ratio in (4, 0):
        layer = SqueezedDeformableLayer(32, num_heads=4, mlp_ratio=ratio)
        prefix = f'layer_mlp{ratio}'
        layer.load_state_dict(_fill(layer, prefix, seed, dict(attn='attn.attns.0')))
        found = layer.eval()(query, volume, points, position)
        _close(report, case, f'squeeze/{prefix}', found)


def _check_layers(
    case: ParityCase, report: ParityReport, seed: int, normal: Draw, uniform: Draw
) -> None:
    query, position = normal('mod_query', 2, 17, 32), normal('mod_query_pos', 2, 17, 32)
    value, reference = normal('mod_value', 2, _SIZE, 32), uniform('mod_ref', 2, 17, 3, 2)
    layer = DeformableTransformerLayer(32, 3, 4, num_heads=4)
    _filled(layer, case, 'deform_layer', 'dlayer', seed)
    for name, pos in (('out', position), ('out_nopos', None)):
        _close(report, case, f'deform_layer/{name}', layer(query, value, reference, _SHAPES, pos))
    root = 'transformer_layer'
    keys, key_pos = normal('tl_kv', 2, 11, 32), normal('tl_kpos', 2, 11, 32)
    attention = _filled(TransformerLayer(32, 4), case, root, 'tlayer', seed)
    _close(report, case, f'{root}/self_pos', attention(query, query_pos=position))
    _close(report, case, f'{root}/self_nopos', attention(query))
    attention = _filled(TransformerLayer(32, 4, mlp_ratio=0), case, root, 'tlayer0', seed)
    _close(report, case, f'{root}/cross0', attention(query, keys, position))
    _close(report, case, f'{root}/cross0_kpos', attention(query, keys, position, key_pos))


def _check_encoder(case: ParityCase, report: ParityReport, seed: int, normal: Draw) -> None:
    found = token_centers([(3, 4), (2, 2)])
    _close(report, case, 'encoder_ref_points/out', found)
    encoder = DeformableEncoder(2, 32, 64, num_heads=4, num_levels=3, num_points=4)
    _filled(encoder, case, 'deform_encoder', 'denc', seed)
    tokens, position = normal('denc_q', 2, _SIZE, 32), normal('denc_pos', 2, _SIZE, 32)
    _close(report, case, 'deform_encoder/out', encoder(tokens, position, _SHAPES))


def _check_positions(case: ParityCase, report: ParityReport, seed: int) -> None:
    # Cells of 2 x 2 voxels above each other: a height of 4 per row of the third table.
    position = ScenePosition((4, 6, 8), 8)
    _filled(position, case, 'squeeze_pos', 'pos', seed)
    _close(report, case, 'squeeze_pos/out', position()[None])
    sine = MODELS.build(dict(type='mmdet.SinePositionalEncoding', num_feats=8, normalize=True))
    found = sine(torch.zeros(1, 5, 7, dtype=torch.bool))
    _close(report, case, 'sine_pos/out', found)


def _check_geometry(case: ParityCase, report: ParityReport, seed: int, uniform: Draw) -> None:
    _close(report, case, 'generate_grid/voxel', normalized_centers((4, 3, 2)))
    intrinsics, lidar2cam = CALIBRATIONS[2 - seed % 2]
    cam2img = intrinsics.copy()
    cam2img[:2] *= 0.02
    depth = torch.from_numpy(case['pix2vox/depth'][0, 0])
    grid = VoxelGrid((0.0, -25.6, -2.0), 0.4, (128, 128, 16))
    camera = torch.from_numpy(cam2img), torch.from_numpy(lidar2cam)
    found = depth_to_coordinates(depth, grid, *camera, height_factor=2)[None]
    _close(report, case, 'pix2vox/float', found)
    report.equal('pix2vox/long', found.to(torch.int64), case['pix2vox/long'])
    v, u = np.mgrid[: depth.shape[0], : depth.shape[1]]
    report.equal('generate_grid/image_wh', np.stack([u, v])[None], case['generate_grid/image_wh'])
    pixels = torch.from_numpy(fill.integers('itp_pix', (1, 120, 2), seed, -300, 1300))
    mask = uniform('itp_mask', 1, 120) < 0.3
    found, merged = merge_heights(pixels, mask, (6, 5, 4), 2)
    report.equal('downsample_z/pix', found, case['downsample_z/pix'])
    report.equal('downsample_z/mask', merged, case['downsample_z/mask'])


def _check_up_sampling(case: ParityCase, report: ParityReport, seed: int, normal: Draw) -> None:
    module = TransposedConvBlock3D(8, 8, (2, 2, 2), _BN).eval()
    module.load_state_dict(_fill(module, 'up', seed, dict(conv='up_bn.0', norm='up_bn.1')))
    _close(report, case, 'upsample/out', module(normal('up_x', 1, 8, 3, 2, 2)))
    # The case has only the convolution.
    conv = TransposedConvBlock3D(8, 8, (1, 1, 2), _BN).conv
    conv.load_state_dict(_fill(conv, 'ctz', seed, {}))
    _close(report, case, 'z_upsample/out', conv(normal('ctz_x', 1, 8, 3, 2, 4)))
