"""Operations end, and are carried out once, whatever dies or lies: the controller, a tunnel, an adapter's answers."""

from __future__ import annotations

import base64

import pytest

from agent.faults import Fault
from agent.lifecycle import Stage
from agent.push.contact import SIMPLE, TUNNEL
from protocol.arms.codes import ResultCode
from protocol.arms.messages import Kind
from tests.fleet.site import Site, applied

HERE = "127.0.0.1"


async def test_controller_killed_in_mid_operation_neither_loses_nor_repeats_one(site: Site) -> None:
    one, two, three, four = site.group("seil8").entries
    await site.up(one, two, three, four)
    wanted = one.running_text + b"snmp.community: public\n"
    site.watch.hold(one, Kind.CONFIGURE)
    site.watch.hold(two, Kind.PING, Kind.READ_STORAGE)
    site.watch.hold(three, Kind.MD_COMMAND)
    site.watch.hold(four, Kind.REBOOT)
    begun = {
        Kind.CONFIGURE: (one, await site.push(one, wanted)),
        Kind.PING: (two, await site.order(two, "ping", address=HERE, count=2)),
        Kind.MD_COMMAND: (three, await site.order(three, "md-command", line="clear arp")),
        Kind.REBOOT: (four, await site.order(four, "reboot")),
    }
    await site.when(lambda: all(site.watch.count(adapter, kind) for kind, (adapter, _) in begun.items()))
    for kind in (Kind.CONFIGURE, Kind.PING):
        await site.seen(f"/operations/{begun[kind][1]}", lambda row: row["state"] == "started")
    boots = four.boots

    site.controller.kill()
    site.watch.let_go(two, three, four)
    await site.restart()
    site.watch.let_go(one)  # later, as it takes its config back when it cannot reach the controller for a while

    ended = {kind: await site.ended(operation) for kind, (_, operation) in begun.items()}
    assert {kind: row["state"] for kind, row in ended.items()} == {
        Kind.CONFIGURE: "done",
        Kind.PING: "done",
        Kind.MD_COMMAND: "unknown",  # its answer died with the controller, and twice would be wrong
        Kind.REBOOT: "unknown",
    }
    assert "not sent again" in ended[Kind.REBOOT]["detail"]
    assert ended[Kind.PING]["value"]["success"] + ended[Kind.PING]["value"]["failure"] == 2
    await site.when(lambda: four.stage is Stage.IN_SERVICE and four.boots == boots + 1)
    assert {kind: site.watch.count(adapter, kind) for kind, (adapter, _) in begun.items()} == dict.fromkeys(begun, 1)
    assert (one.running_text, applied(one)) == (wanted, 2), "once at the boot, once by the push"
    assert await site.stage(one, "startup") == await site.stage(one, "running") == wanted


async def test_reports_that_come_twice_count_once(site: Site) -> None:
    adapter = site.group("seil6").entries[0]
    await site.up(adapter)
    site.fleet.fault(adapter.serial, Fault.DUPLICATE_DONE)
    wanted = adapter.running_text + b"snmp.community: twice\n"

    ping = await site.ended(await site.order(adapter, "ping", address=HERE))
    configure = await site.ended(await site.push(adapter, wanted))

    assert (ping["state"], configure["state"]) == ("done", "done")
    await site.when(lambda: adapter.last_answer == "confirmation: 100 Success")
    assert adapter.running_text == wanted
    assert applied(adapter) == 2
    assert [site.watch.count(adapter, kind) for kind in (Kind.PING, Kind.CONFIGURE)] == [1, 1]


@pytest.mark.parametrize("method", [TUNNEL, SIMPLE])
async def test_lost_answer_to_a_start_is_made_up_for_by_the_report(site: Site, method: str) -> None:
    adapter = site.group("seil8").entries[0]
    await site.ask("PUT", f"/codes/{adapter.row.code}/push-method", {"preferred": method})
    await site.up(adapter)
    site.fleet.fault(adapter.serial, Fault.LOSE_START_RESPONSE)
    wanted = adapter.running_text + b"snmp.community: lost\n"

    rows = [
        await site.ended(await site.order(adapter, "ping", address=HERE)),
        await site.ended(await site.push(adapter, wanted)),
    ]

    assert [(row["state"], row["method"]) for row in rows] == [("done", method)] * 2
    assert [site.watch.count(adapter, kind) for kind in (Kind.PING, Kind.CONFIGURE)] == [1, 1]
    assert adapter.running_text == await site.stage(adapter, "startup") == wanted


async def test_config_reported_under_a_number_nobody_knows_is_taken_back(site: Site) -> None:
    adapter = site.group("seil3").entries[0]
    await site.up(adapter)
    before = adapter.running_text
    site.fleet.fault(adapter.serial, Fault.WRONG_TRANSACTION_ID, 1)

    row = await site.ended(await site.push(adapter, before + b'snmp syscontact "nobody"\n'))

    assert (row["state"], row["result"]) == ("failed", ResultCode.SA_ROLLED_BACK)
    assert adapter.running_text == await site.stage(adapter, "startup") == before
    ping = await site.ended(await site.order(adapter, "ping", address=HERE))
    assert ping["state"] == "done", "and the adapter is as good as before"


async def test_answers_that_are_no_xml_cost_the_tunnel_and_are_asked_for_again(site: Site) -> None:
    adapter = site.group("seil8").entries[0]
    await site.up(adapter)
    asked = ("read-module-list", "check-transaction", "dump-debug", "traceroute", "ping")
    site.fleet.fault(adapter.serial, Fault.GARBAGE_XML, len(asked))
    more = {"traceroute": {"address": HERE}, "ping": {"address": HERE}}

    operations = [await site.order(adapter, kind, **more.get(kind, {})) for kind in asked]
    rows = [await site.ended(operation) for operation in operations]

    assert [row["state"] for row in rows] == ["done"] * len(asked)
    assert [row["attempts"] for row in rows] == [2] * len(asked)
    assert all(site.watch.count(adapter, Kind(kind)) == 1 for kind in asked if kind != "check-transaction")


@pytest.mark.parametrize("fault", [Fault.CONTROL_CHARACTERS, Fault.BINARY_OUTPUT])
async def test_output_is_kept_byte_for_byte_whatever_is_in_it(site: Site, fault: Fault) -> None:
    adapter = site.group("seil6").entries[0]
    await site.up(adapter)
    site.fleet.fault(adapter.serial, fault)

    operation = await site.order(adapter, "read-status", lines=["show version"])
    row = await site.ended(operation)

    assert row["state"] == "done"
    (output,) = (await site.get(f"/operations/{operation}"))["outputs"]
    raw = await site.ask("GET", f"/operations/{operation}/outputs/0")
    assert raw == (output["text"].encode() if output["text"] is not None else base64.b64decode(output["base64"]))
    assert b"\x1b" in raw or bytes(range(256)) in raw


async def test_tunnel_that_breaks_under_a_request(site: Site) -> None:
    """What may be done twice is asked again; of what may not, nobody knows, so it is not."""
    adapter = site.group("seil8").entries[0]
    await site.up(adapter)

    site.fleet.fault(adapter.serial, Fault.DROP_TUNNEL, 1)
    ping = await site.ended(await site.order(adapter, "ping", address=HERE))
    site.fleet.fault(adapter.serial, Fault.DROP_TUNNEL, 1)
    command = await site.ended(await site.order(adapter, "md-command", line="clear arp"))

    assert (ping["state"], ping["attempts"]) == ("done", 2)
    assert (command["state"], command["attempts"]) == ("unknown", 1)
    assert [site.watch.count(adapter, kind) for kind in (Kind.PING, Kind.MD_COMMAND)] == [1, 0]


async def test_adapter_that_sends_no_echo_is_borne_with(site: Site) -> None:
    """For three intervals and a minute: it has one thread, and may be busy."""
    adapter = site.group("seil3").entries[0]
    await site.up(adapter)
    site.fleet.fault(adapter.serial, Fault.IGNORE_ECHO)
    assert adapter.contact
    (tunnel,) = adapter.contact.tunnels.values()

    row = await site.ended(await site.order(adapter, "ping", address=HERE))

    assert row["state"] == "done"
    assert list(adapter.contact.tunnels.values()) == [tunnel]
