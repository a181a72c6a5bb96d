import json

import pytest

from app.api.strict_json import MAX_DEPTH, faults, pointer, read, read_strict
from app.domain.errors import InvalidInputError, UnreadableInputError


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a": [1, -2.5, true, null, "x"]}', {"a": [1, -2.5, True, None, "x"]}),
        ('"é😀"'.encode(), "é😀"),
        (b'"\\ud83d\\ude00"', "😀"),
        (b" 12 \r\n", 12),
        (str(2**63 - 1).encode(), 2**63 - 1),
        (str(-(2**63)).encode(), -(2**63)),
    ],
)
def test_read_strict_reads_what_json_is(raw, value):
    assert read_strict(raw) == value


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" \n",
        b"{",
        b"{}x",
        b"[1,]",
        b"[01]",
        b"{'a':1}",
        b'"a\nb"',
        b'"\x00"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32"),
        b"\x1f\x8b\x08\x00",
        b'{"a":1,"a":2}',
    ],
)
def test_read_refuses_what_json_is_not(raw):
    with pytest.raises(UnreadableInputError) as caught:
        read(raw)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (b'{"a":{"b":[0,1e999]}}', "/a/b/1"),
        (b'{"a":-1e400}', "/a"),
        (b'{"a":9223372036854775808}', "/a"),
        (b'{"a":-9223372036854775809}', "/a"),
        (b'{"a":' + b"9" * 5000 + b"}", "/a"),
        (b'{"a":"x\\u0000y"}', "/a"),
        (b'{"a":"\\ud800"}', "/a"),
        (b'{"a":["\\udc00x"]}', "/a/0"),
        (b'{"a\\u0000":1}', ""),
        (b'{"\\ud800":1}', ""),
        (b"1e999", ""),
    ],
)
def test_read_strict_points_at_values_no_field_can_hold(raw, where):
    with pytest.raises(InvalidInputError) as caught:
        read_strict(raw)
    assert caught.value.status == 422
    assert [fault.pointer for fault in caught.value.errors] == [where]


def test_read_points_at_a_member_named_twice():
    with pytest.raises(UnreadableInputError) as caught:
        read(b'{"a":[{"b":1,"c":2,"b":3}]}')
    assert caught.value.errors[0].pointer == "/a/0/b"


def test_read_points_at_what_is_not_a_number():
    with pytest.raises(UnreadableInputError) as caught:
        read(b'{"a":[1e999,{"b":-Infinity}]}')
    assert caught.value.errors[0].pointer == "/a/1/b"


def _nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def test_read_strict_takes_the_depth_limit_itself():
    assert read_strict(_nested(MAX_DEPTH)) == json.loads(_nested(MAX_DEPTH))


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 201, 5000, 200_000])
def test_read_strict_refuses_deeper_documents_with_422(depth):
    with pytest.raises(InvalidInputError) as caught:
        read_strict(_nested(depth))
    assert caught.value.status == 422


def test_faults_are_counted_up_to_a_bound():
    assert len(faults([float("inf")] * 1000)) == 20


def test_pointer_escapes_cuts_and_masks_names():
    assert pointer(("a/b~c", 0)) == "/a~1b~0c/0"
    assert pointer(("x" * 1000,)) == "/" + "x" * 64 + "…"
    assert pointer(("a\x00\ud800b",)) == "/a\ufffd\ufffdb"
