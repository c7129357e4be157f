"""Key tables of the blocks that 3D-Sketch, CleanerS and AMMNet share.

The references number the layers of a ``Sequential``; mmssc names them.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    'NYU_GRID', 'UNUSED_SHORTCUT', 'conv_stack_keys', 'two_stage_unet', 'unused_shortcuts',
    'unused_shortcuts_of',
]  # fmt: skip

UNUSED_SHORTCUT = 'shortcut of a block without stride: built and stored by the reference, not used'
# Grid of the published checkpoints; no weight depends on it.
NYU_GRID = dict(
    origin=(0.0, 0.0, 0.0),
    voxel_size=0.08,
    shape=(60, 36, 60),
    axes=('x', 'z', 'y'),
    frame='world',
)
_UPSAMPLE = {'0': 'conv', '1': 'norm'}


def conv_stack_keys(num_blocks: int, first: int = 0, spacing: int = 3) -> dict[str, str]:
    """Keys of blocks of convolution, normalisation and ReLU in one ``Sequential``.

    Args:
        num_blocks: Number of blocks.
        first: Number of the first block's convolution in the reference's ``Sequential``.
        spacing: Layers of the reference from one block to the next.
    """
    table = {}
    for block in range(num_blocks):
        number = first + spacing * block
        table[f'{number}'] = f'{block}.conv'
        table[f'{number + 1}'] = f'{block}.norm'
    return table


def two_stage_unet(layers: str, classify: str) -> dict[str, str]:
    """:class:`TwoStageUNet` (the classifier, ``CLASSIFY.2.1``, excluded).

    Args:
        layers: Name of the stages without their number, e.g. ``'semantic_layer'``.
        classify: Name of the up-sampling part, e.g. ``'classify_semantic'``.
    """
    table = {f'{layers}{stage}': f'trunk.layer{stage}' for stage in (1, 2)}
    for block in (0, 1):
        for a, b in _UPSAMPLE.items():
            table[f'{classify}.{block}.{a}'] = f'up{block + 1}.{b}'
    return table


def unused_shortcuts(*stages: str) -> Mapping[str, str]:
    """Dropped paths of the blocks 1 to 3 of each stage (path in the reference)."""
    return unused_shortcuts_of(*(f'{stage}.{block}' for stage in stages for block in (1, 2, 3)))


def unused_shortcuts_of(*blocks: str) -> Mapping[str, str]:
    """Dropped paths of blocks without stride (paths in the reference)."""
    return {
        f'{block}.downsample{number}': UNUSED_SHORTCUT for block in blocks for number in (2, 3, 4)
    }
