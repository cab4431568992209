"""Errors as problem+json (RFC 9457). The only place that knows which error is which status code.

A ControllerError is told to the reader, in the reader's language. Anything else is a bug: the reader gets a reference,
the log gets the rest.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web

from controller.domain import errors
from controller.domain.errors import ControllerError, Fault
from controller.words import say, translate

log = structlog.get_logger("hikitsugi.http")

CONTENT_TYPE: Final = "application/problem+json"


class Malformed(ControllerError):
    """The request cannot be read at all: not JSON, cut short, not HTTP."""

    code = "malformed"


class TooLarge(ControllerError):
    """The body is over the route's limit."""

    code = "too-large"


class WrongContentType(ControllerError):
    """The body is of a type that the route does not take."""

    code = "wrong-content-type"


class TooSlow(ControllerError):
    """The client did not send its body in time."""

    code = "too-slow"


class WrongMethod(ControllerError):
    """The path exists, with other methods."""

    code = "wrong-method"


class Busy(errors.TooMany):
    """We cannot answer now: draining, overloaded, or past the deadline. Trying again later makes sense."""

    code = "busy"


STATUS: Final[Mapping[type[ControllerError], HTTPStatus]] = {
    Malformed: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    WrongMethod: HTTPStatus.METHOD_NOT_ALLOWED,
    TooSlow: HTTPStatus.REQUEST_TIMEOUT,
    errors.Conflict: HTTPStatus.CONFLICT,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    WrongContentType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    ControllerError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.DeviceRefused: HTTPStatus.BAD_GATEWAY,
    Busy: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Unreachable: HTTPStatus.GATEWAY_TIMEOUT,
}


def status_of(error: type[ControllerError]) -> HTTPStatus:
    """The status of the nearest class in STATUS: a subclass with a more precise code keeps its parent's status."""
    return next(STATUS[ancestor] for ancestor in error.__mro__ if ancestor in STATUS)


def describe(error: ControllerError, language: str, reference: str) -> dict[str, object]:
    """The error for this reader as a JSON object. Members beyond RFC 9457: code, next_step, errors, reference."""
    status = status_of(type(error))
    body: dict[str, object] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": say(error.sentence, error.params, language),
        "code": error.code,
        "reference": reference,
    }
    if error.next_step:
        body["next_step"] = say(error.next_step, error.params, language)
    if error.faults:
        body["errors"] = [_fault(fault, language) for fault in error.faults]
    return body


def problem(error: ControllerError, language: str, reference: str) -> web.Response:
    """The error as the answer for this reader."""
    return web.Response(
        status=status_of(type(error)),
        body=json.dumps(describe(error, language, reference), ensure_ascii=False).encode(),
        content_type=CONTENT_TYPE,
        headers={**_headers(error), "Content-Language": language},
    )


def internal(reference: str, language: str) -> web.Response:
    """The answer to a bug of ours. Call it where the exception is still being handled: it is logged here."""
    log.exception(f"Internal error {reference}", reference=reference)
    body = {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": translate("Internal error", language),
        "code": "internal",
        "reference": reference,
        "next_step": say(
            "Tell the people who run the controller the reference {reference}.", {"reference": reference}, language
        ),
    }
    return web.Response(status=500, body=json.dumps(body, ensure_ascii=False).encode(), content_type=CONTENT_TYPE)


def from_router(error: web.HTTPException, request: web.Request) -> ControllerError:
    """What aiohttp itself refuses: no such path, or not this method on it."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        return WrongMethod(
            "{method} is not possible on {path}; these methods are: {allowed}.",
            method=error.method,
            path=request.path,
            allowed=sorted(error.allowed_methods),
        )
    if isinstance(error, web.HTTPNotFound):
        return errors.NotFound(
            "There is nothing at {path}.",
            next_step="Look the path up in {document}.",
            path=request.path,
            document="/api/v1/docs",
        )
    return Malformed("The request cannot be read: {reason}.", reason=error.reason)


def _fault(fault: Fault, language: str) -> dict[str, object]:
    told: dict[str, object] = {
        "field": fault.field,
        "location": fault.location,
        "message": say(fault.sentence, fault.params, language),
    }
    return told if fault.line is None else {**told, "line": fault.line}


def _headers(error: ControllerError) -> dict[str, str]:
    match error:
        case errors.Unauthenticated():
            return {"WWW-Authenticate": 'Bearer realm="hikitsugi"'}
        case errors.TooMany():
            return {"Retry-After": str(error.retry_after_s)}
        case WrongMethod():
            return {"Allow": ", ".join(str(method) for method in error.params["allowed"])}  # type: ignore[attr-defined]  # ours, above
        case _:
            return {}
