"""`recserve`: every command of the service; each imports what is slow to import when it runs."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType

import typer

from app.cli import demo, exporting, importing, keys, models, running, schema, training, tuning
from app.cli.console import FAILED, MISUSED, STOPPED, TERMINATED, FailedError, say
from app.domain.errors import InvalidInputError, RecserveError

app = typer.Typer(
    name="recserve",
    help="""A recommendation service for any shop: events in, recommendations out.

    \b
    A first run on the bundled shop:
      recserve demo
    Your own data:
      recserve migrate
      recserve import items.csv --kind items
      recserve import events.csv --kind events --map timestamp=date
      recserve train
      recserve keys create --kind sec
      recserve serve

    Every command reads the settings RECSERVE_* (docs/settings.md). Exit codes: 0 done, 1 failed, 2 misused,
    130 stopped with Ctrl-C, 143 with SIGTERM.
    """,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for part in (schema, running, importing, exporting, training, tuning, demo):
    part.register(app)
app.add_typer(keys.app, name="keys")
app.add_typer(models.app, name="models")


def main() -> None:
    """The entry point: `recserve` and `python -m app.cli`."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; a user's mistake is said in a line, never as a traceback.

    Returns:
        0 done, 1 failed, 2 misused, 130 stopped by the user, 143 by SIGTERM.
    """
    with _terminable() as heard:
        code = _run(arguments)
    return TERMINATED if heard and code == STOPPED else code


@contextlib.contextmanager
def _terminable() -> Iterator[list[int]]:
    """Let SIGTERM do what Ctrl-C does, so that a job is ended and its child gone; what was heard is kept."""
    heard: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        # Whoever takes Ctrl-C at the moment: asyncio's cancellation, or Python's exception. In the background
        # of a shell it may be ignored, which SIGTERM never is.
        taker = signal.getsignal(signal.SIGINT)
        if not callable(taker):
            raise KeyboardInterrupt
        taker(signal.SIGINT, frame)

    if threading.current_thread() is not threading.main_thread():
        yield heard
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield heard
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(arguments: Sequence[str]) -> int:
    try:
        app(list(arguments), prog_name="recserve")
    except SystemExit as end:
        if end.code == STOPPED:
            say("Stopped.")
        return end.code if isinstance(end.code, int) else FAILED
    except KeyboardInterrupt:
        say("Stopped.")
        return STOPPED
    except BrokenPipeError:
        # Whoever read our answer has gone; what is still buffered must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (RecserveError, FailedError) as error:
        return _told(error)
    return 0


def _told(error: RecserveError | FailedError) -> int:
    for line in str(error).splitlines():
        say(f"recserve: {line}")
    if isinstance(error, InvalidInputError):
        for field in error.errors:
            say(f"recserve:   {field.pointer.lstrip('/')} {field.reason}")
        return MISUSED
    return FAILED
