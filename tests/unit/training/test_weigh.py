"""How the weights of a blend are fitted."""

from __future__ import annotations

import numpy as np
import pytest

from app.evaluation import metrics, protocol
from app.evaluation.protocol import Cases
from app.evaluation.ragged import ragged
from app.training.auto.pool import Pool, pool_of
from app.training.auto.weigh import Question, alone, apart, ndcg_of, shared


def pool(wanted: np.ndarray, *, members: int = 2, seed: int = 1) -> Pool:
    """People with random levels; nobody had any of the candidates."""
    people, candidates = wanted.shape
    none = np.zeros(wanted.shape, bool)
    return Pool(
        np.random.default_rng(seed).normal(size=(members, people, candidates)).astype(np.float32),
        np.tile(np.arange(1, candidates + 1, dtype=np.int32), (people, 1)),
        none,
        none,
        wanted,
        np.ones(people, np.int64),
        np.ones(people, np.int64),
        np.full(people, 3, np.int64),
    )


def test_a_search_that_nothing_helps_ends() -> None:
    hopeless = pool(np.zeros((6, 5), bool))
    for fit in (shared, apart):
        mix = fit(hopeless, Question(("unseen", "all"), 3))
        assert not mix.new.any()


def test_the_member_that_knows_the_answer_is_chosen() -> None:
    wanted = np.eye(6, dtype=bool)
    guessing = pool(wanted)
    guessing.levels[1] = wanted
    mix = shared(guessing, Question(("unseen",), 3))
    assert mix.new[0, 1] > 0


def test_a_target_that_no_member_shows_counts_as_missed() -> None:
    scores = np.array([[2.0, 1.0], [2.0, 1.0]], np.float32)
    wanted = np.array([[True, False], [False, False]])
    np.testing.assert_array_equal(ndcg_of(scores, wanted, np.ones(2, np.int64), k=2), [1.0, 0.0])


def crowd(*, people: int = 400, n_items: int = 300) -> Cases:
    """People who had three items and then one of the twenty first, or one again that they had."""
    rng = np.random.default_rng(3)
    had = [rng.choice(n_items, 3, replace=False).astype(np.int32) + 1 for _ in range(people)]
    then = [past[:1] if row % 4 == 0 else rng.integers(1, 21, 1) for row, past in enumerate(had)]
    whole = np.dtype(np.int32)
    weight = ragged([np.ones(3, np.float32)] * people, np.dtype(np.float32))
    return Cases(ragged(had, whole), weight, ragged(had, whole), ragged(then, whole), n_items)


def says(row: np.ndarray) -> protocol.Score:
    return lambda item_idx, _: np.tile(row.astype(np.float32), (len(item_idx), 1))


@pytest.mark.parametrize("readings", [("unseen",), ("all",)])
def test_each_member_alone_is_worth_what_the_protocol_gives_it(readings: tuple[protocol.Reading]) -> None:
    people, rng = crowd(), np.random.default_rng(4)
    knows_the_first = rng.normal(size=301) + 3.0 * (np.arange(301) < 21)
    members = [says(knows_the_first), says(np.full(301, 0.7)), says(rng.integers(0, 4, 301))]
    made = pool_of(members, people)
    for number, member in enumerate(members):
        outcome = protocol.run(member, people, readings=readings)[readings[0]]
        wanted = metrics.ndcg(outcome.hits, outcome.relevant, k=10).mean()
        assert alone(made, number, Question(readings, 10)) == pytest.approx(wanted, rel=1e-9)


def test_a_member_that_says_the_same_of_everything_is_worth_chance_and_gets_no_weight() -> None:
    people, rng = crowd(), np.random.default_rng(5)
    knows_the_first = rng.normal(size=301) + 3.0 * (np.arange(301) < 21)
    made = pool_of([says(np.zeros(301)), says(knows_the_first), says(-knows_the_first)], people)
    question = Question(("unseen",), 10)
    best = np.log2(np.arange(2, 12))
    assert alone(made, 0, question) == pytest.approx((1.0 / best).sum() / 297, abs=0.01)
    mix = shared(made, question)
    assert mix.new[0, 1] > 0
    assert mix.new[0, 0] == 0
