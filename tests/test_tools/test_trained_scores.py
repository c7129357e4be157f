"""The scores in the log of a training are those of the file that it writes."""

from __future__ import annotations

import json

import pytest
from tool_runs import TOY_CONFIG, read_scalars

# Each process sees other samples; the scores of 40 small volumes tell small differences.
DIFFERENT_BUFFERS = [
    'train_dataloader.batch_size=1', 'val_dataloader.dataset.length=40',
    'test_dataloader.dataset.length=40', 'model.type=RememberingCompletor',
]  # fmt: skip
BY_ITERATION = [
    'train_cfg=dict(_delete_=True,type="IterBasedTrainLoop",max_iters=5,val_interval=5)',
    'param_scheduler=[]', 'default_hooks.checkpoint.by_epoch=False',
    'log_processor.by_epoch=False',
]  # fmt: skip
AVERAGED_BUFFERS = [
    'default_hooks.ema.type=EMAHook', 'default_hooks.ema.update_buffers=True',
    'default_hooks.ema.momentum=0.3',
]  # fmt: skip


@pytest.mark.parametrize(
    'settings, last',
    [
        (['model.type=InstantCompletor'], 'epoch_3.pth'),
        pytest.param(AVERAGED_BUFFERS, 'epoch_3.pth', marks=pytest.mark.slow),
        pytest.param(BY_ITERATION, 'iter_5.pth', marks=pytest.mark.slow),
    ],
    ids=['batch norm', 'averaged', 'by iteration'],
)
def test_two_processes_log_the_scores_of_the_file(run_tool, tmp_path, settings, last):
    settings = [*DIFFERENT_BUFFERS, *settings]
    run_tool('dist_train.sh', TOY_CONFIG, 2, '--work-dir', 'run', '--cfg-options', *settings)
    logged = read_scalars(tmp_path / 'run')[-1]
    run_tool(
        'test.py', TOY_CONFIG, f'run/{last}', '--out', 'scores.json', '--cfg-options', *settings
    )
    scores = json.loads((tmp_path / 'scores.json').read_text())
    assert scores == {key: logged[key] for key in scores}
    assert scores['ssc/SSC_mIoU'] > 0
