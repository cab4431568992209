"""A thin typed layer on aiohttp: routes are data, handlers are typed functions, errors are problem+json.

    async def swap(call: Call, body: SwapOrder, code: Annotated[str, Path()], db: Pool,
                   dry_run: Annotated[bool, Query("only say what would happen")] = False) -> SwapReport: ...

    Route("POST", "/codes/{code}/swap", swap, roles={Role.OPERATOR}, summary="Exchange two adapters", tags=("swap",))

`build()` turns routes into an application, `runner()` gives it its limits. Not here: what the product does (services/),
and which routes it has (faces/api/).
"""

from controller.faces.http.application import build, runner
from controller.faces.http.auth import Authenticate, bearer
from controller.faces.http.call import Call
from controller.faces.http.idempotency import Begun, GoOn, IdempotencyStore, InProgress, OtherRequest, Replay
from controller.faces.http.lifetime import Drain
from controller.faces.http.paging import Page, Paging, RowId
from controller.faces.http.payload import Accepts, Payload, Stream, Upload
from controller.faces.http.routes import PUBLIC, Route
from controller.faces.http.signature import Header, Path, Query

__all__ = [
    "PUBLIC",
    "Accepts",
    "Authenticate",
    "Begun",
    "Call",
    "Drain",
    "GoOn",
    "Header",
    "IdempotencyStore",
    "InProgress",
    "OtherRequest",
    "Page",
    "Paging",
    "Path",
    "Payload",
    "Query",
    "Replay",
    "Route",
    "RowId",
    "Stream",
    "Upload",
    "bearer",
    "build",
    "runner",
]
