"""Whether a new version may go live: it must have won on a later slice of time. Each check says why."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from app.domain.types import JsonObject

TOLERANCE = 0.02
MIN_USERS = 50
CLEAR = 2.0
"""Standard errors of the difference that a win over popularity must exceed, so that luck does not pass."""
NDCG = "NDCG@10 (mean of both readings)"


@dataclass(frozen=True, slots=True)
class Measured:
    """What one recommender reached on a slice.

    Attributes:
        ndcg: NDCG@10 averaged over users, the mean of both readings (`app.evaluation.protocol.headline`).
        users: How many were measured.
        coverage: Share of the items that came up in anyone's top 10.
        error: Standard error of `ndcg`.
    """

    ndcg: float
    users: int
    coverage: float | None = None
    error: float = 0.0


@dataclass(frozen=True, slots=True)
class Duel:
    """Candidate and live version on the same users.

    Attributes:
        candidate: On what happened after the live version's data window.
        live: The live version there, asked through its own serving scorer.
    """

    candidate: Measured
    live: Measured


@dataclass(frozen=True, slots=True)
class Parity:
    """How far what is served is from what was trained.

    Attributes:
        max_difference: The largest difference of two scores of an item.
        same_top: Whether the first ten are the same on every probe.
    """

    max_difference: float
    same_top: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the gate looks at.

    Attributes:
        candidate: On the whole later slice.
        popularity: Plain popularity on the same slice.
        losses: Training and validation losses of each epoch; empty for models without a fit.
        parity: None where what is served is the very thing that was fitted.
        duel: None where there is no live version, or nobody can be measured after its window.
        live_recorded: NDCG@10 that the live version had reached when it was trained.
        is_popularity: Whether the candidate is popularity itself.
    """

    candidate: Measured
    popularity: Measured
    losses: tuple[float, ...] = ()
    parity: Parity | None = None
    duel: Duel | None = None
    live_recorded: float | None = None
    is_popularity: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One check and what it found."""

    name: str
    passed: bool
    said: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says, check by check."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def summary(self) -> str:
        """One line: what failed, or that nothing did."""
        failed = [check.said for check in self.checks if not check.passed]
        return " ".join(failed) if failed else "It passed every check."

    def to_json(self) -> JsonObject:
        """As it stands in the registry."""
        checks = [asdict(check) for check in self.checks]
        return {"passed": self.passed, "summary": self.summary, "checks": checks}


def judge(evidence: Evidence, *, tolerance: float = TOLERANCE) -> Verdict:
    """Hold a candidate against plain popularity, which it must clearly beat, and the live version.

    Args:
        evidence: The figures.
        tolerance: How much less than the live version's NDCG@10 is still as good, as a share of it.
    """
    checks = [
        _is_finite(evidence),
        _beats_popularity(evidence),
        _covers_enough(evidence),
    ]
    if evidence.parity is not None:
        checks.append(_serves_what_was_trained(evidence.parity))
    checks.append(_beats_live(evidence, tolerance))
    return Verdict(tuple(checks))


def _is_finite(evidence: Evidence) -> Check:
    figures: Iterable[float] = (*evidence.losses, evidence.candidate.ndcg)
    finite = all(math.isfinite(figure) for figure in figures)
    said = "Losses and metrics are finite." if finite else "A loss or a metric is not finite."
    return Check("finite", finite, said)


def _beats_popularity(evidence: Evidence) -> Check:
    if evidence.is_popularity:
        return Check("popularity", passed=True, said="It is popularity itself: there is nothing to beat.")
    ours, theirs = evidence.candidate, evidence.popularity
    if ours.users < MIN_USERS:
        said = f"Too few people to judge on the later slice: {ours.users} of at least {MIN_USERS}."
        return Check("popularity", passed=False, said=said)
    said = f"{NDCG} {ours.ndcg:.4f} against {theirs.ndcg:.4f} of popularity on the later slice"
    won, needed = ours.ndcg - theirs.ndcg, CLEAR * math.hypot(ours.error, theirs.error)
    # Written so that a figure that is no number fails.
    if won > needed:
        return Check("popularity", passed=True, said=f"{said}: better.")
    if won > 0:
        return Check("popularity", passed=False, said=f"{said}: within what luck gives ({needed:.4f}).")
    return Check("popularity", passed=False, said=f"{said}: not better.")


def _covers_enough(evidence: Evidence) -> Check:
    if evidence.is_popularity:
        return Check("coverage", passed=True, said="It is popularity itself: one list for all is its nature.")
    ours, theirs = evidence.candidate.coverage, evidence.popularity.coverage
    if ours is None or theirs is None:
        return Check("coverage", passed=True, said="Coverage was not measured.")
    said = f"The first ten cover {ours:.1%} of the items, popularity's {theirs:.1%}."
    return Check("coverage", passed=ours >= theirs * 0.9, said=said)


def _serves_what_was_trained(parity: Parity) -> Check:
    said = f"What is served differs from what was trained by {parity.max_difference:.1e} at most"
    if not parity.same_top:
        return Check("parity", passed=False, said=f"{said}, but gives other lists.")
    passed = parity.max_difference < 1e-4
    return Check(
        "parity", passed, f"{said}, with the same lists." if passed else f"{said}, which is too much."
    )


def _beats_live(evidence: Evidence, tolerance: float) -> Check:
    duel = evidence.duel
    if duel is not None and duel.candidate.users >= MIN_USERS:
        said = (
            f"{NDCG} {duel.candidate.ndcg:.4f} against {duel.live.ndcg:.4f} of the live version on "
            f"{duel.candidate.users} users after its data window"
        )
        return _compare("live", duel.candidate.ndcg, duel.live.ndcg, said=said, tolerance=tolerance)
    if evidence.live_recorded is not None:
        said = (
            f"{NDCG} {evidence.candidate.ndcg:.4f} against {evidence.live_recorded:.4f} that the live "
            "version had reached on its own slice (too few users came after its data window)"
        )
        return _compare(
            "live", evidence.candidate.ndcg, evidence.live_recorded, said=said, tolerance=tolerance
        )
    return Check("live", passed=True, said="No live version to compare with.")


def _compare(name: str, ours: float, theirs: float, *, said: str, tolerance: float) -> Check:
    # Written so that a figure that is no number fails.
    passed = ours >= theirs * (1.0 - tolerance)
    better = "better" if ours > theirs else "as good within the tolerance"
    return Check(name, passed, f"{said}: {better if passed else 'worse'}.")
