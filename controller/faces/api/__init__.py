"""The JSON API, /api/v1: every route there is, with who may call it. Adding a resource is one module and one entry."""

from __future__ import annotations

from controller.faces.api import (
    accounts,
    adapters,
    arrangement,
    audit,
    calendar,
    campaign_events,
    campaign_summary,
    campaigns,
    codes,
    compare,
    connections,
    credentials,
    exchanges,
    firmware,
    host_keys,
    inventory,
    investigations,
    operations,
    presets,
    pushes,
    selections,
    shares,
    tasks,
    transcripts,
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
    *campaign_events.ROUTES,
    *campaign_summary.ROUTES,
    *tasks.ROUTES,
    *compare.ROUTES,
    *transcripts.ROUTES,
    *shares.ROUTES,
    *investigations.ROUTES,
    *presets.ROUTES,
    *selections.ROUTES,
    *inventory.ROUTES,
    *firmware.ROUTES,
    *credentials.ROUTES,
    *host_keys.ROUTES,
    *calendar.ROUTES,
)

__all__ = ["ROUTES", "Context"]
