"""Made-up fleets: the same for the same seed, plausible in their mix, and readable again."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address, IPv4Network

import pytest

from agent import inventory, seeds
from agent.adapter import Adapter
from agent.catalogue import MODELS
from agent.generate import Recipe, generate
from agent.inventory import BadInventory
from agent.places import Unusable, place


def test_same_seed_same_fleet_and_another_seed_another():
    assert list(generate(Recipe(40))) == list(generate(Recipe(40)))

    one, other = (next(generate(Recipe(40, seed=seed))) for seed in (1, 2))
    assert not set(vars_of(one)) & set(vars_of(other))


def vars_of(row):
    return (row.serial, row.distribution_id, row.ls_sa_key, row.ssh_password, row.ssh_host_key)


def test_every_name_secret_and_place_is_its_own():
    rows = list(generate(Recipe(1000, contracts=3, stock=20)))

    for column in ("serial", "distribution_id", "ls_sa_key", "ssh_password", "ssh_host_key", "ssh_address"):
        assert len({getattr(row, column) for row in rows}) == len(rows), column


def test_four_entries_share_a_standby_of_their_series_on_every_contract():
    rows = list(generate(Recipe(60, contracts=2)))

    for start in range(0, 60, 5):
        group = rows[start : start + 5]
        assert [row.kind for row in group] == ["entry"] * 4 + ["standby"]
        assert len({(row.contract, row.series) for row in group}) == 1
    assert {(row.contract, row.series) for row in rows} == {
        (contract, series) for contract in ("C0001", "C0002") for series in ("seil3", "seil8", "seil6")
    }
    assert all(bool(row.config) == (row.kind == "entry") for row in rows)


def test_every_model_appears():
    assert {row.model for row in generate(Recipe(200))} == {model.name for model in MODELS}


def test_hostnames_and_lan_networks_differ():
    entries = [row for row in generate(Recipe(500)) if row.kind == "entry"]
    hostnames = Counter(row.config.split("\n")[0] for row in entries)

    assert hostnames.most_common(1)[0][1] == 1


def test_distribution_id_is_made_from_the_mac_and_gives_it_back():
    row = next(generate(Recipe(1)))

    assert Adapter(row, 1).mac.startswith("00:e0:4d:")
    assert row.distribution_id.startswith("0001-0000-0000-000B-02E0-4DFF-FE")


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_what_was_written_is_read_again(tmp_path, suffix):
    rows = list(generate(Recipe(10, stock=1)))
    path = tmp_path / f"inventory{suffix}"

    assert inventory.write(rows, path) == 11
    assert inventory.read(path) == rows


def test_every_fault_of_a_file_is_named_with_its_line(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(
        "serial,model,series,distribution_id\n"
        "A1,SEIL/X1,seil3,0001-0000-0000-000B-02E0-4DFF-FE10-0128\n"
        "A1,SEIL/X1,seil3,0001-0000-0000-000B-02E0-4DFF-FE10-0129\n"
        "A2,SEIL/X9,seil3,0001-0000-0000-000B-02E0-4DFF-FE10-012A\n"
        "A3,SEIL/X1,seil3,nonsense\n"
        ",SEIL/X1,seil3,0001-0000-0000-000B-02E0-4DFF-FE10-012B\n"
    )

    with pytest.raises(BadInventory) as caught:
        inventory.read(path)

    text = str(caught.value)
    assert [line.split(":")[0].strip() for line in text.split("\n")[1:]] == ["line 3", "line 4", "line 5", "line 6"]


@pytest.mark.parametrize(
    "recipe",
    [Recipe(300, network=IPv4Network("127.42.0.0/24")), Recipe(1000, ports_base=65_000), Recipe(1, contracts=0)],
)
def test_recipe_without_room_is_refused_with_a_next_step(recipe):
    with pytest.raises(ValueError, match=r"--network|--ports|needed"):
        generate(recipe)


def test_rows_without_an_address_get_the_next_free_one():
    rows = [inventory.Row(serial=f"A{n}", model="SEIL/X1", series="seil3") for n in range(3)]
    rows[1] = inventory.Row(serial="A1", model="SEIL/X1", series="seil3", ssh_address="127.9.0.1")

    places = place([Adapter(row, 1) for row in rows], IPv4Network("127.9.0.0/24"), 2222, False)

    assert {(address, port): adapter.serial for (address, port), adapter in places.items()} == {
        ("127.9.0.2", 2222): "A0",
        ("127.9.0.1", 2222): "A1",
        ("127.9.0.3", 2222): "A2",
    }


@pytest.mark.parametrize(
    ("columns", "advice"),
    [
        ({"ssh_address": "192.0.2.1"}, "--ports"),
        ({"ssh_host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA=="}, "--seed"),
    ],
)
def test_inventory_that_cannot_be_played_here_is_refused_with_a_next_step(columns, advice):
    row = inventory.Row(serial="A1", model="SEIL/X1", series="seil3", **columns)

    with pytest.raises(Unusable, match=advice):
        place([Adapter(row, 1)], IPv4Network("127.9.0.0/24"), 2222, False)


def test_host_key_of_the_inventory_is_the_one_derived_from_seed_and_serial():
    row = next(generate(Recipe(1, seed=7)))

    assert row.ssh_host_key == seeds.public_host_key(7, row.serial)
    assert IPv4Address(row.ssh_address).is_loopback
