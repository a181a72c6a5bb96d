from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from app.pipeline.together import DOUBT, LEAST_BASKETS, together
from tests.unit.pipeline.build import catalogue

BASKETS = [{"a", "b"}] * 4 + [{"a", "c"}] * 2 + [{"b", "d"}] * 3 + [{"a"}] * 5 + [{"a", "b", "d"}] * 2


def lines(baskets: list[set[str]]) -> list[tuple[str, str]]:
    return [(f"e{number}", item) for number, basket in enumerate(baskets) for item in sorted(basket)]


def test_scores_are_the_lift_of_each_pair_with_support() -> None:
    found = together(lines(BASKETS))
    single = Counter(item for basket in BASKETS for item in basket)
    pairs = Counter(pair for basket in BASKETS for pair in itertools.permutations(sorted(basket), 2))
    expected: dict[str, dict[str, float]] = {}
    for (one, other), count in pairs.items():
        lift = count * len(BASKETS) / (single[one] * single[other])
        if count >= LEAST_BASKETS and lift > 1:
            expected.setdefault(one, {})[other] = lift * count / (count + DOUBT)
    said = {one: dict(zip(*partners, strict=True)) for one, partners in found.partners.items()}
    assert said == {one: pytest.approx(others) for one, others in expected.items()}
    assert said["b"].keys() == {"d"}, "a is in so many baskets that b is no oftener with it than by chance"


def test_scores_add_up_over_a_basket_and_pass_over_unknown_items() -> None:
    found = together(lines([{"a", "x"}] * 3 + [{"b", "x"}] * 3 + [{"b", "y"}] * 3 + [{"z"}] * 9))
    snapshot = catalogue("a", "b", "x", "y")
    scores = found.scores(("a", "b", "nobody"), snapshot)
    assert scores is not None
    one, other = (found.scores((item,), snapshot) for item in ("a", "b"))
    assert one is not None
    assert other is not None
    x, y = snapshot.position("x"), snapshot.position("y")
    assert scores[x] == one[x] + other[x]
    assert scores[y] == other[y]
    assert np.isneginf(scores[[snapshot.position("a"), snapshot.position("b")]]).all()
    assert found.scores(("nobody",), snapshot) is None
    assert found.anchor(("a", "b"), "y") == "b"
    assert found.anchor(("a",), "y") is None


def test_no_baskets_and_single_items_have_no_partners() -> None:
    assert together([]).partners == {}
    assert together(lines([{"a"}, {"b"}])).partners == {}
