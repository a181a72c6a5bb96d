"""Published figures of known data sets, and how a file is known to be one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Published = tuple[str, Mapping[str, float], str]
"""Model, figures by key, source."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set that papers measured on.

    Attributes:
        name: As papers call it.
        facts: Counts by which a file is known to be it.
        rows: What papers say.
    """

    name: str
    protocol: str
    facts: Mapping[str, int]
    rows: tuple[Published, ...]


def _beauty(model: str, hr: float, ndcg: float, source: str) -> Published:
    return model, {"hr@10": hr, "ndcg@10": ndcg}, source


def _diginetica(model: str, hr: float, mrr: float, source: str) -> Published:
    return model, {"hr@20": hr, "mrr@20": mrr}, source


S3REC = "S3-Rec paper, arXiv 2008.07873"
ESASREC = "run by eSASRec's authors, RecSys 2025"
SRGNN = "SR-GNN paper, arXiv 1811.00855"
DATA_SETS = (
    DataSet(
        "Amazon Beauty, 5-core",
        "leave-one-out",
        {"rows": 22_363, "events": 198_502},
        (
            _beauty("GRU4Rec", 0.0283, 0.0137, S3REC),
            _beauty("Caser", 0.0347, 0.0176, S3REC),
            _beauty("SASRec", 0.0605, 0.0318, S3REC),
            _beauty("TIGER", 0.0648, 0.0384, "TIGER paper, arXiv 2305.05065"),
            _beauty("ActionPiece", 0.0775, 0.0424, "ActionPiece paper, arXiv 2502.13581"),
            _beauty("HSTU", 0.0788, 0.0439, ESASREC),
            _beauty("FuXi-alpha", 0.0809, 0.0451, ESASREC),
            _beauty("DuoRec", 0.0845, 0.0443, "DuoRec paper, arXiv 2110.05730"),
            _beauty("SASRec, sampled softmax", 0.0921, 0.0531, ESASREC),
            _beauty("eSASRec", 0.0928, 0.0523, "eSASRec paper, RecSys 2025"),
            _beauty("BSARec", 0.1008, 0.0611, "BSARec paper, arXiv 2312.10325"),
        ),
    ),
    DataSet(
        "Diginetica",
        "sessions",
        {"rows": 186_670, "items": 43_097},
        (
            _diginetica("GRU4Rec", 0.2945, 0.0833, SRGNN),
            _diginetica("item-kNN", 0.3575, 0.1157, SRGNN),
            _diginetica("NARM", 0.4970, 0.1617, SRGNN),
            _diginetica("SR-GNN", 0.5073, 0.1759, SRGNN),
            _diginetica("GCE-GNN", 0.5422, 0.1904, "GCE-GNN paper, arXiv 2106.05081"),
        ),
    ),
)


def known_as(protocol: str, facts: Mapping[str, int | float]) -> DataSet | None:
    """The data set that a file is by its counts, if it is a known one."""
    for one in DATA_SETS:
        if one.protocol == protocol and all(facts.get(key) == value for key, value in one.facts.items()):
            return one
    return None
