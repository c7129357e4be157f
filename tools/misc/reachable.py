"""Exit with 0 when a URL answers within five seconds: ``python tools/misc/reachable.py URL``.

Runs before anything is installed, so it imports only the standard library.
"""

from __future__ import annotations

import sys
from urllib.error import URLError
from urllib.request import urlopen


def main() -> None:
    """Ask for the URL given on the command line."""
    if len(sys.argv) != 2:
        print('usage: reachable.py URL', file=sys.stderr)
        sys.exit(2)
    try:
        with urlopen(sys.argv[1], timeout=5):
            sys.exit(0)
    except (URLError, OSError, ValueError):
        sys.exit(1)


if __name__ == '__main__':
    main()
