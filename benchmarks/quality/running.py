"""All models and seeds, one after the other, each in a process of its own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.quality.worker import Job, serve

OnMessage = Callable[[Job, dict[str, Any]], None]


def run_all(
    jobs: Sequence[Job],
    on_message: OnMessage,
    on_result: Callable[[Job, dict[str, Any]], None],
) -> None:
    """Run the jobs in their order; after a model's failure its other seeds are not tried.

    Args:
        jobs: What to do.
        on_message: Told how far a job is.
        on_result: Told each job's result, or ``{"error": …}``.
    """
    failed: set[str] = set()
    for job in jobs:
        if job.model in failed:
            continue
        result = run_apart(job, on_message)
        if "error" in result:
            failed.add(job.model)
        on_result(job, result)


def run_apart(job: Job, on_message: OnMessage) -> dict[str, Any]:
    """Run one job in a fresh process.

    Returns:
        The result, or ``{"error": …}``; also where the process was killed.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=serve, args=(job, theirs), name=f"quality-{job.model}")
    child.start()
    theirs.close()
    try:
        while True:
            message: dict[str, Any] = ours.recv()
            if "error" in message:
                return message
            if "done" in message:
                result: dict[str, Any] = message["done"]
                return result
            on_message(job, message)
    except EOFError:
        child.join()
        return {"error": f"its process ended with code {child.exitcode}: was there not enough memory?"}
    finally:
        if child.is_alive():
            child.join(timeout=10)
        if child.is_alive():
            child.terminate()
            child.join()
