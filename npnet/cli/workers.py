"""--jobs and --dask: processes, or a cluster, which do the work of a command in pieces."""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import importlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any, NamedTuple

from npnet.base.errors import InputError
from npnet.cli.parser import whole_number

LOOKED = 1.0  # seconds between two checks of a worker whether its parent still exists


class Workers(NamedTuple):
    """An executor (None: this process), and how many pieces of work it does at once."""

    executor: Executor | None
    at_once: int


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add --jobs and --dask."""
    parser.add_argument(
        "--jobs",
        type=whole_number,
        metavar="N",
        help="how many processes (default: as many as there are cores)",
    )
    parser.add_argument(
        "--dask", metavar="ADDRESS", help="run on the cluster of this dask scheduler instead"
    )


def check_workers(options: argparse.Namespace) -> None:
    """Check --jobs and --dask.

    Raises:
        InputError: there are fewer jobs than 1, or both options are given.
    """
    if options.jobs is not None and options.jobs < 1:
        raise InputError(f"--jobs: got {options.jobs}, wanted 1 or more")
    if options.jobs is not None and options.dask is not None:
        raise InputError("--jobs: got --dask as well, wanted one of them")


@contextlib.contextmanager
def workers_of(options: argparse.Namespace, who: str) -> Iterator[Workers]:
    """The workers that --jobs or --dask asks for; ``who`` is the command, for messages.

    Raises:
        InputError: there is no such cluster, or a process ended before its work was done.
    """
    if options.dask is not None:
        with _cluster(options.dask) as workers:
            yield workers
        return
    jobs = options.jobs or cores()
    if jobs == 1:
        yield Workers(None, 1)
        return
    # Spawned, because the progress bar has a thread, and a fork copies only one thread.
    context = multiprocessing.get_context("spawn")
    parent = (os.getpid(),)
    executor = ProcessPoolExecutor(jobs, context, initializer=prepare_worker, initargs=parent)
    try:
        # new processes inherit this, so that no worker prints a traceback
        with _ignoring_interrupts():
            for _ in range(jobs):
                executor.submit(abs, 0)
        yield Workers(executor, jobs)
    except concurrent.futures.BrokenExecutor as error:
        raise InputError(
            f"{who}: a process ended before its work was done, wanted it to live: is there "
            "enough memory? What is done is kept; fewer --jobs take less"
        ) from error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def prepare_worker(parent: int) -> None:
    """Ignore Ctrl-C, which the parent handles, and end when the parent has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(LOOKED)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


@contextlib.contextmanager
def _cluster(address: str) -> Iterator[Workers]:
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError as error:
        raise InputError(
            "--dask: dask.distributed is not installed, wanted it: pip install 'npnet[dask]'"
        ) from error
    try:
        client = distributed.Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise InputError(
            f"--dask: {address}: {error}, wanted the address of a dask scheduler, such as "
            "tcp://localhost:8786"
        ) from error
    with client:
        count = sum(client.nthreads().values())
        if not count:
            raise InputError(f"--dask: {address} has no workers, wanted one or more: dask worker")
        with client.get_executor() as executor:
            yield Workers(executor, count)
