"""Check a SemanticKITTI scene completion submission before it is uploaded.

It checks names, sizes and label values of every prediction, and with ``--ann-file`` also missing
and extra frames. It prints one line per problem and exits with 1 if there is one.
"""

from __future__ import annotations

from mmssc.command_line import FINDINGS, command, parse_early, prepare_process

prepare_process()

import argparse
import sys
from pathlib import Path

from mmssc.errors import counted

SHOWN = 20


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('submission', type=Path, help='the zip, or the folder with sequences/')
    text = 'info file of the test split: check that every frame is present'
    parser.add_argument('--ann-file', type=Path, help=text)
    parser.add_argument('--all-problems', action='store_true', help=f'print more than {SHOWN}')
    return parser.parse_args()


if __name__ == '__main__':
    parse_early(parse_args)

from mmssc.datasets.driving_list import read_driving_list
from mmssc.evaluation.submission import SubmissionRules, check_submission
from mmssc.preparation import SemanticKITTILayout


def check(arguments: argparse.Namespace) -> int:
    """Print the problems and return the exit status."""
    expected = None
    if arguments.ann_file is not None:
        samples = read_driving_list(arguments.ann_file)['data_list']
        expected = [(sample['sequence'], sample['frame_id']) for sample in samples]
    sequences = SemanticKITTILayout.splits['test'] if expected is None else None
    count, problems = check_submission(
        arguments.submission, SubmissionRules.semantic_kitti(), expected, sequences
    )
    for problem in problems if arguments.all_problems else problems[:SHOWN]:
        print(problem)
    if len(problems) > SHOWN and not arguments.all_problems:
        print(f'... and {len(problems) - SHOWN} more (--all-problems prints them)')
    verdict = counted(len(problems), 'problem') if problems else 'ok'
    print(f'{arguments.submission}: {counted(count, "prediction")}, {verdict}')
    return FINDINGS if problems else 0


@command
def main() -> int:
    """Check as the command line says."""
    return check(parse_args())


if __name__ == '__main__':
    sys.exit(main())
