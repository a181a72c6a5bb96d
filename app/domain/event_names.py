"""What events are called: GA4's names, Segment's as aliases, and any other as custom."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

GA4_NAMES = frozenset(
    {
        "view_item_list",
        "select_item",
        "view_item",
        "add_to_wishlist",
        "add_to_cart",
        "remove_from_cart",
        "view_cart",
        "begin_checkout",
        "purchase",
        "refund",
        "search",
        "rate",
        "like",
        "dislike",
        "hide_item",
    }
)
"""GA4's e-commerce events, and the opinions that GA4 has no name for."""

ITEM_NAMES = GA4_NAMES - {"search", "view_item_list", "view_cart", "begin_checkout"}
"""Those of them that say something of an item; without one they say nothing."""

SEGMENT_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "product list viewed": "view_item_list",
        "product clicked": "select_item",
        "product viewed": "view_item",
        "product added to wishlist": "add_to_wishlist",
        "product added": "add_to_cart",
        "wishlist product added to cart": "add_to_cart",
        "product removed": "remove_from_cart",
        "cart viewed": "view_cart",
        "checkout started": "begin_checkout",
        "order completed": "purchase",
        "order refunded": "refund",
        "order cancelled": "refund",
        "products searched": "search",
        "product reviewed": "rate",
    }
)
"""Segment's e-commerce names, in lower case."""


def canonical_name(name: str) -> str:
    """GA4's name for an event: aliases are resolved, custom names stay as they are.

    >>> canonical_name("Order Completed"), canonical_name("view_item"), canonical_name("Video Played")
    ('purchase', 'view_item', 'Video Played')
    """
    return SEGMENT_ALIASES.get(name.lower(), name)
