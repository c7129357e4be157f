"""Compare two or more results: scores side by side, and the frames that differ most.

A result is a folder of predictions (of ``tools/test.py --save-predictions DIR`` or
``tools/infer.py``, or a submission) or a file of figures (``tools/test.py --out FILE.json``).
Folders need ``--config``, whose test data set has the labels. They are compared on the frames that
all of them have.
"""

from __future__ import annotations

from mmssc.command_line import add_overwrite_option, command, parse_early, prepare_process

prepare_process()

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

from mmssc.config_options import add_cfg_options
from mmssc.errors import DataError, counted
from mmssc.fileio import note_outputs, output_folder


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('results', nargs='+', type=Path, metavar='RESULT', help='folders, or files of figures')
    add('--config', type=Path, help='for folders: config file with the labels')
    add('--names', nargs='+', metavar='NAME', help='names of the results (default: the paths)')
    add('--out-dir', type=Path, help='folder for tables, and for pictures of folders')
    text = "voxels that count: full, nyu or the name of a mask (default: the config's first)"
    add('--protocol', metavar='NAME', help=text)
    text = 'frames to draw, those that differ most first (default: 5)'
    add('--num-frames', type=int, default=5, metavar='N', help=text)
    add_overwrite_option(parser)
    add_cfg_options(parser)
    arguments = parser.parse_args()
    if len(arguments.results) < 2:
        parser.error('give two results or more')
    if arguments.num_frames < 0:
        parser.error('--num-frames must be 0 or more')
    if arguments.names and len(arguments.names) != len(arguments.results):
        parser.error(f'--names needs {counted(len(arguments.results), "name")}')
    return arguments


if __name__ == '__main__':
    parse_early(parse_args)

from mmengine.config import Config

from mmssc.config_file import config_errors, data_roots_of, read_config_file
from mmssc.evaluation.functional import scores_from_counts
from mmssc.evaluation.prediction_analysis import PredictionAnalysis
from mmssc.evaluation.result_comparison import (
    figure_table,
    frame_differences,
    read_figures_file,
    result_names,
)
from mmssc.evaluation.saved_predictions import SavedPredictions, first_protocol
from mmssc.evaluation.score_table import format_table, name_figures, score_table
from mmssc.visualization import write_png
from mmssc.visualization.analysis_files import score_text, write_csv
from mmssc.visualization.comparison import draw_saved_frame

# The maker of the files.
MAKER = 'compare_results.py'


def compare_figures(args: argparse.Namespace, names: list[str]) -> None:
    """Compare files of figures."""
    header, rows = figure_table(dict(zip(names, map(read_figures_file, args.results))))
    if args.out_dir is not None:
        with output_folder(args.out_dir, args.overwrite, MAKER):
            note_outputs([args.out_dir / 'scores.csv'], MAKER)
            write_csv(args.out_dir / 'scores.csv', header, rows)
    print(format_table(header, rows))


def compare_folders(args: argparse.Namespace, names: list[str]) -> None:
    """Compare folders of predictions.

    Raises:
        DataError: A file or an option is wrong.
    """
    cfg = read_config_file(args.config, args.cfg_options)
    if args.out_dir is None:
        compare_predictions(args, cfg, names)
        return
    with output_folder(args.out_dir, args.overwrite, MAKER, [*data_roots_of(cfg), *args.results]):
        compare_predictions(args, cfg, names)


def compare_predictions(args: argparse.Namespace, cfg: Config, names: list[str]) -> None:
    """Print the scores, and write tables and pictures."""
    saved = SavedPredictions(cfg, args.results)
    classes, protocol = saved.meta['classes'], args.protocol or first_protocol(cfg)
    analyses = {name: PredictionAnalysis(len(classes), protocol) for name in names}
    indices = {}
    for index, sample, volumes in saved.samples():
        for analysis, volume in zip(analyses.values(), volumes):
            indices[analysis.add(sample, volume, by_place=False)] = index
    totals = {name: analysis.total for name, analysis in analyses.items()}
    scores = {name: scores_from_counts(total) for name, total in totals.items()}
    print(f'frames: {len(indices)}, protocol {protocol}')
    print(score_table(scores, totals, classes))
    if args.out_dir is None:
        return
    figures = {name: name_figures(score, classes) for name, score in scores.items()}
    header, rows = figure_table(figures)
    differences = frame_differences(analyses)
    pictures = [args.out_dir / f'frame_{rank}.png' for rank in range(1, args.num_frames + 1)]
    tables = [args.out_dir / 'scores.csv', args.out_dir / 'frames.csv']
    note_outputs([*tables, *pictures], MAKER)
    write_csv(tables[0], header, rows)
    table = [[name, *map(score_text, [*values, gap])] for name, values, gap in differences]
    write_csv(tables[1], ['frame', *(f'SSC_mIoU {name}' for name in names), 'difference'], table)
    print(*tables, sep='\n')
    for (name, _, gap), path in zip(differences, pictures):
        write_png(path, draw_saved_frame(saved, indices[name], names, protocol))
        print(f'{path}: {name}, mIoU differs by {score_text(gap)}')


@command
def main() -> None:
    """Compare as the command line says."""
    args = parse_args()
    folders = [path.is_dir() for path in args.results]
    if any(folders) != all(folders):
        odd = args.results[folders.index(not folders[0])]
        found = f'{"a folder" if odd.is_dir() else "none"}, unlike {args.results[0]}'
        raise DataError(odd, None, 'all results folders, or all files of figures', found)
    if all(folders) and args.config is None:
        found = 'no config'
        raise DataError('--config', None, 'a config with the labels of the predictions', found)
    names = result_names(args.results, args.names)
    with config_errors(args.config) if all(folders) else nullcontext():
        (compare_folders if all(folders) else compare_figures)(args, names)


if __name__ == '__main__':
    sys.exit(main())
