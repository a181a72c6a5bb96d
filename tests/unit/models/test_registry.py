from __future__ import annotations

import subprocess
import sys

import pytest

from models.registry import SPECS, spec


def test_every_model_of_the_mission_is_there() -> None:
    names = {"popularity", "transitions", "itemknn", "ease", "gru4rec", "nextitnet", "multvae"}
    assert names <= set(SPECS)


def test_an_unknown_model_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match="popularity, transitions"):
        spec("gpt")


def test_the_registry_and_the_tables_load_no_heavy_library() -> None:
    code = (
        "import sys, models, models.registry, models.item_item;"
        "print({'keras', 'tensorflow', 'scipy', 'polars'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
