import subprocess
import sys

import pytest
import torch
from mmengine.registry import DefaultScope

from mmssc.compat import has_compiled_mmcv_ops, install_mmcv_stand_in
from mmssc.errors import MissingDependencyError
from mmssc.registry import MODELS

LITE_ONLY = pytest.mark.skipif(has_compiled_mmcv_ops(), reason='the full mmcv is installed')


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_mmssc_imports_neither_torch_nor_mm_packages():
    code = (
        'import sys, mmssc; print(sorted({m.split(".")[0] for m in sys.modules} & '
        '{"torch", "mmengine", "mmcv", "mmdet", "mmseg", "numpy"}))'
    )
    assert run_python(code).strip() == '[]'


@pytest.mark.parametrize(
    'part',
    [
        dict(type='mmdet.ResNet', depth=18),
        dict(type='mmdet.FPN', in_channels=[8, 16], out_channels=8, num_outs=2),
        dict(type='mmseg.MixVisionTransformer', embed_dims=8),
        # It builds a loss of mmseg, whatever the default scope is.
        dict(
            type='SegformerHead',
            _scope_='mmseg',
            in_channels=[8, 16],
            in_index=[0, 1],
            channels=8,
            num_classes=3,
        ),
    ],
    ids=lambda part: part['type'],
)
@pytest.mark.parametrize('default_scope', ['mmengine', 'mmssc'])
def test_parts_of_other_mm_packages_build(part, default_scope):
    with DefaultScope.overwrite_default_scope(default_scope):
        model = MODELS.build(dict(part))
    assert sum(weight.numel() for weight in model.parameters()) > 0


@LITE_ONLY
def test_compiled_op_says_what_to_install_when_it_is_called():
    from mmcv.ops import nms

    with pytest.raises(MissingDependencyError, match=r'pip install mmcv==2\.1\.0'):
        nms(torch.rand(3, 4), torch.rand(3), 0.5)


@LITE_ONLY
def test_environment_reports_work_without_compiled_ops():
    from mmcv.ops import get_compiler_version

    assert get_compiler_version() == 'n/a'


def test_a_real_extension_is_preferred(tmp_path):
    # A fake full mmcv: its own _ext must win over the stand-in.
    package = tmp_path / 'mmcv'
    package.mkdir()
    (package / '__init__.py').write_text('')
    (package / '_ext.py').write_text('real = True')
    code = (
        f'import sys; sys.path.insert(0, {str(tmp_path)!r}); import mmssc, mmcv._ext; '
        'from mmssc.compat import has_compiled_mmcv_ops; '
        'print(mmcv._ext.real, has_compiled_mmcv_ops())'
    )
    assert run_python(code).split() == ['True', 'True']


def test_installing_twice_adds_one_finder():
    before = len(sys.meta_path)
    install_mmcv_stand_in()
    assert len(sys.meta_path) == before
