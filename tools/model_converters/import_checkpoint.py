"""Convert a checkpoint of a reference implementation to mmssc, or back (``--export``)."""

from __future__ import annotations

from mmssc.command_line import add_overwrite_option, command, parse_early, prepare_process

prepare_process()

import argparse
import sys
from pathlib import Path

from mmssc import __version__
from mmssc.fileio import check_outputs, note_outputs
from mmssc.option_choices import CHECKPOINT_METHODS


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'method', help=f"method of the checkpoint: {', '.join(CHECKPOINT_METHODS)}, or a project's"
    )
    parser.add_argument('src', help='checkpoint to read')
    parser.add_argument('dst', help='checkpoint to write')
    parser.add_argument('--project', metavar='DIR', help='folder of a project with key tables')
    parser.add_argument('--export', action='store_true', help='from mmssc to the reference')
    parser.add_argument(
        '--config',
        help='check against the model of this config (default: the model of the data set that the '
        'checkpoint was published for); needed for a data set of your own',
    )
    parser.add_argument('--verbose', action='store_true', help='list every renamed key')
    add_overwrite_option(parser)
    return parser.parse_args()


if __name__ == '__main__':
    parse_early(parse_args)

from mmssc.apis.model_loading import read_config
from mmssc.checkpoints import (
    ImportReport,
    export_state_dict,
    get_method,
    import_state_dict,
    read_state_dict,
    write_state_dict,
)
from mmssc.config_file import config_errors, config_files_of
from mmssc.plugins import import_project
from mmssc.registry import MODELS

MAKER = 'import_checkpoint.py'


def convert(args: argparse.Namespace) -> ImportReport:
    """Read, convert and write.

    Raises:
        DataError: The source is not a complete checkpoint of the method, there is no config, or the
            file to write exists.
    """
    if args.project:
        import_project(args.project, 'checkpoints')
    config = read_config(args.config) if args.config else None
    configs = [] if config is None else config_files_of(config)
    check_outputs([args.dst], [args.src, *configs], args.overwrite, MAKER)
    method = get_method(args.method)
    expected = None if config is None else MODELS.build(config.model).state_dict()
    state = read_state_dict(args.src)
    direction = 'exported_from' if args.export else 'imported_from'
    meta = {'method': method.name, direction: Path(args.src).name, 'mmssc_version': __version__}
    if args.export:
        result, report = export_state_dict(state, method, args.src)
        # Converting back checks that the source is complete.
        import_state_dict(result, method, expected, args.src)
    else:
        result, report = import_state_dict(state, method, expected, args.src)
    note_outputs([args.dst], MAKER)
    write_state_dict(args.dst, result, meta)
    return report


@command
def main() -> None:
    """Convert as the command line says."""
    args = parse_args()
    with config_errors(args.config):
        report = convert(args)
    print(report.summary(args.verbose))
    if report.missing:
        print('the reference loads it with strict=False only: the modules above are missing')
    print(f'{args.dst} written')


if __name__ == '__main__':
    sys.exit(main())
