"""Reading a request's body from a client that may be slow, wrong or hostile: within a limit and in time."""

import asyncio
import hashlib
from typing import BinaryIO

from aiohttp import web

from controller.faces.http.problems import Malformed, TooLarge, TooSlow, WrongContentType
from controller.faces.http.signature import Body


def check_content_type(request: web.Request, body: Body) -> None:
    """Raise WrongContentType unless the body is of a type that the route takes, in UTF-8, not compressed."""
    if "Content-Encoding" in request.headers:
        raise WrongContentType("The body is compressed; this is not supported.", next_step="Send it as it is.")
    given = request.headers.get("Content-Type", "nothing named")
    charset = (request.charset or "utf-8").lower()
    if request.content_type not in body.content_types or charset not in ("utf-8", "us-ascii"):
        raise WrongContentType(
            "The body must be {wanted} in UTF-8; this was {given}.",
            next_step="Set the Content-Type header to what you send.",
            wanted=body.content_types,
            given=given[:100],
        )


async def read_body(request: web.Request, file: BinaryIO, limit: int, patience_s: float) -> bytes:
    """Spool the body into `file`. Raises TooLarge (before reading, if the size was announced), TooSlow, Malformed.

    limit: bytes. patience_s: seconds without a byte. Returns the sha256 of the body.
    """
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    digest, size = hashlib.sha256(), 0
    now = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(patience_s) as patience:
            while chunk := await request.content.readany():
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                digest.update(chunk)
                file.write(chunk)
                patience.reschedule(now() + patience_s)
    except TimeoutError as error:
        raise TooSlow("The body did not arrive in time.", next_step="Send it again without pauses.") from error
    except (web.PayloadAccessError, web.RequestPayloadError, ConnectionError) as error:
        raise Malformed("The body was cut off.", next_step="Send the whole request again.") from error
    return digest.digest()


def _too_large(limit: int) -> TooLarge:
    return TooLarge("The body is over the limit of {limit} bytes.", next_step="Send it in smaller parts.", limit=limit)
