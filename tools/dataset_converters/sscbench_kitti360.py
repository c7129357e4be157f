"""Make everything that training needs from a raw SSCBench-KITTI-360 tree, with one command.

Labels, depth, pseudo-lidar and info files; see docs/en/user_guides/prepare_sscbench_kitti360.md.
Stopped runs go on where they were when the command is given again.
"""

from __future__ import annotations

import sys

from mmssc.preparation import SSCBenchKITTI360Layout, prepare

if __name__ == '__main__':
    sys.exit(prepare(SSCBenchKITTI360Layout, __doc__.splitlines()[0]))
