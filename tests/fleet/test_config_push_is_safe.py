"""A pushed config stays only when the adapter comes back with it; it goes when it is due, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agent.faults import Fault
from protocol.arms.codes import ResultCode
from protocol.arms.messages import Kind
from tests.fleet.site import Site, applied, moment


async def test_config_that_cuts_contact_is_taken_back_and_the_push_fails_with_the_devices_reason(site: Site) -> None:
    adapter = site.group("seil8").entries[0]
    await site.up(adapter)
    before = adapter.running_text
    lan_only = b"hostname: island\ninterface.%s.ipv4.address: 10.0.0.1/24\n" % adapter.model.lan.encode()

    row = await site.ended(await site.push(adapter, lan_only))

    assert (row["state"], row["result"]) == ("failed", ResultCode.SA_ROLLED_BACK)
    assert "414 SA rolled back" in row["detail"]
    assert adapter.running_text == before
    assert applied(adapter) == 3, "at the boot, by the push, and back"
    assert await site.stage(adapter, "startup") == await site.stage(adapter, "running") == before
    assert await site.stage(adapter, "working") == lan_only, "what was written is not lost"
    await site.seen(f"/adapters/{adapter.serial}/connection", lambda at: at["methods"] == ["https-tunnel"])


async def test_config_that_the_device_refuses_fails_with_its_reason_and_changes_nothing(site: Site) -> None:
    adapter = site.group("seil6").entries[0]
    await site.up(adapter)
    before = adapter.running_text
    site.fleet.fault(adapter.serial, Fault.COMMIT_FAILURE, 1)

    row = await site.ended(await site.push(adapter, before + b"snmp.community: no\n"))

    assert (row["state"], row["result"]) == ("failed", ResultCode.COMMIT_FAILURE)
    assert str(ResultCode.COMMIT_FAILURE.value) in row["detail"]
    assert adapter.running_text == await site.stage(adapter, "startup") == before


async def test_push_for_later_waits_for_its_time_and_can_be_cancelled_until_then(site: Site) -> None:
    adapter = site.group("seil3").entries[0]
    await site.up(adapter)
    before, wanted = adapter.running_text, adapter.running_text + b'snmp syscontact "later"\n'
    code = await site.write(adapter, wanted)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()

    planned = await site.run("config", "push", code, "--dry-run")
    ordered = await site.run("config", "push", code, "--at", tomorrow)

    assert planned["operation"] is None
    assert "later" in planned["modules"][0]["diff"]
    assert await site.run("operation", "cancel", str(ordered["operation"]))
    assert (await site.ended(ordered["operation"]))["state"] == "cancelled"
    assert (adapter.running_text, site.watch.count(adapter, Kind.CONFIGURE)) == (before, 0)

    due = datetime.now(UTC) + timedelta(seconds=1)
    row = await site.ended(await site.push(adapter, wanted, at=due.isoformat()))

    assert row["state"] == "done"
    assert moment(row["sent_at"]) >= due
    assert adapter.running_text == await site.stage(adapter, "startup") == wanted
