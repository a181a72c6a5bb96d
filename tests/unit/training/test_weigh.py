"""How the weights of a blend are fitted."""

from __future__ import annotations

import numpy as np

from app.training.auto.pool import Pool
from app.training.auto.weigh import Question, apart, ndcg_of, shared


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
