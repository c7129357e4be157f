"""A tiny SemanticKITTI tree."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny_tree import make_info, write_tree

from mmssc.datasets.info_file import write_info_file


@pytest.fixture
def info() -> dict:
    """Content of an info file."""
    return make_info()


@pytest.fixture(scope='session')
def tree_template(tmp_path_factory) -> Path:
    """A tree that tests must not change."""
    root = tmp_path_factory.mktemp('template')
    write_tree(root)
    return root


@pytest.fixture
def tree(tmp_path, tree_template) -> Path:
    """Root of a tree of the test's own."""
    shutil.copytree(tree_template, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def info_text(tmp_path, info) -> str:
    """The info file as text."""
    write_info_file(tmp_path / 'valid.json', info)
    return (tmp_path / 'valid.json').read_text()
