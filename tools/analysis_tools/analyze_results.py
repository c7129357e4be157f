"""Analyse saved predictions: confusion matrix, IoU over distance and height, worst frames.

``tools/test.py CONFIG CHECKPOINT --save-predictions DIR`` writes predictions; those of
``tools/infer.py`` and submissions to a test server work, too. The labels are those of the config's
test data set.
"""

from __future__ import annotations

from mmssc.command_line import add_overwrite_option, command, parse_early, prepare_process

prepare_process()

import argparse
import sys
from pathlib import Path

from mmssc.config_options import add_cfg_options
from mmssc.fileio import note_outputs, output_folder


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('config', type=Path, help='config file; its test data set has the labels')
    add('predictions', type=Path, metavar='DIR', help='folder of predictions')
    add('--out-dir', type=Path, required=True, help='folder for tables and pictures')
    text = "voxels that count: full, nyu or the name of a mask (default: the config's first)"
    add('--protocol', metavar='NAME', help=text)
    add('--distance-step', type=float, metavar='METRES', help='default: a round number')
    add('--height-step', type=float, metavar='METRES', help='default: a few voxels')
    add('--num-worst', type=int, default=5, metavar='N', help='worst frames to draw (default: 5)')
    add_overwrite_option(parser)
    add_cfg_options(parser)
    arguments = parser.parse_args()
    if arguments.num_worst < 0:
        parser.error('--num-worst must be 0 or more')
    return arguments


if __name__ == '__main__':
    parse_early(parse_args)

from mmengine.config import Config

from mmssc.config_file import config_errors, data_roots_of, read_config_file
from mmssc.evaluation.functional import local_scores, scores_from_counts
from mmssc.evaluation.prediction_analysis import PredictionAnalysis
from mmssc.evaluation.saved_predictions import SavedPredictions, first_protocol
from mmssc.evaluation.score_table import score_table
from mmssc.visualization import write_png
from mmssc.visualization.analysis_files import ANALYSIS_NAMES, score_text, write_analysis
from mmssc.visualization.comparison import draw_saved_frame

# The maker of the files.
MAKER = 'analyze_results.py'


def analyse(cfg: Config, args: argparse.Namespace) -> None:
    """Write tables and pictures.

    Raises:
        DataError: A file or an option is wrong.
    """
    saved = SavedPredictions(cfg, [args.predictions])
    classes, protocol = saved.meta['classes'], args.protocol or first_protocol(cfg)
    analysis = PredictionAnalysis(len(classes), protocol, args.distance_step, args.height_step)
    indices = {}
    for index, sample, (prediction,) in saved.samples():
        indices[analysis.add(sample, prediction)] = index
    total = analysis.total
    print(f'frames: {len(analysis.frames)}, protocol {protocol}')
    print(score_table({protocol: scores_from_counts(total)}, {protocol: total}, classes))
    pictures = [args.out_dir / f'worst_{rank}.png' for rank in range(1, args.num_worst + 1)]
    note_outputs([*pictures, *(args.out_dir / name for name in ANALYSIS_NAMES)], MAKER)
    for path in write_analysis(args.out_dir, analysis, classes):
        print(path)
    if not analysis.by_distance:
        print('No scores over distance: the frames have no camera pose')
    for name, path in zip(analysis.worst_frames(), pictures):
        write_png(path, draw_saved_frame(saved, indices[name], ('prediction',), protocol))
        print(f'{path}: {name}, mIoU {score_text(local_scores(analysis.frames[name])[1])}')


@command
def main() -> None:
    """Analyse as the command line says."""
    arguments = parse_args()
    with config_errors(arguments.config):
        cfg = read_config_file(arguments.config, arguments.cfg_options)
        data = [*data_roots_of(cfg), arguments.predictions]
        with output_folder(arguments.out_dir, arguments.overwrite, MAKER, data):
            analyse(cfg, arguments)


if __name__ == '__main__':
    sys.exit(main())
