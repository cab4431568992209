"""From bytes and texts to typed values, every mistake reported at once, in words."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from multidict import MultiMapping
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from controller.domain.errors import Fault, Invalid
from controller.faces.http.paging import DEFAULT_LIMIT, NUL, Paging, decode
from controller.faces.http.problems import Malformed
from controller.faces.http.signature import Parameters, Signature

SENTENCES: Final[Mapping[str, str]] = {
    "missing": "This is required.",
    "extra_forbidden": "There is no such field here.",
    "string_type": "This must be a text.",
    "string_too_short": "This needs at least {min_length} characters.",
    "string_too_long": "This may have at most {max_length} characters.",
    "string_pattern_mismatch": "This does not have the form {pattern}.",
    "int_type": "This must be a whole number.",
    "int_parsing": "This must be a whole number.",
    "int_from_float": "This must be a whole number.",
    "float_type": "This must be a number.",
    "float_parsing": "This must be a number.",
    "finite_number": "This must be a finite number.",
    "bool_type": "This must be true or false.",
    "bool_parsing": "This must be true or false.",
    "greater_than": "This must be more than {gt}.",
    "greater_than_equal": "This must be {ge} or more.",
    "less_than": "This must be less than {lt}.",
    "less_than_equal": "This must be {le} or less.",
    "enum": "This must be one of: {expected}.",
    "literal_error": "This must be one of: {expected}.",
    "list_type": "This must be a list.",
    "tuple_type": "This must be a list.",
    "dict_type": "This must be an object.",
    "model_type": "This must be an object.",
    "too_short": "This needs at least {min_length} entries.",
    "too_long": "This may have at most {max_length} entries.",
    "timezone_aware": "This time needs a zone, for example 2026-11-22T09:00:00+09:00.",
    "datetime_type": "This must be a time, for example 2026-11-22T09:00:00+09:00.",
    "datetime_parsing": "This must be a time, for example 2026-11-22T09:00:00+09:00.",
    "datetime_from_date_parsing": "This must be a time, for example 2026-11-22T09:00:00+09:00.",
    "ip_any_address": "This must be a numeric IP address.",
}
"""Our words for pydantic's error types. A type that is not here is told in pydantic's English."""
_MEMBER: Final = re.compile(r"<[A-Za-z_.]+: ('[^'>]*')>")
"""A member of an enumeration, as pydantic lists those of a Literal; people write its value."""


def parameters(signature: Signature, request: web.Request, faults: list[Fault]) -> dict[str, Any]:
    """Arguments of the handler from path, query and headers; what is wrong is appended to `faults`."""
    arguments: dict[str, Any] = {}
    for place, texts in (
        (signature.path, request.match_info),
        (signature.query, _texts(signature.query, request.query, faults)),
        (signature.header, _texts(signature.header, request.headers, [])),
    ):
        values = _validated(place.adapter, texts, place.location, faults)
        if place is signature.query and signature.paging:
            arguments |= _paging(signature.paging, values, faults)
        arguments |= {known.name: values[known.wire] for known in place.by_wire.values() if known.wire in values}
    arguments.pop("", None)  # what the layer itself used
    return arguments


def json_body(adapter: TypeAdapter[Any], raw: bytes, faults: list[Fault]) -> Any:
    """The body as the handler's type. Raises Malformed for what is not one JSON document; wrong fields go to `faults`.

    Stricter than most parsers: no duplicate names (which one counts?), no NaN, no NUL (no text column stores it).
    """
    try:
        json.loads(raw.decode(), object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed(
            "The body is not valid JSON: {reason}.",
            next_step="Send one JSON document in UTF-8.",
            reason="too deeply nested" if isinstance(error, RecursionError) else str(error),
        ) from error
    if NUL.search(raw):
        faults.append(Fault("", "A text may not contain the character NUL."))
        return None
    try:
        return adapter.validate_json(raw, strict=True)
    except ValidationError as error:
        faults += _faults(error, "body")
        return None


def refuse(faults: list[Fault]) -> None:
    """Raise one Invalid that names every fault, if there are any."""
    if faults:
        raise Invalid(
            "The request has {count} wrong fields: {fields}."
            if len(faults) > 1
            else "The request has a wrong field: {fields}.",
            next_step="Correct the fields named under errors and send it again.",
            faults=faults,
            count=len(faults),
            fields=list(dict.fromkeys(fault.field or fault.location for fault in faults))[:10],
        )


def _validated(
    adapter: TypeAdapter[Any], texts: Mapping[str, object], location: str, faults: list[Fault]
) -> dict[str, Any]:
    nul = [name for name, text in texts.items() if any("\0" in one for one in _each(text))]
    faults += [Fault(name, "A text may not contain the character NUL.", location=location) for name in nul]
    try:
        return dict(adapter.validate_python(dict(texts)))
    except ValidationError as error:
        faults += _faults(error, location)
        return {}


def _texts(place: Parameters, given: MultiMapping[str], faults: list[Fault]) -> dict[str, object]:
    """Values by their name on the wire; a name that may not be repeated and is, is a fault."""
    texts: dict[str, object] = {}
    for name in dict.fromkeys(place.by_wire if place.location == "header" else given):
        values = given.getall(name, [])
        if not values:
            continue
        if name in place.repeatable:
            texts[name] = values
            continue
        texts[name] = values[0]
        if len(values) > 1:
            faults.append(Fault(name, "This may be given only once.", location=place.location))
    return texts


def _each(given: object) -> list[str]:
    """The texts of one parameter; of a repeatable one there may be several."""
    return [str(one) for one in given] if isinstance(given, list) else [str(given)]


def _paging(declared: tuple[str, TypeAdapter[Any]], values: Mapping[str, Any], faults: list[Fault]) -> dict[str, Any]:
    name, adapter = declared
    after = None
    try:
        after = decode(values["after"], adapter) if values.get("after") else None
    except ValueError:
        faults.append(
            Fault("after", "This is not a position of this list; use `next` of the page before.", location="query")
        )
    return {name: Paging(after, values.get("limit", DEFAULT_LIMIT))}


def _faults(error: ValidationError, location: str) -> list[Fault]:
    return [_fault(detail, location) for detail in error.errors(include_url=False, include_input=False)]


def _fault(detail: ErrorDetails, location: str) -> Fault:
    # TypedDict and union parts appear in loc as names that the sender never wrote; plain keys and indices are kept
    where = ".".join(str(part) for part in detail["loc"])
    if location != "body":  # one word, or a list of words: what follows the name is an index, or a member of a union
        name, *rest = detail["loc"]
        where = ".".join([str(name), *(str(part) for part in rest if isinstance(part, int))])
    context = {name: _MEMBER.sub(r"\1", str(value)) for name, value in detail.get("ctx", {}).items()}
    sentence = SENTENCES.get(detail["type"])
    if sentence is None:
        return Fault(where, "{reason}", {"reason": detail["msg"]}, location)
    return Fault(where, sentence, context, location)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} stands twice in one object")
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
