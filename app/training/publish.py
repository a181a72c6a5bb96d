"""The last steps of a training: is what will be served what was trained, and does it open where it stands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domain.ports import ArtifactStore, Scorer, ScorerLoader
from app.domain.probes import probe_queries
from app.training.gate import Parity

PROBES = 16
TOP = 10
LONGEST = 64
TIE = 1e-5


def compare(served: Scorer, reference: Scorer, *, max_length: int = LONGEST) -> Parity:
    """Ask both the same histories.

    Args:
        served: As the API will load it.
        reference: The trained network itself.
        max_length: The longest history worth asking.
    """
    queries = probe_queries(served.item_ids, max_length=max_length, count=PROBES)
    ours, theirs = served.score(queries)[:, 1:], reference.score(queries)[:, 1:]
    difference = float(np.max(np.abs(ours - theirs)))
    return Parity(difference, same_top(ours, theirs))


def same_top(
    ours: NDArray[np.float32], theirs: NDArray[np.float32], *, tolerance: float = TIE, n: int = TOP
) -> bool:
    """Whether both put the same `n` items first, but for items whose scores lie within the tolerance.

    Args:
        ours: float32 (queries, items).
        theirs: The same.
        tolerance: Two items nearer than this may stand in either order.
        n: How many places count.
    """
    n = min(n, ours.shape[1])
    for mine, other in zip(ours, theirs, strict=True):
        first = np.argsort(-mine, kind="stable")[:n]
        second = np.argsort(-other, kind="stable")[:n]
        if np.any(np.abs(mine[first] - mine[second]) > tolerance):
            return False
    return True


def publish(
    folder: Path, *, model: str, version: str, artifacts: ArtifactStore, loader: ScorerLoader
) -> Scorer:
    """Put a folder into the store and open it from there, as the API will.

    Raises:
        ArtifactRefusedError: It does not open; nothing is to be registered.
        ConflictError: The version exists.
    """
    artifacts.publish(folder, model=model, version=version)
    return loader.load(artifacts.fetch(model=model, version=version))
