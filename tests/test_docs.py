"""The documentation names only things that exist."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path
    for pattern in ('*.md', 'docs/**/*.md', 'configs/**/*.md', 'projects/**/*.md')
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r'!?\[[^\]]*\]\(([^()\s]+)\)')
FENCE = re.compile(r'^[ \t]*```(\w*)\n(.*?)^[ \t]*```', re.MULTILINE | re.DOTALL)
MACHINE_PATH = re.compile(r'(?<![\w.:/])/(?:home|root|work|mnt|tmp|Users|data\d*)/\w+')
SCRIPT = re.compile(r'\b(?:tools|projects|docs)/[\w/.-]*\w\.(?:py|sh)\b')
CONFIG = re.compile(r'\b(?:configs|projects)/[\w/.-]*\w\.py\b')


def page_id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def without_code(text: str) -> str:
    return re.sub(r'`[^`\n]*`', '', FENCE.sub('', text))


def anchors(path: Path) -> set[str]:
    """Anchors that GitHub makes of the headings of a page."""
    found: set[str] = set()
    for heading in re.findall(r'^#+ +(.+?)\s*$', FENCE.sub('', path.read_text('utf-8')), re.M):
        plain = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', heading).replace('`', '').lower()
        slug = re.sub(r'[^\w\- ]', '', plain).replace(' ', '-')
        number = 0
        while (name := slug if not number else f'{slug}-{number}') in found:
            number += 1
        found.add(name)
    return found


def broken_links(path: Path) -> list[str]:
    broken = []
    for target in LINK.findall(without_code(path.read_text('utf-8'))):
        if re.match(r'[a-z]+:', target):
            continue
        name, _, anchor = target.partition('#')
        file = (path.parent / name).resolve() if name else path
        if not file.exists():
            broken.append(f'{target}: no such file')
        elif anchor and anchor not in anchors(file):
            broken.append(f'{target}: no such heading')
    return broken


def commands(path: Path) -> list[str]:
    """Command lines of the shell blocks, continuation lines joined, comments removed."""
    lines = []
    for language, body in FENCE.findall(path.read_text('utf-8')):
        if language in ('bash', 'shell', 'sh', 'console'):
            joined = re.sub(r'\\\n\s*', ' ', body)
            lines += [re.sub(r'(^|\s)#.*', '', line).strip() for line in joined.splitlines()]
    return [line for line in lines if line]


@pytest.fixture(scope='module')
def known_options() -> set[str]:
    """Every option that a tool, or code behind one, declares."""
    sources = [
        path.read_text('utf-8')
        for folder in ('tools', 'mmssc', 'projects')
        for pattern in ('*.py', '*.sh')
        for path in (ROOT / folder).rglob(pattern)
    ]
    return set(re.findall(r'--[a-z][\w-]*', '\n'.join(sources)))


def test_there_are_pages():
    assert {'README.md', 'docs/en/index.md', 'docs/en/conventions.md'} <= set(map(page_id, PAGES))


@pytest.mark.parametrize('path', PAGES, ids=page_id)
def test_relative_links_resolve(path):
    assert not broken_links(path)


@pytest.mark.parametrize('path', PAGES, ids=page_id)
def test_named_scripts_and_configs_exist(path):
    text = path.read_text('utf-8')
    missing = {
        name
        for name in SCRIPT.findall(text) + CONFIG.findall(text)
        if not (ROOT / name).is_file() and not (path.parent / name).is_file()
    }
    assert not missing


@pytest.mark.parametrize('path', PAGES, ids=page_id)
def test_no_machine_paths(path):
    assert not MACHINE_PATH.findall(path.read_text('utf-8'))


@pytest.mark.parametrize('path', PAGES, ids=page_id)
def test_options_of_commands_exist(path, known_options):
    unknown = {
        (option, line)
        for line in commands(path)
        if 'tools/' in line
        for option in re.findall(r'(?<=\s)--[a-z][\w-]*', line)
        if option not in known_options
    }
    assert not unknown


@pytest.mark.parametrize('path', PAGES, ids=page_id)
def test_python_blocks_parse_and_their_imports_exist(path):
    problems = []
    for language, body in FENCE.findall(path.read_text('utf-8')):
        if language != 'python':
            continue
        for node in ast.walk(ast.parse(body)):
            if not isinstance(node, ast.ImportFrom) or not (node.module or '').startswith('mmssc'):
                continue
            module = importlib.import_module(node.module)
            problems += [
                f'{node.module}.{n.name}' for n in node.names if not hasattr(module, n.name)
            ]
    assert not problems


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text(
        '# One `two`\n[a](#one-two) [b](#three) [c](page.md) [d](none.md) `[e](x.md)`\n'
    )
    assert broken_links(page) == ['#three: no such heading', 'none.md: no such file']


def test_a_machine_path_is_found():
    assert MACHINE_PATH.findall('see /home/me/data') and not MACHINE_PATH.findall(
        'https://a.b/home/me'
    )


def test_every_page_is_reachable_from_the_index():
    index = ROOT / 'docs/en/index.md'
    seen, queue = {index}, [index]
    while queue:
        page = queue.pop()
        for target in LINK.findall(without_code(page.read_text('utf-8'))):
            file = (page.parent / target.partition('#')[0]).resolve()
            if file.suffix == '.md' and file.is_file() and file not in seen:
                seen.add(file)
                queue.append(file)
    unreachable = {page_id(path) for path in PAGES if 'docs' in path.parts} - set(
        map(page_id, seen)
    )
    assert not unreachable


@pytest.mark.parametrize(
    ('page', 'dataset'),
    [
        ('semantic_kitti', 'SemanticKITTIDataset'),
        ('sscbench_kitti360', 'SSCBenchKITTI360Dataset'),
        ('nyu', 'NYUDataset'),
    ],
)
def test_class_tables_are_those_of_the_code(page, dataset):
    meta = getattr(importlib.import_module('mmssc.datasets'), dataset).METAINFO
    text = (ROOT / f'docs/en/datasets/{page}.md').read_text('utf-8')
    rows = [re.split(r' *\| *', line)[1:-1] for line in re.findall(r'^\| \d+ \|.*$', text, re.M)]
    assert [row[1] for row in rows] == list(meta['classes'])
    assert [int(row[-1]) for row in rows] == list(meta['class_counts'])
    raw_ids: dict[int, set[int]] = {}
    for raw, train in meta['learning_map'].items():
        if raw == 0 or train != 0:
            raw_ids.setdefault(train, set()).add(raw)
    for number, row in enumerate(rows):
        assert int(row[0]) == number
        if re.fullmatch(r'[\d, ]+', row[2]):
            assert {int(raw) for raw in row[2].split(',')} == raw_ids[number], row[1]


def test_the_keys_of_a_frame_are_those_of_the_loader():
    from mmssc.datasets.transforms.load_rgbd import known_keys

    text = (ROOT / 'docs/en/datasets/nyu.md').read_text('utf-8')
    table = text.partition('| key | shape, type')[2].partition('\n\n')[0]
    assert set(re.findall(r'^\| `(\w+)`', table, re.M)) == set(known_keys())
