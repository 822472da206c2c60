"""Run branches side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

from localcloud.services.stepfunctions.asl.errors import StateError
from localcloud.services.stepfunctions.asl.states import LinkedEvent


def run_parallel(jobs: list[Callable[[threading.Event], Any]], concurrency: int, outer: threading.Event) -> list[Any]:
    """Run jobs, `concurrency` at a time. The first failure aborts the others and is raised."""
    if concurrency <= 1 or len(jobs) <= 1:
        return [job(outer) for job in jobs]
    abort = LinkedEvent(outer)
    with ThreadPoolExecutor(concurrency) as pool:
        futures = [pool.submit(job, abort) for job in jobs]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        failed = next((f for f in futures if f in done and f.exception()), None)
        if failed:
            abort.set()
            for future in futures:
                future.cancel()
    if failed:
        errors = [f.exception() for f in futures if f.done() and not f.cancelled() and f.exception()]
        raise next((e for e in errors if isinstance(e, StateError)), errors[0])  # type: ignore[misc]  # not None
    return [f.result() for f in futures]
