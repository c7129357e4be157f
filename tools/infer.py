r"""Predict the scene of your own images, depth images or scans.

    python tools/infer.py CONFIG CHECKPOINT --image image.png --depth depth.npy \
        --calib calib.txt --out predictions

Depth maps (``--depth``) or points (``--points``) come from any stereo or mono method, or a lidar.
In place of them, give the right images of stereo pairs (``--image-right``) or a depth model of your
own (``--depth-model``). Several images are several scenes of one camera. For temporal models, give
a drive (a folder of images or a video, with ``--poses``), or the earlier frames of one scene with
``--earlier-image`` and their poses.

Models for LiDAR scans (configs/lmscnet) need the scan only. They find the ground in it, so the
sensor can be at any height (``--sensor-height``) and tilted (``--sensor-rotation``):

    python tools/infer.py CONFIG CHECKPOINT --points scan.bin --out predictions

Models for depth cameras (configs/light, RGB-D) need the depth image and its intrinsics. Without
``--cam2world`` or ``--height``, the tool searches the floor in the depth image:

    python tools/infer.py light_depth_nyu --depth depth.png --cam2img FX FY CX CY --out predictions

Those that read a 2D segmentation make it from the colour image: ``--image rgb.png --segmenter
CONFIG --segmenter-checkpoint FILE``, with any model of mmseg or a function of your own.
"""

from __future__ import annotations

from mmssc.command_line import parse_early, prepare_process

prepare_process()

import sys

from mmssc.apis.infer_command.parser import build_parser

if __name__ == '__main__':
    parse_early(build_parser(__doc__).parse_intermixed_args)

from mmssc.apis.infer_command import infer


def main() -> int:
    """Predict as the command line says."""
    return infer(__doc__)


if __name__ == '__main__':
    sys.exit(main())
