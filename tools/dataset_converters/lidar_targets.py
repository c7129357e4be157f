"""Make voxel targets (.bin, .label, .invalid, .occluded) from labelled lidar scans and poses.

See docs/en/user_guides/lidar_targets.md. Run the same command again to continue a stopped run.
"""

from __future__ import annotations

from mmssc.command_line import parse_early, prepare_process

prepare_process()

import sys

from mmssc.preparation.lidar.parser import build_parser

SUMMARY = __doc__.splitlines()[0]

if __name__ == '__main__':
    parse_early(build_parser(SUMMARY).parse_args)

from mmssc.preparation.lidar.command import prepare_lidar_targets

if __name__ == '__main__':
    sys.exit(prepare_lidar_targets(SUMMARY))
