"""How the commands speak: answers on stdout, everything else on stderr, mistakes without a traceback."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Coroutine, Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

from app.domain.errors import InvalidInputError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from rich.progress import Progress

    from app.settings import Settings

T = TypeVar("T")
_warned_of: set[str] = set()

OK, FAILED, MISUSED, STOPPED, TERMINATED = 0, 1, 2, 130, 143


class FailedError(Exception):
    """The command was understood and could not do it; `str(error)` is what is said."""


def say(message: str = "") -> None:
    """A line for the person, on stderr."""
    print(message, file=sys.stderr, flush=True)


def answer(text: str) -> None:
    """A line of the command's answer, on stdout."""
    print(text, flush=True)


def answer_json(value: object) -> None:
    """The command's answer for a program."""
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows in columns as wide as they need to be; numbers stand to the right."""
    body = [[("" if cell is None else str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *body, strict=True)]
    for row in ([*columns], *body):
        cells = [
            cell.rjust(width) if _is_number(cell) else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ]
        answer("  ".join(cells).rstrip())


def _is_number(cell: str) -> bool:
    return cell.replace(".", "", 1).replace("-", "", 1).replace("%", "", 1).isdigit()


def load_settings(**changes: Any) -> Settings:  # noqa: ANN401  # any setting's own type
    """The settings from `RECSERVE_*`, with those of the command line over them.

    Raises:
        InvalidInputError: A value is not allowed; the message names the variable and the reason.
    """
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from app.settings import Settings

    warn_of_unknown_variables(f"RECSERVE_{name.upper()}" for name in Settings.model_fields)
    given = {name: value for name, value in changes.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        raise InvalidInputError("\n".join(map(_setting_problem, problems))) from error
    except SettingsError as error:
        # The library tells the field in its message alone.
        field = re.search(r'field "(\w+)"', str(error))
        name = f"RECSERVE_{field[1].upper()}" if field else "A RECSERVE_* setting"
        raise InvalidInputError(f"{name}: The value is not JSON.") from error


def warn_of_unknown_variables(known: Iterable[str]) -> None:
    """Name each RECSERVE_ variable that no setting reads, once: a slip of the pen would change nothing."""
    names = {name.upper(): name for name in known}
    for name in sorted(os.environ):
        if name.upper().startswith("RECSERVE_") and name.upper() not in names and name not in _warned_of:
            _warned_of.add(name)
            near = get_close_matches(name.upper(), names, n=1, cutoff=0.8)
            say(f"recserve: {name} is no setting{f'; is {near[0]} meant?' if near else '.'}")


def _setting_problem(problem: ErrorDetails) -> str:
    """A line: the variable as it is spelt, the place in its JSON if it has one, and the reason."""
    name, *inner = map(str, problem["loc"])
    place = f"{'.'.join(inner)}: " if inner else ""
    reason = problem["msg"]
    if problem["type"] == "too_short":
        # Only secrets have a least length, and pydantic counts their characters as items.
        limits = problem["ctx"]
        least, given = limits["min_length"], limits["actual_length"]
        reason = f"The value must have at least {least} characters, not {given}"
    return f"RECSERVE_{name.upper()}: {place}{reason}"


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's asynchronous part to its end."""
    return asyncio.run(work)


def progress_bar() -> Progress:
    """A bar on stderr with what is done, what remains, and how long that takes; silent without a terminal.

    Tasks have a `note`, and may say themselves how many seconds are left as `left_s`. The note stands last,
    so that a narrow terminal cuts nothing else.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, Task, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column
    from rich.text import Text

    class Left(TimeRemainingColumn):
        def render(self, task: Task) -> Text:
            left_s = task.fields.get("left_s")
            if left_s is None:
                return super().render(task).append(" left")
            minutes, seconds = divmod(round(left_s), 60)
            return Text(f"{minutes}:{seconds:02d} left", style="progress.remaining")

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=8),
        TaskProgressColumn(),
        Left(),
        TextColumn("{task.fields[note]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        console=console,
        disable=not console.is_terminal,
        expand=True,
        transient=True,
    )
