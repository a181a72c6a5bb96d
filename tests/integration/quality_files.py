"""Small files of the harness' three forms, with a pattern to learn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

N_ITEMS = 30


def walks(people: int, *, seed: int = 0, least: int = 3, most: int = 9) -> list[list[str]]:
    """Histories that mostly step to the next item of a ring; names are words, not numbers."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(people):
        at, walk = int(rng.integers(N_ITEMS)), []
        for _ in range(int(rng.integers(least, most + 1))):
            walk.append(f"item-{at}")
            at = (at + 1 if rng.random() < 0.8 else int(rng.integers(N_ITEMS))) % N_ITEMS
        found.append(walk)
    return found


def user_file(path: Path, histories: Sequence[Sequence[str]]) -> Path:
    """Lines of ``user item item …``."""
    lines = [" ".join([f"user{number}", *walk]) for number, walk in enumerate(histories)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def session_files(folder: Path, *, seed: int = 0) -> tuple[Path, Path]:
    """A session a line, and ``prefix<TAB>target``."""
    data, test = folder / "sessions.txt", folder / "test.tsv"
    data.write_text("\n".join(" ".join(walk) for walk in walks(200, seed=seed)) + "\n", encoding="utf-8")
    asked = [f"{' '.join(walk[:-1])}\t{walk[-1]}" for walk in walks(40, seed=seed + 1)]
    test.write_text("\n".join(asked) + "\n", encoding="utf-8")
    return data, test


def split_files(folder: Path, *, seed: int = 0) -> tuple[Path, Path]:
    """Each user's items in two files; one user of the second is not in the first."""
    rng = np.random.default_rng(seed)
    train, test = [], []
    for number, walk in enumerate(walks(80, seed=seed, least=10, most=14)):
        items = list(dict.fromkeys(walk))
        held = rng.random(len(items)) < 0.3
        kept = [item for item, out in zip(items, held, strict=True) if not out] or items[:1]
        later = [item for item, out in zip(items, held, strict=True) if out] or items[-1:]
        train.append(" ".join([f"u{number}", *kept]))
        test.append(" ".join([f"u{number}", *later]))
    test.append("stranger item-1 item-2")
    data, asked = folder / "train.txt", folder / "test.txt"
    data.write_text("\n".join(train) + "\n", encoding="utf-8")
    asked.write_text("\n".join(test) + "\n", encoding="utf-8")
    return data, asked
