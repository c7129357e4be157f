"""tools/analysis_tools/gpu_check.py, on the CPU."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from tool_runs import ROOT

from mmssc.errors import DataError
from mmssc.ops import PLAIN_OPS, SubMConv3d, deform_attn, sparse_conv
from mmssc.parity.methods import RECIPES
from mmssc.performance import gpu_check, machine, no_gpu_reason, usable_device
from mmssc.performance.processes import LEFT_OUT, OK, Step

TOOL = 'analysis_tools/gpu_check.py'
no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason='needs a machine without a GPU')


def parity_steps(device: str, root: Path = ROOT) -> dict[str, Step]:
    steps = gpu_check.check_steps(device, Path('scratch'), root)
    return {one.name.removeprefix('parity '): one for one in steps if 'parity' in one.name}


def test_every_method_and_case_of_the_clone_is_tried_on_a_gpu():
    steps = parity_steps('cuda')
    assert set(RECIPES) <= {*steps, 'sgn-S'}  # The clone has no case of S.
    for name, step in steps.items():
        if step.missing:
            assert name == 'symphonies'
            continue
        (command,) = step.commands
        assert command[command.index('--device') + 1] == 'cuda'
        assert all(Path(word).exists() for word in command if word.startswith(str(ROOT)))
    folders = [ROOT / 'tests/data/parity', ROOT / 'projects/monoscene/tests/data']
    cases = {path.name for folder in folders for path in folder.rglob('*case*1.npz')}
    assert cases <= {Path(word).name for step in steps.values() for word in sum(step.commands, ())}
    assert set(parity_steps('cpu')) == {'sgn-tiny', 'symphonies-decoder', 'monoscene-nyu3d'}


def test_all_steps_see_the_gpu_of_the_check(monkeypatch, tmp_path):
    def seen(device: str) -> set[str | None]:
        steps = [*gpu_check.check_steps(device, tmp_path, ROOT),
                 *gpu_check.timing_steps(device, tmp_path, ROOT).values()]  # fmt: skip
        assert not any('cuda:1' in word for one in steps for word in sum(one.commands, ()))
        return {one.environment.get('CUDA_VISIBLE_DEVICES') for one in steps}

    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    assert (seen('cuda'), seen('cuda:1'), seen('cpu')) == ({None}, {'1'}, {'-1'})
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '2,GPU-5')
    assert seen('cuda:1') == {'GPU-5'}


def test_what_is_not_there_is_said(tmp_path):
    steps = [*gpu_check.check_steps('cuda', tmp_path, tmp_path),
             *gpu_check.timing_steps('cuda', tmp_path, tmp_path).values()]  # fmt: skip
    missing = [one for one in steps if one.missing]
    words = ('a clone has it', 'not installed', 'is published')
    assert all(any(word in one.missing for word in words) for one in missing)
    assert {one.name for one in steps} - {one.name for one in missing} == {
        'environment', 'quick start, one process', 'quick start, --amp',
    }  # fmt: skip


def test_compiled_operations_are_tried_with_and_without(monkeypatch):
    monkeypatch.setattr(gpu_check, 'spconv_available', lambda: True)
    monkeypatch.setattr(gpu_check, 'has_compiled_mmcv_ops', lambda: False)
    plain = {name: step for name, step in parity_steps('cuda').items() if 'plain' in name}
    assert {'sgn-tiny, plain PyTorch', 'sgn-T, plain PyTorch'} <= set(plain)
    assert all(step.environment[PLAIN_OPS] == '1' for step in plain.values() if not step.missing)
    names = [one.name for one in gpu_check.check_steps('cuda', Path(), ROOT) if one.missing]
    assert 'with full mmcv' in names and 'with spconv' not in names


def test_plain_operations_replace_the_compiled_ones(monkeypatch):
    class OnGPU:
        is_cuda = True

        def __len__(self) -> int:
            return 3

    monkeypatch.setattr(sparse_conv, 'spconv_available', lambda: True)
    monkeypatch.setattr(deform_attn, 'has_compiled_mmcv_ops', lambda: True)
    layer = SubMConv3d(4, 4, 3)
    assert layer._use_spconv(OnGPU()) and deform_attn._use_mmcv('auto', OnGPU())
    monkeypatch.setenv(PLAIN_OPS, '1')
    assert not layer._use_spconv(OnGPU()) and not deform_attn._use_mmcv('auto', OnGPU())
    assert deform_attn._use_mmcv('mmcv', OnGPU())  # The config asks for it.


def test_a_step_that_fails_is_shown_and_the_others_run(tool_in_process, monkeypatch, tmp_path):
    def steps(device, scratch):
        return [
            Step('breaks', ((sys.executable, '-c', 'print("first"); raise SystemExit(5)'),)),
            Step('works', ((sys.executable, '-c', 'print("fine")'),)),
        ]

    def timing(device, scratch):
        record = dict(config='a/b.py', run='training', amp=False, batch_size=4)
        found = [dict(record, note='out of memory'), dict(record, seconds=0.25, peak_mib=12.0)]
        code = f'import json; json.dump(dict(records={found}), open({str(scratch / "t")!r}, "w"))'
        return {scratch / 't': Step('time b', ((sys.executable, '-c', code),))}

    monkeypatch.setattr(gpu_check, 'check_steps', steps)
    monkeypatch.setattr(gpu_check, 'timing_steps', timing)
    out = tmp_path / 'out.json'
    status, text = tool_in_process(TOOL)('--device', 'cpu', '--out', out)
    assert status == 1 and '1 step went wrong on the CPU; no GPU was used.' in text
    assert '--- breaks: the end of its output\nfirst' in text and 'out of memory' in text
    found = json.loads(out.read_text('utf-8'))
    states = {one['name']: one['state'] for one in found['steps']}
    assert states['breaks'] == 'FAILED' and states['works'] == states['time b'] == OK
    assert found['times'][1]['seconds'] == 0.25
    status, text = tool_in_process(TOOL)(
        '--device', 'cpu', '--only', 'works', '--out', out, '--overwrite'
    )
    assert status == 0 and 'breaks' not in text and 'All is well on the CPU' in text
    status, text = tool_in_process(TOOL)('--device', 'cpu', '--list')
    assert (status, text.splitlines()[-3:]) == (0, ['breaks', 'works', 'time b'])
    status, text = tool_in_process(TOOL)('--device', 'cpu', '--only', 'wrks')
    assert status == 2 and '--only: expected a word of a step' in text


@no_gpu
def test_a_machine_without_a_gpu_is_said(tool_in_process, monkeypatch):
    status, text = tool_in_process(TOOL)('--device', 'cuda')
    assert status == 2 and text.startswith('error: --device: expected a GPU, found torch')
    monkeypatch.setattr(torch.version, 'cuda', '12.6')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '-1')
    assert 'CUDA_VISIBLE_DEVICES hides every GPU' in no_gpu_reason()
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES')
    assert 'no driver that is new enough' in no_gpu_reason()


def test_devices_are_checked(monkeypatch):
    assert usable_device('cpu') == torch.device('cpu')
    for name in ('gpu', 'meta', 'cuda:x', ''):
        with pytest.raises(DataError, match='--device: expected cpu, cuda or cuda:NUMBER'):
            usable_device(name)
    monkeypatch.setattr(machine.torch.cuda, 'device_count', lambda: 2)
    assert usable_device('cuda:1').index == 1
    with pytest.raises(DataError, match='one of 2 GPUs, found cuda:2'):
        usable_device('cuda:2')


@no_gpu
@pytest.mark.parametrize('tool', ['benchmark', 'check_parity', 'growth'])
def test_no_command_shows_a_traceback_for_a_device(tool, tool_in_process):
    arguments = {'check_parity': ('sgn-tiny', '--units', 'none.npz')}.get(tool, ('sgn-T',))
    for name in ('cuda', 'nothing'):
        status, text = tool_in_process(f'analysis_tools/{tool}.py')(*arguments, '--device', name)
        assert status == 2 and text.startswith('error: --device: expected'), text


@pytest.mark.slow
def test_the_check_runs_on_the_cpu(run_tool, tmp_path):
    names = ('environment', 'parity symphonies-decoder', 'time light')
    run_tool(TOOL, '--device', 'cpu', '--only', *names, '--out', 'out.json')
    found = json.loads((tmp_path / 'out.json').read_text('utf-8'))
    assert [one['state'] for one in found['steps']] == [LEFT_OUT, OK, OK, OK]
    assert {(one['run'], one['amp']) for one in found['times']} == {
        (run, amp) for run in ('inference', 'training') for amp in (False, True)
    }
    assert all(one['finite'] for one in found['times'])
