"""The JSON API, /api/v1: every route there is, with who may call it. Adding a resource is one module and one entry."""

from __future__ import annotations

from controller.faces.api import (
    accounts,
    adapters,
    audit,
    codes,
    connections,
    exchanges,
    firmware,
    inventory,
    operations,
    pushes,
    runs,
)
from controller.faces.api.context import Context
from controller.faces.http import Route

ROUTES: tuple[Route, ...] = (
    *accounts.ROUTES,
    *audit.ROUTES,
    *adapters.ROUTES,
    *codes.ROUTES,
    *connections.ROUTES,
    *operations.ROUTES,
    *pushes.ROUTES,
    *exchanges.ROUTES,
    *runs.ROUTES,
    *inventory.ROUTES,
    *firmware.ROUTES,
)

__all__ = ["ROUTES", "Context"]
