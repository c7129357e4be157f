"""Prepare a raw SSCBench-KITTI-360 tree for training, with one command.

It makes labels, depth, pseudo-lidar and info files; see
docs/en/user_guides/prepare_sscbench_kitti360.md. Run the same command again to continue a stopped
run.
"""

from __future__ import annotations

from mmssc.command_line import parse_early, prepare_process

prepare_process()

import sys

from mmssc.dataset_facts import DRIVING_GRID, KITTI_360_SPLITS
from mmssc.preparation.driving.parser import build_parser

SUMMARY = __doc__.splitlines()[0]

if __name__ == '__main__':
    parse_early(build_parser(KITTI_360_SPLITS, DRIVING_GRID, SUMMARY).parse_args)

from mmssc.preparation import SSCBenchKITTI360Layout, prepare_driving

if __name__ == '__main__':
    sys.exit(prepare_driving(SSCBenchKITTI360Layout, SUMMARY))
