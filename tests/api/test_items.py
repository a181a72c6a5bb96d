import pytest

from tests.api.nasty import JSON
from tests.api.samples import ITEM


def put(world, item_id="i1", **fields):
    return world.call("PUT", f"/v1/items/{item_id}", json=fields)


def get(world, item_id="i1"):
    return world.call("GET", f"/v1/items/{item_id}")


def test_item_is_answered_as_it_was_put(world):
    answer = put(world, **ITEM)
    assert answer.status_code == 200
    assert answer.json() == get(world).json()
    kept = answer.json()
    assert kept["published_at"] == "2026-01-01T00:00:00.000000Z"
    assert kept["created_at"] == "2026-11-24T12:00:02.000000Z"
    assert kept["cold"] is False
    assert {name: kept[name] for name in ITEM if name != "published_at"} == {
        name: ITEM[name] for name in ITEM if name != "published_at"
    }


@pytest.mark.parametrize("price", [0, 0.1, 9.5, 9.99, 1234567.8901, 99999999999.9999])
def test_price_is_answered_as_the_number_it_was(world, price):
    put(world, price=price)
    assert f'"price":{price}' in get(world).text.replace(f'"price":{price}.0', f'"price":{price}')


def test_put_resets_what_it_leaves_out(world):
    put(world, **ITEM)
    kept = put(world, title="New").json()
    assert (kept["title"], kept["price"], kept["categories"], kept["in_stock"]) == ("New", None, [], True)


def test_patch_changes_only_what_it_names(world):
    put(world, **ITEM)
    answer = world.call("PATCH", "/v1/items/i1", json={"price": 1, "brand": None, "categories": ["a", "b"]})
    assert answer.json() == get(world).json()
    kept = answer.json()
    assert (kept["price"], kept["brand"], kept["categories"], kept["title"]) == (1, None, ["a", "b"], "A mug")


@pytest.mark.parametrize("name", ["in_stock", "hidden"])
def test_patch_cannot_clear_a_switch(world, name):
    put(world)
    answer = world.call("PATCH", "/v1/items/i1", json={name: None})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"/{name}"


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_missing_item_is_a_404(world, method):
    body = {"json": {}} if method == "PATCH" else {}
    answer = world.call(method, "/v1/items/none", **body)
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


def test_deleted_item_is_gone_and_can_come_back(world):
    put(world, title="Old")
    answer = world.call("DELETE", "/v1/items/i1")
    assert (answer.status_code, answer.content) == (204, b"")
    assert get(world).status_code == 404
    assert put(world).json()["title"] is None


@pytest.mark.parametrize(
    ("path", "item_id"),
    [
        ("a%2Fb", "a/b"),
        ("a%252Fb", "a%2Fb"),
        ("%C3%A9%20%F0%9F%91%A9", "é 👩"),
        ("a:b;c,d=e+f", "a:b;c,d=e+f"),
        ("%3Fq%23h", "?q#h"),
        ("%22%27%5C", "\"'\\"),
        ("x" * 128, "x" * 128),
    ],
)
def test_any_printable_id_has_an_address(world, path, item_id):
    assert put(world, path).json()["item_id"] == item_id
    assert get(world, path).json()["item_id"] == item_id
    assert world.call("GET", f"/v1/items/{path}/similar").status_code == 200


def test_ids_are_told_apart_by_their_bytes(world):
    for item_id in ("a", "A", "%C3%A0", "a%20"):
        put(world, item_id)
    ids = [item["item_id"] for item in world.call("GET", "/v1/items").json()["items"]]
    assert ids == ["A", "a", "a ", "à"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_body_may_repeat_the_id_of_the_path_and_no_other(world, method):
    put(world)
    assert world.call(method, "/v1/items/i1", json={"item_id": "i1", "title": "New"}).status_code == 200
    answer = world.call(method, "/v1/items/i1", json={"item_id": "i2", "title": "Other"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/item_id")
    assert get(world).json()["title"] == "New"
    assert get(world, "i2").status_code == 404


READ_ONLY = ("cold", "created_at", "updated_at")


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_item_that_was_read_is_put_back_without_its_read_only_members(world, method):
    read = put(world, **ITEM).json()
    answer = world.call(method, "/v1/items/i1", json=read)
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {f"/{name}" for name in READ_ONLY}
    rest = {name: value for name, value in read.items() if name not in READ_ONLY}
    again = world.call(method, "/v1/items/i1", json=rest)
    assert again.json() == read | {"updated_at": again.json()["updated_at"]}


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"title": ""}, "/title"),
        ({"title": "  "}, "/title"),
        ({"title": "\t\u00a0\u3000\n"}, "/title"),
        ({"title": 7}, "/title"),
        ({"title": "x" * 1025}, "/title"),
        ({"description": "x" * 20_001}, "/description"),
        ({"categories": "mugs"}, "/categories"),
        ({"categories": ["a", ""]}, "/categories/1"),
        ({"categories": ["a\n"]}, "/categories/0"),
        ({"categories": [str(n) for n in range(65)]}, "/categories"),
        ({"price": -0.01}, "/price"),
        ({"price": "9.50"}, "/price"),
        ({"price": 1e11}, "/price"),
        ({"currency": "euro"}, "/currency"),
        ({"currency": "XYZ"}, "/currency"),
        ({"image_url": "javascript:alert(1)"}, "/image_url"),
        ({"url": "data:text/html,x"}, "/url"),
        ({"in_stock": "yes"}, "/in_stock"),
        ({"in_stock": 1}, "/in_stock"),
        ({"hidden": None}, "/hidden"),
        ({"published_at": "2026-01-01"}, "/published_at"),
        ({"attributes": [1]}, "/attributes"),
        ({"attributes": {"a": 2**63}}, "/attributes/a"),
        ({"revision": 1}, "/revision"),
        ({"cold": True}, "/cold"),
        ({"a/b~c": 1}, "/a~1b~0c"),
    ],
)
def test_field_at_fault_is_pointed_at(world, fields, pointer):
    answer = put(world, **fields)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert get(world).status_code == 404


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_blank_title_is_refused_in_words(world, method):
    put(world, title="A mug")
    answer = world.call(method, "/v1/items/i1", json={"title": " "})
    assert answer.json()["errors"] == [{"pointer": "/title", "reason": "must not be blank"}]
    assert get(world).json()["title"] == "A mug"


def test_every_field_at_fault_is_named(world):
    answer = put(world, title=1, price="x", extra=True)
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/title", "/price", "/extra"}


def test_batch_stores_the_good_and_names_the_bad(world):
    items = [
        {"item_id": "i1", "title": "A"},
        {"item_id": "i2", "price": -1},
        {"title": "no id"},
        {"item_id": "i1"},
    ]
    answer = world.call("POST", "/v1/items:batch", json={"items": items})
    assert answer.json() == {
        "stored": 2,
        "rejected": 2,
        "results": [
            {"item_id": "i1", "status": "stored"},
            {
                "item_id": "i2",
                "status": "rejected",
                "errors": [{"pointer": "/items/1/price", "reason": "must not be less than 0"}],
            },
            {"status": "rejected", "errors": [{"pointer": "/items/2/item_id", "reason": "is required"}]},
            {"item_id": "i1", "status": "stored"},
        ],
    }
    assert get(world).json()["title"] is None
    assert get(world, "i2").status_code == 404


@pytest.mark.parametrize(
    "value", ["1e999", '"\\u0000"', '"\\ud800"', str(2**63), "9" * 5000, '{"\\u0000":1}']
)
def test_batch_names_the_item_that_holds_a_value_nobody_can_keep(world, value):
    content = f'{{"items":[{{"item_id":"i1","attributes":{{"a":{value}}}}}]}}'
    answer = world.call("POST", "/v1/items:batch", content=content, headers={"Content-Type": JSON})
    [result] = answer.json()["results"]
    assert (result["status"], result["item_id"]) == ("rejected", "i1")
    assert result["errors"][0]["pointer"] == "/items/0/attributes/a"


@pytest.mark.parametrize("value", ['"a\\u0000"', '"a\\ud800"', "1e999", '"' + "x" * 129 + '"'])
def test_batch_never_repeats_an_id_that_is_at_fault(world, value):
    content = f'{{"items":[{{"item_id":{value}}}]}}'
    answer = world.call("POST", "/v1/items:batch", content=content, headers={"Content-Type": JSON})
    [result] = answer.json()["results"]
    assert result["errors"][0]["pointer"] == "/items/0/item_id"
    assert "item_id" not in result


def test_batch_of_more_than_five_hundred_stores_nothing(world):
    items = [{"item_id": f"i{n}"} for n in range(501)]
    assert world.call("POST", "/v1/items:batch", json={"items": items}).status_code == 413
    assert world.call("GET", "/v1/items").json()["items"] == []


def test_pages_show_every_item_once(world):
    items = [{"item_id": f"i{n:03}"} for n in range(25)]
    world.call("POST", "/v1/items:batch", json={"items": items})
    seen, cursor = [], None
    while True:
        query = {"limit": 10} | ({"cursor": cursor} if cursor else {})
        page = world.call("GET", "/v1/items", params=query).json()
        seen += [item["item_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [item["item_id"] for item in items]


def test_items_are_found_by_text_and_category(world):
    put(world, "i1", title="Blue MUG", categories=["mugs"])
    put(world, "i2", title="Hat 100%", categories=["hats"])

    def found(**query):
        return [item["item_id"] for item in world.call("GET", "/v1/items", params=query).json()["items"]]

    assert found(q="mug") == ["i1"]
    assert found(q="%") == ["i2"]
    assert found(q="_") == []
    assert found(category="hats") == ["i2"]
    assert found(category="Hats") == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=",
        "cursor=",
        "cursor=x",
        "q=",
        "q=%00",
        "page=2",
        "limit=5&limit=6",
    ],
)
def test_query_at_fault_is_pointed_at(world, query):
    answer = world.call("GET", f"/v1/items?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "?" + query.split("=")[0]


def test_hidden_item_leaves_the_very_next_list(world):
    for n in range(3):
        put(world, f"i{n}")

    def listed():
        return {item["item_id"] for item in world.call("GET", "/v1/latest").json()["items"]}

    assert listed() == {"i0", "i1", "i2"}
    world.call("PATCH", "/v1/items/i0", json={"hidden": True})
    assert listed() == {"i1", "i2"}
    world.call("PATCH", "/v1/items/i1", json={"in_stock": False})
    assert listed() == {"i2"}
    world.call("DELETE", "/v1/items/i2")
    assert listed() == set()
