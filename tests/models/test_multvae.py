from tests.models.contract import BagContract


class TestMultVAE(BagContract):
    model = "multvae"
    parameters = {"hidden_size": 16, "latent_size": 8, "power": 1.0}
