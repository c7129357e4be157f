"""Import of SGN's checkpoints, the way back, and every reason to refuse one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from torch import Tensor
from warm_start import run_script

from mmssc.checkpoints import (
    export_state_dict,
    get_method,
    import_state_dict,
    read_state_dict,
    write_state_dict,
)
from mmssc.errors import DataError
from mmssc.fileio import atomic_write, note_outputs
from mmssc.parity import reference_fill as fill
from mmssc.registry import MODELS

ROOT = Path(__file__).parents[3]
DATA = ROOT / 'tests' / 'data' / 'parity' / 'sgn'
TOOL = ROOT / 'tools' / 'model_converters' / 'import_checkpoint.py'
SGN = get_method('sgn')
CLASSIFIER = 'pts_bbox_head.ssc_header.mlp_head.1.weight'
# Parameters of the whole checkpoint (the published counts) and without the tensors never used.
COUNTS = {'T': (28_157_507, 13_124_391), 'L': (12_499_203, 4_086_375)}


def make_reference(variant: str = 'tiny', num_classes: int = 20) -> dict[str, Tensor]:
    manifest = fill.read_manifest(DATA / f'manifest_sgn-{variant}.csv')
    for key in SGN.class_keys:
        manifest[key] = (num_classes, *manifest[key][1:])
    return {
        key: torch.from_numpy(value) for key, value in fill.fill_state_dict(manifest, 1).items()
    }


@pytest.fixture
def run_tool(tool_in_process: Callable) -> Callable[..., tuple[int, str]]:
    return tool_in_process('model_converters/import_checkpoint.py')


@pytest.mark.parametrize('variant', ['T', 'L'])
def test_parameter_counts(variant: str) -> None:
    reference = make_reference(variant)
    state, report = import_state_dict(reference, SGN)
    assert (report.source_parameters, report.result_parameters) == COUNTS[variant]
    model = MODELS.build(SGN.model_config({k: tuple(v.shape) for k, v in reference.items()}))
    assert sum(p.numel() for p in model.parameters()) == COUNTS[variant][1]
    dropped = sum(reference[key].numel() for key, _ in report.dropped if 'running' not in key)
    counters = sum(key.endswith('num_batches_tracked') for key, _ in report.dropped)
    assert COUNTS[variant][0] - COUNTS[variant][1] == dropped - counters


@pytest.mark.parametrize('config, variant, num_classes, published', [
    ('sgn-T', 'T', 20, 28_157_507),
    ('sgn-S', 'T', 20, 28_157_507),
    ('sgn-L', 'L', 20, 12_499_203),
    ('sgn-T_kitti360', 'T', 19, 28_157_313),
    ('sgn-S_kitti360', 'T', 19, 28_157_313),
    ('sgn-L_kitti360', 'L', 19, 12_499_105),
])  # fmt: skip
def test_shipped_configs_take_the_official_checkpoints(
    config: str, variant: str, num_classes: int, published: int
) -> None:
    model = MODELS.build(Config.fromfile(ROOT / 'configs' / 'sgn' / f'{config}.py').model)
    reference = make_reference(variant, num_classes)
    _, report = import_state_dict(reference, SGN, model.state_dict())
    assert report.source_parameters == published
    assert report.result_parameters == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize('num_classes', [20, 19])
def test_round_trip_is_exact(num_classes: int) -> None:
    reference = make_reference(num_classes=num_classes)
    state, report = import_state_dict(reference, SGN)
    result, back = export_state_dict(state, SGN)
    dropped = {key for key, _ in report.dropped}
    assert set(result) == set(reference) - dropped
    assert all(torch.equal(result[key], reference[key]) for key in result)
    assert {path for path, _ in back.missing} == set(SGN.dropped)
    assert all(any(key.startswith(path) for path, _ in back.missing) for key in dropped)


def test_every_dropped_tensor_is_named() -> None:
    _, report = import_state_dict(make_reference(), SGN)
    text = report.summary()
    assert 'img_backbone.layer4.0.conv1.weight' in text
    assert 'pts_bbox_head.pts_header.deconv_1_4__1_1.bias' in text
    kinds = {key.split('.')[-2 if 'deconv' in key else -3] for key, _ in report.dropped}
    assert {'deconv_1_8__1_1', 'deconv_1_4__1_1', 'scale_selection'} <= kinds
    assert len(report.dropped) == 40


def test_layout_of_the_sparse_kernels_is_kept() -> None:
    reference = make_reference()
    state, report = import_state_dict(reference, SGN)
    assert not report.transformed
    key = 'pts_bbox_head.sgb.conv_block.spconv_layers.0.layers_in.0.weight'
    assert torch.equal(state['head.sparse_guidance.block.shortcut_conv.weight'], reference[key])


def test_counters_may_be_missing() -> None:
    reference = make_reference()
    slim = {k: v for k, v in reference.items() if not k.endswith('num_batches_tracked')}
    state, report = import_state_dict(slim, SGN)
    assert len(report.filled) > 10
    assert all(state[key] == 0 for key in report.filled)


def test_unknown_key_is_refused() -> None:
    reference = {**make_reference(), 'pts_bbox_head.sgb.extra.weight': torch.zeros(1)}
    with pytest.raises(DataError, match=r'1 unknown: pts_bbox_head\.sgb\.extra\.weight'):
        import_state_dict(reference, SGN)


def test_key_of_a_known_module_that_the_model_lacks_is_refused() -> None:
    reference = {**make_reference(), 'img_neck.fpn_convs.1.conv.weight': torch.zeros(1)}
    with pytest.raises(DataError, match=r'not in the model: img_neck\.fpn_convs\.1'):
        import_state_dict(reference, SGN)


@pytest.mark.parametrize('key', ['pts_bbox_head.mlp_prior.1.bias', CLASSIFIER])
def test_missing_key_is_refused(key: str) -> None:
    reference = make_reference()
    del reference[key]
    name = 'prior_mlp.1.bias' if 'prior' in key else CLASSIFIER
    with pytest.raises(DataError, match=name):
        import_state_dict(reference, SGN)


def test_wrong_shape_is_refused() -> None:
    reference = make_reference()
    key = 'pts_bbox_head.mlp_prior.1.bias'
    reference[key] = torch.zeros(3)
    with pytest.raises(DataError, match=rf'shape of {key}: expected \(8,\), found \(3,\)'):
        import_state_dict(reference, SGN)


def test_class_number_of_no_known_data_set_is_refused() -> None:
    with pytest.raises(DataError, match=r'20 \(SemanticKITTI\) or 19 .*found 12.*--config'):
        import_state_dict(make_reference(num_classes=12), SGN)


def test_class_number_of_another_config_is_refused() -> None:
    reference = make_reference(num_classes=19)
    shapes = {key: tuple(value.shape) for key, value in make_reference().items()}
    expected = MODELS.build(SGN.model_config(shapes)).state_dict()
    with pytest.raises(DataError, match=r'number of classes: expected 20 \(the model\), found 19'):
        import_state_dict(reference, SGN, expected)


def test_two_classifiers_that_disagree_are_refused() -> None:
    reference = make_reference()
    key = 'pts_bbox_head.sem_header.mlp_head.1.weight'
    reference[key] = reference[key][:19]
    with pytest.raises(DataError, match=f'found 19 .rows of {key}'):
        import_state_dict(reference, SGN)


def test_checkpoint_of_ours_is_recognised() -> None:
    state, _ = import_state_dict(make_reference(), SGN)
    with pytest.raises(DataError, match='needs no import'):
        import_state_dict(state, SGN)
    with pytest.raises(DataError, match='an mmssc checkpoint of sgn'):
        export_state_dict(make_reference(), SGN)


def test_unknown_method() -> None:
    with pytest.raises(DataError, match='sgn'):
        get_method('nothing')


def test_reading_files(tmp_path: Path) -> None:
    state = {'a.weight': torch.arange(3.0)}
    for name, content in {
        'plain': state,
        'mm': {'meta': {'config': 'text'}, 'state_dict': state, 'optimizer': {'state': {}}},
        'wrapped': {'state_dict': {f'module.{key}': value for key, value in state.items()}},
    }.items():
        torch.save(content, tmp_path / name)
        assert torch.equal(read_state_dict(tmp_path / name)['a.weight'], state['a.weight'])


class _Code:
    def __reduce__(self) -> tuple:
        return print, ('code from a checkpoint ran',)


def test_bad_files_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'text').write_text('not a checkpoint')
    (tmp_path / 'empty').write_bytes(b'')
    torch.save({'state_dict': {'a': torch.zeros(1)}}, tmp_path / 'whole')
    (tmp_path / 'half').write_bytes((tmp_path / 'whole').read_bytes()[:200])
    torch.save({'state_dict': {}, 'meta': _Code()}, tmp_path / 'code')
    torch.save([1, 2], tmp_path / 'list')
    torch.save({'state_dict': {'a': 1}}, tmp_path / 'number')
    for name in ('text', 'empty', 'half', 'code', 'list', 'number', 'absent'):
        with pytest.raises(DataError, match=name):
            read_state_dict(tmp_path / name)
    assert 'code from a checkpoint ran' not in capsys.readouterr().out


def test_tool_there_and_back(tmp_path: Path, run_tool: Callable[..., tuple[int, str]]) -> None:
    reference = make_reference()
    source, ours, back = (tmp_path / name for name in ('reference.pth', 'ours.pth', 'back.pth'))
    torch.save({'meta': {}, 'state_dict': reference, 'optimizer': {}}, source)

    status, text = run_tool('sgn', source, ours)
    assert status == 0, text
    assert '11,309,025 in the source, 2,913,582 in the result' in text
    model = MODELS.build(SGN.model_config({k: tuple(v.shape) for k, v in reference.items()}))
    load_checkpoint(model, str(ours), map_location='cpu', strict=True)
    weight = reference['pts_bbox_head.bottleneck.weight']
    assert torch.equal(model.head.bottleneck.weight, weight)

    status, text = run_tool('sgn', ours, back, '--export', '--verbose')
    assert status == 0, text
    assert 'strict=False' in text and 'img_backbone.layer4' in text
    assert 'head.bottleneck.weight -> pts_bbox_head.bottleneck.weight' in text
    assert torch.equal(read_state_dict(back)['pts_bbox_head.bottleneck.weight'], weight)


def test_tool_refuses_and_leaves_the_destination_alone(tmp_path: Path) -> None:
    source, target = tmp_path / 'reference.pth', tmp_path / 'ours.pth'
    torch.save({'state_dict': make_reference(num_classes=7)}, source)
    note_outputs([target], 'import_checkpoint.py')  # An earlier run wrote it.
    with atomic_write(target, 'w') as file:
        file.write('precious')
    command = [TOOL, 'sgn', source, target, '--overwrite']
    done = run_script(command, tmp_path, {**os.environ, 'PYTHONPATH': str(ROOT)})
    assert done.returncode == 2 and 'number of classes' in done.stderr
    assert 'Traceback' not in done.stderr
    assert target.read_text() == 'precious'
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        '.mmssc-outputs', 'ours.pth', 'reference.pth'
    ]  # fmt: skip


def test_tool_checks_against_a_config(
    tmp_path: Path, run_tool: Callable[..., tuple[int, str]]
) -> None:
    reference = make_reference(num_classes=7)
    config = SGN.model_config({key: tuple(value.shape) for key, value in reference.items()})
    Config(dict(model=config)).dump(tmp_path / 'config.py')
    torch.save(reference, tmp_path / 'seven.pth')
    arguments = (tmp_path / 'ours.pth', '--config', tmp_path / 'config.py')
    assert run_tool('sgn', tmp_path / 'seven.pth', *arguments)[0] == 0
    status, text = run_tool('sgn', tmp_path / 'seven.pth', *arguments)
    assert status == 2 and 'ours.pth: expected a new file, found one that exists' in text
    (tmp_path / 'ours.pth').unlink()
    torch.save(make_reference(), tmp_path / 'twenty.pth')
    status, text = run_tool('sgn', tmp_path / 'twenty.pth', *arguments)
    assert status == 2
    assert 'expected 7 (the model), found 20' in text


def test_written_file_loads_weights_only(tmp_path: Path) -> None:
    write_state_dict(tmp_path / 'new' / 'a.pth', {'a': torch.ones(2)}, {'method': 'sgn'})
    content = torch.load(tmp_path / 'new' / 'a.pth', weights_only=True)
    assert content['meta'] == {'method': 'sgn'} and content['state_dict']['a'].sum() == 2
