"""Silences TensorFlow's chatter. Imported before Keras; the one place that sets its environment."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# Errors only: notes on CPU features and missing GPUs say nothing to a shop.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
