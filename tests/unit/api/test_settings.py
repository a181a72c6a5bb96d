import pytest

from app.api.settings import ApiSettings
from app.domain.errors import InvalidInputError


@pytest.mark.parametrize(
    "origin",
    ["https://shop.example", "http://localhost:3000", "https://a-b.shop.example:8443", "http://[::1]:3000"],
)
def test_origin_is_taken(origin):
    assert ApiSettings(cors_origins=(origin,)).cors_origins == (origin,)


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "",
        "shop.example",
        "https://shop.example/",
        "https://*.shop.example",
        "https://Shop.example",
        "ws://a",
    ],
)
def test_origin_that_no_browser_sends_is_refused(origin):
    with pytest.raises(InvalidInputError, match="RECSERVE_CORS_ORIGINS"):
        ApiSettings(cors_origins=(origin,))
