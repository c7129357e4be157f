"""Make everything that training needs from a raw SemanticKITTI tree, with one command.

Labels, depth, pseudo-lidar and info files; see docs/en/user_guides/prepare_semantic_kitti.md.
Stopped runs go on where they were when the command is given again.
"""

from __future__ import annotations

import sys

from mmssc.preparation import SemanticKITTILayout, prepare

if __name__ == '__main__':
    sys.exit(prepare(SemanticKITTILayout, __doc__.splitlines()[0]))
