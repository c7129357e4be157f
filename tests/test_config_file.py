import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import init_default_scope

from mmssc.config_file import config_errors, read_config_file
from mmssc.errors import DataError
from mmssc.registry import MODELS

TEXTS = [
    ('a = (\n', r"wrong.py: expected a readable config, found SyntaxError: '\(' was never closed"),
    ("_base_ = ['./none.py']\n", r'none.py: expected a readable config, found FileNotFoundError'),
    ('a = 1\nb = c\n', r"wrong.py: line 2: expected .* NameError: name 'c' is not defined"),
    ("_base_ = './other.py'\n", r'wrong.py: .*other.py, line 1: expected .* ZeroDivisionError'),
    ("_base_ = './broken.py'\n", r'wrong.py: .*broken.py: expected .* SyntaxError'),
    ('import sys; sys.exit(3)\n', r'wrong.py: line 1: expected .* a program that ends itself'),
    ('raise BaseException(1)\n', r'wrong.py: line 1: expected .* BaseException: 1'),
    ("_base_ = './wrong.py'\n", r'wrong.py, _base_: expected other configs, found this config'),
    ("_base_ = './loop.py'\n", r'wrong.py: .*loop.py, _base_: expected other configs'),
    ('a = []\na.append(a)\n', 'found values nested too deeply, or in themselves'),
    ('a = []\nfor _ in range(60):\n    a = [a]\n', 'values: expected at most 40 levels, found mor'),
    ('a = [10**5000]\n', 'values: expected numbers of at most 4000 digits, found a longer one'),
    ("custom_imports = dict(imports=['ends_itself'])\n", 'custom_imports: expected modules, found'),
    (
        "custom_imports = dict(imports=['no_such_module'])\n",
        r"custom_imports: expected installed modules, found No module named 'no_such_module'",
    ),
]


@pytest.mark.parametrize(
    'name, content, message',
    [
        (
            'epoch_1.pth',
            b'PK\x03\x04',
            'a zip archive, such as .npz files and those of torch.save. Give the config',
        ),
        ('epoch_1.pth', b"_base_ = ['a.py']", 'a text file .* Give the config here'),
        ('config.py', b'PK\x03\x04', 'found a zip archive'),
        ('config.py', b'\x80\x02', 'found a pickle'),
        ('config.py', b'\n<!DOCTYPE html><html>', 'found a web page, not the file itself. Open it'),
        ('config.py', b'version https://git-lfs.github.com/spec/v1', "Run 'git lfs pull'"),
    ],
)
def test_what_is_no_config_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf'{name}: expected a config file \(.py, .*{message}'):
        read_config_file(tmp_path / name)


def test_text_about_web_pages_is_a_config(tmp_path):
    (tmp_path / 'config.py').write_bytes(b'# Not a <html> page, caf\xc3\xa9.\nvalue = 1\n')
    assert read_config_file(tmp_path / 'config.py').value == 1
    with pytest.raises(DataError, match='expected a config file, found a folder. Give a file'):
        read_config_file(tmp_path)


@pytest.mark.parametrize(('text', 'message'), TEXTS)
def test_a_config_that_cannot_be_read_is_named(tmp_path, monkeypatch, text, message):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / 'ends_itself.py').write_text('import sys; sys.exit(0)\n')
    (tmp_path / 'loop.py').write_text("_base_ = './wrong.py'\n")
    (tmp_path / 'other.py').write_text('a = 1 / 0\n')
    (tmp_path / 'broken.py').write_text('a = )\n')
    path = tmp_path / 'wrong.py'
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_config_file(path)
    assert caught.value.file == str(path)


def test_a_bug_in_an_imported_module_keeps_its_type(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / 'module_with_a_bug.py').write_text('{}["key"]\n')
    (tmp_path / 'config.py').write_text("custom_imports = dict(imports=['module_with_a_bug'])\n")
    with pytest.raises(KeyError, match='key'):
        read_config_file(tmp_path / 'config.py')


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


def test_messages_name_no_temporary_copy_and_loops_of_links_are_one_line(tmp_path):
    for name, content in (
        ('a.yaml', '- 1\n'), ('b.yaml', ''), ('c.json', ''), ('d.yaml', 'a: 9999-99-99\n'),
    ):  # fmt: skip
        (tmp_path / name).write_text(content)
        with pytest.raises(DataError) as refused:
            read_config_file(tmp_path / name)
        assert str(refused.value).startswith(f'{tmp_path / name}: ')
        assert '/tmp' not in str(refused.value).replace(str(tmp_path), '')
    (tmp_path / 'loop.py').symlink_to('loop.py')
    (tmp_path / 'e.py').write_text("_base_ = 'loop.py'")
    with pytest.raises(DataError, match='e.py: .*loop.py'):
        read_config_file(tmp_path / 'e.py')
