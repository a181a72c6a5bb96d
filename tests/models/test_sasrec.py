import numpy as np

from app.training.build import network, plan
from tests.models.contract import SequenceContract


class TestSASRec(SequenceContract):
    model = "sasrec"
    parameters = {"embedding_size": 16, "heads": 2, "positions": "both", "dropout": 0.1}


class TestGatedSASRec(SequenceContract):
    model = "sasrec"
    parameters = {"embedding_size": 16, "block": "gated", "layers": 2, "temperature": 0.1, "dropout": 0.1}


class TestSASRecOfTwoMembers(SequenceContract):
    model = "sasrec"
    parameters = {"embedding_size": 16, "temperature": 0.1, "dropout": 0.1, "members": 2, "layers": 2}

    def test_its_scores_are_the_mean_of_its_members(self) -> None:
        both = self.make()
        alone = plan(self.model, {**self.parameters, "members": 1})
        history = {"item_idx": np.array([[0, 3, 1, 2]], np.int32), "weight": np.ones((1, 4), np.float32)}
        scores = []
        for vectors, stack in zip(np.split(both.vectors(), 2, axis=1), both.stacks, strict=True):
            single = network(alone, both.n_items, seed=5)
            single.items.vectors.assign(vectors)
            single.items.bias.assign(both.items.bias)
            single.stacks[0].set_weights(stack.get_weights())
            scores.append(np.asarray(single(history)))
        assert not np.allclose(*scores, atol=1e-3)
        np.testing.assert_allclose(np.asarray(both(history)), np.mean(scores, axis=0), rtol=1e-5, atol=1e-5)
