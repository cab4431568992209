"""The API document (OpenAPI 3.1), made from the routes: what is declared is what is enforced, so it is never stale."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic.json_schema import JsonSchemaMode
from pydantic_core import to_jsonable_python

from controller.domain import errors
from controller.faces.http import problems
from controller.faces.http.problems import status_of
from controller.faces.http.routes import PUBLIC, Route
from controller.faces.http.signature import MISSING, Parameter, Parameters

Json = dict[str, Any]  # Any: a JSON document

_REF: Final = "#/components/schemas/{model}"


class WrongField(BaseModel):
    """One wrong field of a request; `line` for a row of a file."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    field: str
    """Dotted name as it was sent."""
    location: str
    """body, query, path, header or file"""
    message: str
    line: int | None = None


class Problem(BaseModel):
    """RFC 9457, with a stable code, what to do next, and a reference for the people who run the controller."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str
    title: str
    status: int
    detail: str
    code: str
    reference: str
    next_step: str | None = None
    errors: list[WrongField] | None = None


def document(routes: Sequence[Route], *, prefix: str, version: str) -> Json:
    """The whole document. Raises ValueError where two handlers have one name or two routes one method and path."""
    _unique("operation", (route.name for route in routes))
    _unique("route", map(str, routes))
    adapters = dict(_adapters(routes))
    schemas, definitions = TypeAdapter.json_schemas(
        [(key, mode, adapter) for (key, mode), adapter in adapters.items()], ref_template=_REF
    )
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(prefix + route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Hikitsugi", "version": version, "summary": "Keeps a fleet of service adapters in service."},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(tag for route in routes for tag in route.tags)],
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {
                "accessKey": {"type": "http", "scheme": "bearer", "description": "Access key as `<id>.<secret>`."}
            },
        },
    }


def _adapters(routes: Iterable[Route]) -> Iterable[tuple[tuple[str, JsonSchemaMode], TypeAdapter[Any]]]:
    yield ("problem", "serialization"), TypeAdapter(Problem)
    for route in routes:
        for place in route.signature.places:
            for parameter in place.by_wire.values():
                yield (_key(route, place, parameter), "validation"), TypeAdapter(parameter.hint)
        if route.signature.body and route.signature.body.adapter:
            yield (f"{route.name}.body", "validation"), route.signature.body.adapter
        if route.signature.returns:
            yield (f"{route.name}.returns", "serialization"), route.signature.returns


def _key(route: Route, place: Parameters, parameter: Parameter) -> str:
    return f"{route.name}.{place.location}.{parameter.wire}"


def _operation(route: Route, schemas: Any) -> Json:
    operation: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": list(route.tags),
        "parameters": [shown for place in route.signature.places for shown in _parameters(route, place, schemas)],
        "responses": _responses(route, schemas),
    }
    if route.description:
        operation["description"] = route.description
    if route.roles is not PUBLIC:
        operation["security"] = [{"accessKey": []}]
        operation["x-roles"] = sorted(route.roles)
    if route.writes and route.roles is not PUBLIC:
        operation["parameters"].append(_IDEMPOTENCY_KEY)
    if body := route.signature.body:
        schema = schemas[f"{route.name}.body", "validation"] if body.adapter else {}
        content = {content_type: {"schema": schema} for content_type in body.content_types}
        operation["requestBody"] = {"required": body.required, "content": content}
    return operation


def _parameters(route: Route, place: Parameters, schemas: Any) -> Iterable[Json]:
    for parameter in place.by_wire.values():
        shown: Json = {
            "name": parameter.wire,
            "in": place.location,
            "required": parameter.required,
            "schema": schemas[_key(route, place, parameter), "validation"],
        }
        if parameter.default not in (MISSING, None, ""):
            shown["schema"] = {**shown["schema"], "default": to_jsonable_python(parameter.default)}
        if parameter.description:
            shown["description"] = parameter.description
        yield shown


def _responses(route: Route, schemas: Any) -> Json:
    status = HTTPStatus(route.success)
    success: Json = {"description": status.phrase}
    if route.signature.returns:
        success["content"] = {"application/json": {"schema": schemas[f"{route.name}.returns", "serialization"]}}
    for content_type in route.signature.streams:
        success.setdefault("content", {})[content_type] = {"schema": {"type": "string"}}
    refusals = sorted({status_of(kind) for kind in _refusals(route)})
    return {
        str(status.value): success,
        **{str(refusal.value): _refusal(refusal.phrase, schemas) for refusal in refusals},
        "default": _refusal("Anything else that went wrong", schemas),
    }


def _refusals(route: Route) -> Iterable[type[errors.ControllerError]]:
    yield from (errors.ControllerError, problems.Busy)
    if route.roles is not PUBLIC:
        yield from (errors.Unauthenticated, errors.Forbidden)
    if any(place.by_wire for place in route.signature.places) or route.writes:
        yield errors.Invalid
    if route.signature.path.by_wire:
        yield errors.NotFound
    if route.signature.body:
        yield from (problems.Malformed, problems.TooLarge, problems.TooSlow, problems.WrongContentType)
    if route.writes:
        yield from (errors.Conflict, errors.TooMany)


def _refusal(description: str, schemas: Any) -> Json:
    schema = schemas["problem", "serialization"]
    return {"description": description, "content": {problems.CONTENT_TYPE: {"schema": schema}}}


def _unique(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{what} {name} is declared twice")
        seen.add(name)


_IDEMPOTENCY_KEY: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Any fresh word. The same request with the same key is done once, and answered the same.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
}
