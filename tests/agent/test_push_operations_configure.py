"""A pushed config: candidate, in force, taken back; and what cuts an adapter off."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent.adapter import Adapter
from agent.faults import Fault
from agent.generate import Recipe, generate
from agent.lifecycle import Event
from agent.memory import Memory
from agent.push import modules
from agent.push.configure import commit, reaches_server, roll_back, store
from agent.push.operations import Performed, accept, perform
from protocol.arms.codes import ResultCode
from protocol.arms.messages import Configure, Kind, MdConfig, Module, NoValue, PushRequest, Storage

ROWS = {row.series: row for row in reversed(list(generate(Recipe(15, contracts=1)))) if row.kind == "entry"}
OLD, NEW = b"hostname: old\n", b"hostname: new\n"


@pytest.fixture
def adapter() -> Adapter:
    return _pulled("seil8", OLD)


def _pulled(series: str, config: bytes) -> Adapter:
    adapter = Adapter(ROWS[series], 1, clock=lambda: datetime(2026, 11, 22, tzinfo=UTC))
    adapter.forget()
    for event in (Event.POWER_ON, Event.APPLIED, Event.CHECKED):
        adapter.happen(event)
    modules.pulled(
        adapter, (Module(0, adapter.version, ""), Module(7, "1", "seven")), (MdConfig(0, config), MdConfig(7, b"7 old"))
    )
    adapter.apply(config)
    return adapter


def _pushed(device: bytes | None = NEW, *others: MdConfig, listed: tuple[int, ...] = (0, 7)) -> Configure:
    configs = () if device is None else (MdConfig(0, device),)
    return Configure(tuple(Module(number, "9", f"info {number}") for number in listed), (*configs, *others))


def _bodies(adapter: Adapter, storage: Storage) -> dict[int, bytes]:
    return {config.id: config.body for config in modules.stored(adapter, storage)}


def test_what_is_stored_is_a_candidate_and_not_in_force(adapter):
    assert store(adapter, _pushed(NEW, MdConfig(7, b"7 new"))) is ResultCode.SUCCESS

    assert _bodies(adapter, Storage.CANDIDATE) == {0: NEW, 7: b"7 new"}
    assert _bodies(adapter, Storage.RUNNING) == {0: OLD, 7: b"7 old"}
    assert adapter.config.hostname == "old"


async def test_commit_puts_it_in_force_and_keeps_a_backup(adapter):
    request = PushRequest(Kind.CONFIGURE, None, _pushed(NEW, MdConfig(7, b"7 new")))

    assert accept(adapter, request) is ResultCode.SUCCESS
    assert await perform(adapter, request, time_scale=0) == Performed(ResultCode.SUCCESS, NoValue())

    assert _bodies(adapter, Storage.RUNNING) == {0: NEW, 7: b"7 new"}
    assert _bodies(adapter, Storage.BACKUP) == {0: OLD, 7: b"7 old"}
    assert _bodies(adapter, Storage.CANDIDATE) == {0: b"", 7: b""}
    assert adapter.config.hostname == "new"
    assert [(module.id, module.version, module.info) for module in modules.of(adapter)] == [
        (0, "9", "info 0"),
        (7, "9", "info 7"),
    ]


def test_modules_that_the_list_leaves_out_are_removed(adapter):
    store(adapter, _pushed(listed=(0,)))
    commit(adapter)

    assert _bodies(adapter, Storage.RUNNING) == {0: NEW}


def test_a_parameter_newer_than_the_firmware_is_410_and_nothing_is_kept(adapter):
    adapter.version = "3.40"

    assert store(adapter, _pushed(b"dns-forwarder.over-tls: enable\n")) is ResultCode.VALIDATION_FAILURE
    assert _bodies(adapter, Storage.CANDIDATE)[0] == b""
    assert adapter.config.hostname == "old"
    assert "dns-forwarder.over-tls needs version 3.42" in adapter.log_lines[-1].text


def test_a_config_that_stopped_fitting_before_it_came_into_force_is_411(adapter):
    adapter.version = "3.42"
    store(adapter, _pushed(b"dns-forwarder.over-tls: enable\n"))
    adapter.version = "3.40"

    assert commit(adapter) is ResultCode.COMMIT_FAILURE
    assert _bodies(adapter, Storage.RUNNING)[0] == OLD


def test_bad_lines_are_skipped_as_at_a_pull(adapter):
    assert store(adapter, _pushed(NEW + b"nonsense\n")) is ResultCode.SUCCESS
    assert commit(adapter) is ResultCode.SUCCESS

    assert any("line 2 skipped" in line.text for line in adapter.log_lines)


def test_a_commit_that_fails_changes_nothing(adapter):
    adapter.faults.set(Fault.COMMIT_FAILURE, 1)
    store(adapter, _pushed())

    assert commit(adapter) is ResultCode.COMMIT_FAILURE
    assert _bodies(adapter, Storage.RUNNING) == {0: OLD, 7: b"7 old"}
    assert _bodies(adapter, Storage.CANDIDATE)[0] == b""


def test_without_a_config_for_the_device_its_own_stays(adapter):
    store(adapter, _pushed(None, MdConfig(7, b"7 new")))

    assert commit(adapter) is ResultCode.SUCCESS
    assert _bodies(adapter, Storage.RUNNING) == {0: OLD, 7: b"7 new"}


def test_rolling_back_is_of_the_devices_own_config_only(adapter):
    store(adapter, _pushed(NEW, MdConfig(7, b"7 new")))
    commit(adapter)

    assert roll_back(adapter) is ResultCode.SA_ROLLED_BACK
    assert _bodies(adapter, Storage.RUNNING) == {0: OLD, 7: b"7 new"}
    assert _bodies(adapter, Storage.BACKUP)[0] == OLD
    assert adapter.config.hostname == "old"


def test_a_roll_back_that_fails_is_508_and_leaves_the_pushed_config(adapter):
    store(adapter, _pushed())
    commit(adapter)
    adapter.faults.set(Fault.ROLLBACK_FAILURE, 1)

    assert roll_back(adapter) is ResultCode.ROLLBACK_FAILURE
    assert _bodies(adapter, Storage.RUNNING)[0] == NEW
    assert roll_back(adapter) is ResultCode.SA_ROLLED_BACK


def test_without_a_backup_there_is_nothing_to_roll_back_to(adapter):
    assert roll_back(adapter) is ResultCode.ROLLBACK_FAILURE


def test_closing_ssh_by_a_push_closes_it_and_the_roll_back_opens_it_again(adapter):
    store(adapter, _pushed(b"sshd.service: disable\n"))
    commit(adapter)
    assert not adapter.answers_ssh

    roll_back(adapter)
    assert adapter.answers_ssh


@pytest.mark.parametrize("series", ["seil3", "seil8", "seil6"])
def test_a_branch_offices_config_reaches_the_server(series):
    adapter = _pulled(series, ROWS[series].config.encode())

    assert reaches_server(adapter.model, adapter.config)


@pytest.mark.parametrize(
    ("series", "config", "reaches"),
    [
        ("seil8", "interface.{wan}.ipv4.address: dhcp\n", True),
        ("seil8", "interface.{wan}.ipv4.address: 192.0.2.2/24\n", True),
        ("seil8", "interface.{wan}.ipv4.address: 0.0.0.0/0\n", False),
        ("seil8", "interface.{wan}.ipv4.address: nonsense\n", False),
        ("seil8", "interface.{wan}.mtu: 1400\n", False),
        ("seil8", "interface.{lan}.ipv4.address: 192.168.1.1/24\n", False),
        ("seil8", "interface.pppoe0.over: {wan}\n", True),
        ("seil6", "interface.pppoe0.over: {lan}\n", False),
        ("seil6", "interface.mdm0.id: mobile\n", True),
        ("seil3", "interface {lan} add 192.168.1.1/24\n", False),
        ("seil3", "interface {wan} add dhcp\n", True),
        ("seil3", "interface pppoe0 over {wan}\n", True),
        ("seil3", "interface {wan} add dhcp\ninterface {wan} delete\n", False),
        ("seil8", "hostname: a\n", True),
        ("seil8", "", True),
    ],
)
def test_without_an_address_on_the_wan_side_an_adapter_is_cut_off(series, config, reaches):
    row = replace(ROWS[series])
    adapter = _pulled(series, config.format(wan=row.built_as.wan, lan=row.built_as.lan).encode())

    assert reaches_server(adapter.model, adapter.config) is reaches


def test_a_pull_brings_modules_and_their_configs(adapter):
    modules.pulled(adapter, (Module(0, "2", ""), Module(8, "1", "")), (MdConfig(0, NEW), MdConfig(8, b"eight")))

    assert [module.id for module in modules.of(adapter)] == [0, 8]
    assert _bodies(adapter, Storage.RUNNING)[8] == b"eight"


def test_modules_and_their_configs_survive_an_orderly_end(adapter, tmp_path):
    store(adapter, _pushed(NEW, MdConfig(7, b"\0\xff new")))
    commit(adapter)
    store(adapter, _pushed(b"hostname: next\n"))
    kept = [_bodies(adapter, storage) for storage in Storage]
    memory = Memory(tmp_path)
    memory.put_to_sleep([adapter])
    other = Adapter(adapter.row, 1, clock=adapter.clock)

    assert memory.wake({other.serial: other}) == [other]
    memory.close()

    assert [_bodies(other, storage) for storage in Storage] == kept
    assert modules.of(other) == modules.of(adapter)
