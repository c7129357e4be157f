import pytest

from mmssc.config_file import read_config_file
from mmssc.errors import DataError

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
