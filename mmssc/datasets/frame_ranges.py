"""Frame names as a short text."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ['describe_frames']

# Runs of frames shown in one line.
_MAX_RUNS = 6
_MIN_RUN = 3


def describe_frames(frames: Iterable[str]) -> str:
    """Frame names as a short text: ``'000001, 000006-004540, 004545-004560 step 5'``."""
    names = {int(name): name for name in frames}
    numbers, parts = sorted(names), []
    while numbers:
        step = numbers[1] - numbers[0] if len(numbers) > 1 else 1
        length = 1
        while length < len(numbers) and numbers[length] - numbers[length - 1] == step:
            length += 1
        if length < _MIN_RUN:
            parts.append(names[numbers.pop(0)])
            continue
        run = f'{names[numbers[0]]}-{names[numbers[length - 1]]}'
        parts.append(run if step == 1 else f'{run} step {step}')
        numbers = numbers[length:]
    more = f', ... ({len(parts) - _MAX_RUNS} more)' if len(parts) > _MAX_RUNS else ''
    return ', '.join(parts[:_MAX_RUNS]) + more
