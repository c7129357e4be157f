"""Print a config with its bases merged: ``python tools/misc/print_config.py CONFIG``."""

from __future__ import annotations

from mmssc.command_line import command, prepare_process

prepare_process()

import argparse
import sys

from mmssc.apis.model_loading import read_config
from mmssc.config_file import CONFIG_HELP, add_cfg_options


@command
def main() -> None:
    """Print the config that the command line names."""
    parser = argparse.ArgumentParser(description='Print a config with its bases merged.')
    parser.add_argument('config', help=CONFIG_HELP)
    add_cfg_options(parser)
    args = parser.parse_args()
    print(read_config(args.config, args.cfg_options).pretty_text)


if __name__ == '__main__':
    sys.exit(main())
