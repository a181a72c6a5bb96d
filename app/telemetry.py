"""Logs and metrics. Neither ever holds a user's id, a key or a body."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
import traceback
from bisect import bisect_left
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric

METRICS_MEDIA_TYPE = CONTENT_TYPE_LATEST
_LATENCY_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5)
_FRAMES_SHOWN = 12
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
HELD_LINES = 256
MOST_UNTOLD = 1024
HELD_S = 0.05


class Tally:
    """Adds to a counter in great steps: a step of one costs as much as ten of these.

    Attributes:
        n: What has not been added yet.
    """

    __slots__ = ("_counter", "n")

    def __init__(self, counter: Counter) -> None:
        self._counter, self.n = counter, 0

    def tell(self) -> None:
        """Add it."""
        if self.n:
            count, self.n = self.n, 0
            self._counter.inc(count)


class Answers:
    """Answers of one kind and how long each took, told like a `Tally`.

    Attributes:
        line: How the log's line about one begins.
    """

    __slots__ = ("_count", "_seconds", "_took_s", "line")

    def __init__(self, method: str, route: str, status: int, count: Counter, seconds: Histogram) -> None:
        self._count, self._seconds = count, seconds
        self._took_s: list[float] = []
        self.line = f'{{"method": "{method}", "route": "{route}", "status": {status}, "took_ms": '

    def add(self, took_s: float) -> None:
        """Count one."""
        took = self._took_s
        took.append(took_s)
        if len(took) >= MOST_UNTOLD:
            self.tell()

    def tell(self) -> None:
        """Add them; what `observe` would do for each, done once for each bucket."""
        took_s, self._took_s = self._took_s, []
        if not took_s:
            return
        self._count.inc(len(took_s))
        buckets, bounds = self._seconds._buckets, self._seconds._upper_bounds  # noqa: SLF001  # a test holds it to `observe`
        self._seconds._sum.inc(sum(took_s))  # noqa: SLF001
        places = [0] * len(bounds)
        for took in took_s:
            places[bisect_left(bounds, took)] += 1
        for bucket, n in zip(buckets, places, strict=True):
            if n:
                bucket.inc(n)


class _Told:
    """Looked at before every other figure: it has them brought up to date."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell

    def describe(self) -> list[Metric]:
        """No figures of its own."""
        return []

    def collect(self) -> list[Metric]:
        """Have the others told."""
        self._tell()
        return []


class Metrics:
    """The process's figures in a registry of its own, so that tests and processes do not share any.

    Args:
        shared_folder: Where the processes of one service keep their figures, which are then given added up;
            `METRICS_FOLDER` must have named it before prometheus_client was imported. None: a lone process.
    """

    def __init__(self, *, shared_folder: Path | None = None) -> None:
        self.registry = CollectorRegistry()
        self._shared_folder = shared_folder
        self._answers: dict[tuple[str, str, int], Answers] = {}
        self._tallies: dict[Counter, Tally] = {}
        self.registry.register(_Told(self.tell))
        self.requests = Counter(
            "recserve_http_requests_total",
            "Requests answered, by route template.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "recserve_http_request_seconds",
            "Time from a request's head to the end of its answer.",
            ("method", "route"),
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "recserve_http_requests_in_flight",
            "Requests being answered.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.crashes = Counter(
            "recserve_http_crashes_total", "Requests that ended in a bug.", ("route",), registry=self.registry
        )
        self.events = Counter(
            "recserve_events_total", "Events received, by what became of them.", ("status",),
            registry=self.registry,
        )  # fmt: skip
        self.events_clamped = Counter(
            "recserve_events_clamped_total",
            "Events from the future whose time was set to that of receipt.",
            registry=self.registry,
        )
        self.lists = Counter(
            "recserve_lists_total",
            "Lists answered, by scenario and what served them.",
            ("scenario", "served_by"),
            registry=self.registry,
        )
        self.list_cache_reads = Counter(
            "recserve_list_cache_reads_total",
            "Looks into the cache of lists: hit or miss.",
            ("outcome",),
            registry=self.registry,
        )
        self.rate_limited = Counter(
            "recserve_rate_limited_total",
            "Requests beyond their key's quota, by kind of key.",
            ("kind",),
            registry=self.registry,
        )
        self.shed = Counter(
            "recserve_shed_total",
            "Requests refused as too many were in the works, by priority.",
            ("priority",),
            registry=self.registry,
        )
        self.list_computations = Counter(
            "recserve_list_computations_total",
            "Lists computed, however many callers each was for.",
            registry=self.registry,
        )
        self.models_refused = Counter(
            "recserve_models_refused_total", "Model versions that were refused.", registry=self.registry
        )
        self.index_recall = Gauge(
            "recserve_index_recall",
            "Share of the true best 100 that a version's index found when it was made.",
            ("version",),
            registry=self.registry,
            multiprocess_mode="livemin",
        )
        self.exposures_dropped = Counter(
            "recserve_exposures_dropped_total",
            "Lists that were answered but not written down, and so lack in the online figures, by reason.",
            ("reason",),
            registry=self.registry,
        )
        self.degraded = Counter(
            "recserve_degraded_total",
            "Times a part did without another, by part and reason.",
            ("part", "reason"),
            registry=self.registry,
        )

    def tally(self, counter: Counter) -> Tally:
        """A cheaper way to add to this counter, always the same one."""
        found = self._tallies.get(counter)
        if found is None:
            found = self._tallies[counter] = Tally(counter)
        return found

    def answers(self, method: str, route: str, status: int) -> Answers:
        """Where answers of this kind are counted."""
        kind = self._answers.get((method, route, status))
        if kind is None:
            count = self.requests.labels(method, route, str(status))
            kind = Answers(method, route, status, count, self.request_seconds.labels(method, route))
            self._answers[method, route, status] = kind
        return kind

    def tell(self) -> None:
        """Bring the figures up to date: before any look at them, and now and then for other processes'."""
        for tally in tuple(self._tallies.values()):
            tally.tell()
        for kind in tuple(self._answers.values()):
            kind.tell()

    def exposition(self) -> bytes:
        """All figures in Prometheus's text format."""
        if self._shared_folder is None:
            return generate_latest(self.registry)
        self.tell()
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together, path=str(self._shared_folder))  # type: ignore[no-untyped-call]  # the library's
        return generate_latest(together)


def forget_process(pid: int) -> None:
    """Take what a process that ended was doing out of the figures of what is being done."""
    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # the library's


class RequestLines:
    """The log's lines about answered requests, written some at once: one by one they cost as much as a hit.

    Each is what structlog would have made of it. They reach the stream within `HELD_S`, or with `flush`.

    Args:
        stream: Where the log goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._held: list[tuple[str, float, str, float]] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, kind: str, took_s: float, request_id: str) -> None:
        """Log an answer of a kind (`Answers.line`). Every text is one that needs no escaping in JSON."""
        held = self._held
        held.append((kind, took_s * 1000, request_id, time.time()))
        if len(held) >= HELD_LINES:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(HELD_S, self.flush)

    def flush(self) -> None:
        """Write what is held."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held, self._held = self._held, []
        self._stream.write(
            "".join([_LINE % (kind, ms, request_id, _iso(at)) for kind, ms, request_id, at in held])
        )
        self._stream.flush()


_LINE = (
    '%s%.1f, "event": "http.request.answered", "request_id": "%s", "level": "info", '
    '"logger": "app.api.middleware", "timestamp": "%s"}\n'
)


@lru_cache(maxsize=2)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _iso(at: float) -> str:
    second = int(at)
    return f"{_second(second)}.{int((at - second) * 1_000_000):06d}Z"


def request_lines(level: str, form: Literal["json", "console"]) -> RequestLines | None:
    """The quick way to log requests; None where the log is for people, or has no such lines."""
    return RequestLines(sys.stderr) if form == "json" and level in {"DEBUG", "INFO"} else None


def configure_logging(
    level: str, form: Literal["json", "console"] = "json", stream: TextIO | None = None
) -> None:
    """Send structlog's and the standard library's lines through one formatter, to stderr by default."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer()
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[_without_message, structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)


def frames(error: BaseException) -> list[str]:
    """Where an error came from, innermost last, as ``file:line function``: no message, no values.

    An exception's text may quote a row or a body, so only its type and these go to the log.
    """
    stack = traceback.extract_tb(error.__traceback__)[-_FRAMES_SHOWN:]
    return [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in stack]


def failure(error: BaseException) -> Mapping[str, Any]:
    """An error as fields of a log line."""
    return {"error": type(error).__name__, "frames": frames(error)}


def _short(filename: str) -> str:
    return "/".join(Path(filename).parts[-3:])


def _without_message(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Replace an exception that a library logs by its type and frames."""
    record = event.get("_record")
    info = event.pop("exc_info", None) or (record.exc_info if record is not None else None)
    if isinstance(info, tuple) and info[1] is not None:
        event.update(failure(info[1]))
        if record is not None:
            record.exc_info = record.exc_text = None
    return event
