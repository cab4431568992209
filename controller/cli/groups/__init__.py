"""The command groups, one file each. `ALL` is the list; adding a group is one file and one entry here."""

from __future__ import annotations

import typer

from controller.cli.groups import (
    accounts,
    adapters,
    arrangement,
    audit,
    calendar,
    campaign_summary,
    compare,
    configs,
    credentials,
    exchanges,
    firmware,
    host_keys,
    inventory,
    investigations,
    operations,
    presets,
    runs,
    selections,
    shares,
    transcripts,
)

ALL: tuple[typer.Typer, ...] = (
    runs.top,
    exchanges.top,
    accounts.top,
    inventory.inventory,
    arrangement.code,
    configs.config,
    adapters.adapter,
    adapters.series,
    credentials.credential,
    credentials.jump_host,
    host_keys.host_key,
    exchanges.exchange,
    calendar.calendar,
    campaign_summary.campaign,
    compare.task,
    transcripts.transcript,
    shares.share,
    selections.selection,
    investigations.investigation,
    presets.preset,
    operations.operation,
    firmware.firmware,
    accounts.contract,
    accounts.account,
    accounts.key,
    audit.audit,
)
