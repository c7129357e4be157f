"""Print a config with its bases merged: ``python tools/misc/print_config.py CONFIG``."""

from __future__ import annotations

import argparse

from mmengine.config import Config

from mmssc.engine.launch import add_cfg_options


def main() -> None:
    """Print the config that the command line names."""
    parser = argparse.ArgumentParser(description='Print a config with its bases merged.')
    parser.add_argument('config', help='config file')
    add_cfg_options(parser)
    args = parser.parse_args()
    cfg = Config.fromfile(args.config)
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    print(cfg.pretty_text)


if __name__ == '__main__':
    main()
