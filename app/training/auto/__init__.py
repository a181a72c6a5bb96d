"""The recipe `auto`: a portfolio within a budget, chosen and blended on validation, explained in words."""

from app.training.auto.recipe import Auto, LeftOut, fit_auto

__all__ = ["Auto", "LeftOut", "fit_auto"]
