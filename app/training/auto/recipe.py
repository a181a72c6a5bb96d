"""The recipe: fit a portfolio within a budget, choose on validation, blend, and say why."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.training.auto import explain, portfolio, sweep, weigh
from app.training.auto.budget import BLEND_SHARE, LEAST_FIT_S, Budget
from app.training.auto.facts import Facts, facts_of
from app.training.auto.pool import Pool, pool_of
from app.training.auto.portfolio import Candidate
from app.training.auto.weigh import Question
from app.training.build import plan
from app.training.evaluate import sample
from app.training.task import Member, Task, fit_member, refit_member
from models.base import Interactions
from models.blend import Mix

CHOSEN_ON = 1500
"""People that variants, query-time choices and epochs are measured on at most."""
CHOSEN_CELLS = 10**8
"""Those people times the items, at most, ..."""
LEAST_CHOSEN_ON = 500
"""... but so many people in any case."""
BLENDED_ON = 4000
"""People that the weights are fitted on at most."""
POPULARITY = "popularity"
NO_TIME = "because the time that was given did not suffice"
NO_HELP = "because the others say the same or better"

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
    facts = facts_of(task)
    most = max(LEAST_CHOSEN_ON, min(CHOSEN_ON, CHOSEN_CELLS // max(facts.items, 1)))
    budget = Budget(budget_s - sum(member.seconds for member in fitted), refits)
    chooser = replace(task, validation=sample(task.validation, most=most, seed=seed))
    run = _Run(chooser, facts, budget, seed=seed, report=report, fitted=fitted)
    run.fit_tables()
    run.fit_networks()
    report(1.0 - BLEND_SHARE, "blend")
    people = sample(task.validation, most=BLENDED_ON * most // CHOSEN_ON, seed=seed)
    people = people.take(np.random.default_rng(seed).permutation(len(people)))
    pool = pool_of([member.asked for member in run.members], people, is_late=budget.is_gathering_over)
    made = _blended(run.members, pool, Question(task.readings, task.k, budget.is_over), seed=seed)
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
        fitted: Sequence[Member],
    ) -> None:
        self._task, self._facts, self._budget, self._seed = task, facts, budget, seed
        self._report = report
        self.members = list(fitted)
        for member in fitted:
            budget.promise(member)
        self.left_out: list[LeftOut] = []

    def fit_tables(self) -> None:
        """Counted models: each once, then other variants and query-time choices, as long as there is time."""
        wanted = portfolio.counted(self._facts, budget_s=self._budget.total_s)
        fitted = dict[str, Member]()
        for candidate in wanted:
            if self._has(candidate):
                continue
            if (self.members or fitted) and not self._budget.has_time_for_table():
                self.left_out.append(LeftOut(candidate.name, NO_TIME))
                continue
            self._tell(candidate.name)
            fitted[candidate.name] = self._first_table(candidate)
        for candidate in wanted:
            if candidate.name in fitted:
                self._tell(candidate.name)
                self.members.append(self._best_table(candidate, fitted[candidate.name]))

    def _first_table(self, candidate: Candidate) -> Member:
        """The first variant."""
        member = self._fit(candidate, candidate.variants[0])
        if member.table is not None and member.table.reads_history:
            # What popularity took, the first imports with it, says nothing of the others.
            self._budget.longest_s = max(self._budget.longest_s, member.seconds)
        self._budget.promise(member)
        return member

    def _best_table(self, candidate: Candidate, best: Member) -> Member:
        """The best of the variants that there is time for, each asked as it does best; one is held."""
        spent, started = best.seconds, time.monotonic()
        best = self._swept(best)
        for overrides in candidate.variants[1:]:
            if not self._budget.has_time_for_table():
                break
            tried = self._swept(self._fit(candidate, overrides))
            best = tried if tried.metric > best.metric else best
        return replace(best, seconds=spent + time.monotonic() - started)

    def _swept(self, member: Member) -> Member:
        return sweep.swept(member, self._task, has_time=self._budget.has_time_for_table)

    def fit_networks(self) -> None:
        """Networks, as long as there is time for one."""
        for candidate in portfolio.networks(self._facts, fading=self._fading()):
            if self._has(candidate):
                continue
            allowed = self._budget.for_network()
            if allowed < LEAST_FIT_S:
                self.left_out.append(LeftOut(candidate.name, NO_TIME))
                continue
            self._tell(candidate.name)
            member = self._fit(candidate, candidate.variants[0], deadline_s=allowed)
            self._budget.promise(member)
            self.members.append(member)

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


def _blended(members: Sequence[Member], pool: Pool, question: Question, *, seed: int) -> Auto:
    """Fit the weights, and keep the members that have one; all figures are of the pool's people."""
    members = [
        replace(member, metric=weigh.alone(pool, number, question)) for number, member in enumerate(members)
    ]
    mix, metric = weigh.chosen(pool, question, seed=seed)
    if not mix.new.any() and not mix.had.any():
        best = max(range(len(members)), key=lambda number: members[number].metric)
        mix = weigh.only(best, of=len(members))
    used = np.flatnonzero(np.abs(mix.new).max(axis=0) + np.abs(mix.had).max(axis=0)).tolist()
    names = [member.name for member in members]
    return Auto(
        fitted=tuple(members),
        members=tuple(members[number] for number in used),
        mix=replace(mix, new=mix.new[:, used], had=mix.had[:, used]),
        metric=metric,
        popularity=weigh.alone(pool, names.index(POPULARITY), question) if POPULARITY in names else 0.0,
        people=len(pool),
        k=question.k,
        left_out=tuple(LeftOut(name, NO_HELP) for number, name in enumerate(names) if number not in used),
        seconds=0.0,
    )
