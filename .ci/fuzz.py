"""Fuzz every route of a real service with each kind of key: ``python .ci/fuzz.py --examples 10``."""

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
runpy.run_module("tests.fuzz", run_name="__main__")
