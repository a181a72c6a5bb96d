"""The recipe `auto` as the harness measures it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from app.training.auto import fit_auto
from app.training.auto.recipe import Auto
from app.training.task import Member
from benchmarks.quality.fitting import Outcome, Tell, exported
from benchmarks.quality.learning import Learning


def fit_recipe(learning: Learning, *, seed: int, budget_s: float, tell: Tell) -> Outcome:
    """Fit the portfolio and the blend within the budget, and its members once more on all training lines.

    Args:
        learning: All that may be read.
        seed: Of every random choice.
        budget_s: Seconds for all of it.
        tell: Told how far it is.
    """

    def report(share: float, said: str) -> None:
        tell({"fraction": share, "note": said})

    started = time.monotonic()
    tell({"stage": "fit"})
    refits = 0 if learning.final is None else 1
    made = fit_auto(learning.task, budget_s=budget_s, seed=seed, report=report, refits=refits)
    final = made
    if learning.final is not None:
        tell({"stage": "refit"})
        final = made.refit(learning.final, seed=seed, report=report)
    seconds = time.monotonic() - started
    tell({"stage": "export"})
    served, served_by = _served(final)
    return Outcome(made.score, final.score, served.score, served_by, seconds, details=_details(made))


def _served(made: Auto) -> tuple[Auto, str]:
    """The blend with its networks as the graphs that the service runs."""
    members, by = list[Member](), ["tables in NumPy"]
    for member in made.members:
        if member.network is None:
            members.append(member)
            continue
        score, how = exported(member.network, member.score)
        members.append(replace(member, score=score))
        by.append(how)
    return replace(made, members=tuple(members)), "; ".join(dict.fromkeys(by))


def _details(made: Auto) -> dict[str, Any]:
    return {
        "members": [_member(member) for member in made.fitted],
        "weights": made.weights,
        "blend": made.to_json(),
        "left_out": [{"model": left.name, "reason": left.reason} for left in made.left_out],
        "explanation": made.explanation,
    }


def _member(member: Member) -> dict[str, Any]:
    history = member.history.to_json()
    found = {"model": member.name, "metric": member.metric, "seconds": round(member.seconds, 2)}
    return {**found, "history": history} if history["loss"] else found
