"""The published configurations are those of the registry, from which the documented figures come."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from app.training.build import plan
from models.registry import names

CONFIGS = Path(__file__).resolve().parents[3] / "configs"


@pytest.mark.parametrize("name", names())
def test_a_published_configuration_is_the_registrys(name: str) -> None:
    body = tomllib.loads((CONFIGS / f"{name}.toml").read_text())
    chosen = plan(name, {})
    assert body == {"model": name, "architecture": chosen.parameters, "training": chosen.training}
    assert plan(name, {**body["architecture"], **body["training"]}) == chosen
