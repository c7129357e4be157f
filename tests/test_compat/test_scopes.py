import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDES = Path(__file__).parents[2] / 'docs/en/user_guides'

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


@pytest.mark.parametrize(
    'first', [pytest.param('', marks=pytest.mark.slow), 'import mmdet.engine.hooks.utils']
)
def test_the_config_of_another_project_imports_mmssc(tmp_path, first):
    (tmp_path / 'config.py').write_text(FOREIGN_CONFIG)
    (tmp_path / 'tool.py').write_text(first + FOREIGN_SCRIPT)
    command = ['tool.py']
    if first:
        # The line of the page: this tool needs mmssc before it reads the config.
        page = (GUIDES / 'other_mm_projects.md').read_text('utf-8')
        (line,) = re.findall(r'^python -c "(.*)" CONFIG CHECKPOINT$', page, re.MULTILINE)
        command = ['-c', line.replace('tools/test.py', 'tool.py')]
    done = subprocess.run(
        [sys.executable, *command, 'config.py'], cwd=tmp_path,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [name.split('.')[0] for name in done.stdout.split()] == ['mmdet', 'mmssc']
