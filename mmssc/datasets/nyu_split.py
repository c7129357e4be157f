"""The official split of NYU Depth V2: the training frames among its 1449 labelled frames."""

from __future__ import annotations

__all__ = ['NUM_NYU_FRAMES', 'official_split']

NUM_NYU_FRAMES = 1449
# Bit i - 1 is set if frame i is for training.
_TRAIN_BITS = int(
    'fe1f0fc03e01807ffe67f0e3f030fff9f018800f03fe001c3ff8c1f07000f07f031981c0007f38038fe1010070'
    '03fffce67f9c7f8ff1f0f83ffe018c3ff8ff871f8ff1ffffffff8fc0f1c000ff8fc1f07ff80000003fff3fc307'
    'ce01f8cc1e06073c79e7c0ffe0e783fc3f83f800038ff8e3c00207ffffffe00c1fff00f81fffc3ffe3c07ffff0'
    '033fff800fe31fc07fe03e3f7ffdffffffc7f03c000007023ff8fffec20f8ffffff80787ff827f980007ec1efc',
    16,
)


def official_split() -> dict[str, list[str]]:
    """``train`` (795) and ``test`` (654): frame ids ``'0001'`` .. ``'1449'``, sorted."""
    split: dict[str, list[str]] = dict(train=[], test=[])
    for number in range(1, NUM_NYU_FRAMES + 1):
        is_train = _TRAIN_BITS >> (number - 1) & 1
        split['train' if is_train else 'test'].append(f'{number:04d}')
    return split
