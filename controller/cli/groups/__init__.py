"""The command groups, one file each. `ALL` is the list; adding a group is one file and one entry here."""

from __future__ import annotations

import typer

from controller.cli.groups import (
    accounts,
    adapters,
    arrangement,
    audit,
    bulk_exchanges,
    calendar,
    campaign_summary,
    compare,
    configs,
    credentials,
    firmware,
    firmware_delegating,
    firmware_keys,
    firmware_rollouts,
    firmware_root,
    firmware_signing,
    host_keys,
    inventory,
    investigations,
    operations,
    presets,
    runs,
    search,
    selections,
    shares,
    stock,
    subscriptions,
    swaps,
    transcripts,
)

ADDED_TO_FIRMWARE = (firmware_keys, firmware_root, firmware_signing, firmware_delegating)
"""Files whose commands belong to the group of firmware.py; that they are imported is all it takes."""

ALL: tuple[typer.Typer, ...] = (
    runs.top,
    swaps.top,
    search.top,
    accounts.top,
    inventory.inventory,
    arrangement.code,
    configs.config,
    adapters.adapter,
    adapters.series,
    credentials.credential,
    credentials.jump_host,
    host_keys.host_key,
    bulk_exchanges.exchange,
    stock.stock,
    calendar.calendar,
    campaign_summary.campaign,
    compare.task,
    transcripts.transcript,
    shares.share,
    subscriptions.subscription,
    subscriptions.delivery,
    selections.selection,
    investigations.investigation,
    presets.preset,
    operations.operation,
    firmware.firmware,
    firmware_rollouts.rollout,
    accounts.contract,
    accounts.account,
    accounts.key,
    audit.audit,
)
