"""Hyper-parameters of one model, searched on the validation slice within a budget of seconds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial, TrialState

from app.training.build import Plan, plan
from app.training.errors import NotEnoughDataError, PlanError
from app.training.fit import Epoch
from app.training.space import Between, Dimension, Space
from app.training.task import Member, OnEpoch, Task, fit_member
from models.base import Value

if TYPE_CHECKING:
    from optuna import Study

STARTUP_TRIALS = 8
"""Drawn evenly before the sampler leans on what it has seen."""
UNPRUNED_TRIALS = 4
UNPRUNED_EPOCHS = 2


class Fit(Protocol):
    """Fits one model; `app.training.task.fit_member` does."""

    def __call__(
        self, chosen: Plan, task: Task, *, seed: int, on_epoch: OnEpoch, deadline_s: float | None
    ) -> Member:
        """The member, its metric the NDCG on the task's validation people."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One trial.

    Attributes:
        number: From 0, the values as they were given.
        values: What it tried.
        metric: NDCG on the validation people; None where it was given up.
        epochs: The best one's number; 0 for a counted table.
        seconds: Wall clock.
        given_up: Why it has no metric: ``pruned``, ``late`` or ``diverged``.
    """

    number: int
    values: Mapping[str, Value]
    metric: float | None
    epochs: int
    seconds: float
    given_up: str | None = None


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a search found.

    Attributes:
        chosen: The plan with the best values.
        overrides: What of it differs from the registry's.
        first: The values as they were given, measured.
        best: The best trial.
        trials: All of this run and, in a study that was kept, of those before.
    """

    chosen: Plan
    overrides: Mapping[str, Value]
    first: Tried
    best: Tried
    trials: list[Tried]


class _Pruned(Exception):  # noqa: N818 (no error: the fit is stopped)
    """The trial is behind what others had after as many epochs."""


def tune(
    model: str,
    task: Task,
    space: Space,
    *,
    budget_s: float,
    seed: int,
    given: Mapping[str, Value] | None = None,
    most_trials: int | None = None,
    study: Path | None = None,
    on_trial: Callable[[Tried, Tried], None] = lambda _tried, _best: None,
    fit: Fit = fit_member,
    clock: Callable[[], float] = time.monotonic,
) -> Tuned:
    """Search with TPE; the first trial has the values as they are, so what is gained is known.

    A network that is worse than the median of the others after as many epochs is given up. No trial is begun
    that would not fit into the budget by what the longest one took so far; one that runs into its end does
    not count, since nobody could repeat it.

    Args:
        model: A name of the registry.
        task: What is fitted and chosen on.
        space: What is tried.
        budget_s: Seconds for all trials.
        seed: Of the search and of every fit.
        given: Values to begin with, where they differ from the registry's; kept where they are not tried.
        most_trials: Trials of this run at most.
        study: A file that keeps the trials, so that a later run goes on from them.
        on_trial: Told each trial and the best so far.
        fit: Fits one trial.
        clock: Seconds since any moment.

    Raises:
        NotEnoughDataError: The budget ends before the first trial does.
        PlanError: The kept study had other choices.

    Source: Bergstra et al., "Algorithms for hyper-parameter optimization", NeurIPS 2011, as in Optuna.
    """
    search = _Search(model, task, space, seed=seed, given=given or {}, fit=fit, clock=clock, file=study)
    ends, longest, done = clock() + budget_s, 0.0, 0
    while done < (most_trials or math.inf) and clock() + longest < ends:
        tried = search.one(ends - clock())
        # A pruned trial says little of how long a whole one takes, and a late one took what there was.
        longest = max(longest, tried.seconds if tried.metric is not None else 0.0)
        done += 1
        on_trial(tried, search.best() or tried)
    best, trials = search.best(), search.tried()
    if best is None or trials[0].metric is None:
        raise NotEnoughDataError(f"{budget_s:g} s are too few for one fit of {model}.")
    overrides = {**search.given, **best.values}
    chosen = plan(model, overrides)
    return Tuned(chosen, overrides, trials[0], best, trials)


class _Search:
    """The trials so far, and one more."""

    def __init__(
        self,
        model: str,
        task: Task,
        space: Space,
        *,
        seed: int,
        given: Mapping[str, Value],
        fit: Fit,
        clock: Callable[[], float],
        file: Path | None,
    ) -> None:
        self.given = given
        self._model, self._task, self._seed, self._fit, self._clock = model, task, seed, fit, clock
        own = plan(model, given)
        self._first = {name: {**own.parameters, **own.training}[name] for name in space}
        self._space = {name: _distribution(one, self._first[name]) for name, one in space.items()}
        self._study = _study(model, seed, file)

    def one(self, left_s: float) -> Tried:
        """Try once more."""
        if not self._study.trials:
            self._study.enqueue_trial(self._first)
        try:
            trial = self._study.ask(self._space)
        except ValueError as error:
            raise PlanError("the study was made with other choices; name another file") from error
        started = self._clock()
        state, metric, epochs, why = self._fitted(trial, left_s)
        seconds = self._clock() - started
        trial.set_user_attr("epochs", epochs)
        trial.set_user_attr("seconds", seconds)
        trial.set_user_attr("given_up", why)
        self._study.tell(trial, metric, state=state)
        return _tried(self._study.trials[trial.number])

    def best(self) -> Tried | None:
        """The best trial; of equal ones the first."""
        done = [one for one in self.tried() if one.metric is not None]
        return max(done, key=lambda one: (one.metric or 0.0, -one.number)) if done else None

    def tried(self) -> list[Tried]:
        """All trials that ended, those of an earlier run of the same study first."""
        return [_tried(one) for one in self._study.trials if one.state.is_finished()]

    def _fitted(self, trial: Trial, left_s: float) -> tuple[TrialState, float | None, int, str | None]:
        chosen = plan(self._model, {**self.given, **trial.params})
        started = self._clock()

        def on_epoch(epoch: Epoch, _most: int) -> None:
            if epoch.metric is not None and epoch.is_finite:
                trial.report(epoch.metric, epoch.number)
                if trial.number and trial.should_prune():
                    raise _Pruned

        try:
            member = self._fit(chosen, self._task, seed=self._seed, on_epoch=on_epoch, deadline_s=left_s)
        except _Pruned:
            return TrialState.PRUNED, None, 0, "pruned"
        epochs = member.history.epochs
        if not math.isfinite(member.metric) or not all(epoch.is_finite for epoch in epochs):
            return TrialState.FAIL, None, 0, "diverged"
        if epochs and self._clock() - started > left_s:
            return TrialState.FAIL, None, 0, "late"
        whole = len(epochs) == chosen.training.get("epochs") or member.history.stopped_early
        if epochs and not whole:
            return TrialState.FAIL, None, 0, "late"
        return TrialState.COMPLETE, member.metric, member.history.best_epoch, None


def _study(model: str, seed: int, file: Path | None) -> Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = None
    if file is not None:
        from optuna.storages import JournalStorage  # noqa: PLC0415 (only kept studies need it)
        from optuna.storages.journal import JournalFileBackend  # noqa: PLC0415

        storage = JournalStorage(JournalFileBackend(str(file)))
    return optuna.create_study(
        direction="maximize",
        study_name=model,
        load_if_exists=True,
        storage=storage,
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED_TRIALS, n_warmup_steps=UNPRUNED_EPOCHS),
    )


def _distribution(dimension: Dimension, given: Value) -> BaseDistribution:
    """As Optuna has it; the value that is given need not lie inside."""
    if not isinstance(dimension, Between):
        return CategoricalDistribution(
            dimension.values if given in dimension.values else (*dimension.values, given)
        )
    least, most = min(dimension.least, float(given)), max(dimension.most, float(given))
    by_ratio = dimension.by_ratio and least > 0
    if isinstance(given, int):
        return IntDistribution(int(least), int(most), log=by_ratio)
    return FloatDistribution(least, most, log=by_ratio)


def _tried(trial: optuna.trial.FrozenTrial) -> Tried:
    facts = trial.user_attrs
    metric = trial.value if trial.state is TrialState.COMPLETE else None
    return Tried(
        trial.number,
        dict(trial.params),
        metric,
        int(facts.get("epochs", 0)),
        float(facts.get("seconds", 0.0)),
        facts.get("given_up"),
    )


def config_text(tuned: Tuned) -> str:
    """A TOML that `recserve train --config` takes: every value, so that later defaults change nothing."""
    best, first, chosen = tuned.best, tuned.first, tuned.chosen
    found = f"NDCG on the validation slice {best.metric:.4f}, {first.metric:.4f} with the values before"
    lines = [
        f"# {len(tuned.trials)} trials; {found}.",
        f'model = "{chosen.spec.name}"',
    ]
    for title, values in (("architecture", chosen.parameters), ("training", chosen.training)):
        lines += ["", f"[{title}]", *(f"{name} = {_literal(value)}" for name, value in values.items())]
    return "\n".join(lines) + "\n"


def _literal(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)
