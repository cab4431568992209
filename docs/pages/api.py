"""docs/reference/api.md: every route of the API with its roles, parameters and bodies, from the API document."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from controller.faces.api import ROUTES
from controller.faces.http.openapi import document
from controller.faces.http.paging import DEFAULT_LIMIT, MAX_LIMIT

Json = Mapping[str, Any]  # Any: parts of a JSON document
PREFIX = "/api/v1"

_TOP = f"""\
# API

<!-- Written by docs/generate.py from controller/faces/api: change the routes there, then `make docs`. -->

JSON over HTTP below `{PREFIX}`. The running controller serves the same facts for programs and for people:

| path | what |
|---|---|
| `{PREFIX}/openapi.json` | the API document, OpenAPI 3.1 |
| `{PREFIX}/docs` | the same to click through (Swagger UI, served from the controller) |

- **Who is calling**: `Authorization: Bearer <id>.<secret>`, an access key of an account (`hikitsugi key create`). An
  operator sees what belongs to its contract; anything else does not exist for it (404).
- **Writes** take an `Idempotency-Key` header, any fresh word. The same request with the same key is done once and
  answered the same, with `Idempotency-Replayed: true`.
- **Pages** are `{{"items": [...], "next": "..."}}`. Ask again with the query parameter `after` set to `next`, until it
  is null. `limit` says how many items a page may have: {DEFAULT_LIMIT} unless said, at most {MAX_LIMIT}.
- **Errors** are `application/problem+json` (RFC 9457) and also carry `code` (a stable word), `next_step` (what to do
  now), `errors` (each wrong field, with `line` for a row of a file) and `reference` (the same word as in the log).
- **Languages**: `Accept-Language: ja` gives the sentences in Japanese.

| status | when |
|---|---|
| 400, 408, 413, 415 | the request cannot be read: malformed, too slow, too large, of the wrong type |
| 401, 403 | no valid key; a key whose role may not do this |
| 404, 405 | nothing there, or nothing that you may see; not with this method |
| 409 | the state of things forbids it now |
| 422 | the request makes no sense as it stands; `errors` names every wrong field |
| 429, 503 | too much at once, or stopping; `Retry-After` says when to come back |
| 500 | a bug of ours |
"""


_PAGING = {"after", "limit", "Idempotency-Key"}
"""Parameters that many routes have; they stand at the top."""


def markdown() -> str:
    """The whole page."""
    described = document(ROUTES, prefix=PREFIX, version="")
    schemas = described["components"]["schemas"]
    tags = "".join(_tag(tag["name"], described, schemas) for tag in described["tags"])
    return _TOP + tags + _shapes(described, schemas)


def _tag(tag: str, described: Json, schemas: Json) -> str:
    found = [
        (f"{method.upper()} {path}", operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if tag in operation["tags"]
    ]
    rows = "".join(f"| `{name}` | {_roles(each)} | {each['summary']} |\n" for name, each in found)
    head = f"\n## {tag}\n\n| route | roles | what |\n|---|---|---|\n{rows}"
    return head + "".join(_route(name, operation, schemas) for name, operation in found)


def _roles(operation: Json) -> str:
    return ", ".join(operation["x-roles"]) if "x-roles" in operation else "everybody"


def _route(name: str, operation: Json, schemas: Json) -> str:
    inputs = [*_parameters(operation, schemas), *_body(operation, schemas)]
    table = "| in | name | type | meaning |\n|---|---|---|---|\n" + "".join(inputs) + "\n" if inputs else ""
    said = f"{_line(operation['description'])}\n\n" if operation.get("description") else ""
    return f"\n### {name}\n\n{said}{table}{_answer(operation)}\n"


def _parameters(operation: Json, schemas: Json) -> Iterator[str]:
    for each in operation["parameters"]:
        if each["name"] not in _PAGING:
            schema = each["schema"]
            described = _described(each.get("description", ""), schema)
            yield _row(each["in"], each["name"], each["required"], _type(schema, schemas), described)


def _body(operation: Json, schemas: Json) -> Iterator[str]:
    for content_type, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = _resolved(content["schema"], schemas)
        if "properties" not in schema:
            yield f"| body | | `{content_type}` | |\n"
        for name, field in schema.get("properties", {}).items():
            described = _described(field.get("description", ""), field)
            yield _row("body", name, name in schema.get("required", ()), _type(field, schemas), described)


def _row(place: str, name: str, required: bool, kind: str, meaning: str) -> str:
    return f"| {place} | {f'**`{name}`**' if required else f'`{name}`'} | {kind} | {meaning} |\n"


def _described(text: str, schema: Json) -> str:
    default = schema.get("default")
    said = "" if default in (None, "", False) else f"default `{default}`"
    return "; ".join(part for part in (_line(text), said) if part)


def _line(text: str) -> str:
    return " ".join(text.split())


def _answer(operation: Json) -> str:
    status, response = next(iter(operation["responses"].items()))
    answers = [
        _shape(content["schema"]) or f"`{content_type}`"
        for content_type, content in response.get("content", {}).items()
    ]
    return f"Answers {status}: {' or '.join(answers)}." if answers else f"Answers {status}, empty."


def _shape(schema: Json) -> str:
    """What an answer is made of, linked to the shape's own table; empty for a stream of bytes."""
    if schema.get("type") == "array":
        return f"a list of {_shape(schema['items'])}"
    name = _name(schema)
    page = re.fullmatch(r"Page_(\w+)_", name)
    return f"a page of {_link(page[1])}" if page else _link(name) if name else ""


def _shapes(described: Json, schemas: Json) -> str:
    """A table for every model that an answer, or a member of a request's body, can hold, in alphabetical order."""
    wanted: list[object] = [_answers(described), _bodies(described, schemas)]
    found: set[str] = set()
    while wanted:
        more = {_name(each) for each in _references(wanted.pop())} - found
        found |= more
        wanted += [schemas[name] for name in more]
    shown = "".join(_model(name, schemas) for name in sorted(found) if not name.startswith("Page_"))
    return f"\n## Answers\n{shown}"


def _answers(described: Json) -> list[Json]:
    operations = [operation for methods in described["paths"].values() for operation in methods.values()]
    return [next(iter(operation["responses"].values())) for operation in operations]


def _bodies(described: Json, schemas: Json) -> list[Json]:
    operations = [operation for methods in described["paths"].values() for operation in methods.values()]
    contents = [operation["requestBody"]["content"] for operation in operations if "requestBody" in operation]
    return [_resolved(kind["schema"], schemas) for content in contents for kind in content.values() if "schema" in kind]


def _references(part: object) -> Iterator[Json]:
    """Every {"$ref": …} in a part of the document."""
    if isinstance(part, dict):
        if "$ref" in part:
            yield part
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def _model(name: str, schemas: Json) -> str:
    schema = schemas[name]
    said = f"{_line(schema['description'])}\n\n" if schema.get("description") else ""
    if "enum" in schema:
        return f"\n### {name}\n\n{said}One of {_type(schema, schemas)}.\n"
    rows = "".join(
        f"| `{field}` | {_type(kind, schemas)} | {_line(kind.get('description', ''))} |\n"
        for field, kind in schema["properties"].items()
    )
    return f"\n### {name}\n\n{said}| member | type | meaning |\n|---|---|---|\n{rows}"


def _type(schema: Json, schemas: Json) -> str:
    if name := _name(schema):
        resolved = schemas[name]
        return _type(resolved, schemas) if "enum" in resolved else _link(name)
    if "anyOf" in schema:
        return " or ".join(_type(each, schemas) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'], schemas)}{_bounds(schema)}"
    return f"{schema.get('format') or schema.get('type', 'anything')}{_bounds(schema)}"


_BOUNDS = {
    "minLength": "at least {} long",
    "maxLength": "at most {} long",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "minimum": "from {}",
    "maximum": "to {}",
}


def _bounds(schema: Json) -> str:
    said = [text.format(schema[name]) for name, text in _BOUNDS.items() if name in schema]
    return f" ({', '.join(said)})" if said else ""


def _name(schema: Json) -> str:
    return str(schema.get("$ref", "")).rsplit("/", 1)[-1]


def _link(name: str) -> str:
    return f"[{name}](#{name.lower()})"


def _resolved(schema: Json, schemas: Json) -> Json:
    name = _name(schema)
    return schemas[name] if name else schema
