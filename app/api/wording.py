"""What is wrong with a field, in the words of this service: the one table of them.

Checks of our own raise `ValueError` with words that are ready to be shown. What pydantic finds by itself is
said by the table below, so that no caller reads about classes, patterns and validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

READ_ONLY = frozenset({"cold", "created_at", "updated_at"})
"""Members of answers that the service keeps by itself; no body may hold them."""

UNSAID = "is not valid"
"""Said of a fault that the table does not know; a test keeps it from being needed."""

WORDS: Mapping[str, str] = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "string_type": "must be text",
    "string_unicode": "must be text in UTF-8",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a whole number of at most 64 bits",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt:.15g}",
    "greater_than_equal": "must be {ge:.15g} or more",
    "less_than_equal": "must be {le:.15g} or less",
    "too_short": "must hold {min_length} or more entries",
    "too_long": "must hold at most {max_length} entries",
    "string_too_short": "must be {min_length} or more characters long",
    "string_too_long": "must be at most {max_length} characters long",
}
"""By pydantic's type of error; `{…}` is filled from the rule that was broken, never from the input."""

_EMPTY = "must not be empty"


def reason(entry: Mapping[str, Any]) -> str:
    """What one of pydantic's complaints says to a caller."""
    kind, rule = entry["type"], entry.get("ctx", {})
    if kind == "value_error":
        return str(rule["error"])
    if kind == "extra_forbidden" and entry["loc"][-1] in READ_ONLY:
        return "is read-only; leave it out"
    if rule.get("min_length") == 1 and kind in {"too_short", "string_too_short"}:
        return _EMPTY
    return WORDS.get(kind, UNSAID).format_map(rule)
