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


FOREIGN_CONFIG = """
custom_imports = dict(imports=['mmssc'], allow_failed_imports=False)
default_scope = 'mmdet'
lifter = dict(type='mmssc.FLoSP', stride=8,
              voxel_grid=dict(origin=(0, 0, 0), voxel_size=1.0, shape=(4, 4, 2)))
backbone = dict(type='ResNet', depth=18)
"""
FOREIGN_SCRIPT = """
import sys
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

cfg = Config.fromfile(sys.argv[1])
init_default_scope(cfg.default_scope)
print(*(type(MODELS.build(cfg[name])).__module__ for name in ('backbone', 'lifter')))
"""


def test_the_config_of_another_project_imports_mmssc(tmp_path):
    (tmp_path / 'config.py').write_text(FOREIGN_CONFIG)
    done = subprocess.run(
        [sys.executable, '-c', FOREIGN_SCRIPT, str(tmp_path / 'config.py')],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [name.split('.')[0] for name in done.stdout.split()] == ['mmdet', 'mmssc']
