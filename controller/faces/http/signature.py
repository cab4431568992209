"""A handler's signature, read once when its route is made: which parameter comes from where, and of what type."""

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from controller.faces.http.call import Call
from controller.faces.http.paging import DEFAULT_LIMIT, MAX_LIMIT, Paging
from controller.faces.http.payload import Accepts, Stream, Upload


@dataclass(frozen=True, slots=True)
class Path:
    """The parameter is a variable of the path."""

    description: str = ""
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """The parameter comes from the query string; one with a list type may be repeated."""

    description: str = ""
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Header:
    """The parameter is a request header; alias is its name on the wire."""

    description: str = ""
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters that come from one place. adapter: validates {name on the wire: text or texts}."""

    location: str
    adapter: TypeAdapter[dict[str, object]]
    names: dict[str, str]  # name on the wire -> parameter of the handler
    lists: frozenset[str]  # names on the wire that may be repeated
    descriptions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Body:
    """The request's body. adapter is None for an Upload."""

    name: str
    required: bool
    content_types: tuple[str, ...]
    adapter: TypeAdapter[Any] | None


@dataclass(frozen=True, slots=True)
class Signature:
    """Everything the layer needs to call a handler. provided: parameters that the application fills by type."""

    path: Parameters
    query: Parameters
    header: Parameters
    body: Body | None
    call: str | None
    paging: tuple[str, TypeAdapter[Any]] | None
    provided: dict[str, type]
    returns: TypeAdapter[Any] | None
    streams: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    """What has been seen of a signature so far."""

    places: dict[type, dict[str, Any]] = field(default_factory=lambda: {Path: {}, Query: {}, Header: {}})
    names: dict[type, dict[str, str]] = field(default_factory=lambda: {Path: {}, Query: {}, Header: {}})
    descriptions: dict[type, dict[str, str]] = field(default_factory=lambda: {Path: {}, Query: {}, Header: {}})
    body: Body | None = None
    call: str | None = None
    paging: tuple[str, TypeAdapter[Any]] | None = None
    provided: dict[str, type] = field(default_factory=dict)


def inspect_handler(handler: Callable[..., Any]) -> Signature:
    """The handler's signature as data. Raises TypeError for a parameter that has no place to come from."""
    if not inspect.iscoroutinefunction(handler):
        raise TypeError(f"{handler.__qualname__}: a handler is an async function")
    hints = typing.get_type_hints(handler, include_extras=True)
    if "return" not in hints:
        raise TypeError(f"{handler.__qualname__}: needs a return annotation, the API document is made from it")
    found = _Found()
    for name, parameter in inspect.signature(handler).parameters.items():
        if name not in hints:
            raise TypeError(f"{handler.__qualname__}: parameter {name} needs an annotation")
        _sort_in(found, name, hints[name], required=parameter.default is inspect.Parameter.empty)
    returns, streams = _answer(hints["return"])
    return Signature(
        path=_parameters(found, Path, "forbid"),
        query=_parameters(found, Query, "forbid"),
        header=_parameters(found, Header, "ignore"),
        body=found.body,
        call=found.call,
        paging=found.paging,
        provided=found.provided,
        returns=returns,
        streams=streams,
    )


def _sort_in(found: _Found, name: str, hint: Any, *, required: bool) -> None:
    kind, extras = _split(hint)
    marker = next((extra for extra in extras if isinstance(extra, Path | Query | Header)), None)
    if marker is not None:
        _sort_in_marked(found, name, hint, marker, required=required)
    elif kind is Call:
        found.call = name
    elif get_origin(kind) is Paging:
        _sort_in_paging(found, name, kind)
    elif name == "body":
        found.body = _body(name, kind, extras, hint, required=required)
    elif isinstance(kind, type):
        found.provided[name] = kind
    else:
        raise TypeError(f"parameter {name}: {hint} is no Path, Query, Header, Call, Paging, body or provided class")


def _sort_in_marked(found: _Found, name: str, hint: Any, marker: Path | Query | Header, *, required: bool) -> None:
    place, wire = type(marker), marker.alias or name
    found.places[place][wire] = hint if required else NotRequired[hint]
    found.names[place][wire] = name
    found.descriptions[place][wire] = marker.description


def _sort_in_paging(found: _Found, name: str, kind: Any) -> None:
    found.paging = (name, TypeAdapter(get_args(kind)[0]))
    found.places[Query]["after"] = NotRequired[str]
    found.places[Query]["limit"] = NotRequired[Annotated[int, Field(ge=1, le=MAX_LIMIT, default=DEFAULT_LIMIT)]]
    found.descriptions[Query]["after"] = "`next` of the page before; leave it out for the first page"
    found.descriptions[Query]["limit"] = "rows on a page"


def _split(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Annotated[T, *extras] as (T, extras)."""
    return (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())


def _parameters(found: _Found, place: type, extra: typing.Literal["forbid", "ignore"]) -> Parameters:
    fields = found.places[place]
    shape = with_config(ConfigDict(extra=extra))(TypedDict(place.__name__, fields))  # type: ignore[operator]  # made at run time
    return Parameters(
        location=place.__name__.lower(),
        adapter=TypeAdapter(shape),
        names=found.names[place],
        lists=frozenset(name for name, hint in fields.items() if _is_list(hint)),
        descriptions=found.descriptions[place],
    )


def _is_list(hint: Any) -> bool:
    """Whether list, set or tuple stands anywhere outside: list[str], list[str] | None, Annotated[list[str], ...]."""
    if get_origin(hint) in (list, set, frozenset, tuple):
        return True
    return any(_is_list(part) for part in get_args(hint) if not isinstance(part, Path | Query | Header))


def _body(name: str, kind: Any, extras: tuple[Any, ...], hint: Any, *, required: bool) -> Body:
    if kind is Upload:
        types = next((extra.content_types for extra in extras if isinstance(extra, Accepts)), ())
        if not types:
            raise TypeError("an Upload says what it accepts: Annotated[Upload, Accepts('text/csv')]")
        return Body(name, required, types, None)
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind.model_config.get("extra") != "forbid":
        raise TypeError(f"{kind.__name__}: a request body refuses unknown fields; derive it from Payload")
    return Body(name, required, ("application/json",), TypeAdapter(hint))


def _answer(hint: Any) -> tuple[TypeAdapter[Any] | None, tuple[str, ...]]:
    kind, extras = _split(hint)
    if kind is None or kind is type(None):
        return None, ()
    if kind is Stream:
        types = next((extra.content_types for extra in extras if isinstance(extra, Accepts)), ())
        return None, types or ("application/octet-stream",)
    return TypeAdapter(hint), ()
