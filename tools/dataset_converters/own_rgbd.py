"""Prepare frames of any depth camera: TSDF, voxel-pixel mapping, pose, info list.

See docs/en/user_guides/own_rgbd_camera.md.
"""

from __future__ import annotations

from mmssc.command_line import parse_early, prepare_process

prepare_process()

import sys

from mmssc.preparation.rgbd.parsers import own_parser

SUMMARY = __doc__.splitlines()[0]

if __name__ == '__main__':
    parse_early(own_parser(SUMMARY).parse_args)

from mmssc.preparation.rgbd.own_camera import prepare_own

if __name__ == '__main__':
    sys.exit(prepare_own(SUMMARY))
