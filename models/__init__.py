"""Recommender models: architectures and losses that know nothing of the service. See `README.md`.

Importing this package, `registry`, `base` and `item_item` loads NumPy at most; Keras loads with an
architecture's own module.
"""
