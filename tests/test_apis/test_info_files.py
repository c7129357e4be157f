from pathlib import Path

from mmengine.config import Config

from mmssc.apis.model_loading import info_files_of
from mmssc.config_file import data_roots_of


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


def test_data_sets_that_are_joined_are_found_too():
    one, two = (dict(type='NYUDataset', data_root=name, ann_file='a.json') for name in 'ab')
    joined = dict(type='ConcatDataset', datasets=[dict(type='RepeatDataset', dataset=one), two])
    cfg = Config(dict(train_dataloader=dict(dataset=joined)))
    assert info_files_of(cfg) == [Path('a/a.json'), Path('b/a.json')]
    assert data_roots_of(cfg) == [Path('a'), Path('b')]


def test_an_argument_called_dataset_may_be_a_name():
    own = dict(type='Own', dataset='nyu', data_root='a', ann_file='a.json')
    assert info_files_of(Config(dict(test_dataloader=dict(dataset=own)))) == [Path('a/a.json')]
