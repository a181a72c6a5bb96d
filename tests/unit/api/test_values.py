import unicodedata
from datetime import UTC, datetime
from decimal import Decimal

import jiter
import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from app.api.values import Currency, FreeObject, Id, Money, Price, Timestamp, WebAddress
from app.domain.currencies import ACTIVE, CURRENCIES, WITHDRAWN

IDS = TypeAdapter(Id, config=ConfigDict(strict=True))


@pytest.mark.parametrize(
    "value",
    [
        "a",
        "A-1_2.3:4",
        "x" * 128,
        "é" * 64,
        "a b",
        "商品",
        "مرحبا",
        "שלום",
        "👩‍👩‍👧",
        "a/b",
        "..",
        "%2F",
        "~",
        "Ω",
    ],
)
def test_id_takes_anything_printable_up_to_128_bytes(value):
    assert IDS.validate_python(unicodedata.normalize("NFC", value)) == unicodedata.normalize("NFC", value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x" * 129,
        "é" * 65,
        "x" * 10_240,
        "a\nb",
        "a\tb",
        "\x00",
        "\x7f",
        "\x85",
        "\u2028",
        "\u202eabc",
        "\u2066a",
        "e\u0301",
        "\u2126",
        "\ufdd0",
        "\ud800",
        1,
        None,
        True,
        ["a"],
    ],
)
def test_id_refuses_what_is_not_one(value):
    with pytest.raises(ValidationError):
        IDS.validate_python(value)


TIMES = TypeAdapter(Timestamp)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-24T10:00:00Z", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("2026-11-24t10:00:00z", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("2026-11-24 10:00:00+00:00", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("2026-11-24T10:00:00.123456789-05:30", datetime(2026, 11, 24, 15, 30, 0, 123456, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2024-02-29T00:00:00+14:00", datetime(2024, 2, 28, 10, tzinfo=UTC)),
        ("0001-01-02T00:00:00Z", datetime(1, 1, 2, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_timestamp_reads_rfc_3339_into_utc(text, utc):
    assert TIMES.validate_python(text) == utc


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-24T10:00:00",
        "2026-11-24",
        "2026-11-24T10:00Z",
        "2026-02-30T10:00:00Z",
        "2026-11-24T24:00:00Z",
        "2026-11-24T10:00:61Z",
        "2026-11-24T10:00:00+25:00",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "10000-01-01T00:00:00Z",
        "٢٠٢٦-11-24T10:00:00Z",
        "2026-11-24T10:00:00Z\n",
        "now",
        "",
        1764000000,
        1.5,
        None,
        True,
    ],
)
def test_timestamp_refuses_the_rest(value):
    with pytest.raises(ValidationError):
        TIMES.validate_python(value)


class Shown(BaseModel):
    when: Timestamp
    money: Money


def test_values_leave_as_microseconds_and_numbers():
    shown = Shown(when="2026-11-24T12:00:00+02:00", money=9.5)
    assert shown.model_dump_json() == '{"when":"2026-11-24T10:00:00.000000Z","money":9.5}'


@pytest.mark.parametrize(
    "text", ["99999999999.9999", "-99999999999.9999", "0.0001", "12345678901.2345", "0.1"]
)
def test_money_comes_back_as_it_came(text):
    value = TypeAdapter(Money).validate_python(jiter.from_json(text.encode()))
    assert value == Decimal(text)
    assert Decimal(TypeAdapter(Money).dump_json(value).decode()) == Decimal(text)


def test_money_forgives_binary_fractions():
    assert TypeAdapter(Money).validate_python(0.1 + 0.2) == Decimal("0.3000")


@pytest.mark.parametrize(
    "value", ["9.5", True, None, 1e11, -1e11, 1e308, float("nan"), float("inf"), 2**62, []]
)
def test_money_refuses_what_is_not_a_number_it_can_hold(value):
    with pytest.raises(ValidationError):
        TypeAdapter(Money).validate_python(value)


def test_price_is_not_negative():
    with pytest.raises(ValidationError):
        TypeAdapter(Price).validate_python(-0.01)


@pytest.mark.parametrize("value", ["EUR", "GBP", "USD", "JPY", "XCG", "VED", "BGN"])
def test_currency_takes_the_codes_of_iso_4217(value):
    assert TypeAdapter(Currency).validate_python(value) == value


def test_currencies_are_three_capital_letters_each():
    assert [code for code in CURRENCIES if not (len(code) == 3 and code.isascii() and code.isupper())] == []
    assert (len(ACTIVE), ACTIVE & WITHDRAWN) == (178, frozenset())


@pytest.mark.parametrize("value", ["XYZ", "AAA", "DEM", "eur", "EURO", "EU", "EUR\n", "€UR", "ÉUR", ""])
def test_currency_refuses_other_letters(value):
    with pytest.raises(ValidationError):
        TypeAdapter(Currency).validate_python(value)


@pytest.mark.parametrize("value", ["https://shop/x.png", "http://a", "/img/1.png?x=1#y"])
def test_web_address_takes_the_web(value):
    assert TypeAdapter(WebAddress).validate_python(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example/x",
        "ftp://x",
        " https://x",
        "https://a\nb",
        "",
    ],
)
def test_web_address_refuses_other_schemes(value):
    with pytest.raises(ValidationError):
        TypeAdapter(WebAddress).validate_python(value)


@pytest.mark.parametrize(
    "value",
    [
        {str(n): n for n in range(65)},
        {"a": {"b": {str(n): n for n in range(65)}}},
        {"a": "x" * 1025},
        {"a": ["é" * 513]},
        {"": 1},
        {"k" * 129: 1},
        {str(n): "x" * 1000 for n in range(40)},
    ],
)
def test_free_object_is_bounded(value):
    with pytest.raises(ValidationError):
        TypeAdapter(FreeObject).validate_python(value)


def test_free_object_takes_the_bounds_themselves():
    value = {str(n): n for n in range(63)} | {"t": "x" * 1024}
    assert TypeAdapter(FreeObject).validate_python(value) == value
