import numpy as np

from app.training.build import network
from tests.models.contract import N_ITEMS, SequenceContract, histories


class TestNextItNet(SequenceContract):
    model = "nextitnet"
    parameters = {"embedding_size": 16, "blocks": 2, "dropout": 0.1}

    def test_a_fresh_one_scores_by_the_newest_item_alone(self) -> None:
        made, (items, weights) = network(self.plan, N_ITEMS, seed=1), histories()
        weights, items = weights[1:], items[1:]
        newest = self.ask(made, items[:, -1:], weights[:, -1:])
        np.testing.assert_allclose(self.ask(made, items, weights)[:, 1:], newest[:, 1:], atol=1e-5)


class TestNextItNetOfCosines(SequenceContract):
    model = "nextitnet"
    parameters = {"embedding_size": 16, "dropout": 0.1, "temperature": 0.1}
