import numpy as np

from tests.models.contract import SequenceContract


class TestCaser(SequenceContract):
    model = "caser"
    parameters = {
        "embedding_size": 16,
        "window": 3,
        "horizontal": 4,
        "vertical": 2,
        "units": 16,
        "dropout": 0.1,
    }

    def test_the_filters_see_what_a_loop_over_the_window_says(self) -> None:
        made = self.make()
        rng = np.random.default_rng(0)
        places = rng.normal(size=(7, 16)).astype(np.float32)
        found = np.asarray(made.last(places[None]))[0]
        filters, offsets = (
            [np.asarray(weight) for weight in weights] for weights in (made.last.filters, made.last.offsets)
        )
        over = np.asarray(made.last.over_places)
        padded = np.concatenate([np.zeros((2, 16), np.float32), places])
        for place in range(7):
            window = padded[place : place + 3]
            wanted = []
            for height in (1, 2, 3):
                # The newest row comes first in a filter.
                runs = [window[start : start + height][::-1].reshape(-1) for start in range(4 - height)]
                said = np.stack(runs) @ filters[height - 1] + offsets[height - 1]
                wanted.append(np.maximum(said, 0.0).max(axis=0))
            wanted.append((over.T @ window[::-1]).reshape(-1))
            np.testing.assert_allclose(found[place], np.concatenate(wanted), atol=1e-4)

    def test_items_older_than_the_window_change_nothing(self) -> None:
        made = self.make()
        near = np.array([[7, 5, 9]], np.int32)
        far = np.array([[3, 7, 5, 9]], np.int32)
        np.testing.assert_allclose(
            self.ask(made, near, np.ones_like(near, np.float32))[:, 1:],
            self.ask(made, far, np.ones_like(far, np.float32))[:, 1:],
            atol=1e-5,
        )


class TestCaserOfCosines(SequenceContract):
    model = "caser"
    parameters = {"embedding_size": 16, "window": 3, "horizontal": 4, "vertical": 2, "temperature": 0.1}
