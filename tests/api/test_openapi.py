import re

import pytest
from fastapi.testclient import TestClient

from app.api.app import create_app
from app.api.settings import ApiSettings
from tests.api.nasty_run import routes_of
from tests.api.samples import SAMPLES


@pytest.fixture
def document(shared_world):
    return shared_world.client.get("/openapi.json").json()


def operations(document):
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def test_every_reference_leads_somewhere(document):
    for reference in set(re.findall(r"'\$ref': '#/([^']+)'", str(document))):
        part = document
        for name in reference.split("/"):
            part = part[name]


def test_every_body_is_described(document):
    for route, operation in operations(document).items():
        assert ("requestBody" in operation) == (SAMPLES[route].body is not None), route


def test_samples_hold_every_field_of_their_body(document):
    """So that the nasty table meets each of them."""
    schemas = document["components"]["schemas"]
    allowed = {"item_id", "user_id"}
    for route, operation in operations(document).items():
        if "requestBody" not in operation or route.split(" ")[1] in {"/v1/events", "/v1/items:batch"}:
            continue
        content = operation["requestBody"]["content"]["application/json"]
        fields = schemas[content["schema"]["$ref"].rsplit("/", 1)[1]]["properties"]
        assert set(fields) - set(SAMPLES[route].body) <= allowed, route


def test_samples_give_every_query_parameter(document):
    for route, operation in operations(document).items():
        names = {p["name"] for p in operation.get("parameters", []) if p["in"] == "query"}
        assert names - set(SAMPLES[route].query) <= {"cursor"}, route


def test_every_operation_names_its_problems(document):
    for route, operation in operations(document).items():
        responses = operation["responses"]
        assert {"400", "422"} <= set(responses), route
        assert ("401" in responses) == ("security" in operation), route


def test_problem_answers_have_examples(document):
    for status, response in document["components"]["responses"].items():
        example = response["content"]["application/problem+json"]["example"]
        assert example["status"] == int(status)


def test_readiness_describes_its_own_503(document):
    answer = document["paths"]["/readyz"]["get"]["responses"]["503"]
    assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/ReadyAnswer")


def test_no_answer_is_left_to_fastapis_own_error_format(document):
    assert "HTTPValidationError" not in str(document)


def test_operations_have_summaries_and_ids_of_their_own(document):
    ids = [operation["operationId"] for operation in operations(document).values()]
    assert len(ids) == len(set(ids))
    assert all(operation.get("summary") for operation in operations(document).values())


def test_document_names_the_idempotency_key_on_admin_posts(document):
    for route, operation in operations(document).items():
        names = {p["name"] for p in operation.get("parameters", [])}
        assert ("Idempotency-Key" in names) == route.startswith("POST /v1/admin"), route


# --- The page ---


def test_docs_load_nothing_from_elsewhere(shared_world):
    page = shared_world.client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "http" not in page.text.replace("<!doctype html>", "")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for asset in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        answer = shared_world.client.get(f"/{asset}")
        assert answer.status_code == 200, asset
        assert len(answer.content) > 50


def test_docs_have_no_other_files(shared_world):
    for name in ("redoc.standalone.js", "..%2fcore.py", "%2e%2e%2f__init__.py", "x"):
        assert shared_world.client.get(f"/docs/assets/{name}").status_code == 404


def test_docs_can_be_switched_off(shared_world):
    app = create_app(shared_world.services, ApiSettings(docs=False))
    client = TestClient(app)
    for path in ("/docs", "/openapi.json", "/docs/assets/swagger-ui.css"):
        assert client.get(path).status_code == 404
    assert routes_of(shared_world)
