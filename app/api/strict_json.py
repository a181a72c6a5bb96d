"""JSON as this service reads it: the raw bytes, UTF-8, no guessing.

Two kinds of trouble are kept apart. A document that is not JSON, or that says two things at once, is refused
as a whole (400; nested too deeply: 422). A value that is JSON but that no database here can hold (1e999,
2^64, NUL, half a surrogate pair) is found by `faults` with its pointer, so that a batch can refuse the one
entry it is in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import jiter

from app.domain.errors import FieldError, InvalidInputError, UnreadableInputError

MAX_DEPTH = 20
MAX_FAULTS = 20
_INT64 = range(-(2**63), 2**63)
_BEYOND_INT64 = 2**64
_TOKEN_SHOWN = 64

Path = tuple[str | int, ...]


class _Constant(float):
    """NaN or Infinity, which Python's parser takes for a number and JSON does not."""

    __slots__ = ()


class _Doubled(dict[str, object]):
    """An object in which a key came twice."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        seen: set[str] = set()
        self.key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # set.add is None: falsy


def pointer(path: Path) -> str:
    """The JSON pointer of a path; long or unprintable member names are cut and masked.

    >>> pointer(("events", 0, "a/b"))
    '/events/0/a~1b'
    """
    return "".join(f"/{_token(part)}" for part in path)


def read(raw: bytes) -> object:
    """The document, which may still be nested too deeply and hold values that `faults` refuses.

    Raises:
        UnreadableInputError: It is not UTF-8 JSON, or an object names a member twice.
        InvalidInputError: It is nested so deeply that it cannot be read at all.
    """
    try:
        return jiter.from_json(raw, catch_duplicate_keys=True, allow_inf_nan=False, cache_mode="keys")
    except ValueError:
        return _read_again(raw)


def check_depth(value: object, at: Path = ()) -> None:
    """Refuse what is nested too deeply to be looked at any closer.

    Raises:
        InvalidInputError: It is.
    """
    for path, _ in _containers(value, at):
        if len(path) >= MAX_DEPTH:
            fault = FieldError(pointer(path), f"is nested deeper than {MAX_DEPTH} levels")
            raise InvalidInputError("The document is nested too deeply.", [fault])


def faults(value: object, at: Path = ()) -> list[FieldError]:
    """Values of a document that no field can hold, with their pointers; a few at most."""
    found: list[FieldError] = []
    for path, part in _walk(value, at):
        reason = _refusal(part)
        if reason is not None:
            found.append(FieldError(pointer(path), reason))
            if len(found) == MAX_FAULTS:
                break
    return found


def read_strict(raw: bytes) -> object:
    """The document, every value of it fit for a field.

    Raises:
        UnreadableInputError: As in `read`.
        InvalidInputError: It is nested too deeply, or holds a value that `faults` refuses.
    """
    document = read(raw)
    check_depth(document)
    found = faults(document)
    if found:
        raise InvalidInputError("The document holds values that cannot be accepted.", found)
    return document


def _token(part: str | int) -> str:
    text = str(part)
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text[:_TOKEN_SHOWN])
    escaped = shown.replace("~", "~0").replace("/", "~1")
    return escaped if len(text) <= _TOKEN_SHOWN else escaped + "…"


def _read_again(raw: bytes) -> object:
    """Read what the fast parser refused: either it is readable after all, or the reason can be said."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableInputError("The body is not UTF-8.") from None
    if not text.strip(" \t\r\n"):
        raise UnreadableInputError("The body is empty; JSON is expected.")
    try:
        document = json.loads(
            text, parse_constant=_Constant, parse_int=_bounded_int, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise UnreadableInputError(f"The body is not JSON: see {where}.") from None
    except RecursionError:
        raise InvalidInputError("The document is nested too deeply.") from None
    for path, part in _walk(document, ()):
        _refuse_document(path, part)
    return document


def _refuse_document(path: Path, part: object) -> None:
    if isinstance(part, _Constant):
        fault = FieldError(pointer(path), "is not a JSON number")
        raise UnreadableInputError("NaN and Infinity are not JSON numbers.", [fault])
    if isinstance(part, _Doubled):
        fault = FieldError(pointer((*path, part.key)), "is named twice in the same object")
        raise UnreadableInputError("An object names a member twice.", [fault])


def _bounded_int(digits: str) -> int:
    # int() of thousands of digits is slow by design; any number beyond 64 bits is refused alike
    return int(digits) if len(digits) <= 20 else _BEYOND_INT64


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    return made if len(made) == len(pairs) else _Doubled(pairs)


def _children(value: object) -> Iterator[tuple[str | int, object]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _walk(value: object, at: Path) -> Iterator[tuple[Path, object]]:
    stack: list[tuple[Path, object]] = [(at, value)]
    while stack:
        path, part = stack.pop()
        yield path, part
        if isinstance(part, dict | list):
            stack.extend(((*path, key), child) for key, child in _children(part))


def _containers(value: object, at: Path) -> Iterator[tuple[Path, object]]:
    stack: list[tuple[Path, object]] = [(at, value)]
    while stack:
        path, part = stack.pop()
        if not isinstance(part, dict | list):
            continue
        yield path, part
        if len(path) < MAX_DEPTH:
            stack.extend(
                ((*path, key), child) for key, child in _children(part) if isinstance(child, dict | list)
            )


def _refusal(value: object) -> str | None:
    match value:
        case str():
            return _text_refusal(value)
        case float() if not math.isfinite(value):
            return "is a number too large to hold"
        case int() if not isinstance(value, bool) and value not in _INT64:
            return "is a whole number beyond 64 bits"
        case dict():
            return next((f"has a member whose name {r}" for r in map(_text_refusal, value) if r), None)
    return None


def _text_refusal(text: str) -> str | None:
    if text.isascii():
        return "holds a NUL character" if "\0" in text else None
    if "\0" in text:
        return "holds a NUL character"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "holds half of a surrogate pair"
    return None
