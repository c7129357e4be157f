"""A share of a work that several processes or machines do together: ``--shard I/N``."""

from __future__ import annotations

import argparse
import hashlib
import re
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

__all__ = ['Shard', 'add_shard_option']

_MOST = 100_000


@dataclass(frozen=True)
class Shard:
    """One of several shares. Each name belongs to exactly one, on every machine.

    Args:
        number: From 1.
        count: Number of shares.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``I/N``, for ``type=`` of :mod:`argparse`."""
        match = re.fullmatch(r'([0-9]{1,6})/([0-9]{1,6})', text)
        number, count = (int(match[1]), int(match[2])) if match else (0, 0)
        if not 1 <= number <= count <= _MOST:
            expected = f'expected I/N with I from 1 to N, such as 1/8, and N up to {_MOST}'
            raise argparse.ArgumentTypeError(f'{text}: {expected}')
        return cls(number, count)

    def __str__(self) -> str:
        return f'{self.number}/{self.count}'

    def has(self, name: str) -> bool:
        """Whether a name belongs to this share. All shares get about the same number of names."""
        digest = hashlib.sha256(name.encode('utf-8', 'surrogateescape')).digest()
        return int.from_bytes(digest[:8], 'big') % self.count == self.number - 1

    def has_file(self, path: str | PathLike[str]) -> bool:
        """Whether a file belongs to this share: its folder may be mounted at another place."""
        return self.has('/'.join(Path(path).parts[-2:]))


def add_shard_option(parser: argparse.ArgumentParser, text: str) -> None:
    """Add ``--shard I/N``; without it, the option is None."""
    parser.add_argument('--shard', type=Shard.parse, metavar='I/N', help=text)
