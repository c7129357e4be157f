"""Print a config with its bases merged: ``python tools/misc/print_config.py CONFIG``."""

from __future__ import annotations

from mmssc.command_line import command, parse_early, prepare_process

prepare_process()

import argparse
import sys

from mmssc.config_options import CONFIG_HELP, add_cfg_options


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Print a config with its bases merged.')
    parser.add_argument('config', help=CONFIG_HELP)
    add_cfg_options(parser)
    return parser.parse_args()


if __name__ == '__main__':
    parse_early(parse_args)

from mmssc.apis.model_loading import read_config


@command
def main() -> None:
    """Print the config that the command line names."""
    args = parse_args()
    print(read_config(args.config, args.cfg_options).pretty_text)


if __name__ == '__main__':
    sys.exit(main())
