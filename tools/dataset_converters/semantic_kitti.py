"""Prepare a raw SemanticKITTI tree for training, with one command.

It makes labels, depth, pseudo-lidar and info files; see
docs/en/user_guides/prepare_semantic_kitti.md. Run the same command again to continue a stopped run.
"""

from __future__ import annotations

from mmssc.command_line import parse_early, prepare_process

prepare_process()

import sys

from mmssc.dataset_facts import DRIVING_GRID, SEMANTIC_KITTI_SPLITS
from mmssc.preparation.driving.parser import build_parser

SUMMARY = __doc__.splitlines()[0]

if __name__ == '__main__':
    parse_early(build_parser(SEMANTIC_KITTI_SPLITS, DRIVING_GRID, SUMMARY).parse_args)

from mmssc.preparation import SemanticKITTILayout, prepare_driving

if __name__ == '__main__':
    sys.exit(prepare_driving(SemanticKITTILayout, SUMMARY))
