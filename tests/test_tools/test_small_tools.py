"""Tools of a few lines as commands, and that no tool is left out."""

import http.server
import os
import sys
import threading

import pytest
import torch
from test_own_rgbd import CAMERA, room_depth
from tool_runs import ROOT, TOY_CONFIG

from mmssc.formats.sscnet import write_plain_depth_mm

# Made of the others, in minutes; .ci/run starts two of them.
CHAINS = {'quickstart', 'run_tests', 'setup_venv'}


def test_every_tool_is_run_by_a_test():
    # The scripts of several processes share the last three.
    inner = {*CHAINS, 'arguments', 'srun', 'torchrun'}
    tools = [p for p in (ROOT / 'tools').rglob('*') if p.suffix in ('.py', '.sh')]
    tests = [*(ROOT / 'tests').rglob('*.py'), *(ROOT / 'projects').rglob('test_*.py')]
    text = ''.join(path.read_text('utf-8') for path in tests)
    named = {path for path in tools if path.name in text}
    # One test runs both converters of the KITTI family.
    named |= {path for path in tools if f"'{path.stem}'" in text and 'kitti' in path.stem}
    assert {path.name for path in tools if path not in named and path.stem not in inner} == set()


def test_config_with_its_changes_is_printed(run_tool):
    out = run_tool('misc/print_config.py', TOY_CONFIG, '--cfg-options', 'model.sleep=0.25').stdout
    assert 'sleep=0.25' in out and "type='InstantCompletor'" in out and '_base_' not in out


def test_a_checkpoint_is_published(run_tool, tmp_path):
    state = dict(weight=torch.ones(300, 300))
    content = dict(state_dict=state, meta=dict(epoch=4), optimizer=dict(weight=torch.ones(300)))
    torch.save(content, tmp_path / 'epoch_4.pth')
    out = run_tool(
        'model_converters/publish_checkpoint.py', 'epoch_4.pth', 'out/model.pth', '--half'
    )
    assert 'out/model.pth: 0.18 MB, epoch 4' in out.stdout
    assert set(torch.load(tmp_path / 'out/model.pth', weights_only=True)) == {'meta', 'state_dict'}
    errors = run_tool('model_converters/publish_checkpoint.py', 'no.pth', 'x.pth', status=2).stderr
    assert 'no.pth: expected a checkpoint, found no such file' in errors


def test_the_index_of_torch_can_be_chosen(run_tool, monkeypatch):
    monkeypatch.setenv('TORCH_INDEX_URL', 'https://a.b/whl/cu126')
    out = run_tool('misc/torch_index.sh', sys.executable).stdout
    assert out == '--extra-index-url https://a.b/whl/cu126\n'


def test_cores_are_counted(run_tool):
    count = int(run_tool('misc/cores.py').stdout)
    assert 1 <= count <= (os.cpu_count() or 1)


def test_an_address_answers_or_not(run_tool):
    with http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f'http://127.0.0.1:{server.server_address[1]}/'
        run_tool('misc/reachable.py', address)
        run_tool('misc/reachable.py', f'{address}nothing', status=1)
        server.shutdown()
    run_tool('misc/reachable.py', address, status=1)
    run_tool('misc/reachable.py', status=2)


def test_frames_of_ones_own_camera_are_prepared(run_tool, tmp_path):
    (tmp_path / 'own/depth').mkdir(parents=True)
    write_plain_depth_mm(tmp_path / 'own/depth/a.png', room_depth(1.2, 0.26))
    options = ['--camera', CAMERA, '--grid-shape', '8', '6', '8', '--voxel-size', '0.4']
    run_tool(
        'dataset_converters/own_rgbd.py', 'own', '--depth', 'depth/*.png', '--workers', 1, *options
    )
    assert (tmp_path / 'own/own_infos.json').is_file()


@pytest.mark.parametrize(
    ('script', 'arguments', 'settings', 'expected'),
    [
        (
            'slurm_train.sh', ['part', 'job', 'config.py', '--amp'],
            dict(GPUS='2', SRUN_ARGS='--quotatype=auto --mem=8G'),
            '-p part --job-name job --gres gpu:2 --ntasks 2 --ntasks-per-node 2 --cpus-per-task 5 '
            '--kill-on-bad-exit=1 --quotatype=auto --mem=8G {python} -u {tools}/train.py '
            'config.py --amp --launcher slurm',
        ),
        (
            'slurm_test.sh', ['part', 'job', 'config.py', 'model.pth'],
            dict(GPUS='16', CPUS_PER_TASK='3'),
            '-p part --job-name job --gres gpu:8 --ntasks 16 --ntasks-per-node 8 --cpus-per-task 3 '
            '--kill-on-bad-exit=1 {python} -u {tools}/test.py config.py model.pth '
            '--launcher slurm',
        ),
    ],
)  # fmt: skip
def test_what_slurm_is_asked_for(
    run_tool, tmp_path, monkeypatch, script, arguments, settings, expected
):
    srun = tmp_path / 'bin/srun'
    srun.parent.mkdir()
    srun.write_text('#!/bin/sh\necho "$@"\n')
    srun.chmod(0o755)
    monkeypatch.setenv('PATH', f'{srun.parent}{os.pathsep}{os.environ["PATH"]}')
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    expected = expected.format(python=sys.executable, tools=ROOT / 'tools')
    assert run_tool(script, *arguments).stdout.split() == expected.split()
