"""The documentation names only things that exist."""

from __future__ import annotations

import ast
import importlib
import re
import runpy
from pathlib import Path

import pytest
import yaml
from doc_pages import FENCE, PAGES, ROOT, blocks, page_id

from mmssc.version import __version__

LINK = re.compile(r'!?\[[^\]]*\]\(([^()\s]+)\)')
MACHINE_PATH = re.compile(r'(?<![\w.:/])/(?:home|root|work|mnt|tmp|Users|data\d*)/\w+')
SCRIPT = re.compile(r'\b(?:tools|projects|docs)/[\w/.-]*\w\.(?:py|sh)\b')
CONFIG = re.compile(r'\b(?:configs|projects)/[\w/.-]*\w\.py\b')


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
def test_python_blocks_parse_and_their_imports_exist(path):
    problems = []
    for block in blocks(path, 'python'):
        for node in ast.walk(ast.parse(block.text)):
            if not isinstance(node, ast.ImportFrom) or not (node.module or '').startswith('mmssc'):
                continue
            module = importlib.import_module(node.module)
            problems += [
                f'{node.module}.{n.name}' for n in node.names if not hasattr(module, n.name)
            ]
    assert not problems


@pytest.mark.parametrize('path', PAGES, ids=page_id)
def test_excerpts_of_configs_are_right(path):
    """A block that begins with ``# configs/...`` is a part of this file."""
    for block in blocks(path, 'python'):
        found = re.match(r'# (configs/\S+\.py)\n', block.text)
        if found:
            excerpt = block.text[found.end() :].strip()
            assert excerpt in (ROOT / found[1]).read_text('utf-8'), block.name


@pytest.mark.parametrize('path', sorted(ROOT.glob('*/*/metafile.yml')), ids=page_id)
def test_pages_of_methods_say_where_paper_code_and_weights_are(path):
    """Errors about missing weights lead to these pages, also in a wheel, which has no other."""
    page = (path.parent / 'README.md').read_text('utf-8')
    for method in yaml.safe_load(path.read_text('utf-8'))['Collections']:
        assert method['Paper']['URL'] in page
        if 'Code' in method:
            assert f'**Official code**: [{method["Code"]["URL"].removeprefix("https://")}](' in page
            assert '**Official weights**: ' in page


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


@pytest.fixture(scope='module')
def site() -> dict:
    """The settings of the site."""
    return runpy.run_path(str(ROOT / 'docs/conf.py'))


def test_every_page_is_in_one_section_of_the_site(site):
    sections = [
        [entry.rpartition('</')[2].rstrip('>') for entry in section]
        for section in site['NAVIGATION'].values()
    ]
    files = [{entry: set(ROOT.glob(f'{entry}.md')) for entry in section} for section in sections]
    missing = [entry for section in files for entry, found in section.items() if not found]
    assert missing == ['docs/en/api/mmssc/index']  # Made while the site is built.
    found = [path for section in files for path in set().union(*section.values())]
    assert sorted(found) == sorted(set(PAGES) - {ROOT / 'docs/en/index.md'})


def test_sections_have_the_order_of_other_mm_projects(site):
    assert list(site['NAVIGATION']) == [
        'Get started', 'User guides', 'Methods', 'Data sets', 'Model zoo', 'Advanced guides',
        'Migration', 'API', 'FAQ',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ('module', 'is_hidden'),
    [('mmssc.structures.camera', True), ('mmssc.formats.numpy_arrays', False)],
)
def test_api_pages_show_what_packages_export(site, module, is_hidden):
    assert site['_is_hidden'](None, 'module', module, None, False, None) == is_hidden


def test_downloads_name_every_method():
    text = (ROOT / 'docs/en/downloads.md').read_text('utf-8')
    for metafile in [*ROOT.glob('configs/*/metafile.yml'), *ROOT.glob('projects/*/metafile.yml')]:
        for collection in yaml.safe_load(metafile.read_text('utf-8'))['Collections']:
            if not collection['Name'].startswith('Light'):  # This library's own.
                addresses = [collection[key]['URL'] for key in ('Paper', 'Code')]
                assert all(address in text for address in addresses), collection['Name']


def test_the_citation_has_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text('utf-8'))
    assert {'cff-version', 'message', 'title', 'authors'} <= set(citation)
    assert citation['version'] == __version__


@pytest.mark.parametrize(
    ('page', 'dataset'),
    [
        ('semantic_kitti', 'SemanticKITTIDataset'),
        ('sscbench_kitti360', 'SSCBenchKITTI360Dataset'),
        ('carla_sc', 'CarlaSCDataset'),
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


def test_git_ignores_what_the_documented_commands_write():
    ignored = (ROOT / '.gitignore').read_text().split()
    option = r'--(?:out|out-dir|output-dir|show-dir|save-predictions|work-dir) ([a-z][\w./-]*)'
    pages = [ROOT / 'README.md', *ROOT.glob('docs/en/**/*.md'), *ROOT.glob('*/*/README.md')]
    outputs = {name for page in pages for name in re.findall(option, page.read_text())}
    assert len(outputs) > 5
    for name in sorted(outputs):
        first = name.partition('/')[0]
        assert {f'/{first}/', f'/{first}', f'*{Path(first).suffix}'} & set(ignored), name
