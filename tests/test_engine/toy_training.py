"""The toy training of three epochs, each of three iterations."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config

TOYS = Path(__file__).parents[1] / 'test_tools'


def toy_config(folder: Path) -> Config:
    cfg = Config.fromfile(TOYS / 'toy_config.py')
    cfg.work_dir, cfg.experiment_name = str(folder), folder.name
    cfg.default_hooks.checkpoint.update(save_best='ssc/SSC_mIoU', rule='greater', max_keep_ckpts=2)
    return cfg
