"""The API document says what is enforced, and its pages need nobody else's server."""

import hashlib
import re
from pathlib import Path

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.specs.openapi.checks import positive_data_acceptance

from controller.faces.http import PUBLIC, swagger
from tests.faces.example_api import ROUTES, SECRET

VENDORED = Path(swagger.__file__).parent


@pytest.fixture
async def document(http: aiohttp.ClientSession) -> dict:
    return await (await http.get("openapi.json")).json()


async def test_the_document_is_valid_openapi_31(document: dict):
    assert document["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(document).validate()


async def test_every_route_is_in_the_document_with_its_roles(document: dict):
    for route in ROUTES:
        operation = document["paths"]["/api/v1" + route.path][route.method.lower()]

        assert operation["summary"] == route.summary
        if route.roles is PUBLIC:
            assert "security" not in operation
        else:
            assert operation["x-roles"] == sorted(route.roles)
            assert {"401", "403"} <= set(operation["responses"])


async def test_parameters_carry_type_limits_default_and_description(document: dict):
    operation = document["paths"]["/api/v1/shops/{shop}/orders"]["post"]
    parameters = {(each["in"], each["name"]): each for each in operation["parameters"]}

    assert parameters["path", "shop"]["schema"]["pattern"] == "^[a-z]+$"
    assert parameters["path", "shop"]["description"] == "name of the shop"
    assert parameters["query", "dry_run"]["schema"] == {"type": "boolean", "default": False}
    assert not parameters["query", "table"]["required"]
    assert ("header", "X-Mood") in parameters
    assert ("header", "Idempotency-Key") in parameters
    assert operation["description"] == "Order a drink."
    order = document["components"]["schemas"]["Order"]
    assert order["properties"]["drink"]["description"] == "Name of the drink"


async def test_paging_uploads_and_streams_are_in_the_document(document: dict):
    listing = document["paths"]["/api/v1/shops"]["get"]
    limit = next(each for each in listing["parameters"] if each["name"] == "limit")
    upload = document["paths"]["/api/v1/measure"]["put"]["requestBody"]["content"]
    export = document["paths"]["/api/v1/export"]["get"]["responses"]["200"]["content"]

    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 1000, "default": 50}
    assert set(upload) == {"text/csv", "application/json"}
    assert set(export) == {"text/csv"}


@pytest.mark.parametrize("path", ["/shops", "/shops/{shop}/orders", "/shops/{shop}", "/measure"])
def test_answers_agree_with_the_document_whatever_is_sent(port_of_a_thread: int, path: str):
    """Schemathesis sends what the document allows and what it forbids; every answer must be one that is declared."""
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{port_of_a_thread}/api/v1/openapi.json")
    headers = {"Authorization": f"Bearer ad.{SECRET}"}
    tried = 0

    for found in schema.include(path="/api/v1" + path).get_all_operations():

        @settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(case=found.ok().as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE))
        def allowed(case: schemathesis.Case) -> None:
            # the product may still say no to what has the right form: a page that never was, a key used twice
            case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

        @settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(case=found.ok().as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))
        def forbidden(case: schemathesis.Case) -> None:
            case.call_and_validate(headers=headers)

        allowed()
        if found.ok().body or list(found.ok().iter_parameters()):
            forbidden()
        tried += 1
    assert tried


async def test_the_page_uses_nothing_but_our_own_files(http: aiohttp.ClientSession):
    page = await http.get("docs")
    text = await page.text()
    policy = page.headers["Content-Security-Policy"]

    assert page.content_type == "text/html"
    assert "script-src 'self';" in policy
    assert "connect-src 'self'" in policy
    sources = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert sources
    for source in sources:
        assert not source.startswith(("http:", "https:", "//"))
        assert source == "data:," or (await http.get(source)).status == 200
    assert "<script>" not in text


def test_the_vendored_files_are_those_of_the_list():
    lines = (VENDORED / "SHA256SUMS").read_text().splitlines()

    assert len(lines) == 5
    for line in lines:
        digest, name = line.split()
        assert hashlib.sha256((VENDORED / name).read_bytes()).hexdigest() == digest, name
