"""The command ``mmssc`` runs the scripts of ``tools/``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmssc.__main__ import main
from mmssc.tool_commands import COMMANDS, as_typed, prepare_scripts, script_of

ROOT = Path(__file__).parents[1]


def mmssc(folder, *arguments, status=0, module=('-m', 'mmssc'), path=ROOT):
    """Run ``python -m mmssc`` from a folder: (stdout, stderr)."""
    importable = f'{ROOT}{os.pathsep}{path}'
    environment = {**os.environ, 'PYTHONPATH': importable, 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(
        [sys.executable, *module, *map(str, arguments)], cwd=folder, env=environment,
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == status, f'{done.stdout[-2000:]}\n{done.stderr[-2000:]}'
    return done.stdout, done.stderr


@pytest.fixture
def words(monkeypatch, capsys):
    """Run the command in this process with some words: (exit status, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['/bin/mmssc', *arguments])
        return (main(), *capsys.readouterr())

    return run


def test_the_help_has_a_line_for_every_command(words):
    for arguments in (['--help'], ['-h'], ['help']):
        status, text, _ = words(*arguments)
        assert status == 0 and text.startswith('usage: mmssc COMMAND')
        assert all(f'  {name} ' in text for name in COMMANDS)
    assert words()[0] == 2


def test_the_help_is_quick(tmp_path):
    code = 'import sys; sys.argv = ["mmssc", "--help"]; from mmssc.__main__ import main; main();'
    text, _ = mmssc(tmp_path, '-c', f'{code} print([*sys.modules])', module=())
    assert not {'torch', 'numpy', 'mmengine', 'mmcv'} & set(text.split("'"))


PARSING = [
    path
    for path in sorted((ROOT / 'tools').rglob('*.py'))
    if path.name not in ('cores.py', 'reachable.py')  # They have no options.
]


@pytest.mark.parametrize('script', PARSING, ids=lambda path: path.stem)
def test_the_help_of_a_script_needs_no_torch(script, tmp_path):
    code = 'import atexit, runpy, sys; sys.argv[:] = [sys.argv[1], "--help"]\n'
    code += 'atexit.register(lambda: print("modules:", *sys.modules))\n'
    code += 'runpy.run_path(sys.argv[0], run_name="__main__")'
    text, _ = mmssc(tmp_path, '-c', code, script, module=())
    help_text, _, modules = text.partition('modules:')
    assert help_text.strip()
    heavy = {'torch', 'mmengine', 'mmcv', 'numpy', 'cv2', 'scipy', 'matplotlib', 'PIL'}
    assert heavy & set(modules.split()) == set()


def test_a_wrong_command_line_ends_before_torch(tmp_path):
    code = 'import atexit, runpy, sys; sys.argv[:] = [sys.argv[1], "--no-such-option"]\n'
    code += 'atexit.register(lambda: print("torch" in sys.modules))\n'
    code += 'runpy.run_path(sys.argv[0], run_name="__main__")'
    text, errors = mmssc(tmp_path, '-c', code, ROOT / 'tools/train.py', status=2, module=())
    assert text.strip() == 'False' and errors.startswith('error: ')


def test_every_command_names_a_script():
    tools = ROOT / 'tools'
    assert all((tools / script).is_file() for script, _ in COMMANDS.values() if script)
    assert script_of(['prepare', 'nyu', 'x']) == (
        'prepare nyu', tools / 'dataset_converters/nyu.py', ['x'],
    )  # fmt: skip
    for name in ('misc/print_config', 'misc/print_config.py'):
        assert script_of(['tool', name])[1] == tools / 'misc/print_config.py'


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['trian'], 'error: mmssc: expected a command (train, test, '),
        (['Train'], 'found Train. Did you mean train?'),
        (['prepare', 'nyuu'], 'error: mmssc prepare: expected a data set (lidar_targets, '),
        (['prepare', 'kitti360'], 'Did you mean sscbench_kitti360?'),
        (['tool'], 'error: mmssc tool: expected a script of tools/ (analysis_tools/analyze_logs, '),
        (['tool', 'bencmark'], 'found bencmark'),
        (['tool', '../setup'], 'found ../setup'),
    ],
)
def test_a_wrong_command_names_the_nearest(words, arguments, message):
    status, _, errors = words(*arguments)
    assert status == 2 and message in errors and errors.count('\n') == 1


def test_data_sets_are_listed(words):
    status, text, _ = words('prepare', '--help')
    assert status == 0 and all(f'  {name} ' in text for name in prepare_scripts())
    assert words('prepare')[0] == 2


def test_texts_name_what_was_typed(tmp_path):
    text, _ = mmssc(tmp_path, 'infer', '--help')
    assert text.startswith('usage: python -m mmssc infer ')
    assert '    python -m mmssc infer light_depth_nyu --depth' in text and 'tools/' not in text
    _, errors = mmssc(tmp_path, 'train', status=2)
    assert errors == 'error: the following arguments are required: config. -h shows the usage\n'
    script = 'import sys; from mmssc.__main__ import main; sys.argv[0] = "/bin/mmssc"; main()'
    text, _ = mmssc(tmp_path, '-c', script, 'prepare', 'nyu', '--help', module=())
    assert text.startswith('usage: mmssc prepare nyu ')


def test_remedies_name_what_can_be_typed(monkeypatch):
    text = 'Run: python tools/train.py X, tools/dataset_converters/nyu.py, tools/misc/cores.py'
    assert as_typed(text) == text
    monkeypatch.setattr('mmssc.tool_commands._program', 'mmssc')
    assert as_typed(text) == 'Run: mmssc train X, mmssc prepare nyu, mmssc tool misc/cores'
    assert as_typed('my/tools/train.py') == 'my/tools/train.py'


def test_a_remedy_of_a_command_can_be_typed(tmp_path):
    _, errors = mmssc(tmp_path, 'train', 'light_synthetic', status=2)
    assert 'python -m mmssc prepare make_synthetic makes' in errors and 'tools/' not in errors


@pytest.mark.slow
def test_the_tools_take_names(tmp_path):
    text, _ = mmssc(tmp_path, 'tool', 'misc/print_config', 'sgn-T')
    assert "type='mmssc.SGN'" in text
    _, errors = mmssc(tmp_path, 'train', 'sgn-t', status=2)
    assert errors == (
        'error: sgn-t: expected a config file, found no such file. Did you mean sgn-T?\n'
    )
    _, errors = mmssc(tmp_path, 'test', 'sgn-T', status=2)
    assert errors.startswith('error: sgn-T: weights: expected a file in this package, found none.')
    text, _ = mmssc(tmp_path, 'check', 'sgn-T', status=1)
    assert 'semantickitti_infos_train.json  (' in text and 'mmssc prepare semantic_kitti' in text
    _, errors = mmssc(tmp_path, 'test', ROOT / 'configs/sgn/sgn-T.py', status=2)
    assert errors.startswith('error: command line: checkpoint: expected a checkpoint file')


def test_spawned_processes_find_the_script(tmp_path):
    (tmp_path / 'sitecustomize.py').write_text(
        "import multiprocessing\nmultiprocessing.set_start_method('spawn')\n"
    )
    options = ['--layout', 'nyu', '--out', 'rooms', '--frames', 2, 1, '--workers', 2]
    size = ['--grid-shape', 20, 12, 20, '--voxel-size', 0.24, '--image-size', 24, 32]
    code = 'import sys; sys.path.insert(0, "."); import sitecustomize; from mmssc.__main__ import '
    code += 'main; sys.argv[0] = "/bin/mmssc"; main()'
    arguments = ['prepare', 'make_synthetic', *options, *size]
    text, _ = mmssc(tmp_path, '-c', code, *arguments, module=())
    assert '2 rooms to train and 1 to test' in text


@pytest.mark.slow
def test_several_processes(tmp_path):
    toy = ROOT / 'tests/test_tools'
    processes = ['--standalone', '--nproc_per_node', 2, '-m', 'mmssc', 'train']
    for config, status in ((toy / 'toy_config.py', 0), ('none', 2)):
        _, errors = mmssc(
            tmp_path, 'tool', 'misc/torchrun', *processes, config, '--launcher', 'pytorch',
            status=status, path=toy,
        )  # fmt: skip
    assert errors.startswith('error: none: expected a config file') and errors.count('\n') == 1
    (log,) = tmp_path.glob('work_dirs/toy_config/*/*.log')
    assert 'Distributed training: True' in log.read_text() and 'GPU number: 2' in log.read_text()
    assert [*tmp_path.glob('work_dirs/toy_config/epoch_*.pth')]
