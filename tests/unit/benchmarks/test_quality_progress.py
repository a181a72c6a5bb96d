"""The harness's lines where nobody watches a bar."""

from __future__ import annotations

from pathlib import Path

from benchmarks.quality.learning import Files
from benchmarks.quality.progress import Lines
from benchmarks.quality.worker import Job


def test_a_line_is_said_once_for_each_thing_that_happens() -> None:
    said: list[str] = []
    lines = Lines(2, said.append)
    job = Job(Files("split", Path("data.txt"), None, None), "auto", 1, 60.0)

    for message in (
        {"stage": "fit"},
        {"fraction": 0.1, "note": "sasrec"},
        {"fraction": 0.2, "note": "sasrec"},
        {"step": 3, "share": 0.1},
        {"fraction": 0.5, "note": "blend"},
    ):
        lines.hear(job, message)
    lines.end(job, "done")

    assert said == [
        "[1/2] auto, seed 1: fitting",
        "[1/2] auto, seed 1: sasrec",
        "[1/2] auto, seed 1: blend",
        "[1/2] auto, seed 1: done",
    ]
