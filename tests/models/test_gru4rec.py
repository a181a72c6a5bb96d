from tests.models.contract import SequenceContract


class TestGRU4Rec(SequenceContract):
    model = "gru4rec"
    parameters = {"embedding_size": 16, "units": 24, "layers": 2, "dropout": 0.1}
