"""The quick way to log a request writes what structlog would."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from app.api.reporting import Report
from app.telemetry import HELD_LINES, Metrics, RequestLines, configure_logging, request_lines

ANSWER = {"method": "GET", "route": "/v1/users/{user_id}/recommendations", "status": 200}
KIND = Metrics().answers("GET", "/v1/users/{user_id}/recommendations", 200).line


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """The process's log; how it was configured before is put back."""
    made, root = io.StringIO(), logging.getLogger()
    handlers, level, configuration = root.handlers[:], root.level, structlog.get_config()
    configure_logging("INFO", "json", made)
    yield made
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configuration)


async def test_line_is_what_structlog_writes(stream: io.StringIO) -> None:
    quick = io.StringIO()
    lines = RequestLines(quick)
    for report in (Report(Metrics()), Report(Metrics(), lines)):
        report.answered(**ANSWER, took_s=0.00123, request_id="r-1")
    lines.flush()
    usual, ours = json.loads(stream.getvalue()), json.loads(quick.getvalue())
    assert list(ours) == list(usual)
    assert len(ours.pop("timestamp")) == len(usual.pop("timestamp"))
    assert ours == usual


async def test_lines_reach_the_stream_without_a_flush() -> None:
    quick, reached = io.StringIO(), asyncio.Event()
    flush = quick.flush
    quick.flush = lambda: (flush(), reached.set())[0]  # type: ignore[method-assign]
    lines = RequestLines(quick)
    lines.add(KIND, 0.0012, "r-1")
    assert quick.getvalue() == ""
    await asyncio.wait_for(reached.wait(), 5)
    assert json.loads(quick.getvalue())["request_id"] == "r-1"


async def test_many_lines_are_not_held_back() -> None:
    quick = io.StringIO()
    lines = RequestLines(quick)
    for _ in range(HELD_LINES):
        lines.add(KIND, 0.0012, "r-1")
    assert len(quick.getvalue().splitlines()) == HELD_LINES


@pytest.mark.parametrize(("level", "form"), [("WARNING", "json"), ("INFO", "console")])
def test_no_quick_lines_where_the_log_has_none_or_is_for_people(level: str, form: str) -> None:
    assert request_lines(level, form) is None  # type: ignore[arg-type]
