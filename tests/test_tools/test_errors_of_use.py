"""Every tool fails alike: one line, the exit status of docs/en/user_guides/exit_statuses.md."""

import os
import re
import runpy
import sys

import pytest
from parse_commands import reader_of
from tool_runs import ROOT, TOY_CONFIG, run_tool_in

TOOLS = ROOT / 'tools'
# Asked by shell scripts, before anything is installed.
WITHOUT_LAUNCHER = {'misc/cores.py', 'misc/reachable.py'}
NO_CONFIG = (
    'error: {config}: expected a config file, found no such file. Give a file, or a name that '
    'mmssc info --list prints'
)

#: Tool -> (arguments, start of the line).
WRONG = {
    'train.py': (['{config}'], NO_CONFIG),
    'test.py': (['{config}', 'x.pth'], NO_CONFIG),
    'infer.py': (
        ['{config}', 'x.pth', '--image', 'x.png', '--calib', 'none.txt', '--out', 'x'],
        NO_CONFIG,
    ),
    'analysis_tools/analyze_logs.py': (['none'], 'error: none: expected a work folder'),
    'analysis_tools/analyze_results.py': (['{config}', 'none', '--out-dir', 'x'], NO_CONFIG),
    'analysis_tools/benchmark.py': (['{config}'], NO_CONFIG),
    'analysis_tools/check_depth.py': (['none', '--sequence', '00', '--frame', '0'], 'error: none'),
    'analysis_tools/check_floor.py': (['none.json'], 'error: none.json'),
    'analysis_tools/check_parity.py': (['sgn-tiny', '--units', 'none.npz'], 'error: none.npz'),
    'analysis_tools/compare_results.py': (['.', '..', '--config', '{config}'], NO_CONFIG),
    'analysis_tools/geometric_baselines.py': (['{config}'], NO_CONFIG),
    'analysis_tools/get_flops.py': (['{config}'], NO_CONFIG),
    'analysis_tools/gpu_check.py': (['--only', 'none'], 'error: --only: expected a word of a step'),
    'analysis_tools/growth.py': (['{config}'], NO_CONFIG),
    'analysis_tools/list_growth.py': (['--plot', 'x.jpg'], 'error: --plot'),
    'analysis_tools/loading_speed.py': (['{config}'], NO_CONFIG),
    'analysis_tools/thin_scans.py': (['{config}'], NO_CONFIG),
    'dataset_converters/lidar_targets.py': (['none'], 'error: none'),
    'dataset_converters/make_synthetic.py': (
        ['--out', 'x', '--frames', '1', '2'], 'error: command line: --frames',
    ),
    'dataset_converters/nyu.py': (['none'], 'error: none'),
    'dataset_converters/nyu_cache.py': (['none', '--out', 'x'], 'error: none'),
    'dataset_converters/own_rgbd.py': (
        ['none', '--depth', '*.png', '--camera', '9,9,4,4'], 'error: none',
    ),
    'dataset_converters/semantic_kitti.py': (['none'], 'error: none'),
    'dataset_converters/sscbench_kitti360.py': (['none'], 'error: none'),
    'deployment/export.py': (['{config}', '--out', 'x.onnx'], NO_CONFIG),
    'misc/browse_dataset.py': (['{config}'], NO_CONFIG),
    'misc/check_dataset.py': (
        ['{config}'], NO_CONFIG.replace('a config file', 'the folder of a data set or a config')
    ),
    'misc/check_env.py': (['--nothing'], None),
    'misc/check_metafiles.py': (['none'], 'error: none: expected the folder of the repository'),
    'misc/check_submission.py': (['none.zip'], 'error: none.zip'),
    'misc/make_model_zoo.py': (['--measure', 'none'], 'error: --measure: expected one of ammnet'),
    'misc/model_info.py': (['sgn-t'], 'error: command line: name: expected the name of a config'),
    'misc/print_config.py': (['{config}'], NO_CONFIG),
    'misc/render_voxels.py': (['none.npy'], 'error: none.npy'),
    'misc/run_notebooks.py': (['none.ipynb'], 'error: none.ipynb'),
    'misc/torchrun.py': (['--nothing'], None),
    'model_converters/import_checkpoint.py': (['sgn', 'none.pth', 'x.pth'], 'error: none.pth'),
    'model_converters/publish_checkpoint.py': (['none.pth', 'x.pth'], 'error: none.pth'),
}  # fmt: skip
READ_A_CONFIG = {tool: args for tool, (args, _) in WRONG.items() if '{config}' in args}


def options_of_others(tool: str, errors: str) -> set[str]:
    """Options that an error names and the tool lacks, except in sentences about other commands."""
    typed = {word.partition('=')[0] for word in sys.argv[1:]}
    parser = reader_of(TOOLS / tool).__self__  # It changes sys.argv.
    sentences = [one for one in errors.split('. ') if not re.search(r'\.py\b|mmssc |docker', one)]
    named = {option for one in sentences for option in re.findall(r'(?<!\S)--[a-z][a-z-]+', one)}
    return named - typed - {*parser._option_string_actions}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a tool as a command, in this process: (exit status, stderr)."""
    monkeypatch.delenv('MMSSC_TRACEBACK', raising=False)
    monkeypatch.chdir(tmp_path)

    def start(tool, *arguments):
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(TOOLS / tool), run_name='__main__')
        errors = capsys.readouterr().err
        assert not options_of_others(tool, errors), errors
        return stopped.value.code, errors

    return start


def test_no_tool_is_left_out():
    tools = {path.relative_to(TOOLS).as_posix() for path in TOOLS.rglob('*.py')}
    assert tools - WITHOUT_LAUNCHER == set(WRONG)


@pytest.mark.parametrize('tool', WRONG)
def test_an_error_of_use_is_one_line(run, tool):
    arguments, start = WRONG[tool]
    status, errors = run(tool, *(text.format(config='none.py') for text in arguments))
    assert status == 2 and 'Traceback' not in errors
    if start is not None:
        assert errors.startswith(start.format(config='none.py'))
        assert errors.count('\n') == 1


@pytest.mark.parametrize('tool', READ_A_CONFIG)
def test_a_broken_config_is_one_line(run, tmp_path, tool):
    (tmp_path / 'broken.py').write_text('model = dict(\n')
    status, errors = run(tool, *(text.format(config='broken.py') for text in READ_A_CONFIG[tool]))
    assert status == 2
    assert errors.startswith('error: broken.py: expected a readable config, found SyntaxError')
    assert errors.count('\n') == 1


def test_the_remedy_for_another_grid_is_one_of_this_command(run):
    changed = ['--cfg-options', 'model.voxel_grid.voxel_size=0.1']
    status, errors = run('deployment/export.py', 'light_depth_nyu', '--out', 'x.onnx', *changed)
    assert status == 2 and 'voxel_grid: expected 60 x 36 x 60 voxels of 0.1 x' in errors
    assert 'Give the config that the checkpoint was trained with. ' in errors


def test_the_check_of_the_environment_uses_the_launcher():
    assert hasattr(runpy.run_path(str(TOOLS / 'misc/check_env.py'))['main'], '__wrapped__')


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('model.type=Foo', "model.type: expected a registered model, found 'Foo'"),
        (
            'model.slep=1',
            'model: InstantCompletor: expected known arguments, found slep',
        ),
        ('train_dataloader.batch_size=0', 'train_dataloader.batch_size: expected a whole'),
        (
            'train_dataloader.dataset.lenght=3',
            'train_dataloader.dataset: InstantDataset: expected known arguments',
        ),
        (
            'optim_wrapper.optimizer.lr=abc',
            "optim_wrapper.optimizer.lr: expected a number, found 'abc'\n",
        ),
        ('model.channels=abc', "model.channels: expected a number, found 'abc'\n"),
        ('model.channels=-1', "model: InstantCompletor(data_preprocessor={'type': "),
        ('model.channels=0', 'model.layers.0.weight: expected weights, found shape (0, '),
        ('train_dataloader.batch_sise=1', 'train_dataloader.batch_sise: expected an entry of'),
        (
            'train_cfg.max_epoch=1',
            'train_cfg: EpochBasedTrainLoop: expected known arguments, found max_epoch',
        ),
        ('param_scheduler.0.start_factor=abc', 'param_scheduler.0.start_factor: expected a num'),
        ('param_scheduler.0.end=-1', 'param_scheduler.0: LinearLR: '),
        ('default_hooks.timer.intervall=1', 'default_hooks.timer: IterTimerHook: expected known'),
        ('env_cfg.mp_cfg.mp_start_method=abc', 'env_cfg.mp_cfg.mp_start_method: expected'),
        ('randomness.seed=abc', 'settings: expected values that fit, found'),
        (
            'optim_wrapper.optimizer.lr=-1',
            'optim_wrapper.optimizer: AdamW: Invalid learning rate: -1',
        ),
        (
            'optim_wrapper.optimizer.type=Foo',
            'optim_wrapper.optimizer.type: expected a registered optimizer',
        ),
        (
            "optim_wrapper=dict(type='AutocastOptimWrapper',dtype='float16')",
            "AutocastOptimWrapper.dtype: expected 'bfloat16', which needs no loss scaling, found",
        ),
        ('val_evaluator.protocols=[]', 'SSCMetric.protocols: expected at least one, found none'),
        ('val_evaluator.format_only=True', 'SSCMetric.output_dir: expected a folder'),
        (
            "custom_hooks=[dict(type='SSCVisualizationHook',interval=0)]",
            'SSCVisualizationHook.interval: expected 1 or more, found 0',
        ),
        ('model.data_preprocessor.a.b=1', 'model.data_preprocessor: BaseDataPreprocessor: exp'),
        (
            'default_hooks.logger.interval=abc',
            "default_hooks.logger.interval: expected a number, found 'abc'\n",
        ),
        ('stop_at_nan=abc', "stop_at_nan: expected True or False, found 'abc'"),
        # What the training finds out on its way.
        (
            'default_hooks.checkpoint.interval=abc',
            "default_hooks.checkpoint.interval: expected a number, found 'abc'\n",
        ),
        (
            'default_hooks.checkpoint.save_best=ssc/SSC_IoU',
            'default_hooks.checkpoint.save_best: expected a score of val_evaluator, such as '
            'ssc/SC_IoU, ssc/SSC_mIoU, found ssc/SSC_IoU. Did you mean ssc/SSC_mIoU?\n',
        ),
        (
            "custom_hooks=[dict(type=EarlyStoppingHook,monitor=foo,rule='greater')]",
            'custom_hooks.0.monitor: expected a score of val_evaluator, such as',
        ),
        (
            'param_scheduler=dict(type=ReduceOnPlateauLR,monitor=foo,rule=greater)',
            'param_scheduler.monitor: expected a score of val_evaluator, such as',
        ),
        (
            "custom_hooks=[dict(type='CheckpointHook',save_best=foo,rule=greater)]",
            'custom_hooks.0.save_best: expected a score of val_evaluator, such as',
        ),
        (
            'optim_wrapper.constructor=Foo',
            'optim_wrapper.constructor: expected a registered optimizer wrapper constructor',
        ),
        ('train_cfg.val_interval=abc', 'train_cfg.val_interval: expected a number, found'),
        (
            'log_processor.window_size=abc',
            "log_processor.window_size: expected a number, found 'abc'\n",
        ),
        ('optim_wrapper.clip_grad.max_norm=abc', 'optim_wrapper.clip_grad.max_norm: expected a'),
    ],
)
def test_a_wrong_setting_is_one_line_with_the_config(run, option, message):
    status, errors = run('train.py', TOY_CONFIG, '--cfg-options', option)
    assert status == 2
    # Before it are warnings, and what the log says of the run.
    line = errors.splitlines(keepends=True)[-1]
    sources = f'error: {TOY_CONFIG}: ', 'error: --cfg-options: '
    assert line.startswith(tuple(f'{source}{message}' for source in sources))


@pytest.mark.parametrize('tool', ['train.py', 'test.py'])
@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('', 'error: data/nyu_cache/nyu_infos_t'),
        ('visualizer.nam=a', ': visualizer: SSCVisualizer: expected known arguments, found nam. '),
        ('default_hooks.timer.a=1', ': default_hooks.timer: IterTimerHook: expected known argum'),
        ('{loader}.dataset.data_rooot=a', ': {loader}.dataset: NYUDataset: expected known argu'),
        ('{loader}.dataset.data_root=damaged', 'damaged/nyu_infos_t'),
    ],
)
def test_nothing_is_written_before_the_config_can_be_built(run, tmp_path, tool, option, message):
    (tmp_path / 'damaged').mkdir()
    for split in ('train', 'test'):
        (tmp_path / f'damaged/nyu_infos_{split}.json').write_text('{')
    (tmp_path / 'x.pth').touch()
    before = sorted(tmp_path.rglob('*'))
    loader = f'{tool[:-3]}_dataloader'
    config = TOOLS.parent / 'configs/light/light_depth_nyu.py'
    arguments = [config] if tool == 'train.py' else [config, 'x.pth', '--show-dir', 'pictures']
    options = ['--cfg-options', option.format(loader=loader)] if option else []
    status, errors = run(tool, *arguments, *options)
    assert status == 2 and message.format(loader=loader) in errors and errors.count('\n') == 1
    assert sorted(tmp_path.rglob('*')) == before


def test_an_output_without_a_reader_is_refused_before_the_work(run, tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    status, errors = run('test.py', TOY_CONFIG, 'untrained', '--out', 'pipe')
    assert status == 2
    assert errors == 'error: pipe: expected a process that reads this pipe, found none\n'
    assert [path.name for path in tmp_path.iterdir()] == ['pipe']


def test_the_loader_of_the_test_is_named_though_that_of_the_validation_is_equal(run):
    wrong = [f'{name}_dataloader.dataset.lenght=3' for name in ('val', 'test')]
    status, errors = run('test.py', TOY_CONFIG, 'untrained', '--cfg-options', *wrong)
    assert status == 2
    place = f'error: {TOY_CONFIG}: test_dataloader.dataset: InstantDataset: '
    assert errors.splitlines()[-1].startswith(place)


@pytest.mark.parametrize('tool', READ_A_CONFIG)
@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['train_cfg.max_epochs', '3'], 'expected KEY=VALUE, found train_cfg.max_epochs without'),
        (
            ['val_evaluator.ranges=[1,', '2]'],
            'val_evaluator.ranges=[1,: expected a value, found',
        ),
        (['optim_wraper.lr=1'], 'optim_wraper.lr: expected a setting that exists, found optim_'),
        (['model=3'], 'model=3: expected a dict, found 3'),
    ],
)
def test_a_slip_in_an_option_is_one_line(run, tool, options, message):
    arguments = [text.format(config=TOY_CONFIG) for text in READ_A_CONFIG[tool]]
    status, errors = run(tool, *arguments, '--cfg-options', *options)
    assert status == 2 and errors.count('\n') == 1
    assert errors.startswith(f'error: --cfg-options: {message}')


def test_no_file_of_the_data_is_overwritten(tmp_path):
    data = tmp_path / 'data'
    image, new = data / 'dataset/sequences/08/image_2/000000.png', data / 'new.json'
    listed = data / 'semantickitti_infos_val.json'
    image.parent.mkdir(parents=True)
    image.write_text('precious')
    listed.write_text('precious')
    loop = tmp_path / 'loop'
    loop.symlink_to(loop)
    frame = ['--sequence', '08', '--frame', '000000', '--out', image, '--overwrite']
    config = ROOT / 'configs/quickstart/sgn_synthetic.py'
    root = f'test_dataloader.dataset.data_root={data}'
    test = [config, 'untrained', '--work-dir', tmp_path / 'work', '--out', listed, '--overwrite']
    drawn = ['--show-dir', 'x']
    other = [*test[:-2], image, test[-1], '--cfg-options', root]
    pictures = ['--show-dir', image.parent, '--work-dir', tmp_path / 'work', '--overwrite']
    for tool, arguments, found in (
        ('analysis_tools/check_depth.py', [data, *frame], 'a file of the data in'),
        ('analysis_tools/check_depth.py', [data, *frame[:-2], new], 'one inside'),
        ('test.py', [*test, '--cfg-options', root], 'an input of this command'),
        ('test.py', other, 'a file of the data in'),
        ('test.py', [*test[:-2], new, '--cfg-options', root], 'one inside. Choose another name'),
        ('test.py', [*test[:2], *pictures, '--cfg-options', root], 'a folder of the data in'),
        ('test.py', [*test[:4], '--show-dir', tmp_path / 'work'], 'the work folder. Give --show-d'),
        ('test.py', [*test[:4], '--show-dir', loop], 'a link to nothing'),
        ('test.py', [*test[:4], *drawn, '--save-predictions', 'x'], 'x. Choose another folder'),
        ('test.py', [*test[:4], *drawn, '--save-predictions', 'x/y'], 'x/y. Choose another folder'),
        ('test.py', [*test[:4], *drawn, '--out', 'x/y.json'], 'x/y.json. Choose another folder'),
    ):
        done = run_tool_in(tmp_path, tool, *arguments, status=2)
        assert f'found {found}' in done.stderr
    assert image.read_text() == listed.read_text() == 'precious' and not new.exists()


@pytest.mark.parametrize(
    ('tool', 'arguments'),
    [
        ('test.py', ['untrained']),
        ('analysis_tools/get_flops.py', []),
        ('analysis_tools/benchmark.py', ['--synthetic-input']),
        ('analysis_tools/geometric_baselines.py', []),
        ('model_converters/import_checkpoint.py', ['sgn', 'a.pth']),
    ],
)
def test_no_base_of_a_config_is_overwritten(tmp_path, tool, arguments):
    base, config = tmp_path / 'base.py', tmp_path / 'config.py'
    base.write_text(f"_base_ = '{ROOT}/configs/quickstart/sgn_synthetic.py'\n")
    (tmp_path / 'a.pth').write_text('weights')
    config.write_text("_base_ = 'base.py'\n")
    before = base.read_text()
    words = [config, *arguments, '--out', 'base.py']
    if 'import' in tool:
        words = [*arguments, 'base.py', '--config', config]
    done = run_tool_in(tmp_path, tool, *words, '--overwrite', status=2)
    assert 'base.py: expected a new file, found an input of this command' in done.stderr
    assert base.read_text() == before


@pytest.mark.parametrize(
    ('script', 'arguments', 'message'),
    [
        ('train.py', [], 'the following arguments are required: config'),
        ('dataset_converters/nyu.py', ['a', '--no-such'], 'unrecognized arguments: --no-such. -h'),
        (
            'train.py',
            ['a.py', '--cfg-optons', 'a.b=1'],
            'unrecognized arguments: --cfg-optons a.b=1. Did you mean --cfg-options? -h shows',
        ),
        (
            'test.py',
            ['a.py', '-work-dir=x'],
            'unrecognized arguments: -work-dir=x. Did you mean --',
        ),
        (
            'dataset_converters/own_rgbd.py',
            ['a', '--camrea', '1,1,1,1'],
            'the following arguments are required: --camera. --camrea is unknown. Did you mean --',
        ),
        (
            'train.py',
            ['a.py', '--work-dir', 'b', 'train_cfg.max_epochs=2'],
            'unrecognized arguments: train_cfg.max_epochs=2. Settings of the config follow --cfg',
        ),
        ('misc/torchrun.py', ['--nnodes'], 'argument --nnodes: expected one argument'),
    ],
)
def test_a_wrong_command_line_is_one_line(run_tool, script, arguments, message):
    errors = run_tool(script, *arguments, status=2).stderr
    assert errors.startswith(f'error: {message}') and errors.endswith(' -h shows the usage\n')
    assert errors.count('\n') == 1


def test_train_py_says_which_settings_have_no_effect(run_tool):
    options = [
        'train_cfg.max_epochs=1', 'train_cfg.val_begin=2',
        'default_hooks.checkpoint.save_best=auto',
        'optim_wrapper.paramwise_cfg.custom_keys={layrs.: dict(lr_mult=0.1)}',
    ]  # fmt: skip
    log = run_tool('train.py', TOY_CONFIG, '--cfg-options', *options).stdout
    assert 'custom_keys: layrs. matches no parameter' in log
    assert 'train_cfg.val_begin is 2, but the training has 1 epoch: it never validates' in log
    assert 'save_best (auto) keeps no checkpoint' in log and 'keeps the best by' not in log


def test_check_dataset_says_what_it_takes(run_tool, tmp_path):
    (tmp_path / 'bad.yaml').write_text('train_dataloader: {batchsize: 2}')
    for target, message in (
        ('nothing', 'nothing: expected the folder of a data set or a config, found no such file. '),
        ('sgn-R', 'sgn-R: expected the folder .* found no such file. Did you mean sgn-[ST]?'),
        ('bad.yaml', 'bad.yaml: train_dataloader.batchsize: expected an entry of'),
    ):
        errors = run_tool('misc/check_dataset.py', target, status=2).stderr
        assert re.match(f'error: {message}', errors)


@pytest.mark.parametrize(
    ('tool', 'arguments'),
    [
        ('test.py', ['light_depth_nyu', 'untrained', '--out', 'mine.json']),
        ('analysis_tools/get_flops.py', ['light_depth_nyu', '--out', 'mine.json']),
        ('analysis_tools/benchmark.py', ['light_depth_nyu', '--out', 'mine.json']),
        ('analysis_tools/geometric_baselines.py', ['sgn-S', '--out', 'mine.json']),
        ('analysis_tools/analyze_logs.py', ['run', '--out', 'mine.png']),
        ('analysis_tools/check_depth.py',
         ['tree', '--sequence', '00', '--frame', '000000', '--out', 'mine.png']),
        ('dataset_converters/nyu_cache.py', ['root', '--out', '.']),
        ('model_converters/import_checkpoint.py', ['sgn', 'a.pth', 'mine.pth']),
        ('model_converters/publish_checkpoint.py', ['a.pth', 'mine.pth']),
    ],
)  # fmt: skip
def test_overwrite_never_replaces_a_file_of_the_user(run_tool, tmp_path, tool, arguments):
    names = ('mine.json', 'mine.png', 'mine.pth', 'nyu_infos_train.json')
    for name in names:
        (tmp_path / name).write_text('{"mine": 1}')
    for folder in ('run', 'tree/dataset/sequences/00/image_2'):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / 'tree/dataset/sequences/00/image_2/000000.png').touch()
    errors = run_tool(tool, *arguments, '--overwrite', status=2).stderr
    assert 'expected a new file, found one that this command did not write' in errors
    assert all((tmp_path / name).read_text() == '{"mine": 1}' for name in names)


def test_figures_are_replaced_with_overwrite(run_tool, tmp_path):
    command = ['analysis_tools/get_flops.py', 'light_depth_nyu', '--out', 'flops.json']
    run_tool(*command)
    errors = run_tool(*command, status=2).stderr
    assert 'found one that exists. ' in errors and 'replace it with --overwrite' in errors
    run_tool(*command, '--overwrite')
