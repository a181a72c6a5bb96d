"""Why a blend is as it is, in words a shop understands, and in figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from app.training.auto.recipe import Auto

SIGNALS: Mapping[str, str] = MappingProxyType(
    {
        "popularity": "what sells well",
        "transitions": "what people bought next",
        "itemknn": "what the same people bought",
        "ease": "what goes together in people's histories",
        "ease_trend": "what goes together in people's histories, and sells better than it used to",
        "elsa": "what goes together in people's histories, in few factors",
        "sessions": "what came next in the histories most like this one",
        "gfcf": "what people with similar histories bought",
        "repeats": "what this person buys again",
        "content": "items with the same attributes",
        "multvae": "the taste of similar people",
        "sasrec": "what the newest steps of a history lead to (attention)",
        "gru4rec": "what the newest steps of a history lead to (recurrent)",
        "nextitnet": "what the newest steps of a history lead to (convolutional)",
        "caser": "what the newest steps of a history lead to (convolutional)",
    }
)


LEAST_SHARE = 0.005
"""A member of less is not named in words."""


def in_words(made: Auto) -> str:
    """The choice: what counts how much, how good it is, and what was left out and why."""
    said = [
        f"Blend of {_models(len(made.members))}.",
        f"For items new to a person: {_shares(made, shares_new(made))}.",
        *_for_items_they_had(made),
        *_by_length(made),
        (
            f"On sales it had not seen ({made.people:,} people) its lists reach NDCG@{made.k} "
            f"{made.metric:.4f} of 1{_beside_bestsellers(made)}{_beside_the_best(made)}."
        ),
        *_left_out(made),
    ]
    return " ".join(said)


def figures(made: Auto) -> dict[str, Any]:
    """The same for programs."""
    return {
        "metric": made.metric,
        "popularity": made.popularity,
        "people": made.people,
        "seconds": round(made.seconds, 1),
        "members": [
            {
                "model": member.name,
                "signal": signal_of(member.name),
                "metric": member.metric,
                "seconds": round(member.seconds, 1),
                "share_new": _rounded(share_new),
                "share_had": _rounded(share_had),
                "parameters": dict(member.chosen.parameters),
                "epochs": member.history.best_epoch,
            }
            for member, share_new, share_had in zip(
                made.members, shares_new(made), shares(made.mix.had), strict=True
            )
        ],
        "left_out": [{"model": left.name, "reason": left.reason} for left in made.left_out],
        "fitted": {member.name: member.metric for member in made.fitted},
        "edges": list(made.mix.edges),
    }


def shares_new(made: Auto) -> list[float]:
    """Of each member for items that are new to a person; what a person buys again says nothing of those."""
    speaks = np.array([member.name != "repeats" for member in made.members], np.float32)
    return shares(made.mix.new * speaks)


def shares(weights: NDArray[np.float32]) -> list[float]:
    """How much of the whole weight each member has, the mean of the bins.

    Args:
        weights: float32 (bins, members).
    """
    size = np.abs(weights)
    part = size / np.maximum(size.sum(axis=1, keepdims=True), 1e-9)
    return [float(share) for share in part.mean(axis=0)]


def signal_of(name: str) -> str:
    """What a model listens to, in a shop's words."""
    return SIGNALS.get(name, name)


def _models(count: int) -> str:
    return "1 model" if count == 1 else f"{count} models"


def _shares(made: Auto, of_each: Sequence[float]) -> str:
    parts = sorted(zip(of_each, made.members, strict=True), key=lambda pair: -pair[0])
    return ", ".join(
        f"{share:.0%} {signal_of(member.name)} ({member.name}, {member.metric:.4f} alone)"
        for share, member in parts
        if share >= LEAST_SHARE
    )


def _for_items_they_had(made: Auto) -> Sequence[str]:
    if np.allclose(shares_new(made), shares(made.mix.had)) and not made.mix.bonus.any():
        return ()
    return (f"For items the person had before: {_shares(made, shares(made.mix.had))}.",)


def _beside_bestsellers(made: Auto) -> str:
    if made.popularity <= 0.0:
        return ""
    times = made.metric / made.popularity
    return f", against {made.popularity:.4f} of bestsellers ({times:.1f} times as good)"


def _by_length(made: Auto) -> Sequence[str]:
    if not made.mix.edges:
        return ()
    edges = " and ".join(str(edge) for edge in made.mix.edges)
    return (f"These are means: the weights change with the length of a history, at {edges} items.",)


def _beside_the_best(made: Auto) -> str:
    best = max(made.fitted, key=lambda member: member.metric)
    more = made.metric / best.metric - 1.0 if best.metric > 0.0 else 0.0
    if len(made.members) < 2 or more <= 0.0:
        return ""
    return f" and {more:.0%} more than the best model alone, {best.name}"


def _left_out(made: Auto) -> Sequence[str]:
    """A sentence for each reason, with the models that it left out."""
    alone = {member.name: f" ({member.metric:.4f} alone)" for member in made.fitted}
    named = dict[str, list[str]]()
    for left in made.left_out:
        named.setdefault(left.reason, []).append(left.name + alone.get(left.name, ""))
    return [f"Left out, {reason}: {', '.join(names)}." for reason, names in named.items()]


def _rounded(share: float) -> float:
    return round(share, 4)
