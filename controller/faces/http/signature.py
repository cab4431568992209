"""A handler's signature, read once when its route is made: which parameter comes from where, and of what type."""

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, NotRequired, get_args, get_origin

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


MISSING: Final = inspect.Parameter.empty  # in place of a default: the parameter is required


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. wire: its name for clients; name: for the handler, empty for what the layer itself uses."""

    wire: str
    name: str
    hint: Any
    default: object
    description: str

    @property
    def required(self) -> bool:
        return self.default is MISSING


class Parameters:
    """All parameters from one place. adapter: validates {name on the wire: text, or texts of a repeatable one}."""

    __slots__ = ("adapter", "by_wire", "location", "repeatable")

    def __init__(self, place: type, parameters: list[Parameter]) -> None:
        self.location = place.__name__.lower()
        self.by_wire: Mapping[str, Parameter] = {parameter.wire: parameter for parameter in parameters}
        self.repeatable = frozenset(parameter.wire for parameter in parameters if _is_list(parameter.hint))
        fields = {p.wire: p.hint if p.required else NotRequired[p.hint] for p in parameters}
        shape = with_config(ConfigDict(extra="ignore" if place is Header else "forbid"))(_typed_dict(fields))
        self.adapter: TypeAdapter[dict[str, object]] = TypeAdapter(shape)


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
    provided: Mapping[str, type]
    returns: TypeAdapter[Any] | None
    streams: tuple[str, ...]

    @property
    def places(self) -> tuple[Parameters, Parameters, Parameters]:
        return self.path, self.query, self.header


class _Reading:
    """What has been seen of a signature so far."""

    def __init__(self) -> None:
        self.places: dict[type, list[Parameter]] = {Path: [], Query: [], Header: []}
        self.body: Body | None = None
        self.call: str | None = None
        self.paging: tuple[str, TypeAdapter[Any]] | None = None
        self.provided: dict[str, type] = {}

    def take(self, name: str, hint: Any, default: object) -> None:
        kind, extras = _split(hint)
        marker = next((extra for extra in extras if isinstance(extra, Path | Query | Header)), None)
        if marker is not None:
            parameter = Parameter(marker.alias or name, name, hint, default, marker.description)
            self.places[type(marker)].append(parameter)
        elif kind is Call:
            self.call = name
        elif get_origin(kind) is Paging:
            self.paging = (name, TypeAdapter(get_args(kind)[0]))
            self.places[Query] += _PAGING
        elif name == "body":
            self.body = _body(name, hint, required=default is MISSING)
        elif isinstance(kind, type):
            self.provided[name] = kind
        else:
            raise TypeError(f"parameter {name}: {hint} is no Path, Query, Header, Call, Paging, body or provided class")


def inspect_handler(handler: Callable[..., Any]) -> Signature:
    """The handler's signature as data. Raises TypeError for a parameter that has no place to come from."""
    if not inspect.iscoroutinefunction(handler):
        raise TypeError(f"{handler.__qualname__}: a handler is an async function")
    hints = typing.get_type_hints(handler, include_extras=True)
    if "return" not in hints:
        raise TypeError(f"{handler.__qualname__}: needs a return annotation, the API document is made from it")
    reading = _Reading()
    for name, parameter in inspect.signature(handler).parameters.items():
        if name not in hints:
            raise TypeError(f"{handler.__qualname__}: parameter {name} needs an annotation")
        reading.take(name, hints[name], parameter.default)
    returns, streams = _answer(hints["return"])
    path, query, header = (Parameters(place, found) for place, found in reading.places.items())
    return Signature(
        path, query, header, reading.body, reading.call, reading.paging, reading.provided, returns, streams
    )


def _split(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Annotated[T, *extras] as (T, extras)."""
    return (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())


def _typed_dict(fields: dict[str, Any]) -> type:
    return TypedDict("Parameters", fields)  # type: ignore[operator, no-any-return]  # names are known at run time only


def _is_list(hint: Any) -> bool:
    """Whether it is list[str], list[str] | None, Annotated[list[str], ...] and the like."""
    if get_origin(hint) in (list, set, frozenset, tuple):
        return True
    return any(_is_list(part) for part in get_args(hint))


def _body(name: str, hint: Any, *, required: bool) -> Body:
    kind, extras = _split(hint)
    if kind is Upload:
        types = _media_types(extras)
        if not types:
            raise TypeError("an Upload says what it accepts: Annotated[Upload, Accepts('text/csv')]")
        return Body(name, required, types, None)
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind.model_config.get("extra") != "forbid":
        raise TypeError(f"{kind.__name__}: a request body refuses unknown fields; derive it from Payload")
    return Body(name, required, ("application/json",), TypeAdapter(hint))


def _answer(hint: Any) -> tuple[TypeAdapter[Any] | None, tuple[str, ...]]:
    """The type of a JSON answer, and the media types of a streamed one."""
    kind, extras = _split(hint)
    if kind is None or kind is type(None):
        return None, ()
    if kind is Stream:
        return None, _media_types(extras) or ("application/octet-stream",)
    return TypeAdapter(hint), ()


def _media_types(extras: tuple[Any, ...]) -> tuple[str, ...]:
    return next((extra.content_types for extra in extras if isinstance(extra, Accepts)), ())


_PAGING: Final = [
    Parameter("after", "", str, "", "`next` of the page before; leave it out for the first page"),
    Parameter("limit", "", Annotated[int, Field(ge=1, le=MAX_LIMIT)], DEFAULT_LIMIT, "rows on a page"),
]
