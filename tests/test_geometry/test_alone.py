"""Geometry needs no other room of the house."""

import subprocess
import sys

SCRIPT = """
import sys
import mmssc.geometry, mmssc.geometry.ranges, mmssc.geometry.stereo
rooms = ('registry', 'datasets', 'models', 'evaluation', 'engine', 'apis', 'visualization')
print([name for name in rooms if f'mmssc.{name}' in sys.modules], 'mmcv' in sys.modules)
"""


def test_geometry_imports_no_registry_and_no_other_room():
    done = subprocess.run(
        [sys.executable, '-c', SCRIPT], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == '[] False'
