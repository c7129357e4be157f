"""Every shipped config loads, builds its model, and is described."""

from __future__ import annotations

import ast
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import yaml
from mmcv.cnn.bricks.drop import DropPath
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from mmssc.registry import DATASETS, MODELS
from mmssc.structures import VoxelGrid
from mmssc.testing.random_driving_sample import random_driving_sample
from mmssc.testing.random_rgbd_sample import random_rgbd_sample

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted(
    path
    for folder in ('configs', 'projects')
    for path in (ROOT / folder).rglob('*.py')
    if 'configs' in path.relative_to(ROOT).parts
)
LEAVES = [path for path in CONFIGS if '_base_' not in path.parts]
# Bases of the last release that only configs of users have.
OLD_BASES = [path for path in CONFIGS if 'FutureWarning' in path.read_text('utf-8')]
METAFILES = sorted((ROOT / 'configs').glob('*/metafile.yml'))
MAX_LEAF_LINES = 60
MAX_LEVELS = 4
MAX_MODEL_FILES = 2


def config_id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def skip_without_requirements(path: Path) -> None:
    """Skip the config of a project whose own requirements are not installed."""
    requirements = path.parents[1] / 'requirements.txt'
    if 'projects' not in path.parts or not requirements.is_file():
        return
    for line in requirements.read_text('utf-8').splitlines():
        name = re.match(r'[\w-]*', line).group()
        if name and find_spec(name) is None:
            pytest.skip(f'{name} is missing: pip install --no-deps -r {config_id(requirements)}')


def variables(path: Path) -> dict[str, ast.expr]:
    """Top-level variables of a config file, with the expressions of their values."""
    return {
        target.id: node.value
        for node in ast.parse(path.read_text('utf-8')).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def bases(path: Path) -> list[Path]:
    value = variables(path).get('_base_')
    names = [] if value is None else ast.literal_eval(value)
    return [
        (path.parent / name).resolve() for name in ([names] if isinstance(names, str) else names)
    ]


def levels(path: Path) -> int:
    """Files on the longest way from a config to a base without bases, both counted."""
    return 1 + max(map(levels, bases(path)), default=0)


def with_bases(path: Path) -> set[Path]:
    return {path}.union(*map(with_bases, bases(path)))


def names_in(values: dict[str, ast.expr], name: str) -> set[str]:
    """Names that the value of a variable reads, itself or through variables of the same file."""
    found: set[str] = set()
    queue = [name]
    while queue:
        nodes = ast.walk(values[queue.pop()])
        new = {node.id for node in nodes if isinstance(node, ast.Name)} - found
        found |= new
        queue += new & values.keys()
    return found


def model_problems(path: Path) -> list[str]:
    """Why a reader of a leaf needs more than two files for its model."""
    files = sorted(file for file in with_bases(path) if 'model' in variables(file))
    problems = [f'{file.name} reads _base_' for file in files
                if '_base_' in names_in(variables(file), 'model')]  # fmt: skip
    if len(files) > MAX_MODEL_FILES:
        problems.append(f'in {len(files)} files: {", ".join(file.name for file in files)}')
    return problems


@pytest.fixture(autouse=True)
def import_path(monkeypatch):
    """Projects keep their package beside their configs."""
    for path in (ROOT / 'projects').glob('*'):
        monkeypatch.syspath_prepend(str(path))


def test_there_are_configs():
    assert {'configs/sgn/sgn-T.py', 'configs/sgn/sgn-L.py'} <= set(map(config_id, LEAVES))


@pytest.mark.parametrize('path', LEAVES, ids=config_id)
def test_config_builds_its_model_and_is_short(path):
    assert len(path.read_text('utf-8').splitlines()) <= MAX_LEAF_LINES
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    assert cfg.default_scope == 'mmssc'
    model = MODELS.build(cfg.model)
    assert sum(parameter.numel() for parameter in model.parameters()) > 0
    # dumped into the work folder by a run, and read again by whoever wants to repeat it
    assert Config.fromstring(cfg.pretty_text, '.py').model == cfg.model


@pytest.mark.parametrize('path', LEAVES, ids=config_id)
def test_config_is_read_at_a_glance(path):
    assert levels(path) <= MAX_LEVELS
    assert not model_problems(path)
    assert not with_bases(path) & set(OLD_BASES)


def test_no_config_calls_globals():
    calling = {
        config_id(path)
        for path in CONFIGS
        for node in ast.walk(ast.parse(path.read_text('utf-8')))
        if isinstance(node, ast.Name) and node.id == 'globals'
    }
    assert not calling


def test_a_config_that_hides_its_model_is_found(tmp_path):
    texts = dict(
        grid='grid = dict(shape=(2, 2, 2))',
        model="_base_ = 'grid.py'\nvoxel_grid = _base_.grid\nmodel = dict(grid=voxel_grid)",
        wide="_base_ = ['model.py']\nchannels = 2\nmodel = dict(channels=channels)",
        deep="_base_ = './wide.py'\nlr = 1",
        leaf="_base_ = './deep.py'\nmodel = dict(depth=1)",
    )
    for name, text in texts.items():
        (tmp_path / f'{name}.py').write_text(text)
    leaf = tmp_path / 'leaf.py'
    assert levels(leaf) == 5
    assert with_bases(leaf) == {tmp_path / f'{name}.py' for name in texts}
    assert model_problems(leaf) == [
        'model.py reads _base_', 'in 3 files: leaf.py, model.py, wide.py'
    ]  # fmt: skip
    assert model_problems(tmp_path / 'wide.py') == ['model.py reads _base_']


def test_old_bases_are_few_and_warn_once(tmp_path):
    """Configs of users that have them load as before."""
    assert {path.stem for path in OLD_BASES} == {
        'depth_map_steps', 'few_nyu_frames', 'nyu_grid', 'resnet50_frozen', 'rgbd_nyu',
        'small_rooms', 'warmup_cosine',
    }  # fmt: skip
    for path in OLD_BASES:
        config = tmp_path / f'my_{path.name}'
        config.write_text(f"_base_ = '{path.as_posix()}'\nmine = 1\n")
        with pytest.warns(FutureWarning, match=f'{config_id(path)} goes away') as warned:
            cfg = Config.fromfile(config)
        assert len([one for one in warned if one.category is FutureWarning]) == 1
        assert variables(path).keys() - {'_base_'} <= cfg.keys()


@pytest.mark.parametrize('path', LEAVES, ids=config_id)
def test_config_has_everything_a_run_needs(path):
    cfg = Config.fromfile(path)
    keys = ('train_dataloader', 'val_dataloader', 'val_evaluator', 'train_cfg', 'val_cfg',
            'test_dataloader', 'test_evaluator', 'test_cfg', 'optim_wrapper')  # fmt: skip
    assert not [key for key in keys if cfg.get(key) is None]


def frozen_by_config(model: nn.Module, cfg: Config) -> set[str]:
    """Parameters that an image encoder keeps, by the rules of the model's config."""
    if 'backbone' not in cfg:
        return set()
    backbone = cfg.backbone
    if backbone is None:
        return set()
    is_mit = backbone.type.endswith('MiT')
    if cfg.get('freeze_backbone') or (is_mit and backbone.get('frozen', True)):
        return {name for name, _ in model.named_parameters() if name.startswith('backbone.')}
    if is_mit:
        return set()
    stages = backbone.get('frozen_stages', -1)
    folders = ['conv1.', 'bn1.'] if stages >= 0 else []
    folders += [f'layer{stage}.' for stage in range(1, stages + 1)]
    frozen = set()
    for name, module in model.backbone.named_modules():
        fixed = isinstance(module, nn.BatchNorm2d) and not backbone.norm_cfg.get(
            'requires_grad', True
        )
        if fixed or f'{name}.'.startswith(tuple(folders)):
            frozen |= {f'backbone.{name}.{key}' for key, _ in module.named_parameters()}
    return frozen


def small_street(cfg: Config, num_classes: int) -> dict:
    """A sample for the model of a config, whose grid becomes 64 x 64 x 8 larger voxels."""
    cfg.merge_from_dict({'model.voxel_grid.voxel_size': 0.8, 'model.voxel_grid.shape': (64, 64, 8)})
    if 'train_window' in cfg.model:
        cfg.model.train_window = (32, 32)
    if 'downsample_z' in cfg.model:
        # A working volume has at least four voxels above each other.
        cfg.model.downsample_z = 1
    return random_driving_sample(
        VoxelGrid.build(cfg.model.voxel_grid),
        num_classes,
        image_size=(96, 320),
        num_frames=2 if cfg.train_dataloader.dataset.get('frame_offsets') else 1,
        points_per_frame=3000,
    )


def small_room(cfg: Config, num_classes: int) -> dict:
    """A sample for the model of a config, whose grid becomes 16 x 12 x 16 larger voxels."""
    cfg.merge_from_dict(
        {'model.voxel_grid.voxel_size': 0.3, 'model.voxel_grid.shape': (16, 12, 16)}
    )
    if 'teacher' in cfg.model:
        # Its checkpoint is made by a training of its own; nothing of it learns.
        cfg.model.teacher = None
    if 'teachers' in cfg.model:
        del cfg.model.teachers, cfg.model.loss_distillation
    grid = VoxelGrid.build(cfg.model.voxel_grid)
    return random_rgbd_sample(grid, num_classes, image_size=(96, 128), mapped=0.3)


SMALL_SAMPLES = {'NYUDataset': small_room}


@pytest.mark.parametrize(
    'path', [path for path in LEAVES if path.parts[-3] == 'configs'], ids=config_id
)
def test_every_parameter_learns_unless_it_is_frozen(path):
    """One step of the config's model on a small grid and small images."""
    cfg = Config.fromfile(path)
    init_default_scope('mmssc')
    dataset = cfg.train_dataloader.dataset.type
    num_classes = len(DATASETS.get(dataset).METAINFO['classes'])
    assert cfg.model.head.num_classes == num_classes
    sample = SMALL_SAMPLES.get(dataset, small_street)(cfg, num_classes)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).train()
    for parameter in model.parameters():
        # A matrix that starts at zero keeps the gradient from what lies before it for one step.
        if parameter.dim() > 1 and not parameter.any():
            nn.init.normal_(parameter, std=0.01)
    for module in model.modules():
        # A path that is dropped for the only sample has no gradient.
        if isinstance(module, DropPath):
            module.drop_prob = 0.0
    inputs = {key: [value] for key, value in sample['inputs'].items()}
    batch = model.data_preprocessor(dict(inputs=inputs, data_samples=[sample['data_samples']]))
    model.parse_losses(model(**batch, mode='loss'))[0].backward()

    parameters = dict(model.named_parameters())
    frozen = {name for name, parameter in parameters.items() if not parameter.requires_grad}
    assert frozen == frozen_by_config(model, cfg.model)
    still, broken = set(), set()
    for name in parameters.keys() - frozen:
        gradient = parameters[name].grad
        if gradient is None or not gradient.any():
            still.add(name)
        elif not gradient.isfinite().all():
            broken.add(name)
    assert not still and not broken


@pytest.mark.parametrize('path', METAFILES, ids=config_id)
def test_metafile_counts_the_parameters(path):
    init_default_scope('mmssc')
    for model in yaml.safe_load(path.read_text('utf-8'))['Models']:
        if 'Parameters' in model['Metadata']:
            built = MODELS.build(Config.fromfile(ROOT / model['Config']).model)
            count = sum(parameter.numel() for parameter in built.parameters())
            assert count == model['Metadata']['Parameters'], model['Name']
