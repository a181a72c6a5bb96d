"""Jobs one after the other, each in a process of its own: memory is that job's, and none outlives us."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

from benchmarks.quality.errors import RefusedError

Message = dict[str, Any]
Tell = Callable[[Message], None]
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


class Seeded(Protocol):
    """A job of a model and a seed."""

    @property
    def model(self) -> str:
        """Whose fit it is."""
        ...

    @property
    def seed(self) -> int:
        """Of every random choice."""
        ...


AnyJob = TypeVar("AnyJob", bound=Seeded)


def run_all(
    work: Callable[[AnyJob, Tell], Message],
    jobs: Sequence[AnyJob],
    on_message: Callable[[AnyJob, Message], None],
    on_result: Callable[[AnyJob, Message], None],
) -> None:
    """Run the jobs in their order; after a model's failure its other seeds are not tried.

    Args:
        work: Does a job, in the other process, and tells how far it is; a function of a module.
        jobs: What to do.
        on_message: Told how far a job is.
        on_result: Told each job's result, or ``{"error": …}``.

    Raises:
        RefusedError: A file is of another form.
    """
    failed: set[str] = set()
    for job in jobs:
        if job.model in failed:
            continue
        result = run_apart(work, job, on_message)
        if "refused" in result:
            raise RefusedError(result["refused"])
        if "error" in result:
            failed.add(job.model)
        on_result(job, result)


def run_apart(
    work: Callable[[AnyJob, Tell], Message],
    job: AnyJob,
    on_message: Callable[[AnyJob, Message], None],
) -> Message:
    """Run one job in a fresh process, which ends with this one at the latest.

    Returns:
        The result, ``{"error": …}``, also where the process was killed, or ``{"refused": …}`` where a file is
        of another form: no model can be measured on it.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_serve, args=(work, job, theirs), name=f"benchmark-{job.model}")
    # Ctrl-C reaches both; a process that starts with it ignored goes on ignoring it, and this one ends it.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    child.start()
    signal.signal(signal.SIGINT, before)
    theirs.close()
    try:
        while True:
            message: Message = ours.recv()
            if "error" in message or "refused" in message:
                return message
            if "done" in message:
                result: Message = message["done"]
                return result
            on_message(job, message)
    except EOFError:
        child.join()
        return {"error": f"its process ended with code {child.exitcode}: was there not enough memory?"}
    except BaseException:
        child.terminate()
        raise
    finally:
        child.join(timeout=10)
        if child.is_alive():
            child.kill()
            child.join()


def use_threads(count: int) -> None:
    """Let the processes started from now on compute with so many threads."""
    os.environ.update(dict.fromkeys(THREADS, str(count)))


def _serve(work: Callable[[AnyJob, Tell], Message], job: AnyJob, pipe: Connection) -> None:
    """Do the job and send how far it is, and at the end the result or the reason why there is none."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        pipe.send({"done": work(job, pipe.send)})
    except RefusedError as error:
        pipe.send({"refused": str(error)})
    except MemoryError:
        pipe.send({"error": "there was not enough memory"})
    # Whatever a model raises, the others are still to be measured; the report keeps its words.
    except Exception as error:  # noqa: BLE001
        traceback.print_exc(file=sys.stderr)
        pipe.send({"error": f"{type(error).__name__}: {error}"})


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
