"""The JSON API, /api/v1: every route there is, with who may call it. Adding a resource is one module and one entry."""

from __future__ import annotations

from controller.faces.api import (
    accounts,
    adapters,
    arrangement,
    audit,
    bulk_exchanges,
    calendar,
    campaign_events,
    campaign_summary,
    campaigns,
    codes,
    compare,
    connections,
    credentials,
    exchange_evidence,
    exchange_orders,
    exchange_steps,
    exchanges,
    firmware,
    firmware_rollouts,
    firmware_trust,
    host_keys,
    inventory,
    investigations,
    ledger,
    operations,
    presets,
    pushes,
    search,
    selections,
    shares,
    statistics,
    stock,
    subscriptions,
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
    *ledger.ROUTES,  # before /exchanges/{exchange}, which would take its paths for numbers
    *statistics.ROUTES,  # likewise
    *exchanges.ROUTES,
    *stock.ROUTES,
    *exchange_orders.ROUTES,
    *exchange_steps.ROUTES,
    *exchange_evidence.ROUTES,
    *bulk_exchanges.ROUTES,
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
    *firmware_trust.ROUTES,  # before /firmware/{series}/{version}
    *firmware.ROUTES,
    *firmware_rollouts.ROUTES,
    *credentials.ROUTES,
    *host_keys.ROUTES,
    *subscriptions.ROUTES,
    *calendar.ROUTES,
    *search.ROUTES,
)

__all__ = ["ROUTES", "Context"]
