import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import init_default_scope

from mmssc.config_errors import config_errors
from mmssc.errors import DataError
from mmssc.registry import MODELS


@pytest.fixture
def classes():
    """Registered for a test only."""

    @MODELS.register_module()
    class Base:
        def __init__(self, size, unit='m'):
            if size < 0:
                raise ValueError('size is negative')
            if size == 99:
                raise DataError('config', 'Base.size', 'anything else', size)
            if size == 9:
                raise RuntimeError('two\nlines')
            self.size = {1: 1, 2: 2}[size]

    @MODELS.register_module()
    class Derived(Base):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)

    @MODELS.register_module()
    class Outer:
        def __init__(self, part):
            self.part = MODELS.build(part)

    yield
    for name in ('Base', 'Derived', 'Outer'):
        MODELS.module_dict.pop(name)


WRONG = [
    (dict(type='Bass'), "my.py: type: expected a registered model, found 'Bass'"),
    (dict(size=1), 'my.py: type: expected a registered model, found only size'),
    (3, 'my.py: type: expected a registered model, found 3'),
    (
        dict(type='Base', sice=1),
        'my.py: Base: expected known arguments, found sice. Did you mean size?',
    ),
    (
        dict(type='Derived', sice=1),
        'my.py: Derived: expected known arguments, found sice',
    ),
    (
        dict(type='Base', size=1, side=2, space=3),
        'my.py: Base: expected known arguments, found side. Did you mean size?',
    ),
    (
        dict(type='Base', size=1, width=2),
        'my.py: Base: expected known arguments, found width. Entries that a dict had before stay '
        'unless the new dict has _delete_=True',
    ),
    (dict(type='Base'), "my.py: Base: expected a value of 'size', found none"),
    (dict(type='Base', size=-1), 'my.py: Base: size is negative. Its settings: size=-1'),
    (
        dict(type='Base', size=-1, unit=['a' * 50] * 9),
        "my.py: Base: size is negative. Its settings: size=-1, unit=['aaa",
    ),
    (
        dict(type='Base', size=3, unit='cm'),
        "my.py: Base(size=3, unit='cm'): expected values that fit, found KeyError: 3. "
        'MMSSC_TRACEBACK=1 shows where it failed',
    ),
    (
        dict(type='Base', size='abc'),
        "my.py: Base(size='abc'): expected values that fit, found TypeError: '<' not supported",
    ),
    (
        dict(type='Base', size=9),
        'my.py: Base(size=9): expected values that fit, found RuntimeError: two lines. MMSSC',
    ),
    (dict(type='Base', size=99), 'my.py: Base.size: expected anything else, found 99'),
]


@pytest.mark.usefixtures('classes')
@pytest.mark.parametrize('nested', [False, True])
@pytest.mark.parametrize(('settings', 'message'), WRONG)
def test_what_a_config_asks_for_is_named(settings, message, nested):
    init_default_scope('mmssc')
    settings = dict(type='Outer', part=settings) if nested else settings
    with pytest.raises(DataError) as caught, config_errors('my.py'):
        ROOT_MODELS.build(settings)
    assert str(caught.value).startswith(message) and len(str(caught.value)) < 250


def test_bugs_and_other_errors_pass():
    with pytest.raises(KeyError, match='3'), config_errors('my.py'):
        {}[3]
    with pytest.raises(ValueError, match='^x$'), config_errors('my.py'):
        raise ValueError('x')
    with pytest.raises(DataError, match='^a.bin$'), config_errors('my.py'):
        raise DataError('a.bin')


def test_a_missing_setting_is_named():
    for read in (lambda cfg: cfg.val_evaluator, lambda cfg: cfg['val_evaluator']):
        expected = 'my.py: val_evaluator: expected a setting, found none'
        with pytest.raises(DataError, match=expected), config_errors('my.py'):
            read(Config())


@pytest.mark.usefixtures('classes')
def test_the_place_in_the_config_is_named():
    init_default_scope('mmssc')
    wrong = dict(type='Base', size=3)
    cfg = Config(dict(variable=wrong, model=dict(type='Outer', part=wrong)))
    with pytest.raises(DataError, match=r'^my.py: model.part: Base\(size=3\): expected values'):
        build_with(cfg)
    # A constructor may add to the settings of its parts.
    expected = r'^my.py: model.part: Base\(size=3, unit=.*KeyError: 3'
    with pytest.raises(DataError, match=expected), config_errors('my.py'):
        MODELS.build(dict(cfg.model.part, unit='cm'))
    cfg.model.part.type = 'Bass'
    with pytest.raises(DataError, match='^my.py: model.part.type: expected a registered model'):
        build_with(cfg)


@pytest.mark.usefixtures('classes')
def test_equal_settings_in_other_places_are_not_named():
    init_default_scope('mmssc')

    class Second:
        def __init__(self, first, second):
            self.part = MODELS.build(second)

    part, hooks = dict(type='Base'), dict(one=dict(type='Base'))
    cfg = Config(dict(default_hooks=hooks, model=dict(type='Outer', part=part)))
    with pytest.raises(DataError, match='^my.py: model.part: Base: expected a value of'):
        build_with(cfg)
    cfg = Config(dict(default_hooks=hooks, model=dict(type=Second, first=part, second=dict(part))))
    with pytest.raises(DataError, match='^my.py: model.second: Base: expected a value of'):
        build_with(cfg)
    # A class can build parts that no config has.
    hidden = Config(dict(default_hooks=hooks, model=dict(type='Outer', part=dict(type=Hidden))))
    with pytest.raises(DataError, match='^my.py: model.part: Base: expected a value of'):
        build_with(hidden)


class Hidden:
    def __init__(self):
        MODELS.build(dict(type='Base'))


def build_with(cfg):
    with config_errors('my.py'):
        MODELS.build(cfg.model)


class Part(torch.nn.Linear):
    def forward(self, inputs):
        if inputs is None:
            raise ValueError('a bug')
        return super().forward(inputs)


def test_a_size_that_does_not_fit_names_the_part_of_the_model():
    cfg = Config(dict(model=dict(head=dict(type='Head'))))  # noqa: F841 Found in this frame.
    model = torch.nn.Module()
    model.head = torch.nn.Sequential(Part(2, 3))
    model.forward = lambda inputs: model.head(inputs)
    expected = r'my.py: model.head: expected sizes that .* in layer head.0 \(Part\). MMSSC'
    with pytest.raises(DataError, match=expected), config_errors('my.py'):
        torch.nn.Module.__call__(model, torch.zeros(1, 5))
    with pytest.raises(ValueError, match='^a bug$'), config_errors('my.py'):
        torch.nn.Module.__call__(model, None)
