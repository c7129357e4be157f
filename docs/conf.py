"""Settings of the documentation site, which ``bash tools/build_docs.sh`` builds.

The source folder is the root of the repository, because pages link to the READMEs of methods and
projects. The API pages come from the source text: nothing of mmssc is imported.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

project = 'mmssc'
author = 'mmssc contributors'
copyright = f'{author}, Apache-2.0'  # noqa: A001 the name that Sphinx reads
release = re.search(r"'([^']+)'", (ROOT / 'mmssc/version.py').read_text('utf-8')).group(1)
version = release

extensions = ['myst_nb', 'autoapi.extension', 'sphinx.ext.napoleon']
root_doc = 'docs/en/index'
include_patterns = [
    '*.md', 'docs/en/**', 'configs/*/README.md', 'projects/*/README.md', 'checkpoints/README.md',
]  # fmt: skip
exclude_patterns = ['.*', 'build', 'data', 'dist', 'mmssc', 'tests', 'tools', 'work_dirs']

myst_heading_anchors = 4
# The notebooks are shown as stored; tools/misc/run_notebooks.py runs them.
nb_execution_mode = 'off'

autoapi_dirs = [str(ROOT / 'mmssc')]
autoapi_root = 'docs/en/api'
autoapi_options = ['members', 'imported-members', 'show-module-summary']
autoapi_add_toctree_entry = False
autoapi_member_order = 'groupwise'
# Iterable, not collections.abc.Iterable.
python_use_unqualified_type_names = True
# Rooms for those who change mmssc itself; their docstrings are read in the source.
autoapi_ignore = [
    f'*/mmssc/{room}/*' for room in ('compat', 'parity', 'preparation', 'synthetic', 'testing')
]
suppress_warnings = ['autoapi.python_import_resolution']

html_theme = 'sphinx_book_theme'
html_title = f'mmssc {release}'
html_static_path = ['site/custom.css']
html_css_files = ['custom.css']
# The first page is at docs/en/index.html; index.html leads there.
html_extra_path = ['site/index.html']
# A page opened from a folder cannot fetch others, which summaries of search results would need.
html_show_search_summary = False
html_copy_source = False
html_theme_options = dict(
    show_toc_level=2,
    use_download_button=False,
    use_fullscreen_button=False,
    # The sidebar has the search field; a second one would be in a bar of its own.
    navbar_persistent=[],
)

#: The sidebar: pages of each section without ``.md``, or ``Title </page>``. ``*`` stands for all
#: that are not listed before. A page in no section is an error.
NAVIGATION = {
    'Get started': [
        'docs/en/get_started', 'Overview </README>', 'docs/en/tutorials/overview',
        'docs/en/tutorials/*', 'docs/en/conventions',
    ],
    'User guides': [
        'docs/en/user_guides/configs', 'docs/en/user_guides/config_tutorial',
        'docs/en/user_guides/train_and_test',
        'docs/en/user_guides/own_data', 'docs/en/user_guides/own_rgbd_camera',
        'docs/en/user_guides/visualize', 'docs/en/user_guides/*',
    ],
    'Methods': ['docs/en/methods/*'],
    'Data sets': ['docs/en/downloads', 'docs/en/datasets/*'],
    'Model zoo': [
        'docs/en/model_zoo', 'docs/en/performance', 'configs/*/README',
        'projects/monoscene/README', 'checkpoints/README',
    ],
    'Advanced guides': [
        'docs/en/advanced_guides/architecture', 'docs/en/advanced_guides/customize',
        'docs/en/advanced_guides/*', 'projects/example_project/README',
        'CONTRIBUTING', 'CODE_OF_CONDUCT', 'SECURITY',
    ],
    'Migration': ['docs/en/migration/*', 'CHANGELOG'],
    'API': ['docs/en/api', 'docs/en/api/mmssc/index'],
    'FAQ': ['docs/en/faq'],
}  # fmt: skip


def _add_navigation(app: Any, docname: str, source: list[str]) -> None:
    """Append the sidebar to the first page; in the file itself it would show up on GitHub."""
    if docname == root_doc:
        for section, pages in NAVIGATION.items():
            entries = '\n'.join(page if '<' in page else f'/{page}' for page in pages)
            options = f':hidden:\n:glob:\n:caption: {section}'
            source[0] += f'\n```{{toctree}}\n{options}\n\n{entries}\n```\n'


def _is_hidden(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool:
    """Packages show what they export; only ``mmssc.formats`` exports module by module."""
    if what == 'module':
        return not name.startswith('mmssc.formats.')
    return skip


def setup(app: Any) -> None:
    """Connect the hooks of this file."""
    app.connect('source-read', _add_navigation)
    app.connect('autoapi-skip-member', _is_hidden)
