"""Commands in processes of their own: each with a time limit, and none ends the others."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mmssc.temporary_files import temporary_folder

__all__ = ['FAILED', 'LEFT_OUT', 'OK', 'Step', 'StepResult', 'TOO_LONG', 'run_steps']

#: How a step has ended.
OK, FAILED, TOO_LONG, LEFT_OUT = 'ok', 'FAILED', 'TOO LONG', 'left out'
# Lines of the output of a failed step that a result keeps.
_KEPT_LINES = 40


@dataclass(frozen=True)
class Step:
    """Commands that run one after the other until one fails.

    Args:
        name: What the table calls it.
        commands: Program and arguments of each.
        seconds: Time limit of all of them together.
        environment: Variables beside those of this process.
        missing: Why it cannot run here; such a step is left out.
        folder: Where the commands run; None: in the current folder.
    """

    name: str
    commands: Sequence[Sequence[str]] = ()
    seconds: float = 120.0
    environment: Mapping[str, str] = field(default_factory=dict)
    missing: str | None = None
    folder: Path | None = None


@dataclass(frozen=True)
class StepResult:
    """How a step went.

    Args:
        name: Of the step.
        state: :data:`OK`, :data:`FAILED`, :data:`TOO_LONG` or :data:`LEFT_OUT`.
        seconds: Time that passed.
        note: The last line of its output, or why it was left out.
        output: The end of its output if it has not ended well, else ''.
    """

    name: str
    state: str
    seconds: float
    note: str
    output: str = ''

    @property
    def went_wrong(self) -> bool:
        """Whether the step has failed or took too long."""
        return self.state in (FAILED, TOO_LONG)


def run_steps(
    steps: Sequence[Step], seconds: float, report: Callable[[StepResult], None]
) -> list[StepResult]:
    """Run steps one after the other.

    Args:
        steps: A step that fails or takes too long does not end the others.
        seconds: Time for all; a step for which no time is left is left out, and counts as
            :data:`TOO_LONG`.
        report: Gets each result at once.
    """
    end, results = time.perf_counter() + seconds, []
    with temporary_folder() as scratch:
        for step in steps:
            left = end - time.perf_counter()
            if step.missing is not None:
                result = StepResult(step.name, LEFT_OUT, 0.0, step.missing)
            elif left <= 0:
                result = StepResult(step.name, TOO_LONG, 0.0, 'not started: no time was left')
            else:
                result = _run(step, min(step.seconds, left), scratch / 'output')
            results.append(result)
            report(result)
    return results


def _run(step: Step, seconds: float, log: Path) -> StepResult:
    start, state = time.perf_counter(), OK
    with log.open('wb') as output:
        for command in step.commands:
            left = start + seconds - time.perf_counter()
            status = _call(command, max(left, 0.0), output.fileno(), step)
            if status != 0:
                state = TOO_LONG if status is None else FAILED
                break
    passed = time.perf_counter() - start
    lines = log.read_text('utf-8', 'replace').rstrip().splitlines()
    note = next((line for line in reversed(lines) if line.strip()), '')
    if state == TOO_LONG:
        note = f'stopped after {passed:.0f} s'
    kept = '' if state == OK else '\n'.join(lines[-_KEPT_LINES:])
    return StepResult(step.name, state, passed, note.strip(), kept)


def _call(command: Sequence[str], seconds: float, output: int, step: Step) -> int | None:
    """Exit status of a command; None if it was stopped at its time limit."""
    process = subprocess.Popen(
        list(command), env={**os.environ, **step.environment}, cwd=step.folder,
        stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
    )  # fmt: skip
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        _stop(process)


def _stop(process: subprocess.Popen) -> None:
    """End a process and those that it has started, which would keep the GPU busy."""
    if hasattr(os, 'killpg'):
        with suppress(ProcessLookupError, PermissionError):  # macOS: only dead ones are left.
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
