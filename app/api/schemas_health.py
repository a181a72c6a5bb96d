"""Answers of the health calls."""

from __future__ import annotations

from typing import Literal

from app.api.values import Answer


class LiveAnswer(Answer):
    """The process lives."""

    status: Literal["ok"] = "ok"


class DependencyAnswer(Answer):
    """One dependency: `ok`, `down`, or `none` where there is none yet."""

    state: Literal["ok", "down", "none"]
    detail: str | None = None


class ReadyAnswer(Answer):
    """Whether the process serves, and each dependency's state."""

    status: Literal["ready", "degraded", "unavailable", "draining"]
    dependencies: dict[str, DependencyAnswer]
