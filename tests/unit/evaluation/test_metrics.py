"""Figures against hand-computed ones and against ir-measures."""

from __future__ import annotations

import ir_measures
import numpy as np
import pytest
from ir_measures import AP, RR, P, R, Success, nDCG

from app.evaluation import metrics

HITS = np.array([[True, False, True, False, False], [False, False, False, False, True], [False] * 5])
RELEVANT = np.array([2, 3, 1])


@pytest.mark.parametrize(
    ("name", "k", "wanted"),
    [
        ("precision", 5, [2 / 5, 1 / 5, 0]),
        ("recall", 5, [1, 1 / 3, 0]),
        ("f1", 5, [2 * 0.4 * 1 / 1.4, 2 * 0.2 * (1 / 3) / (0.2 + 1 / 3), 0]),
        ("hit_rate", 3, [1, 0, 0]),
        ("mrr", 5, [1, 1 / 5, 0]),
        ("map", 5, [(1 + 2 / 3) / 2, (1 / 5) / 3, 0]),
        ("ndcg", 5, [(1 + 0.5) / (1 + 1 / np.log2(3)), (1 / np.log2(6)) / (1 + 1 / np.log2(3) + 0.5), 0]),
        ("ndcg", 1, [1, 0, 0]),
    ],
)
def test_a_metric_is_what_it_is_by_hand(name: str, k: int, wanted: list[float]) -> None:
    np.testing.assert_allclose(metrics.METRICS[name](HITS, RELEVANT, k=k), wanted, rtol=1e-12)


def test_accuracy_looks_at_the_top_alone() -> None:
    np.testing.assert_array_equal(metrics.accuracy(HITS), [1, 0, 0])


def test_summary_is_the_mean_over_people() -> None:
    found = metrics.summary(HITS, RELEVANT, ks=(5,))
    assert found["hit_rate@5"] == pytest.approx(2 / 3)
    assert found["accuracy"] == pytest.approx(1 / 3)


def test_summary_without_people_is_zero() -> None:
    assert set(metrics.summary(HITS[:0], RELEVANT[:0], ks=(5, 10)).values()) == {0.0}


ORACLE = {
    "precision@5": P @ 5,
    "precision@10": P @ 10,
    "recall@5": R @ 5,
    "recall@20": R @ 20,
    "ndcg@5": nDCG @ 5,
    "ndcg@10": nDCG @ 10,
    "ndcg@20": nDCG @ 20,
    "mrr@10": RR @ 10,
    "map@10": AP @ 10,
    "hit_rate@10": Success @ 10,
}


def test_all_agree_with_ir_measures() -> None:
    rng = np.random.default_rng(11)
    people, items, places = 40, 60, 20
    qrels, ranking, hits, relevant = {}, {}, np.zeros((people, places), bool), np.zeros(people, int)
    for person in range(people):
        targets = rng.choice(items, rng.integers(1, 9), replace=False)
        order = rng.permutation(items)[:places]
        qrels[str(person)] = {str(item): 1 for item in targets}
        ranking[str(person)] = {str(item): float(places - place) for place, item in enumerate(order)}
        hits[person], relevant[person] = np.isin(order, targets), len(targets)
    theirs = ir_measures.calc_aggregate(ORACLE.values(), qrels, ranking)
    ours = metrics.summary(hits, relevant, ks=(5, 10, 20))
    for name, measure in ORACLE.items():
        assert ours[name] == pytest.approx(theirs[measure], abs=1e-9), name
