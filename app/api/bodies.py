"""Request bodies, parsed by hand from the raw bytes and yet described in the OpenAPI.

A route names its model once; `openapi.py` finds the reader among the route's dependencies::

    body: Annotated[ItemBody, Body(ItemBody)]
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Generic, TypeVar

from fastapi import Depends
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from app.api.context import SettingsDep
from app.api.problems import field_errors
from app.api.strict_json import read, read_strict
from app.domain.errors import InvalidInputError, RecserveError, UnsupportedMediaError

JSON = "application/json"
M = TypeVar("M", bound=BaseModel)


class BodyTimeoutError(RecserveError):
    """The body did not arrive in time."""

    slug, title, status = "body-timeout", "The body did not arrive in time", 408


@dataclass(frozen=True, slots=True)
class BodyReader(Generic[M]):
    """The dependency behind `Body`: reads and checks one model."""

    model: type[M]
    media_types: tuple[str, ...] = (JSON,)
    optional: bool = False

    async def __call__(self, request: Request, settings: SettingsDep) -> M:
        """The parsed body. Raises `InvalidInputError`, `UnsupportedMediaError` or `TooLargeError`."""
        raw = await read_raw(request, timeout_s=settings.body_timeout_s)
        if self.optional and not raw:
            return self.model()
        check_media_type(request, self.media_types)
        return validate(self.model, read_strict(raw))


@dataclass(frozen=True, slots=True)
class BatchReader:
    """The dependency behind `BatchBody`: the document as read; each entry is checked on its own by `batches`.

    Attributes:
        model: What the OpenAPI says about the body.
    """

    model: type[BaseModel]
    media_types: tuple[str, ...] = (JSON,)
    optional: bool = False

    async def __call__(self, request: Request, settings: SettingsDep) -> object:
        """The document. Raises `InvalidInputError`, `UnsupportedMediaError` or `TooLargeError`."""
        raw = await read_raw(request, timeout_s=settings.body_timeout_s)
        check_media_type(request, self.media_types)
        return read(raw)


def BatchBody(model: type[BaseModel], *media_types: str) -> object:  # noqa: N802  # reads as FastAPI's own
    """A dependency on a body whose entries are checked one by one."""
    return Depends(BatchReader(model, media_types or (JSON,)))


def Body(model: type[M], *media_types: str) -> object:  # noqa: N802  # reads as FastAPI's own
    """A dependency on a body of this model, as JSON."""
    return Depends(BodyReader(model, media_types or (JSON,)))


def OptionalBody(model: type[M]) -> object:  # noqa: N802  # reads as FastAPI's own
    """A dependency on a body that may be left out; the model's defaults stand for it."""
    return Depends(BodyReader(model, optional=True))


def validate(model: type[M], document: object, at: tuple[str | int, ...] = ()) -> M:
    """The model of a document that `read_strict` or `read` has read.

    Raises:
        InvalidInputError: With a pointer and a reason a field.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidInputError("The body is not valid.", field_errors(error, at)) from None


async def read_raw(request: Request, *, timeout_s: float) -> bytes:
    """The body's bytes, at most as many as the body limit lets through, in bounded time.

    Raises:
        BodyTimeoutError: It arrives too slowly.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await request.body()
    except TimeoutError:
        raise BodyTimeoutError("The request's body did not arrive in time.") from None
    except ClientDisconnect:
        # nobody is there to read the answer; it only must not look like a bug
        raise InvalidInputError("The request's body was cut off.") from None


def media_type_of(request: Request) -> str:
    """The body's media type without its parameters; empty where none is given."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_media_type(request: Request, allowed: tuple[str, ...]) -> None:
    """Refuse a body that is not of an allowed media type in UTF-8.

    Raises:
        UnsupportedMediaError: It is of another type or in another encoding.
    """
    parameters = request.headers.get("content-type", "").partition(";")[2]
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type_of(request) not in allowed or charset not in {"", "utf-8", "utf8"}:
        raise UnsupportedMediaError(f"Send Content-Type: {' or '.join(allowed)}, in UTF-8.")
