import numpy as np

from tests.models.contract import BagContract


class TestMultVAE(BagContract):
    model = "multvae"
    parameters = {"hidden_size": 16, "latent_size": 8, "power": 1.0}


class TestMultVAEOfTheNewest(TestMultVAE):
    """With weights that halve from basket to basket: lines of one basket are still in no order."""

    parameters = {**TestMultVAE.parameters, "recency": 0.5}

    def test_a_basket_counts_half_for_each_newer_one(self) -> None:
        items = np.array([[0, 7, 5, 9, 3]], np.int32)
        weights = np.array([[0, 1, 1, 2, 4]], np.float32)
        wanted = np.array([0, 0.25, 0.25, 1.0, 4.0])
        found = np.asarray(self.make().normalised({"item_idx": items, "weight": weights}))[0]
        np.testing.assert_allclose(found, wanted / np.sqrt((wanted**2).sum()), rtol=1e-5)

    def test_order_does_not_matter(self) -> None:
        made = self.make()
        one, other = np.array([[4, 9, 2]], np.int32), np.array([[9, 4, 2]], np.int32)
        weights = np.array([[1, 1, 3]], np.float32)
        np.testing.assert_allclose(
            self.ask(made, one, weights)[:, 1:], self.ask(made, other, weights)[:, 1:], atol=1e-5
        )

    def test_an_item_twice_is_one_of_twice_the_weight(self) -> None:
        made = self.make()
        twice = self.ask(made, np.array([[4, 4, 9]], np.int32), np.array([[1, 1, 4]], np.float32))
        once = self.ask(made, np.array([[4, 9]], np.int32), np.array([[2, 4]], np.float32))
        np.testing.assert_allclose(twice[:, 1:], once[:, 1:], atol=1e-5)
