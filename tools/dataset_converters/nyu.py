"""Make everything that training needs from raw NYU and NYUCAD, or list prepared files of others.

It makes TSDF, voxel-pixel mapping, labels, label weight, sketch and info lists; see
docs/en/user_guides/prepare_nyu.md. Run the same command again to continue a stopped run.
"""

from __future__ import annotations

from mmssc.command_line import parse_early, prepare_process

prepare_process()

import sys

from mmssc.preparation.rgbd.parsers import nyu_parser

SUMMARY = __doc__.splitlines()[0]

if __name__ == '__main__':
    parse_early(nyu_parser(SUMMARY).parse_args)

from mmssc.preparation.rgbd.nyu import prepare_nyu

if __name__ == '__main__':
    sys.exit(prepare_nyu(SUMMARY))
