"""tools/misc/check_metafiles.py: this repository is described, and each gap is found."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

README = 'configs/sgn/README.md'
METAFILE = 'configs/sgn/metafile.yml'
CONFIG = 'configs/sgn/sgn-T.py'
COLLECTION = {
    'Name': 'SGN',
    'Metadata': {'Architecture': ['FLoSP'], 'Training Data': ['SemanticKITTI']},
    'Paper': {'URL': 'https://arxiv.org/abs/2312.05752', 'Title': 'A title'},
    'README': README,
}
MODEL = {
    'Name': 'sgn-T',
    'In Collection': 'SGN',
    'Config': CONFIG,
    'Metadata': {'Source': 'reproduced here'},
    'Results': [
        {
            'Task': 'Semantic Scene Completion',
            'Dataset': 'SemanticKITTI',
            'Split': 'val',
            'Metrics': {'IoU': 46.2, 'mIoU': 15.3},
        }
    ],
    'Weights': 'sgn-T.pth',
}


def write_metafile(root: Path, collections: list[dict], models: list[dict]) -> None:
    content = {'Collections': collections, 'Models': models}
    (root / METAFILE).write_text(yaml.safe_dump(content))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with one method of one config."""
    files = {
        'configs/_base_/default_runtime.py': '',
        'configs/quickstart/sgn_synthetic.py': '',
        README: '# SGN',
        CONFIG: '',
        'model-index.yml': yaml.safe_dump({'Import': [METAFILE]}),
        'sgn-T.pth': '',
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    write_metafile(tmp_path, [COLLECTION], [MODEL])
    return tmp_path


@pytest.fixture
def check(tree, tool_in_process):
    """Run the tool on the tree: (exit status, lines)."""
    run = tool_in_process('misc/check_metafiles.py')

    def check_driving_tree():
        status, output = run(tree)
        return status, output.splitlines()

    return check_driving_tree


def test_this_repository_is_described(tool_in_process):
    assert tool_in_process('misc/check_metafiles.py')() == (0, '')


def test_a_described_method_has_no_problems(check):
    assert check() == (0, [])


@pytest.mark.parametrize(
    ('name', 'problems'),
    [
        (README, [f'{README}: no such file']),
        (METAFILE, [f'{METAFILE}: no such file, or no Collections in it']),
        ('model-index.yml', [f'model-index.yml: {METAFILE} is missing']),
        (CONFIG, [f'{METAFILE}: sgn-T: Config: no such file in this folder: {CONFIG}']),
        ('sgn-T.pth', [f'{METAFILE}: sgn-T: Weights: no such file: sgn-T.pth']),
    ],
)
def test_a_missing_file_is_found(tree, check, name, problems):
    # Without a second config the folder would be no method any more.
    (tree / 'configs/sgn/other.py').touch()
    described = {**MODEL, 'Name': 'other', 'Config': 'configs/sgn/other.py'}
    write_metafile(tree, [COLLECTION], [MODEL, {**described, 'Weights': None}])
    (tree / name).unlink()
    assert check() == (1, problems)


def test_a_config_that_is_not_described_is_found(tree, check):
    (tree / 'configs/sgn/sgn-S.py').touch()
    assert check() == (1, [f'{METAFILE}: configs/sgn/sgn-S.py is not described'])


def test_a_superfluous_line_of_the_index_is_found(tree, check):
    lines = [METAFILE, 'configs/quickstart/metafile.yml']
    (tree / 'model-index.yml').write_text(yaml.safe_dump({'Import': lines}))
    assert check() == (1, ['model-index.yml: configs/quickstart/metafile.yml: no such file'])


@pytest.mark.parametrize(
    ('entry', 'change', 'problem'),
    [
        ('Collections', {'Name': 'LMSCNet'}, 'sgn-T: In Collection: no such collection: SGN'),
        ('Collections', {'Paper': {'URL': 'https://arxiv.org'}}, 'SGN: Paper.Title is missing'),
        ('Collections', {'Metadata': None}, 'SGN: Metadata.Architecture is missing'),
        ('Collections', {'README': 'README.md'}, f'SGN: README: expected {README}'),
        (
            'Collections',
            {'Paper': {'URL': 'arxiv.org', 'Title': 'A title'}},
            'SGN: Paper.URL: expected https://...',
        ),
        ('Models', {'Name': 'sgn-S'}, 'sgn-S: Name: expected sgn-T, as its config'),
        ('Models', {'Results': None}, 'sgn-T: Results is missing'),
        ('Models', {'Results': [{'Task': 'Segmentation'}]}, 'sgn-T: Results: Dataset is missing'),
        (
            'Models',
            {'Results': [{'Task': 'Segmentation'}]},
            'sgn-T: Results: Task: expected Semantic Scene Completion',
        ),
        (
            'Models',
            {'Metadata': {'Source': 'a friend'}},
            'sgn-T: Metadata.Source: expected "reported by the authors" or "reproduced here"',
        ),
    ],
)
def test_a_wrong_field_is_found(tree, check, entry, change, problem):
    content = {'Collections': [dict(COLLECTION)], 'Models': [dict(MODEL)]}
    content[entry][0].update(change)
    write_metafile(tree, content['Collections'], content['Models'])
    status, found = check()
    assert status == 1 and f'{METAFILE}: {problem}' in found


def test_a_config_that_is_described_twice_is_found(tree, check):
    write_metafile(tree, [COLLECTION], [MODEL, MODEL])
    problem = f'{METAFILE}: {CONFIG} is described more than once'
    assert check() == (1, [problem])


def test_another_folder_is_refused_in_words(tmp_path, tool_in_process):
    for path in (tmp_path, tmp_path / 'none'):
        status, output = tool_in_process('misc/check_metafiles.py')(path)
        assert status == 2 and 'expected the folder of the repository, with configs/' in output


@pytest.mark.parametrize(
    ('content', 'problem'),
    [
        ({'Collections': 5}, 'Collections: expected a list, found 5'),
        ({'Collections': 'SGN'}, "Collections: expected a list, found 'SGN'"),
        ({'Models': {'Name': 'sgn-T'}}, "Models: expected a list, found {'Name': 'sgn-T'}"),
        ({'Collections': [5]}, 'None: Name is missing'),
        ({'Models': [[]]}, 'None: Name is missing'),
        *(
            ({'Models': [{**MODEL, key: value}]}, f'{key}: expected {kind}, found {value!r}')
            for key, value, kind in (
                ('Name', 5, 'text'),
                ('Config', [CONFIG], 'text'),
                ('In Collection', {'a': 1}, 'text'),
                ('Weights', 5, 'text'),
                ('Results', 5, 'a list'),
                ('Results', {'a': 1}, 'a list'),
            )
        ),
        ({'Models': [{**MODEL, 'Results': [5]}]}, 'sgn-T: Results: Task is missing'),
        ({'Models': [{**MODEL, 'Metadata': {'Source': []}}]}, 'sgn-T: Metadata.Source: expected'),
    ],
)
def test_an_entry_of_another_kind_is_found(tree, check, content, problem):
    entries = {'Collections': [COLLECTION], 'Models': [MODEL], **content}
    (tree / METAFILE).write_text(yaml.safe_dump(entries))
    status, lines = check()
    assert status == 1 and any(problem in line for line in lines)


def test_an_index_of_another_kind_is_found(tree, check):
    for value in (5, METAFILE, {'a': METAFILE}):
        (tree / 'model-index.yml').write_text(yaml.safe_dump({'Import': value}))
        assert check() == (1, [f'model-index.yml: Import: expected a list, found {value!r}'])
