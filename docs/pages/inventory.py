"""docs/reference/inventory.md: the columns of an inventory file, from the row that they are read into."""

from controller.domain.inventory import COLUMNS, MAX_CONFIG, REQUIRED

_TOP = """\
# Inventory files

<!-- Written by docs/generate.py from controller/domain/inventory.py: change the columns there, then `make docs`. -->

One row is one adapter: on a code (kind `entry` or `standby`) or in stock (kind `stock` or empty, no code). CSV in UTF-8
with a header line, columns in any order; or JSON, a list of objects with the same names. `hikitsugi inventory import`
goes by the file's ending: `.json`, anything else is CSV. `hikitsugi inventory export` writes the same form.

- **All or nothing.** With one wrong cell nothing is imported, and every wrong cell is named with line, column and
  reason.
- **Twice is once.** Importing the same file again changes nothing. What a row leaves empty stays as it is.
- **Adds and corrects, never moves.** A registration changes by exchange only, a config by `hikitsugi config edit`, a
  pinned host key by `hikitsugi adapter pin`, and what a unit is (series, model, distribution id) never changes. A row
  that says otherwise is a wrong cell.
- **Nothing is taken away.** A row that is missing removes nothing.

| column | needed | what |
|---|---|---|
"""

_ON_CODES = "entry, standby"
_NEW = "new adapters"
_NEEDED = {
    **dict.fromkeys(REQUIRED, "always"),
    **dict.fromkeys(("contract", "code", "kind"), _ON_CODES),
    **dict.fromkeys(("ls_sa_key", "ssh_password"), _NEW),
    "reseller": "purchased adapters",
}
_MEANING = {
    "contract": "Contract number: 1 to 32 letters, digits, dots, dashes. Made when there is none.",
    "contract_name": "Name of the customer, the same in every row of the contract.",
    "code": "The contract's place for the adapter; letters as in `contract`. Made when there is none.",
    "kind": "`entry`, `standby` or `stock`.",
    "code_name": "Name of the code.",
    "description": "Description of the code.",
    "serial": "1 to 64 letters, digits, dots, dashes.",
    "series": "A name of [commands](commands.md): `seil3`, `seil8`, `seil6`.",
    "model": "A model of the series, as spelled there.",
    "hardware_revision": "As on the nameplate; firmware can be bound to it.",
    "distribution_id": "Eight groups of four upper-case hexadecimal digits.",
    "ls_sa_key": "The adapter's key for the location server, up to 64 visible ASCII characters. Kept encrypted.",
    "ssh_username": "For the login over SSH, up to 64 visible ASCII characters; `admin` unless said.",
    "ssh_password": "For the login over SSH, up to 128 printable characters. Kept encrypted.",
    "ssh_host_key": "The public key as in authorized_keys. Without one no SSH connection is made.",
    "ssh_address": "Numeric address for SSH. Empty: the address that the adapter's last pull came from.",
    "ssh_port": "22 unless said.",
    "ownership": "`rented` (unless said) or `purchased`.",
    "reseller": "Who maintains a purchased adapter.",
    "firmware": "The code's first firmware target, M.mm. A target that was chosen already stays.",
    "config": f"The code's startup config: UTF-8, line ends as they are, up to {MAX_CONFIG} bytes.",
}


def markdown() -> str:
    """The whole page."""
    return _TOP + "".join(map(_row, _order()))


def _row(name: str) -> str:
    return f"| `{name}` | {_NEEDED.get(name, '')} | {_MEANING[name]} |\n".replace("|  |", "| |")


def _order() -> list[str]:
    """Columns in the order of _MEANING, which is the order people think in. Raises KeyError when the two differ."""
    if missing := set(COLUMNS) ^ set(_MEANING):
        raise KeyError(f"docs/pages/inventory.py and the columns differ: {sorted(missing)}")
    return list(_MEANING)
