"""What the API process loads, seen in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = (
    *("tensorflow", "keras", "polars", "scipy", "matplotlib", "onnx"),
    *("models.neural", "app.training", "app.cli"),
)


def test_a_served_folder_loads_neither_alembic_nor_fsspec() -> None:
    script = (
        "import app.cli.opened, app.main, sys; from pathlib import Path;"
        "from app.adapters.artifacts import open_store; open_store('artifacts', scratch=Path('scratch'));"
        "print([name for name in ('alembic', 'mako', 'fsspec') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_api_process_loads_no_training_code() -> None:
    script = "import app.main, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert [name for name in HEAVY if name in loaded] == []
