"""The processes of data loaders at the end of a run."""

import sys
from multiprocessing import active_children

from toy_training import TOYS, toy_config

from mmssc.engine.launch import build_runner


def test_workers_end_by_themselves_with_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'path', [str(TOYS), *sys.path])
    cfg = toy_config(tmp_path / 'run')
    for name in ('train_dataloader', 'val_dataloader'):
        cfg[name].update(num_workers=2, persistent_workers=True)
    cfg.launcher, cfg.train_cfg.max_epochs = 'none', 1
    runner = build_runner(cfg)
    seen = []
    monkeypatch.setattr(
        runner.hooks[0], 'after_val_epoch', lambda *_, **__: seen.extend(active_children())
    )
    runner.train()
    assert len(seen) == 4 and not active_children()
    # PyTorch kills a worker that does not end within five seconds: then the status is -15.
    assert [worker.exitcode for worker in seen] == [0] * 4
