"""Generator and discriminator through the same commands as every other method."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tool_runs import HERE, ROOT, assert_equal_trees, tool_environment

from mmssc.compat import load_checkpoint_file

CONFIG = HERE / 'ammnet_config.py'
# Everything that a checkpoint has to bring back, of both networks.
EVERYTHING = (
    '--amp',
    '--cfg-options',
    'default_hooks.ema.type=EMAHook',
    'optim_wrapper.decay_all_weights=True',
    'optim_wrapper.generator.accumulative_counts=2',
)
RunTool = Callable[..., subprocess.CompletedProcess]


@pytest.mark.slow
def test_killed_and_resumed_run_equals_an_uninterrupted_one(
    run_tool: RunTool, tmp_path: Path
) -> None:
    whole = subprocess.Popen(
        [sys.executable, ROOT / 'tools/train.py', CONFIG, '--work-dir', 'whole', *EVERYTHING],
        cwd=tmp_path, env=tool_environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    kill = "custom_hooks=[dict(type='KillHook',iteration=2)]"
    run_tool('train.py', CONFIG, '--work-dir', 'killed', *EVERYTHING, kill, status=-signal.SIGKILL)
    assert not (tmp_path / 'killed/epoch_2.pth').exists()
    run_tool('train.py', CONFIG, '--work-dir', 'killed', '--resume', *EVERYTHING)
    log = whole.communicate(timeout=120)[0]
    assert whole.returncode == 0, log[-3000:]

    expected = load_checkpoint_file(tmp_path / 'whole/epoch_2.pth')
    found = load_checkpoint_file(tmp_path / 'killed/epoch_2.pth')
    for key in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers'):
        assert_equal_trees(found[key], expected[key], key)
    assert set(expected['optimizer']) == {'generator', 'discriminator'}
    # The schedule is the generator's alone.
    rates = {name: state['param_groups'][0]['lr'] for name, state in expected['optimizer'].items()}
    assert rates['generator'] < rates['discriminator'] == 1e-3
    assert expected['meta']['cfg'].count('AutocastOptimWrapper') >= 2
    assert 'grad_norm_discriminator' in log and 'loss_disc_erased' in log
    assert list((tmp_path / 'whole').glob('best_ssc_SSC_mIoU_nyu_epoch_*.pth'))


@pytest.mark.slow
def test_two_processes_and_the_figures(run_tool: RunTool, tmp_path: Path) -> None:
    options = ['train_dataloader.batch_size=1', 'optim_wrapper.discriminator.accumulative_counts=2']
    run_tool('dist_train.sh', CONFIG, 2, '--work-dir', 'two', '--cfg-options', *options)
    checkpoint = tmp_path / 'two/epoch_2.pth'
    content = load_checkpoint_file(checkpoint)
    cfg = content['meta']['cfg']
    assert 'AdversarialDistributedDataParallel' in cfg and 'device_ids=None' in cfg
    assert not any('module.' in name for name in content['state_dict'])
    run_tool('dist_test.sh', CONFIG, checkpoint, 2, '--work-dir', 'two', '--out', 'two.json')
    run_tool('test.py', CONFIG, checkpoint, '--out', 'one.json')
    one, two = (json.loads((tmp_path / f'{name}.json').read_text()) for name in ('one', 'two'))
    assert one == two and {'ssc/SC_IoU_nyu', 'ssc/SSC_mIoU_nyu', 'ssc/SSC_mIoU'} <= set(one)
