from tests.models.contract import SequenceContract


class TestSASRec(SequenceContract):
    model = "sasrec"
    parameters = {"embedding_size": 16, "heads": 2, "positions": "both", "dropout": 0.1}


class TestGatedSASRec(SequenceContract):
    model = "sasrec"
    parameters = {"embedding_size": 16, "block": "gated", "layers": 2, "temperature": 0.1, "dropout": 0.1}
