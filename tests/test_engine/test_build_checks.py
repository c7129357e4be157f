"""What cannot be built is refused before a command writes anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook

from mmssc.config_file import read_config_file
from mmssc.engine.build_checks import check_buildable
from mmssc.errors import DataError
from mmssc.registry import HOOKS, MODELS

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = [path for path in ROOT.glob('configs/*/*.py') if path.parent.name != '_base_']
SLIPS = [
    ('optim_wrapper.optimizer.wieght_decay', 'optim_wrapper.optimizer: AdamW', 'weight_decay'),
    ('optim_wrapper.clip_gard', 'optim_wrapper: OptimWrapper', 'clip_grad'),
    ('param_scheduler.0.begn', 'param_scheduler.0: LinearLR', None),
    ('train_cfg.max_epoch', 'train_cfg: EpochBasedTrainLoop', 'max_epochs'),
    ('train_dataloader.sampler.shufle', 'train_dataloader.sampler: DefaultSampler', 'shuffle'),
    ('train_dataloader.dataset.indces', 'train_dataloader.dataset: NYUDataset', 'indices'),
    ('train_dataloader.dataset.data_rooot', 'train_dataloader.dataset: NYUDataset', 'data_root'),
    ('visualizer.nam', 'visualizer: SSCVisualizer', 'name'),
    ('default_hooks.logger.intervl', 'default_hooks.logger: LoggerHook', 'interval'),
    ('default_hooks.param_scheduler.a', 'default_hooks.param_scheduler: ParamSchedulerHook', None),
    ('val_evaluator.prefx', 'val_evaluator: SSCMetric', 'prefix'),
    ('model.heads', 'model: LightCompletor', None),
    ('model.data_preprocessor.men', 'model.data_preprocessor: SSCDataPreprocessor', 'mean'),
]  # fmt: skip


@pytest.mark.parametrize(('place', 'owner', 'near'), SLIPS)
def test_a_misspelt_argument_is_named(place: str, owner: str, near: str | None):
    cfg = read_config_file(ROOT / 'configs/light/light_depth_nyu.py')
    cfg.merge_from_dict({place: 1})
    with pytest.raises(DataError) as refused:
        check_buildable(cfg, ('train', 'val'))
    begin = f'config: {owner}: expected known arguments, found {place.rpartition(".")[2]}. '
    assert str(refused.value).startswith(begin)
    assert near is None or str(refused.value).endswith(f'Did you mean {near}?')


@pytest.mark.parametrize(
    ('place', 'kind'),
    [
        ('optim_wrapper.optimizer.type', 'optimizer'), ('model.type', 'model'),
        ('default_hooks.logger.type', 'hook'), ('visualizer.type', 'visualizer'),
        ('visualizer.vis_backends.0.type', 'vis_backend'),
    ],
)  # fmt: skip
def test_an_unknown_type_is_named(place: str, kind: str):
    cfg = read_config_file(ROOT / 'configs/light/light_depth_nyu.py', {place: 'Foo'})
    with pytest.raises(DataError, match=f"{place}: expected a registered {kind}, found 'Foo'. Is"):
        check_buildable(cfg, ('train', 'val'))


@pytest.mark.parametrize(
    ('place', 'name', 'near'),
    [
        ('model.type', 'LightCompleter', 'LightCompletor'),
        ('model.type', 'mmssc.LightCompleter', 'LightCompletor'),
        ('optim_wrapper.optimizer.type', 'AdmW', 'AdamW'),
    ],
)
def test_a_misspelt_type_is_named(place: str, name: str, near: str):
    cfg = read_config_file(ROOT / 'configs/light/light_depth_nyu.py', {place: name})
    with pytest.raises(DataError, match=rf"found '{name}'. Did you mean {near}\? Is the module"):
        check_buildable(cfg, ('train', 'val'))


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs_pass_up_to_their_data(path: Path):
    cfg = read_config_file(path)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if cfg.get(loader):
            cfg[loader].dataset = dict(type='BaseDataset')
    check_buildable(cfg, ('train', 'val', 'test'))


@pytest.fixture
def classes():
    """Registered for a test only."""

    @HOOKS.register_module()
    class ReadsKwargs(Hook):
        def __init__(self, **kwargs: object) -> None:
            self.size = kwargs.pop('size')

    @MODELS.register_module()
    class Parts:
        def __init__(self, norm_cfg: dict, part: dict) -> None:
            pass

    yield
    HOOKS.module_dict.pop('ReadsKwargs')
    MODELS.module_dict.pop('Parts')


def test_what_others_may_read_passes(classes):
    norm = dict(type='BN', requires_grad=False)
    check_buildable(
        Config(dict(
            model=dict(type='Parts', norm_cfg=norm, part=dict(type='Unknown', a=1)),
            custom_hooks=[dict(type='ReadsKwargs', size=3, priority='LOW')],
            param_scheduler=dict(type='LinearLR', convert_to_iter_based=True, end=2),
            optim_wrapper=dict(constructor='Mine', type='OptimWrapper', own=1),
            val_evaluator=dict(type='Evaluator', metrics=[]),
        )),
        ('train', 'val'),
    )  # fmt: skip
    check_buildable(Config(dict(runner_type='Mine', visualizer=dict(type='None'))), ['train'])
    # Old names of arguments.
    check_buildable(Config(dict(model=dict(type='SketchCompletor', image_head={}))), ['test'])
    # A test builds nothing of a training.
    check_buildable(Config(dict(optim_wrapper=dict(type='OptimWrapper', own=1))), ['test'])
