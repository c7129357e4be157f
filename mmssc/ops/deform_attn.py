"""Multi-scale deformable attention (Zhu et al., Deformable DETR, ICLR 2021, arXiv 2010.04159)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmssc.compat import MMCV_OPS_HINT, has_compiled_mmcv_ops
from mmssc.errors import DataError, MissingDependencyError

from .backends import plain_ops_only

__all__ = ['MultiScaleDeformableAttention', 'deformable_attention']

_BACKENDS = ('auto', 'torch', 'mmcv')
_MMCV_STEP = 64
Shapes = Sequence[tuple[int, int]]


def deformable_attention(
    value: Tensor,
    spatial_shapes: Shapes,
    locations: Tensor,
    weights: Tensor,
    backend: str = 'auto',
    chunk_size: int | None = None,
    with_cp: bool = False,
) -> Tensor:
    """Weighted sum of bilinear samples of several maps, for every query and head.

    A sample outside the map counts as 0, pixel centres are at ``(index + 0.5) / size``
    (``grid_sample`` with ``align_corners=False``). It always computes in float32, also under
    autocast: in half precision, a location would be wrong by whole cells of a wide map.

    The PyTorch version works level by level. This equals the published order of summation to 1e-6
    and needs much less memory.

    Args:
        value: (B, S, h, d), h heads, the maps flattened and concatenated.
        spatial_shapes: (height, width) of each of the L maps; their sizes add up to S.
        locations: (B, Q, h, L, P, 2) as (x, y); 0..1 is the extent of a map.
        weights: (B, Q, h, L, P).
        backend: ``'torch'``, ``'mmcv'`` (compiled, CUDA only), or ``'auto'``: mmcv if possible.
        chunk_size: Queries that the PyTorch version handles at once; None takes all. It limits the
            memory of a run without gradients and, together with ``with_cp``, of the backward pass.
        with_cp: Sample again in the backward pass instead of storing the samples (PyTorch only).

    Returns:
        (B, Q, h * d), head by head, in the type of ``value``.

    Raises:
        MissingDependencyError: ``backend='mmcv'`` and mmcv has no compiled ops.
        DataError: Unknown backend.
        ValueError: The maps do not have S positions.
    """
    if sum(height * width for height, width in spatial_shapes) != value.shape[1]:
        raise ValueError(f'maps of {list(spatial_shapes)} do not have {value.shape[1]} positions')
    use_mmcv, dtype = _use_mmcv(backend, value), value.dtype
    if not locations.shape[1]:
        # Keep the graph to every input: a sample without queries must not stop a distributed run.
        return value.flatten(2)[:, :0] + 0 * (locations.sum() + weights.sum()).to(dtype)
    with torch.autocast(value.device.type, enabled=False):
        arguments = _wide(value), spatial_shapes, _wide(locations), _wide(weights)
        if use_mmcv:
            return _mmcv_attention(*arguments).to(dtype)
        return _torch_attention(*arguments, chunk_size, with_cp).to(dtype)


def _wide(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _use_mmcv(backend: str, value: Tensor) -> bool:
    if backend not in _BACKENDS:
        raise DataError('deformable_attention', 'backend', f'one of {_BACKENDS}', repr(backend))
    if backend == 'auto':
        return value.is_cuda and not plain_ops_only() and has_compiled_mmcv_ops()
    if backend == 'mmcv' and not has_compiled_mmcv_ops():
        raise MissingDependencyError(
            f"mmcv has no compiled ops here: {MMCV_OPS_HINT}, or use backend='torch'"
        )
    return backend == 'mmcv'


def _mmcv_attention(
    value: Tensor, spatial_shapes: Shapes, locations: Tensor, weights: Tensor
) -> Tensor:
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction

    shapes = torch.tensor(list(spatial_shapes), dtype=torch.long, device=value.device)
    sizes = shapes.prod(1)
    starts = sizes.cumsum(0) - sizes
    # The op needs a batch that is a multiple of its step.
    step = math.gcd(len(value), _MMCV_STEP)
    return MultiScaleDeformableAttnFunction.apply(
        value.contiguous(), shapes, starts, locations.contiguous(), weights.contiguous(), step
    )


def _torch_attention(
    value: Tensor,
    spatial_shapes: Shapes,
    locations: Tensor,
    weights: Tensor,
    chunk_size: int | None,
    with_cp: bool,
) -> Tensor:
    batch, _, heads, channels = value.shape
    step = chunk_size or locations.shape[1]
    chunks, maps = [], []
    # Twice as fast on the CPU, but its gradient takes three times as long.
    in_place = value.device.type == 'cpu' and not torch.is_grad_enabled()
    in_place = in_place and not torch.jit.is_tracing()
    if not in_place:
        sizes = [height * width for height, width in spatial_shapes]
        maps = [
            part.permute(0, 2, 3, 1).reshape(batch * heads, channels, *shape)
            for part, shape in zip(value.split(sizes, dim=1), spatial_shapes)
        ]
    recompute = with_cp and torch.is_grad_enabled()
    for places, shares in zip(locations.split(step, 1), weights.split(step, 1)):
        if in_place:
            chunks.append(_sum_rows(value, spatial_shapes, places, shares))
        elif recompute:
            chunks.append(checkpoint(_sample, places, shares, *maps, use_reentrant=False))
        else:
            chunks.append(_sample(places, shares, *maps))
    return torch.cat(chunks, 1) if len(chunks) > 1 else chunks[0]


def _sum_rows(value: Tensor, spatial_shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    """:func:`_sample` as a weighted sum of rows of ``value`` (B, S, h, d), read in place."""
    batch, positions, heads, channels = value.shape
    rows, shares, start = [], [], 0
    for level, (height, width) in enumerate(spatial_shapes):
        x, y = (locations[..., level, :, :] * locations.new_tensor([width, height]) - 0.5).unbind(
            -1
        )
        left, top = x.floor(), y.floor()
        for column, share_x in ((left, left + 1 - x), (left + 1, x - left)):
            share_x = share_x * weights[..., level, :] * ((column >= 0) & (column < width))
            for row, share_y in ((top, top + 1 - y), (top + 1, y - top)):
                # A position that is NaN stays NaN by its share.
                cell = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
                rows.append(cell.nan_to_num(0.0).long() + start)
                shares.append(share_x * share_y * ((row >= 0) & (row < height)))
        start += height * width
    sample = torch.arange(batch, device=value.device).view(-1, 1, 1, 1) * positions
    head = torch.arange(heads, device=value.device).unsqueeze(1)
    bags = ((torch.cat(rows, -1) + sample) * heads + head).flatten(0, 2)
    table = value.reshape(-1, channels)
    weight = torch.cat(shares, -1).flatten(0, 2)
    total = F.embedding_bag(bags, table, mode='sum', per_sample_weights=weight)
    return total.view(batch, -1, heads * channels)


def _sample(locations: Tensor, weights: Tensor, *maps: Tensor) -> Tensor:
    """One chunk of queries: (B, Q, h, L, P, 2), (B, Q, h, L, P), L x (B * h, d, H, W)."""
    batch, num_queries, heads = weights.shape[:3]
    grids = (2 * locations - 1).permute(3, 0, 2, 1, 4, 5).flatten(1, 2)  # L, B * h, Q, P, 2
    shares = weights.permute(3, 0, 2, 1, 4).flatten(1, 2).unsqueeze(2)  # L, B * h, 1, Q, P
    total = None
    for level, grid, share in zip(maps, grids, shares):
        samples = F.grid_sample(level, grid, 'bilinear', 'zeros', align_corners=False)
        part = (samples * share).sum(-1)  # B * h, d, Q
        total = part if total is None else total + part
    assert total is not None
    return total.view(batch, -1, num_queries).transpose(1, 2)


class MultiScaleDeformableAttention(nn.Module):
    """Attention of queries to a few learned positions around their reference points.

    Parameters have the names of mmcv. Unlike mmcv's class, this one runs on every device without
    compiled ops.

    Args:
        embed_dims: Channels D of queries and values.
        num_heads: Heads h; D is a multiple.
        num_levels: Maps L.
        num_points: Positions P per head and map.
        dropout: Dropout of the output, before adding the identity.
        chunk_size: See :func:`deformable_attention`.
        with_cp: See :func:`deformable_attention`.

    Raises:
        DataError: ``embed_dims`` is not a multiple of ``num_heads``.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int = 8,
        num_levels: int = 4,
        num_points: int = 4,
        dropout: float = 0.1,
        chunk_size: int | None = None,
        with_cp: bool = False,
    ) -> None:
        super().__init__()
        if embed_dims % num_heads:
            expected = f'a multiple of num_heads ({num_heads})'
            field = f'{type(self).__name__}.embed_dims'
            raise DataError('config', field, expected, embed_dims)
        self.num_heads, self.num_levels, self.num_points = num_heads, num_levels, num_points
        self.chunk_size, self.with_cp = chunk_size, with_cp
        places = num_heads * num_levels * num_points
        self.sampling_offsets = nn.Linear(embed_dims, places * 2)
        self.attention_weights = nn.Linear(embed_dims, places)
        self.value_proj = nn.Linear(embed_dims, embed_dims)
        self.output_proj = nn.Linear(embed_dims, embed_dims)
        self.dropout = nn.Dropout(dropout)
        self.init_weights()

    def init_weights(self) -> None:
        """Initialise: positions on a star around the reference, equal weights, Xavier layers."""
        nn.init.zeros_(self.sampling_offsets.weight)
        angles = torch.arange(self.num_heads, dtype=torch.float32) * (2 * math.pi / self.num_heads)
        star = torch.stack([angles.cos(), angles.sin()], -1)
        star = star / star.abs().amax(-1, keepdim=True)
        radius = torch.arange(1, self.num_points + 1, dtype=torch.float32)
        places = star[:, None, None] * radius[:, None]  # h, 1, P, 2
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(places.expand(-1, self.num_levels, -1, -1).flatten())
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for layer in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        query: Tensor,
        value: Tensor,
        reference_points: Tensor,
        spatial_shapes: Shapes,
        query_pos: Tensor | None = None,
        identity: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
    ) -> Tensor:
        """Attend.

        Args:
            query: (B, Q, D).
            value: (B, S, D), the maps flattened and concatenated.
            reference_points: (B, Q, L, 2) as (x, y) in 0..1, or (B, Q, L, 4) boxes as (centre x,
                centre y, width, height).
            spatial_shapes: (height, width) of each map.
            query_pos: (B, Q, D), added to the query but not to the identity.
            identity: (B, Q, D), added to the result; None takes ``query``.
            key_padding_mask: (B, S) bool, positions that count as 0.

        Returns:
            (B, Q, D).
        """
        identity = query if identity is None else identity
        if query_pos is not None:
            query = query + query_pos
        value = self.value_proj(value)
        if key_padding_mask is not None:
            value = value.masked_fill(key_padding_mask[..., None], 0.0)
        with torch.autocast(query.device.type, enabled=False):
            locations, weights = self._places(_wide(query), reference_points, spatial_shapes)
        output = deformable_attention(
            value.unflatten(-1, (self.num_heads, -1)),
            spatial_shapes,
            locations,
            weights,
            chunk_size=self.chunk_size,
            with_cp=self.with_cp,
        )
        return self.dropout(self.output_proj(output)) + identity

    def _places(
        self, query: Tensor, reference: Tensor, spatial_shapes: Shapes
    ) -> tuple[Tensor, Tensor]:
        """Sampling positions (B, Q, h, L, P, 2) and their weights (B, Q, h, L, P)."""
        shape = self.num_heads, self.num_levels, self.num_points
        offsets = self.sampling_offsets(query).unflatten(-1, (*shape, 2))
        weights = self.attention_weights(query).unflatten(-1, (self.num_heads, -1)).softmax(-1)
        locations = self._locations(_wide(reference), offsets, spatial_shapes)
        return locations, weights.unflatten(-1, shape[1:])

    def _locations(self, reference: Tensor, offsets: Tensor, spatial_shapes: Shapes) -> Tensor:
        reference = reference[:, :, None, :, None]
        if reference.shape[-1] == 4:
            return reference[..., :2] + offsets / self.num_points * reference[..., 2:] * 0.5
        sizes = offsets.new_tensor([(width, height) for height, width in spatial_shapes])
        return reference + offsets / sizes[:, None]
