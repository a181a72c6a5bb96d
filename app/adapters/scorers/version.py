"""What every loaded version has, whatever runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.index import ItemIndex
from app.domain.manifest import Manifest
from app.domain.types import JsonObject, Query

MAX_BATCH = 32

Infer = Callable[[Sequence[Query]], NDArray[np.float32]]
"""1 to `MAX_BATCH` queries to float32 (batch, n + 1), column 0 unspecified."""


@dataclass(frozen=True, slots=True)
class Version:
    """A verified version folder's small parts.

    Attributes:
        config: The whole of `config.json`.
        source: What its answers are called.
        max_length: The most places of a history that it looks at.
        item_vectors: float32 (n + 1, d), row 0 zero, or None.
    """

    manifest: Manifest
    config: JsonObject
    source: str
    max_length: int
    index: ItemIndex
    item_vectors: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class VersionScorer:
    """The `Scorer` of a version: its parts and what runs it."""

    parts: Version
    infer: Infer

    @property
    def version(self) -> str:
        """The version's name."""
        return self.parts.manifest.version

    @property
    def model(self) -> str:
        """The registry name of its architecture."""
        return self.parts.manifest.model

    @property
    def source(self) -> str:
        """What its answers are called."""
        return self.parts.source

    @property
    def item_ids(self) -> Sequence[str]:
        """External ids of `item_idx` 1 to n."""
        return self.parts.index.item_ids

    @property
    def item_vectors(self) -> NDArray[np.float32] | None:
        """float32 (n + 1, d), row 0 zero, or None."""
        return self.parts.item_vectors

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """float32 (len(queries), n + 1); column 0 is -inf. Large asks run in batches of `MAX_BATCH`."""
        scores = np.empty((len(queries), len(self.parts.index) + 1), np.float32)
        for start in range(0, len(queries), MAX_BATCH):
            scores[start : start + MAX_BATCH] = self.infer(queries[start : start + MAX_BATCH])
        scores[:, 0] = -np.inf
        return scores
