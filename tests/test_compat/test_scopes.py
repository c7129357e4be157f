import subprocess
import sys

# mmdet works on its own with the full mmcv only, so its compiled extension is pretended first.
CODE = """
import sys, types

class Extension(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        return lambda *args: None

sys.modules['mmcv._ext'] = Extension('mmcv._ext')
from mmdet.registry import HOOKS, MODELS

grid = dict(origin=(0, 0, 0), voxel_size=1.0, shape=(4, 4, 2))
lifter = MODELS.build(dict(type='mmssc.FLoSP', stride=8, voxel_grid=grid))
hook = HOOKS.build(dict(type='mmssc.EpochSeedHook'))
print(type(lifter).__module__, type(hook).__module__)
"""


def test_other_mm_projects_use_mmssc_by_its_scope_with_no_import_line():
    done = subprocess.run([sys.executable, '-c', CODE], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [name.split('.')[0] for name in done.stdout.split()] == ['mmssc', 'mmssc']
