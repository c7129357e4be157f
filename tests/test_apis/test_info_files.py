from pathlib import Path

from mmengine.config import Config

from mmssc.apis.model_loading import info_files_of


def test_info_files_of_all_loaders_also_in_wrappers():
    inner = dict(type='NYUDataset', data_root='data', ann_file='train.json')
    cfg = Config(
        dict(
            train_dataloader=dict(dataset=dict(type='RepeatDataset', times=2, dataset=inner)),
            val_dataloader=dict(dataset=dict(type='Toy')),
            test_dataloader=None,
        )
    )
    assert info_files_of(cfg) == [Path('data/train.json')]
