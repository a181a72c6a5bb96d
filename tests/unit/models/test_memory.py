"""The memory of histories, held against a slow search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import sessions
from models.base import Interactions
from models.item_item import ItemItem
from models.memory import Memory
from tests.models import toys
from tests.models.contract import TableContract

SESSIONS = {
    "nearest": 100,
    "candidates": 100,
    "reach": 20,
    "gap_fade": 0.8,
    "backwards": 0.5,
    "length_power": 0.5,
    "rarity_power": 1.0,
    "half_life_days": 1e9,
    "max_lines": 1000,
    "recency": 1.0,
    "prior": 0.0,
}


class TestSessions(TableContract):
    model = "sessions"


def histories(*, people: int = 25, n_items: int = 9, seed: int = 3) -> Interactions:
    rng = np.random.default_rng(seed)
    rows = [rng.integers(1, n_items + 1, rng.integers(1, 9)).tolist() for _ in range(people)]
    made = toys.interactions(rows, n_items=n_items)
    # Everybody began on a day of their own, so that no two histories are of one age.
    return replace(made, time=made.time + 100.0 * made.user, now=100.0 * people)


def ask(made: ItemItem, items: list[int], weights: list[float] | None = None) -> np.ndarray:
    weight = np.array([weights or [1.0] * len(items)], np.float32)
    return made.score(np.array([items], np.int32), weight)[0, 1:]


def slowly(
    facts: Interactions, query: dict[int, float], *, nearest: int, reach: int, half_life: float
) -> np.ndarray:
    rows = []
    for user in range(facts.n_users):
        mine = facts.item[facts.user == user].tolist()
        rows.append([item for at, item in enumerate(mine) if item not in mine[at + 1 :]])
    holders = {item: sum(item in row for row in rows) for item in range(1, facts.n_items + 1)}
    rarity = {item: np.log((len(rows) + 1) / (held + 1)) for item, held in holders.items()}
    found = []
    for user, row in enumerate(rows):
        shared = [item for item in query if item in row]
        if shared:
            age = facts.now - facts.time[facts.user == user].max()
            likeness = sum(query[item] * rarity[item] for item in shared)
            likeness *= len(row) ** -0.5 * 0.5 ** (age / half_life)
            found.append((likeness, row, row.index(max(shared, key=lambda i: query[i] * rarity[i]))))
    scores = np.zeros(facts.n_items)
    for likeness, row, meeting in sorted(found, key=lambda one: -one[0])[:nearest]:
        for at, item in enumerate(row):
            if abs(at - meeting) <= reach:
                side = 0.5 if at < meeting else 1.0
                scores[item - 1] += likeness * 0.8 ** max(abs(at - meeting) - 1, 0) * side
    return scores


@pytest.mark.parametrize(("nearest", "reach"), [(100, 20), (4, 20), (100, 1), (3, 2)])
def test_scores_are_those_of_a_slow_search(nearest: int, reach: int) -> None:
    facts = histories()
    change = {"nearest": nearest, "reach": reach, "half_life_days": 500.0}
    made = sessions.fit(facts, **{**SESSIONS, **change})
    wanted = slowly(facts, {2: 0.3, 5: 0.61, 7: 1.0}, nearest=nearest, reach=reach, half_life=500.0)
    np.testing.assert_allclose(ask(made, [2, 5, 7], [0.3, 0.61, 1.0]), wanted, rtol=1e-5, atol=1e-7)


def test_an_item_twice_in_the_query_counts_twice() -> None:
    made = sessions.fit(histories(), **SESSIONS)
    np.testing.assert_allclose(ask(made, [2, 5, 2]), ask(made, [5, 2], [1.0, 2.0]), rtol=1e-5)


def test_only_the_newest_histories_of_an_item_are_candidates() -> None:
    facts = toys.interactions([[1, 2], [1, 3], [4, 5], [4, 5]], n_items=5)
    facts = replace(facts, time=facts.time + 10.0 * facts.user, now=50.0)
    scores = ask(sessions.fit(facts, **{**SESSIONS, "candidates": 1}), [1])
    assert scores[2] > 0
    assert scores[1] == 0


def test_only_the_newest_histories_are_remembered() -> None:
    facts = toys.interactions([[3, 1, 2], [1, 3], [4, 5]], n_items=5)
    facts = replace(facts, time=facts.time - 10.0 * facts.user, now=50.0)
    made = sessions.fit(facts, **{**SESSIONS, "max_lines": 5})
    assert made.memory is not None
    assert made.memory.items.tolist() == [1, 3, 3, 1, 2]


def test_a_query_of_unknown_company_scores_by_the_prior() -> None:
    made = sessions.fit(toys.interactions([[1, 2]], n_items=3), **{**SESSIONS, "prior": 1.0})
    np.testing.assert_allclose(ask(made, [3]), made.popularity[1:])


def test_a_memory_is_kept_by_save_and_load(tmp_path: Path) -> None:
    made = sessions.fit(histories(), **SESSIONS)
    made.save(tmp_path / "table.npz")
    loaded = ItemItem.load(tmp_path / "table.npz")
    np.testing.assert_array_equal(ask(loaded, [2, 5]), ask(made, [2, 5]))
    assert loaded.reads_history


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lines": np.array([0, 9], np.int32)}, "is none"),
        ({"items": np.array([1, 4], np.int32)}, "is none"),
        ({"history": np.array([0, 1], np.int32)}, "do not fit"),
        ({"starts": np.array([0, 1])}, "do not fit"),
        ({"indptr": np.array([0, 0, 1, 2])}, "do not fit"),
        ({"rarity": np.ones(3, np.float32)}, "do not fit"),
        ({"trust": np.array([np.nan], np.float32)}, "not finite"),
        ({"nearest": 0}, "out of range"),
    ],
)
def test_a_memory_that_cannot_be_asked_is_refused(change: dict[str, np.ndarray], words: str) -> None:
    sound = Memory(
        items=np.array([1, 2], np.int32),
        starts=np.array([0, 2]),
        history=np.array([0, 0], np.int32),
        trust=np.ones(1, np.float32),
        lines=np.array([0, 1], np.int32),
        indptr=np.array([0, 0, 1, 2, 2]),
        rarity=np.ones(4, np.float32),
    )
    sound.check(3)
    with pytest.raises(ValueError, match=words):
        replace(sound, **change).check(3)
