"""Running the commands: in this process for their answers, as a child for their signals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.cli import run


@dataclass(frozen=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its answer; fails where it is not one JSON value."""
        return json.loads(self.out)


class Commands:
    """`recserve` with settings of its own, in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str | Path) -> Done:
        """Run one command."""
        self._capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = self._capsys.readouterr()
        return Done(code, captured.out, captured.err)


def spawn(*arguments: str | Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a command as a child, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli", *map(str, arguments)],
        env={name: value for name, value in os.environ.items() if not name.startswith("RECSERVE_")}
        | dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
