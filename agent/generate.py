"""A fleet out of a number and a seed: the same inventory each time, with contracts, entries, standbys and configs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from agent import seeds
from agent.catalogue import MODELS, Model, shipped_version
from agent.inventory import Row
from agent.samples import Site, config
from protocol.ids import DistributionId

DEFAULT_SSH_PORT = 10022
"""Above 1023, so that nobody needs to be root."""

PER_GROUP = 5
"""Adapters of one series on one contract that belong together: four entries, then their standby."""

_USUAL_NETWORK = IPv4Network("127.42.0.0/16")
_LARGE_NETWORK = IPv4Network("127.64.0.0/10")
_SERIES = ("seil3", "seil8", "seil6")
_MODELS = {series: tuple(model for model in MODELS if model.series == series) for series in _SERIES}
_PLACES = (  # noqa: SIM905 (24 lines otherwise)
    "sapporo sendai niigata kanazawa nagano tokyo chiba yokohama shizuoka nagoya kyoto osaka kobe okayama hiroshima "
    "matsuyama takamatsu fukuoka kumamoto kagoshima naha akita morioka fukui"
).split()
_RESELLERS = ("Kanda Networks", "Minato Systems", "Umeda Trading")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to make. network: each adapter gets its own address there; None chooses by size, from 127/8.

    ports_base: instead, every adapter on one address, each at its own port from here on (ssh_address stays empty, so
    the controller takes the source of the adapter's pull).
    """

    count: int
    seed: int = seeds.DEFAULT_SEED
    contracts: int = 2
    stock: int = 0
    ssh_port: int = DEFAULT_SSH_PORT
    network: IPv4Network | None = None
    ports_base: int | None = None


def generate(recipe: Recipe) -> Iterator[Row]:
    """`count` adapters on codes, then `stock` without one. About 60 µs a row.

    Raises ValueError with a sentence when the recipe has no room for them.
    """
    total = recipe.count + recipe.stock
    if recipe.contracts < 1 or total < 1:
        raise ValueError("At least one adapter and one contract are needed.")
    addresses = _Addresses(recipe, total)
    return (_row(recipe, index, addresses) for index in range(total))


class _Addresses:
    """Address and port of the n-th adapter."""

    def __init__(self, recipe: Recipe, total: int) -> None:
        network = recipe.network or (_USUAL_NETWORK if total < 65_000 else _LARGE_NETWORK)
        self._first = int(network.network_address) + 1
        self._port, self._ports_base = recipe.ssh_port, recipe.ports_base
        if recipe.ports_base is None and total > network.num_addresses - 2:
            raise ValueError(f"{network} has no {total} addresses; pass a larger --network, such as {_LARGE_NETWORK}.")
        if recipe.ports_base is not None and recipe.ports_base + total > 65_536:
            raise ValueError(f"Above port {recipe.ports_base} there is no room for {total} adapters; use --network.")

    def of(self, index: int) -> tuple[str, str]:
        if self._ports_base is not None:
            return "", str(self._ports_base + index)
        number = self._first + index
        return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0)), str(self._port)


def _row(recipe: Recipe, index: int, addresses: _Addresses) -> Row:
    group, place = divmod(index, PER_GROUP)
    contract = group % recipe.contracts + 1
    models = _MODELS[_SERIES[group // recipe.contracts % len(_SERIES)]]
    turn = group // recipe.contracts // len(_SERIES)
    kind = "stock" if index >= recipe.count else "standby" if place == PER_GROUP - 1 else "entry"
    # A standby is of the series of its group but not always of the same model: the first one's.
    model = models[(turn + (place if kind == "entry" else 0)) % len(models)]
    return _filled(recipe, index, model, kind, f"C{contract:04}", addresses)


def _filled(recipe: Recipe, index: int, model: Model, kind: str, contract: str, addresses: _Addresses) -> Row:
    seed = recipe.seed
    serial = f"{model.serial_prefix}{seeds.number(seed, 'serial', below=900_000_000) + index:09}"
    distribution_id = DistributionId.from_mac(_mac(seed, index), sa_type=model.sa_type)
    address, port = addresses.of(index)
    code = "" if kind == "stock" else f"tss{index + 1:08}"
    place = f"{_PLACES[index % len(_PLACES)]}-{index // len(_PLACES) + 1:03}"
    purchased = index % 7 == 3
    return Row(
        contract=contract if code else "",
        contract_name=f"Branch network {int(contract[1:])}" if code else "",
        code=code,
        kind=kind,
        code_name=place.replace("-", " ").title() if kind == "entry" else f"Spare {index + 1}" if code else "",
        description=f"{model.name} at {place}" if kind == "entry" else "",
        serial=serial,
        series=model.series,
        model=model.name,
        hardware_revision="AB"[index % 3 == 2],
        distribution_id=str(distribution_id),
        ls_sa_key=seeds.secret(seed, serial, "ls-sa-key", 32),
        ssh_username="admin",
        ssh_password=seeds.secret(seed, serial, "ssh password", 20),
        ssh_host_key=seeds.public_host_key(seed, serial),
        ssh_address=address,
        ssh_port=port,
        ownership="purchased" if purchased else "rented",
        reseller=_RESELLERS[index % len(_RESELLERS)] if purchased else "",
        firmware=shipped_version(model.series) if code else "",
        config=config(model.series, _site(recipe, index, model, place, code)) if kind == "entry" else "",
    )


def _site(recipe: Recipe, index: int, model: Model, place: str, code: str) -> Site:
    wan = index % 30 * 8  # a /29 each; documentation addresses repeat, as nobody routes them
    return Site(
        hostname=place,
        code=code,
        net=f"10.{index >> 8 & 255}.{index & 255}",
        wan=f"198.51.100.{wan + 2}",
        wan_gateway=f"198.51.100.{wan + 1}",
        peer="203.0.113.9",
        secret=seeds.secret(recipe.seed, code, "shared secret", 16),
        lan_port=model.lan,
        wan_port=model.wan,
        wlan_2g="2.4GHz" in model.bands,
        wlan_5g="5GHz" in model.bands and not model.one_band,
    )


def _mac(seed: int, index: int) -> str:
    """One of the 2^24 addresses behind 00:e0:4d, the prefix of the published example; each seed starts elsewhere."""
    number = (seeds.number(seed, "mac", below=1 << 24) + index) % (1 << 24)
    return f"00:e0:4d:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
