"""Who is calling, and may they: decided from the header and the route's declared roles, before a body is read."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from controller.domain.access import Caller
from controller.domain.errors import Forbidden, Unauthenticated
from controller.faces.http.routes import PUBLIC, Route

Authenticate = Callable[[web.Request], Awaitable[Caller | None]]
"""The hook: the caller behind this request, or None for nobody we know. It never reads the body."""


def bearer(request: web.Request) -> tuple[str, str] | None:
    """Id and secret of `Authorization: Bearer <id>.<secret>` (RFC 6750 section 2.1), or None without a usable one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    key_id, dot, secret = token.strip().partition(".")
    if scheme.lower() != "bearer" or not (dot and key_id and secret and token.isascii()):
        return None
    return key_id, secret


async def admit(route: Route, request: web.Request, authenticate: Authenticate) -> Caller | None:
    """The caller whom the route admits; None only on a public route. Raises Unauthenticated or Forbidden."""
    if route.roles is PUBLIC:
        return None
    caller = await authenticate(request)
    if caller is None:
        raise Unauthenticated(
            "No valid access key came with the request.",
            next_step="Send `Authorization: Bearer <id>.<secret>` with a key that is not revoked.",
        )
    if caller.role not in route.roles:
        raise Forbidden(
            "This needs one of the roles {roles}; your key has the role {role}.",
            next_step="Use the key of an account with one of these roles.",
            roles=route.roles,
            role=caller.role,
        )
    return caller
