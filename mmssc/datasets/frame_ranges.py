"""Frame names as a short text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ['describe_frames']

# Runs of frames shown in one line.
_MAX_RUNS = 6
_MIN_RUN = 3


def describe_frames(frames: Iterable[str]) -> str:
    """Frame names as a short text: ``'000001, 000006-004540, 004545-004560 step 5'``."""
    names = {int(name): name for name in frames}
    numbers, parts, start = sorted(names), [], 0
    while start < len(numbers):
        end = _end_of_run(numbers, start)
        if end - start < _MIN_RUN:
            parts.append(names[numbers[start]])
            start += 1
            continue
        step = numbers[start + 1] - numbers[start]
        run = f'{names[numbers[start]]}-{names[numbers[end - 1]]}'
        parts.append(run if step == 1 else f'{run} step {step}')
        start = end
    more = f', ... ({len(parts) - _MAX_RUNS} more)' if len(parts) > _MAX_RUNS else ''
    return ', '.join(parts[:_MAX_RUNS]) + more


def _end_of_run(numbers: Sequence[int], start: int) -> int:
    """Index after the last number of the run with equal steps that begins at ``start``."""
    end = min(start + 2, len(numbers))
    while (
        end < len(numbers)
        and numbers[end] - numbers[end - 1] == numbers[start + 1] - numbers[start]
    ):
        end += 1
    return end
