"""Run one task per frame: restartable, in parallel, with a report of every failure."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from multiprocessing import resource_tracker
from typing import Protocol, TypeVar, Union

import cv2
import torch

from mmssc.errors import DataError, MMSSCError, counted
from mmssc.formats.file_warnings import warn_again
from mmssc.progress import Progress
from mmssc.shards import Shard

__all__ = ['FAILURES_SHOWN', 'FrameRunner', 'FrameTask', 'StepReport']

# Tasks per worker in the pool: enough to keep it busy, few to wait for on Ctrl-C.
_TASKS_AHEAD = 4
#: Failures of a step that are printed; the summary counts the others.
FAILURES_SHOWN = 20


class FrameTask(Protocol):
    """The work for one frame. A dataclass at module level, so that workers can unpickle it."""

    @property
    def sequence(self) -> str:
        """Name of the drive."""

    @property
    def frame_id(self) -> str:
        """Number of the frame, as in its file names."""

    def is_finished(self) -> bool:
        """Whether every result exists with the right size (does not read the content)."""

    def make(self) -> Mapping[str, int] | None:
        """Make the results atomically; wrong input raises a :class:`DataError`.

        Returns:
            Remarks for the summary with the number of voxels each is about, or None.
        """


AnyTask = TypeVar('AnyTask', bound=FrameTask)


@dataclass
class StepReport:
    """Result of a step: one line of the summary."""

    step: str
    made: int = 0
    kept: int = 0
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    #: Remark of a task -> its number of voxels, over all frames; and -> its number of frames.
    remarks: Counter[str] = field(default_factory=Counter)
    remarked_frames: Counter[str] = field(default_factory=Counter)

    def add_failure(
        self, task: FrameTask, error: DataError, write: Callable[[str], None] | None = None
    ) -> None:
        """Record why a frame failed, and print the first failures at once.

        Args:
            task: The work for the frame.
            error: What is wrong.
            write: Prints a line, by default to the standard error.
        """
        self.failures[task.sequence, task.frame_id] = str(error)
        if len(self.failures) <= FAILURES_SHOWN:
            line = f'error: {self.step}: {task.sequence}/{task.frame_id}: {error}'
            line = ' '.join(line.split())
            (write or partial(print, file=sys.stderr, flush=True))(line)

    def add_remarks(self, remarks: Mapping[str, int]) -> None:
        """Add the remarks of one frame."""
        self.remarks.update(remarks)
        self.remarked_frames.update(remarks.keys())

    def describe_remarks(self) -> list[str]:
        """One line per remark."""
        return [
            f'{text} ({counted(count, "voxel")} in {counted(self.remarked_frames[text], "frame")})'
            for text, count in sorted(self.remarks.items())
        ]


@contextmanager
def _one_thread() -> Iterator[None]:
    # Each process works on one frame; more threads would only slow this down, and the bytes
    # written must not depend on their number.
    before = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before[0])
        torch.set_num_threads(before[1])


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _start_worker() -> None:
    # A killed parent cannot stop its workers, so each worker watches its parent.
    threading.Thread(target=_leave_with_parent, daemon=True).start()


@contextmanager
def _interrupts_later() -> Iterator[None]:
    # Ctrl-C reaches every process of the terminal, but only the parent decides when to stop.
    # Processes that start here inherit the blocked signal; the parent handles it at the end.
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or not hasattr(signal, 'pthread_sigmask'):
        yield
        return
    # If it started its process here, it would unblock the signal.
    resource_tracker.ensure_running()
    caught: list[tuple] = []
    # If another thread gets the signal, the handler runs anyway.
    handler = signal.signal(signal.SIGINT, lambda *arguments: caught.append(arguments))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
        if caught and callable(handler):
            handler(*caught[0])


#: Error of a frame, or its remarks.
_Result = Union[DataError, Mapping[str, int]]


def _make(task: FrameTask) -> _Result:
    try:
        with _one_thread():
            return task.make() or {}
    except DataError as error:
        return error


def _make_in_worker(task: FrameTask) -> tuple[_Result, list[warnings.WarningMessage]]:
    # The parent prints the warnings: it knows those of the other workers.
    with warnings.catch_warnings(record=True) as caught:
        result = _make(task)
    for one in caught:
        one.source = None  # an object that may be impossible to pickle
    return result, caught


class FrameRunner:
    """Runs tasks of several steps, in this process or in a pool of processes.

    A context manager: at exit it finishes the current frames and stops the pool.

    Args:
        workers: Number of processes; 1 works in this process.
        shard: The share of the frames that this run makes; None: all.
    """

    def __init__(self, workers: int = 1, shard: Shard | None = None) -> None:
        self.workers = workers
        self.shard = shard
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> FrameRunner:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def part(self, tasks: Sequence[AnyTask]) -> Sequence[AnyTask]:
        """The tasks of this shard: all steps of a frame belong to the same one."""
        shard = self.shard
        if shard is None:
            return tasks
        return [task for task in tasks if shard.has(f'{task.sequence}/{task.frame_id}')]

    def run(self, step: str, tasks: Sequence[FrameTask]) -> StepReport:
        """Run the unfinished tasks of this shard; report a bad frame and continue.

        Args:
            step: Name for the progress bar and the report.
            tasks: One per frame, of all shards.

        Returns:
            The counts, and the message of every frame with wrong input.

        Raises:
            MMSSCError: A worker process died.
            OSError: A file cannot be written, e.g. because the disk is full.
        """
        tasks = self.part(tasks)
        start, report = time.perf_counter(), StepReport(step)
        unfinished = []
        for task in tasks:
            try:
                finished = task.is_finished()
            except DataError as error:
                report.add_failure(task, error)
                continue
            report.kept += finished
            if not finished:
                unfinished.append(task)
        in_pool = min(self.workers, len(unfinished)) > 1
        results = self._make_in_pool(unfinished) if in_pool else self._make_here(unfinished)
        with Progress(len(tasks), step, done=len(tasks) - len(unfinished)) as progress:
            for task, result in results:
                progress.update()
                if isinstance(result, DataError):
                    report.add_failure(task, result, progress.write)
                else:
                    report.made += 1
                    report.add_remarks(result)
        report.seconds = time.perf_counter() - start
        return report

    @staticmethod
    def _make_here(tasks: Sequence[FrameTask]) -> Iterator[tuple[FrameTask, _Result]]:
        for task in tasks:
            yield task, _make(task)

    def _submit(self, tasks: Iterable[FrameTask], pending: dict[Future, FrameTask]) -> None:
        if self._pool is None:
            # A fresh interpreter per worker: forking a process that runs torch and OpenCV threads
            # is not safe.
            context = multiprocessing.get_context('spawn')
            self._pool = ProcessPoolExecutor(self.workers, context, _start_worker)
        with _interrupts_later():
            for task in tasks:
                pending[self._pool.submit(_make_in_worker, task)] = task

    def _make_in_pool(self, tasks: Sequence[FrameTask]) -> Iterator[tuple[FrameTask, _Result]]:
        queue = iter(tasks)
        pending: dict[Future, FrameTask] = {}
        try:
            self._submit(islice(queue, self.workers * _TASKS_AHEAD), pending)
            while pending:
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    result, caught = future.result()
                    for warning in caught:
                        warn_again(warning)
                    yield pending.pop(future), result
                self._submit(islice(queue, len(done)), pending)
        except BrokenProcessPool as broken:
            names = ', '.join(f'{task.sequence}/{task.frame_id}' for task in pending.values())
            raise MMSSCError(
                f'A worker process died (out of memory?) near frame {names}. Run the same command '
                'again, with fewer --workers: finished files are kept.'
            ) from broken
