"""The JSON API, /api/v1: every route there is, with who may call it. Adding a resource is one module and one entry."""

from __future__ import annotations

from controller.faces.api import (
    accounts,
    adapters,
    arrangement,
    audit,
    campaigns,
    codes,
    connections,
    exchanges,
    firmware,
    inventory,
    operations,
    pushes,
    selections,
    tasks,
)
from controller.faces.api.context import Context
from controller.faces.http import Route

ROUTES: tuple[Route, ...] = (
    *accounts.ROUTES,
    *audit.ROUTES,
    *adapters.ROUTES,
    *codes.ROUTES,
    *arrangement.ROUTES,
    *connections.ROUTES,
    *operations.ROUTES,
    *pushes.ROUTES,
    *exchanges.ROUTES,
    *campaigns.ROUTES,
    *tasks.ROUTES,
    *selections.ROUTES,
    *inventory.ROUTES,
    *firmware.ROUTES,
)

__all__ = ["ROUTES", "Context"]
