"""Hyper-parameters by the form of the data, where the registry's, a shop's, are not the best known."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from models.base import Value

Form = Literal["leave-one-out", "sessions", "split", "shop"]
"""Lines of single items of which the next is asked for; sessions, whose items may come again; sets of items
of which others are asked for; a shop's dated events."""
FOLDER = Path(__file__).resolve().parents[2] / "configs" / "quality"


@cache
def presets(form: Form) -> Mapping[str, Mapping[str, Value]]:
    """What differs from the registry's values, by model; nothing for a shop, whose they are."""
    path = FOLDER / f"{form}.toml"
    return {} if form == "shop" else tomllib.loads(path.read_text(encoding="utf-8"))
