"""One model and one seed in a process of its own, so that memory is that model's."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.quality.asking import Asked, ask
from benchmarks.quality.fitting import Outcome, fit_one
from benchmarks.quality.learning import Files, Learning, learn
from benchmarks.quality.measuring import beyond_accuracy, figures, query_ms, rank, some
from benchmarks.quality.running import Tell


@dataclass(frozen=True, slots=True)
class Job:
    """What a child does.

    Attributes:
        files: What the command was given.
        model: A name of ``--models`` or a baseline's.
        seed: Of every random choice.
        budget_s: Seconds for all fitting and choosing.
    """

    files: Files
    model: str
    seed: int
    budget_s: float


def run(job: Job, tell: Tell, *, read_test: Callable[..., Asked] = ask) -> dict[str, Any]:
    """Fit and choose, note what that took, and only then read the test part.

    Args:
        job: The model.
        tell: Told how far it is.
        read_test: Reads the test part; called once, at the end.
    """
    tell({"stage": "read"})
    learning = learn(job.files)
    outcome = fit_one(job.model, learning, seed=job.seed, budget_s=job.budget_s, tell=tell)
    peak = peak_memory_mb()
    tell({"stage": "validate"})
    validation = learning.task.validation
    chosen = {
        "seed": job.seed,
        "validation": figures(rank(outcome.choice, validation, learning.protocol), learning.protocol),
        "fit_s": round(outcome.seconds, 2),
        "peak_memory_mb": round(peak, 1),
        "query_ms": round(query_ms(outcome.served, validation), 3),
        "query_by": outcome.served_by,
        **outcome.details,
    }
    if outcome.history.get("loss"):
        chosen["history"] = dict(outcome.history)
    tell({"stage": "test"})
    return {**chosen, **_tested(outcome, learning, read_test(job.files, learning.item_ids))}


def _tested(outcome: Outcome, learning: Learning, asked: Asked) -> dict[str, Any]:
    protocol, lines = learning.protocol, learning.everything
    ranked = rank(outcome.final, asked.cases, protocol)
    found: dict[str, Any] = {
        "test": figures(ranked, protocol),
        "beyond": beyond_accuracy(ranked, asked.cases, lines, protocol),
        "asked": dict(asked.facts),
        "notes": [notes.to_json() | {"file": notes.path.name} for notes in asked.notes],
        "said": [sentence for notes in asked.notes for sentence in notes.sentences()],
    }
    for name, chosen in asked.parts.items():
        found[name] = {"people": int(chosen.sum()), **figures(some(ranked, chosen), protocol)}
    if asked.newcomers is not None:
        apart = rank(outcome.final, asked.newcomers, protocol)
        found["newcomers"] = {"people": len(asked.newcomers), **figures(apart, protocol)}
    return found


def peak_memory_mb() -> float:
    """The most memory that this process has held so far, in MB of 2 ** 20 bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage would count what the parent held when it started this process.
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
