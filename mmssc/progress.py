"""One progress bar for all commands: a bar on a terminal, a line every ten percent elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from tqdm import tqdm

from mmssc.errors import counted

__all__ = ['Progress', 'track']

_Item = TypeVar('_Item')


class Progress:
    """Shows on stderr how far a job is. A context manager.

    Args:
        total: Number of steps.
        title: Name of the job.
        unit: What one step is.
        done: Steps that were done before.
    """

    def __init__(self, total: int, title: str, unit: str = 'frame', done: int = 0) -> None:
        self.total, self.title, self.unit, self.done = total, title, unit, done
        self._bar: tqdm | None = None
        if sys.stderr is not None and sys.stderr.isatty():
            self._bar = tqdm(
                total=total, initial=done, desc=title, unit=unit, mininterval=0.2, file=sys.stderr
            )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self) -> None:
        """One more step is done."""
        self.done += 1
        if self._bar is not None:
            self._bar.update()
        elif self.done * 10 // self.total > (self.done - 1) * 10 // self.total:
            percent = self.done * 100 // self.total
            total = counted(self.total, self.unit)
            self.write(f'{self.title}: {percent} % ({self.done} of {total})')

    def write(self, line: str) -> None:
        """Print a line without damage to the bar."""
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        elif sys.stderr is not None:
            print(line, file=sys.stderr, flush=True)


def track(items: Iterable[_Item], total: int, title: str, **options: Any) -> Iterator[_Item]:
    """Yield the items, and show how many are done.

    Args:
        items: What to go through.
        total: Their number.
        title: Name of the job.
        options: More arguments of :class:`Progress`.
    """
    with Progress(total, title, **options) as progress:
        for item in items:
            yield item
            progress.update()
