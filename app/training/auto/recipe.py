"""The recipe: fit a portfolio within a budget, choose on validation, blend, and say why."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.evaluation.protocol import Cases
from app.training.auto import explain, portfolio, sweep, weigh
from app.training.auto.facts import Facts, facts_of
from app.training.auto.pool import pool_of
from app.training.auto.portfolio import Candidate
from app.training.auto.weigh import Question
from app.training.build import plan
from app.training.evaluate import sample
from app.training.task import Member, Task, fit_member, refit_member
from models.base import Interactions
from models.blend import Mix

CHOSEN_ON = 1500
"""People that variants, query-time choices and epochs are measured on at most."""
BLENDED_ON = 4000
"""People that the weights are fitted on at most."""
POPULARITY = "popularity"
LEAST_FIT_S = 10.0
SHARE_OF_LEFT = 0.55
REFIT_SHARE = 0.8
"""What a network's refit takes beside the fit with validation."""
BLEND_SHARE = 0.1

Report = Callable[[float, str], None]
"""Told the share of the budget that is used, and what is done now."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A model that is no member, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Auto:
    """What the recipe made.

    Attributes:
        fitted: Every model that was fitted, in order, with its metric and seconds.
        members: Those that the blend asks.
        mix: Their weights.
        metric: NDCG@k of the blend on the validation people, weights fitted on the others of them.
        popularity: The same of bestsellers.
        people: Validation people that the weights were fitted on.
        k: Places of the metric.
        left_out: What is no member, and why.
        seconds: Of all fitting and choosing.
    """

    fitted: tuple[Member, ...]
    members: tuple[Member, ...]
    mix: Mix
    metric: float
    popularity: float
    people: int
    k: int
    left_out: tuple[LeftOut, ...]
    seconds: float

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each member for items that are new to a person, by name; of all bins the mean."""
        means = self.mix.new.mean(axis=0)
        return {member.name: float(mean) for member, mean in zip(self.members, means, strict=True)}

    def score(self, item_idx: NDArray[np.int32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score every item for every query, float32 (batch, n + 1)."""
        return self.mix.mix([member.asked(item_idx, weight) for member in self.members], item_idx)

    def to_json(self) -> dict[str, Any]:
        """What `blend.json` holds: the members' configurations and their weights."""
        return {"members": [member.chosen.config() for member in self.members], "mix": self.mix.to_json()}

    @property
    def explanation(self) -> str:
        """Why it is as it is, in words a shop understands."""
        return explain.in_words(self)

    def refit(
        self, interactions: Interactions, *, seed: int, report: Report = lambda _share, _said: None
    ) -> Auto:
        """The same blend with its members fitted on other lines: epochs, fading and weights stay.

        Args:
            interactions: All that may be learned from now.
            seed: Of every random choice.
            report: Told how far it is.
        """
        started, members = time.monotonic(), []
        for number, member in enumerate(self.members):
            report(number / len(self.members), member.name)
            members.append(refitted(member, interactions, seed=seed))
        return replace(self, members=tuple(members), seconds=self.seconds + time.monotonic() - started)


@dataclass(slots=True)
class Budget:
    """The seconds that there are, and what of them is promised.

    Attributes:
        total_s: All fitting and choosing.
        refits: How often the chosen members are fitted again within it.
    """

    total_s: float
    refits: int
    started: float = field(default_factory=time.monotonic)

    @property
    def used_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def for_network(self, fitted: Sequence[Member]) -> float:
        """Seconds that the next network's fit may take."""
        refits = self.refits * sum(member.seconds * _refit_share(member) for member in fitted)
        left = self.total_s * (1.0 - BLEND_SHARE) - self.used_s - refits
        return SHARE_OF_LEFT * left / (1.0 + self.refits * REFIT_SHARE)


def fit_auto(
    task: Task,
    *,
    budget_s: float,
    seed: int,
    report: Report = lambda _share, _said: None,
    fitted: Sequence[Member] = (),
    refits: int = 0,
) -> Auto:
    """Fit a portfolio, choose, and blend.

    Args:
        task: What may be read.
        budget_s: Seconds for all of it, refits included.
        seed: Of every random choice.
        report: Told how far it is.
        fitted: Members that were fitted on this very task already; their seconds count.
        refits: How often `Auto.refit` will be called afterwards.
    """
    budget = Budget(budget_s - sum(member.seconds for member in fitted), refits)
    chooser = replace(task, validation=sample(task.validation, most=CHOSEN_ON, seed=seed))
    run = _Run(chooser, facts_of(task), budget, seed=seed, report=report, fitted=list(fitted))
    run.fit_tables()
    run.fit_networks()
    report(1.0 - BLEND_SHARE, "blend")
    people = sample(task.validation, most=BLENDED_ON, seed=seed)
    made = _blended(run.members, people, Question(task.readings, task.k), seed=seed)
    left_out = (*run.left_out, *made.left_out)
    return replace(made, left_out=left_out, seconds=budget.used_s + budget_s - budget.total_s)


class _Run:
    """The portfolio as it is being fitted."""

    def __init__(
        self,
        task: Task,
        facts: Facts,
        budget: Budget,
        *,
        seed: int,
        report: Report,
        fitted: list[Member],
    ) -> None:
        self._task, self._facts, self._budget, self._seed = task, facts, budget, seed
        self._report = report
        self.members = fitted
        self.left_out: list[LeftOut] = []

    def fit_tables(self) -> None:
        """Counted models: each variant, the best kept, then its query-time choices."""
        for candidate in portfolio.counted(self._facts, budget_s=self._budget.total_s):
            if self._has(candidate):
                continue
            self._tell(candidate.name)
            tried = [self._fit(candidate, overrides) for overrides in candidate.variants]
            best = max(tried, key=lambda member: member.metric)
            seconds = sum(member.seconds for member in tried)
            started = time.monotonic()
            chosen = sweep.swept(best, self._task)
            self.members.append(replace(chosen, seconds=seconds + time.monotonic() - started))

    def fit_networks(self) -> None:
        """Networks, as long as there is time for one."""
        for candidate in portfolio.networks(fading=self._fading()):
            if self._has(candidate):
                continue
            allowed = self._budget.for_network(self.members)
            if allowed < LEAST_FIT_S:
                reason = f"no time was left: {max(allowed, 0.0):.0f} s of at least {LEAST_FIT_S:.0f} s"
                self.left_out.append(LeftOut(candidate.name, reason))
                continue
            self._tell(candidate.name)
            self.members.append(self._fit(candidate, candidate.variants[0], deadline_s=allowed))

    def _fit(
        self, candidate: Candidate, overrides: portfolio.Overrides, deadline_s: float | None = None
    ) -> Member:
        return fit_member(
            plan(candidate.name, overrides),
            self._task,
            seed=self._seed,
            on_step=lambda _epoch, _share: self._tell(candidate.name),
            deadline_s=deadline_s,
        )

    def _has(self, candidate: Candidate) -> bool:
        return any(member.name == candidate.name for member in self.members)

    def _fading(self) -> float:
        """How fast histories fade where tables do best, the mean of those that read one."""
        tables = [member.table for member in self.members if member.table is not None]
        found = [table.recency for table in tables if len(table.data)]
        return float(np.mean(found)) if found else 1.0

    def _tell(self, name: str) -> None:
        self._report(min(1.0 - BLEND_SHARE, self._budget.used_s / self._budget.total_s), name)


def refitted(member: Member, interactions: Interactions, *, seed: int) -> Member:
    """A member fitted on other lines, with the epochs and query-time choices that were found."""
    again = refit_member(member, interactions, seed=seed)
    if again.table is None or member.table is None:
        return again
    table = sweep.settled_as(again.table, like=member.table)
    return replace(again, table=table, score=table.score)


def _refit_share(member: Member) -> float:
    return REFIT_SHARE if member.network is not None else 1.0


def _blended(members: Sequence[Member], people: Cases, question: Question, *, seed: int) -> Auto:
    """Fit the weights, and keep the members that have one."""
    pool = pool_of([member.asked for member in members], people)
    mix, metric = weigh.chosen(pool, question, seed=seed)
    used = np.flatnonzero(np.abs(mix.new).max(axis=0) + np.abs(mix.had).max(axis=0)).tolist()
    names = [member.name for member in members]
    return Auto(
        fitted=tuple(members),
        members=tuple(members[number] for number in used),
        mix=replace(mix, new=mix.new[:, used], had=mix.had[:, used]),
        metric=metric,
        popularity=weigh.alone(pool, names.index(POPULARITY), question) if POPULARITY in names else 0.0,
        people=len(people),
        k=question.k,
        left_out=tuple(
            LeftOut(name, "it adds nothing to the others")
            for number, name in enumerate(names)
            if number not in used
        ),
        seconds=0.0,
    )
