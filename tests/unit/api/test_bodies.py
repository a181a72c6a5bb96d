import asyncio

import pytest
from starlette.requests import Request

from app.api.bodies import BodyTimeoutError, check_media_type, read_raw
from app.domain.errors import InvalidInputError, UnsupportedMediaError


def request(receive=None, content_type=None):
    headers = [] if content_type is None else [(b"content-type", content_type.encode())]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


async def test_body_that_does_not_arrive_is_given_up():
    async def never():
        await asyncio.Event().wait()

    with pytest.raises(BodyTimeoutError):
        await read_raw(request(never), timeout_s=0.01)


async def test_body_that_is_cut_off_is_not_a_bug():
    async def gone():
        return {"type": "http.disconnect"}

    with pytest.raises(InvalidInputError):
        await read_raw(request(gone), timeout_s=1.0)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        'application/json; charset="UTF-8"',
        "application/json; charset=utf8",
    ],
)
def test_json_in_utf8_is_taken(content_type):
    check_media_type(request(content_type=content_type), ("application/json",))


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/jsonp",
        "application/json; charset=utf-16",
        "application/json; charset=latin1",
        "application/json, text/plain",
        "multipart/form-data; boundary=x",
    ],
)
def test_other_media_types_are_refused(content_type):
    with pytest.raises(UnsupportedMediaError):
        check_media_type(request(content_type=content_type), ("application/json",))
