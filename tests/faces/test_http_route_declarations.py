"""A route that makes no sense cannot be made, and an application with contradictions cannot be built."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from controller.domain.access import Role
from controller.faces.http import PUBLIC, Path, Payload, Query, Route, Upload, build
from controller.faces.metrics import Metrics
from tests.faces.example_api import authenticate

ANYBODY = {"roles": PUBLIC, "summary": "Something"}


class Loose(BaseModel):
    name: str


class Strict(Payload):
    name: str


async def plain() -> None: ...


async def with_path(code: Annotated[str, Path()]) -> None: ...


async def with_body(body: Strict) -> None: ...


async def with_loose_body(body: Loose) -> None: ...


async def with_untyped_upload(body: Upload) -> None: ...


async def with_nothing_to_fill(thing: "dict[str, int] | None") -> None: ...


async def without_return(code: Annotated[str, Path()]): ...  # type: ignore[no-untyped-def]


async def with_service(parts: Metrics) -> None: ...


def not_async() -> None: ...


def test_a_route_without_roles_cannot_be_made():
    with pytest.raises(TypeError, match="roles"):
        Route("GET", "/x", plain, summary="x")  # type: ignore[call-arg]


@pytest.mark.parametrize("roles", [set(), {"operator"}])
def test_roles_are_named_and_are_roles(roles: Any):
    with pytest.raises(ValueError, match="name the roles"):
        Route("GET", "/x", plain, roles=roles, summary="x")


@pytest.mark.parametrize(
    ("method", "path", "handler", "sentence"),
    [
        ("FETCH", "/x", plain, "method must be one of"),
        ("GET", "x", plain, "starts with a slash"),
        ("GET", "/x/", plain, "does not end with one"),
        ("GET", "/x/{code}", plain, "differ"),
        ("GET", "/x", with_path, "differ"),
        ("GET", "/x", with_body, "has no body"),
        ("POST", "/x", with_loose_body, "refuses unknown fields"),
        ("POST", "/x", with_untyped_upload, "says what it accepts"),
        ("POST", "/x", with_nothing_to_fill, "no Path, Query"),
        ("GET", "/x/{code}", without_return, "return annotation"),
        ("GET", "/x", not_async, "async function"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused_with_a_reason(
    method: str, path: str, handler: Any, sentence: str
):
    with pytest.raises((TypeError, ValueError), match=sentence):
        Route(method, path, handler, **ANYBODY)


def test_a_route_needs_a_summary():
    with pytest.raises(ValueError, match="summary"):
        Route("GET", "/x", plain, roles=PUBLIC, summary="")


@pytest.mark.parametrize(
    ("routes", "sentence"),
    [
        ((Route("GET", "/x", plain, **ANYBODY), Route("GET", "/y", plain, **ANYBODY)), "operation plain"),
        ((Route("POST", "/x", plain, **ANYBODY), Route("POST", "/x", with_body, **ANYBODY)), "route POST /x"),
    ],
)
def test_two_of_one_name_or_one_path_cannot_be_built(routes: tuple[Route, ...], sentence: str):
    with pytest.raises(ValueError, match=f"{sentence} is declared twice"):
        build(routes, authenticate=authenticate, metrics=Metrics(), version="1")


def test_a_handler_that_needs_what_nobody_provides_cannot_be_built():
    route = Route("GET", "/x", with_service, **ANYBODY)

    with pytest.raises(TypeError, match="nobody provides Metrics"):
        build([route], authenticate=authenticate, metrics=Metrics(), version="1")


def test_success_is_204_for_a_handler_that_returns_nothing():
    assert Route("GET", "/x", plain, **ANYBODY).success == 204
    assert Route("GET", "/x", plain, status=202, **ANYBODY).success == 202


def test_a_parameter_may_be_called_as_it_likes_on_the_wire():
    async def handler(page_size: Annotated[int, Query(alias="page-size")]) -> None: ...

    route = Route("GET", "/x", handler, roles={Role.SUPPORT}, summary="x")

    assert route.signature.query.by_wire["page-size"].name == "page_size"
