from __future__ import annotations

import numpy as np

from models import repeats
from models.item_item import ItemItem
from tests.models import toys
from tests.models.contract import N_ITEMS, TableContract

PLAIN = {"shrinkage": 0.0, "recency": 1.0, "prior": 0.0}


class TestRepeats(TableContract):
    model = "repeats"

    def test_an_item_never_recommends_itself(self) -> None:
        """The one table whose point is the opposite: an item recommends itself and nothing else."""
        made = self.make()
        for item in range(1, N_ITEMS + 1):
            assert set(made.indices[made.indptr[item] : made.indptr[item + 1]].tolist()) <= {item}


def rates(made: ItemItem) -> np.ndarray:
    return made.data


def test_repeats_are_shares_of_the_people_who_came_back() -> None:
    facts = toys.interactions([[1, 2, 1], [1, 2], [2, 2]], n_items=2)
    np.testing.assert_allclose(rates(repeats.fit(facts, **PLAIN)), [1 / 2, 1 / 3], rtol=1e-6)


def test_repeats_count_a_basket_once() -> None:
    facts = toys.interactions([[1, 1, 2, 2]], n_items=2, baskets=2)
    made = repeats.fit(facts, **PLAIN)
    assert not len(made.data) or not made.data.any()


def test_repeats_of_rare_items_lean_on_the_rate_of_all() -> None:
    facts = toys.interactions([[1, 2, 1], [1, 2], [2, 2]], n_items=3)
    made = repeats.fit(facts, shrinkage=5.0, recency=1.0, prior=0.0)
    np.testing.assert_allclose(rates(made), [(1 + 5 * 0.4) / 7, (1 + 5 * 0.4) / 8, 0.4], rtol=1e-6)


def test_what_was_had_more_often_comes_first() -> None:
    facts = toys.interactions([[1, 2, 1, 2, 1]], n_items=3)
    made = repeats.fit(facts, **PLAIN)
    scores = made.score(np.array([[1, 2, 1]], np.int32), np.ones((1, 3), np.float32))
    assert np.argsort(-scores[0], kind="stable")[:2].tolist() == [1, 2]
