"""Check a data set: find files that are missing, extra, damaged or of the wrong release.

With a data folder, it checks the whole tree of SemanticKITTI or SSCBench-KITTI-360, raw and
prepared. If lidar scans exist, it also checks that the SemanticKITTI voxels are not of release 1.0
(shifted by one voxel). In a folder of nyu.py or own_rgbd.py, it checks the files of the info lists.
With a config, it checks exactly the files that the config reads. It prints one line per folder and
kind of problem with the frames, or with --list one line per file. It exits with 1 if there is a
problem.
"""

from __future__ import annotations

from mmssc.command_line import FINDINGS, command, parse_early, prepare_process

prepare_process()

import argparse
import sys
from pathlib import Path

from mmssc.config_options import CONFIG_HELP, add_cfg_options
from mmssc.errors import DataError, counted
from mmssc.resources import find_config
from mmssc.shards import add_shard_option
from mmssc.tool_commands import as_typed


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('target', type=Path, help=f'a data folder, or a {CONFIG_HELP}')
    text = 'read and decode every file (hours on a whole data set) instead of sizes and headers'
    parser.add_argument('--thorough', action='store_true', help=text)
    parser.add_argument('--list', action='store_true', help='print every file, not a summary')
    text = 'check one of N shares of the files, such as 1/8: --list of all shares together has the '
    text += 'lines of a check without it'
    add_shard_option(parser, text)
    add_cfg_options(parser)
    return parser.parse_args()


if __name__ == '__main__':
    parse_early(parse_args)

from mmengine.registry import DefaultScope

from mmssc.config_file import config_errors, read_config_file
from mmssc.inspection import (
    TreeReport,
    check_config,
    check_driving_tree,
    check_rgbd_tree,
    find_rgbd_lists,
    summarise_problems,
)


def inspect(arguments: argparse.Namespace) -> TreeReport:
    """Check the folder or the config."""
    target = arguments.target
    if target.is_dir():
        if find_rgbd_lists(target):
            return check_rgbd_tree(target, arguments.thorough, arguments.shard)
        return check_driving_tree(target, arguments.thorough, arguments.shard)
    try:
        config = find_config(target)
    except DataError as error:
        expected = 'the folder of a data set or a config'
        raise DataError(target, None, expected, error.found, error.hint) from error
    cfg = read_config_file(config, arguments.cfg_options)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmssc'):
        return check_config(cfg, arguments.thorough, arguments.shard)


def print_report(report: TreeReport, every_file: bool = False) -> None:
    """Print the table of counts, then the notes, then the problems."""
    kinds = list(dict.fromkeys(kind for counts in report.counts.values() for kind in counts))
    width = max(map(len, ['sequence', *report.counts]))
    if report.counts:
        print(' '.join([f'{"sequence":{width}s}', *(f'{kind:>12s}' for kind in kinds)]))
    for sequence, counts in sorted(report.counts.items()):
        cells = [f'{counts.get(kind, "-"):>12}' for kind in kinds]
        print(' '.join([f'{sequence:{width}s}', *cells]))
    for note in report.notes:
        print(as_typed(f'note     {note}'))
    for line in report.problems if every_file else summarise_problems(report):
        print(as_typed(str(line)))
    by_kind: dict[str, int] = {}
    for problem in report.problems:
        by_kind[problem.kind] = by_kind.get(problem.kind, 0) + 1
    found = ', '.join(f'{count} {kind}' for kind, count in sorted(by_kind.items()))
    count = len(report.problems)
    problems = counted(count, 'problem')
    print(f'{problems}: {found}' if found else 'no problem found')


@command
def main() -> int:
    """Check as the command line says."""
    arguments = parse_args()
    with config_errors(arguments.target):
        report = inspect(arguments)
    print_report(report, arguments.list)
    return FINDINGS if report.problems else 0


if __name__ == '__main__':
    sys.exit(main())
