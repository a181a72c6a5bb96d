"""A training's figures as the evidence that the gate looks at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.types import JsonObject, ModelVersion
from app.evaluation.protocol import READINGS, headline
from app.training.gate import Duel, Evidence, Measured, Parity

LIVE = "live"
POPULARITY = "popularity"


def evidence_of(metrics: JsonObject, *, live: ModelVersion | None, parity: Parity | None) -> Evidence:
    """The evidence in a training's metrics.

    Args:
        metrics: As `app.training.run.train` gives them.
        live: The live version when the training began.
        parity: What was found between the network and its export.
    """
    rival = metrics.get("rivals", {}).get(LIVE)
    return Evidence(
        candidate=_measured(metrics["test"]),
        popularity=_measured(metrics["baselines"]["popularity"]),
        losses=tuple(metrics.get("losses", ())),
        parity=parity,
        duel=None if rival is None else Duel(_measured(rival["candidate"]), _measured(rival["rival"])),
        live_recorded=None if live is None else _recorded(live.metrics),
        is_popularity=metrics.get("model") == POPULARITY,
    )


def _recorded(metrics: JsonObject) -> float | None:
    report = metrics.get("test")
    return None if report is None else headline(report)


def _measured(report: Mapping[str, Any]) -> Measured:
    return Measured(
        ndcg=headline(report),
        users=int(report["all"]["people"]),
        coverage=report["all"].get("coverage@10"),
        # As if the readings rose and fell together, which is the most that their mean can err.
        error=sum(float(report[reading]["ndcg@10_error"]) for reading in READINGS) / len(READINGS),
    )
