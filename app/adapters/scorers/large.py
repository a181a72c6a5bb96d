"""A network over a catalogue too large to score whole: its encoder apart, its item vectors mapped, an index.

The encoder alone runs in ONNX Runtime and is given the few item vectors that a history names, so that the
process holds no copy of the table of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from app.adapters.scorers.index import TOP, CodeIndex
from app.adapters.scorers.names import BIASES_NAME, ENCODER_NAME
from app.adapters.scorers.onnx import open_graph
from app.adapters.scorers.policy import IndexPolicy
from app.adapters.scorers.queries import pad_left
from app.adapters.scorers.version import Version, VersionScorer
from app.domain.errors import ArtifactRefusedError
from app.domain.types import Query
from app.telemetry import Metrics

_INPUTS, _OUTPUT = ("item_idx", "vectors", "weight"), "state"
PROBES = 64
PROBE_LENGTH = 16
_DRAWN_FROM = 20_000
_AT_ONCE = 131_072
_SEED = 1

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
_log = structlog.get_logger(__name__)


class Encoder:
    """Histories to states, and states to scores.

    Args:
        parts: With item vectors.
        folder: The version's.

    Raises:
        ArtifactRefusedError: The graph or the biases cannot be used.
    """

    def __init__(self, parts: Version, folder: Path) -> None:
        if parts.item_vectors is None:
            raise ArtifactRefusedError(f"{ENCODER_NAME} stands there without item vectors.")
        self._session = open_graph(folder / ENCODER_NAME, inputs=_INPUTS, output=_OUTPUT)
        self._parts, self.vectors = parts, parts.item_vectors
        self.biases = _biases(folder / BIASES_NAME, len(self.vectors))

    def states(self, queries: Sequence[Query]) -> FloatArray:
        """float32 (queries, d)."""
        item_idx, weight = pad_left(queries, self._parts.index, max_length=self._parts.max_length)
        named, rows = np.unique(np.append(item_idx.ravel(), 0), return_inverse=True)
        given: dict[str, Any] = {
            "item_idx": rows[:-1].reshape(item_idx.shape).astype(np.int32),
            "vectors": np.ascontiguousarray(self.vectors[named]),
            "weight": weight,
        }
        state: FloatArray = self._session.run([_OUTPUT], given)[0]
        return state

    def scores(self, queries: Sequence[Query]) -> FloatArray:
        """float32 (queries, n + 1), exact."""
        return self.products(self.states(queries))

    def products(self, states: FloatArray) -> FloatArray:
        """float32 (queries, n + 1): the scores of all items after these states."""
        scores = np.empty((len(states), len(self.vectors)), np.float32)
        for start in range(0, len(self.vectors), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            np.add(states @ self.vectors[part].T, self.biases[part], out=scores[:, part])
        return scores


@dataclass(frozen=True, slots=True)
class LargeScorer(VersionScorer):
    """A `CandidateScorer`: what its index finds is scored exactly.

    Attributes:
        recall: Of the index, as it was measured when it was made.
    """

    encoder: Encoder
    index: CodeIndex
    recall: float

    def read(self, query: Query) -> FloatArray:
        """float32 (1, d): the state that scores are asked of."""
        return self.encoder.states([query])

    def near(self, state: FloatArray) -> IntArray:
        """int64 (candidates,): `item_idx` of items that score high."""
        return np.asarray(self.index.near(state)[0], np.int64)

    def scores_of(self, state: FloatArray, item_idx: IntArray) -> FloatArray:
        """float32 (items,), exact."""
        encoder = self.encoder
        return np.asarray(encoder.vectors[item_idx] @ state[0] + encoder.biases[item_idx], np.float32)


def open_large(parts: Version, folder: Path, policy: IndexPolicy, metrics: Metrics | None) -> VersionScorer:
    """What scores with an index, or exactly where the index finds too little.

    Raises:
        ArtifactRefusedError: The encoder, vectors or biases cannot be used.
    """
    encoder = Encoder(parts, folder)
    index = CodeIndex(encoder.vectors, encoder.biases)
    states = encoder.states(probe_histories(parts, encoder.biases))
    recall = index.settle(states, _true_best(encoder, states), least=policy.least_recall)
    facts = {"version": parts.manifest.version, "recall": round(recall, 4), "candidates": index.looked_at}
    if metrics is not None:
        metrics.index_recall.labels(parts.manifest.version).set(recall)
    if recall < policy.least_recall:
        if metrics is not None:
            metrics.degraded.labels("index", "recall").inc()
        _log.warning("model.index_refused", least_recall=policy.least_recall, **facts)
        return VersionScorer(parts, encoder.scores)
    _log.info("model.index_made", **facts)
    return LargeScorer(parts, encoder.scores, encoder, index, recall)


def probe_histories(parts: Version, biases: FloatArray) -> list[Query]:
    """Histories as people have them: a popular item and others that lie near it, 1 to `PROBE_LENGTH` long."""
    assert parts.item_vectors is not None  # noqa: S101  # the encoder has looked
    rng = np.random.default_rng(_SEED)
    n_items = len(parts.index)
    drawn = 1 + rng.permutation(n_items)[:_DRAWN_FROM]
    vectors = parts.item_vectors[drawn]
    # Biases begin at the log of popularity.
    weights = np.exp(biases[drawn].astype(np.float64) - biases[drawn].max())
    starts = rng.choice(len(drawn), PROBES, p=weights / weights.sum())
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    near = np.argsort(-(unit[starts] @ unit.T), axis=1)[:, :PROBE_LENGTH]
    ids = parts.index.item_ids
    return [
        Query(tuple(ids[drawn[place] - 1] for place in row[:length]), (1.0,) * min(int(length), len(row)))
        for row, length in zip(near, rng.integers(1, PROBE_LENGTH + 1, PROBES), strict=True)
    ]


def _true_best(encoder: Encoder, states: FloatArray) -> IntArray:
    best = []
    for state in states:
        scores = encoder.products(state[None])[0]
        scores[0] = -np.inf
        most = min(TOP, len(scores) - 1)
        best.append(np.argpartition(-scores, most - 1)[:most])
    return np.array(best, np.int64)


def _biases(path: Path, rows: int) -> FloatArray:
    try:
        biases: FloatArray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactRefusedError(f"{BIASES_NAME} cannot be read.") from error
    if biases.shape != (rows,) or biases.dtype != np.float32 or not np.isfinite(biases).all():
        raise ArtifactRefusedError(f"{BIASES_NAME} is not a finite float32 for each item and padding.")
    return biases
