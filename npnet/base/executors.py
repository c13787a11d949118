"""Running pieces of work with any executor: processes, threads or a cluster."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Any, TypeVar

IN_FLIGHT = 2  # pieces for each worker, waiting or running, so that no worker waits for its next

Key = TypeVar("Key")
Result = TypeVar("Result")


def results(
    work: Callable[..., Result],
    tasks: Iterator[tuple[Key, tuple[Any, ...]]],
    executor: Executor | None,
    workers: int | None,
) -> Iterator[tuple[Key, Result]]:
    """The key and result of ``work(*arguments)`` for each (key, arguments), first finished first.

    The executor gets only ``IN_FLIGHT`` tasks for each worker at a time, because millions of tasks
    would fill the memory.
    """
    if executor is None:
        for key, arguments in tasks:
            yield key, work(*arguments)
        return
    most = IN_FLIGHT * (workers or int(getattr(executor, "_max_workers", 2)))
    running: dict[concurrent.futures.Future[Result], Key] = {}
    try:
        while True:
            while len(running) < most and (task := next(tasks, None)) is not None:
                running[executor.submit(work, *task[1])] = task[0]
            if not running:
                return
            done, _ = concurrent.futures.wait(
                running, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in done:
                yield running.pop(future), future.result()
    finally:
        for future in running:
            future.cancel()
