"""Command lines run in this process against real servers: an example's, and the real ones on the real API."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from structlog.testing import capture_logs

from controller.cli.app import root, run
from controller.cli.commands import Session, group, segment
from controller.cli.groups import ALL
from controller.cli.output import Column
from tests.api.conftest import Api, api
from tests.faces.example_api import SECRET, Example, served_in_a_thread
from tests.registry_fixtures import numbers, placed, registry
from tests.rows import HEADER, csv_row, distribution_id
from tests.services.campaigning import fleet

__all__ = ["api", "fleet", "numbers", "placed", "registry"]

FAULT = ("--fault", "does not power on")
REPORTED = ("--reported-by", "olga")

shop = group("shop", "Shops.")


@shop.command("ls")
def ls(session: Session, begins: Annotated[list[str] | None, typer.Option()] = None) -> None:
    session.out.table(session.api.pages("/shops", begins=begins), [Column("Name", "name")])


@shop.command("order")
def order(session: Session, name: str, drink: str, cups: int = 1) -> None:
    body = {"drink": drink, "cups": cups}
    receipt = session.api.send("POST", f"/shops/{segment(name)}/orders", body)
    session.out.record(receipt, [Column("Number", "number", right=True), Column("Drink", "drink")])


@shop.command("close")
def close(session: Session, name: str) -> None:
    session.api.send("DELETE", f"/shops/{segment(name)}")
    session.out.say("Closed.")


@shop.command("wrong")
def wrong(session: Session, kind: str) -> None:
    session.api.send("POST", f"/wrong/{segment(kind)}")


@shop.command("measure")
def measure(session: Session, file: Path) -> None:
    sent: list[int] = []
    measured = session.api.upload("PUT", "/measure", file, "text/csv", progress=sent.append)
    session.out.document({**measured, "sent": sum(sent)})


@shop.command("interrupted")
def interrupted(session: Session) -> None:
    raise KeyboardInterrupt


@shop.command("buggy")
def buggy(session: Session) -> None:
    raise ZeroDivisionError("a slip of ours")


@shop.command("export")
def export(session: Session) -> None:
    for line in session.api.lines("GET", "/export"):
        session.out.say(line.decode().strip())


@dataclass(frozen=True)
class Ended:
    """How one command line ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Ended]
By = Callable[..., Awaitable[Ended]]


@pytest.fixture(autouse=True)
def nobodys_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test finds the controller of whoever runs it."""
    for name in ("HIKITSUGI_URL", "HIKITSUGI_KEY_FILE", "HIKITSUGI_CA_FILE", "HIKITSUGI_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "nobody"))


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command line of the example; its exit code and what it printed."""

    def call(*arguments: str) -> Ended:
        code = run(root([shop]), arguments)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return call


@pytest.fixture(scope="module")
def example() -> Example:
    return Example()


@pytest.fixture(scope="module")
def url(example: Example) -> Iterator[str]:
    with capture_logs(), served_in_a_thread(example) as port:  # its log would mix with what the commands print
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "operator.key"
    path.write_text(f"op.{SECRET}\n")
    return path


@pytest.fixture
def operator(cli: Cli, url: str, key_file: Path) -> Cli:
    """The same with the operator's key."""
    return lambda *arguments: cli(*arguments, "--url", url, "--key-file", str(key_file))


@pytest.fixture
def by(api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> By:
    """Run a real command line on the real API as somebody: `await by("sato", "exchange", "list")`."""

    async def call(account: str, *arguments: str) -> Ended:
        key = tmp_path / f"{account}.key"
        key.write_text(api.keys[account] + "\n")
        there = ("--url", api.base.removesuffix("/api/v1/"), "--key-file", str(key))
        capsys.readouterr()
        with capture_logs():  # the API's log would mix with what the command prints
            code = await asyncio.to_thread(run, root(ALL), [*arguments, *there])
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return call


@pytest.fixture
async def spare(registry, numbers) -> str:
    """A unit in stock."""
    number = numbers()
    row = f",,,SER{number:05d},seil8,SEIL/X4,{distribution_id(number)},ls-{number},pw-{number},\r\n"
    await registry.load(HEADER + row)
    return f"SER{number:05d}"


@pytest.fixture
async def standby(registry, numbers) -> str:
    """A standby code of C1 that holds an adapter."""
    number = numbers()
    await registry.load(HEADER + csv_row(f"S{number}", number, kind="standby"))
    return f"S{number}"
