from tests.models.contract import SequenceContract


class TestNextItNet(SequenceContract):
    model = "nextitnet"
    parameters = {"embedding_size": 16, "blocks": 2, "dropout": 0.1}
