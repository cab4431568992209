"""`hikitsugi demo`: the main job, end to end, with the commands a person would type. Each step is checked.

It only starts processes and runs commands: what it shows is what any user gets. What it stands on is in stage.py.
"""

import signal
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.cli import demo_firmware
from controller.cli.commands import Commands, Session
from controller.cli.demo_firmware import NEW_FIRMWARE
from controller.cli.failures import Exit
from controller.cli.stage import Broken, Stage
from controller.cli.words import _
from controller.series import by_name

top = Commands()

ADAPTERS = 40
SEED = 7
_BOOT_S, _RUN_S = 40.0, 60.0


@top.command("demo", help=_("Show the main job, end to end, on this machine: about a minute, no root needed."))
def demo(
    session: Session,
    keep: Annotated[bool, typer.Option("--keep", help=_("Leave controller and fleet running afterwards."))] = False,
    folder: Annotated[
        Path | None, typer.Option("--dir", help=_("Where everything goes; default: a new folder under /tmp."))
    ] = None,
) -> None:
    began = time.monotonic()
    stage = Stage(session.out, folder)
    try:
        for act in (
            _ground,
            demo_firmware.sign,
            _boot,
            _collect,
            _swap,
            _kill,
            _hand_over,
            _turned_away,
            demo_firmware.update,
        ):
            act(stage)
        session.out.done(
            {"steps": stage.checks, "seconds": round(time.monotonic() - began, 1), "dir": str(stage.folder)},
            _(
                "All {count} checks held, in {seconds} s.",
                count=len(stage.checks),
                seconds=round(time.monotonic() - began),
            ),
        )
    except Broken as error:
        session.out.note(_("The demonstration broke: {why}", why=error))
        session.out.note(_("Logs: {folder}", folder=stage.folder))
        raise typer.Exit(Exit.SOME_FAILED) from error
    finally:
        if keep:
            session.out.note(stage.how_to_go_on())
        else:
            stage.close()


def _ground(stage: Stage) -> None:
    stage.title(_("A controller on its own PostgreSQL, an inventory"))
    stage.start_controller()
    inventory = stage.folder / "inventory.csv"
    size = ("--count", str(ADAPTERS), "--contracts", "2", "--seed", str(SEED), "--ssh-port", str(stage.ssh_port))
    stage.run("fleet", "inventory", str(inventory), *size)
    report = stage.hikitsugi("inventory", "import", str(inventory))
    stage.check(_("{rows} adapters of 2 contracts are registered", rows=report["rows"]), report["rows"] == ADAPTERS)
    stage.hikitsugi("account", "create", "sato", "--role", "support")
    stage.hikitsugi("key", "create", "sato", "--out", str(stage.support_key))


def _boot(stage: Stage) -> None:
    stage.title(_("Power on: every entry calls home and pulls its config; nobody touches it"))
    stage.start_fleet(stage.folder / "inventory.csv", SEED, demo_firmware.root(stage))
    entries = stage.until(_("all entries in service"), lambda: _entries_in_service(stage), _BOOT_S)
    stage.check(_("{count} entries pulled their config", count=len(entries)), len(entries) == 32)


def _entries_in_service(stage: Stage) -> Any:
    """Any: JSON rows of the entries, None while some are not in service."""
    entries = stage.peek("code", "ls", "--kind", "entry")
    return entries if entries and all(entry["in_service_at"] for entry in entries) else None


def _collect(stage: Stage) -> None:
    stage.title(_("An operator reports a defect; support staff collect status, and three adapters are in trouble"))
    entries = stage.peek("code", "ls", "--kind", "entry")
    run = ("run", "show system", "show status route", "--all", "--reason", "demonstration")
    stage.hikitsugi(*run, key_file=stage.support_key, expect=Exit.REFUSED)
    stage.check(_("without an investigation support staff run nothing"), True)
    number = _opened(stage, entries[-1]["contract"])
    unplugged, changed, silent = (entry["adapter"] for entry in entries[-3:])
    stage.run("fleet", "unplug", unplugged)
    stage.run("fleet", "fault", changed, "wrong-host-key")
    stage.run("fleet", "fault", silent, "silent")
    under = ("--investigation", str(number))
    result = stage.hikitsugi(*run, *under, key_file=stage.support_key, expect=Exit.SOME_FAILED, deadline_s=_RUN_S)
    failures = {task["adapter"]: task["failure"] for task in result["task_list"] if task["failure"]}
    stage.check(_("13 answered, 3 did not"), (result["done"], result["failed"]) == (13, 3))
    stage.check(_("adapters that the investigation does not concern were left alone"), len(result["skipped"]) == 16)
    stage.check(_("one is unreachable"), failures.get(unplugged) == "unreachable")
    stage.check(_("one shows another host key, and was not talked to"), failures.get(changed) == "host-key-changed")
    stage.check(_("one hangs"), failures.get(silent) == "timeout")
    stage.hikitsugi("run", "reboot", "--all", *under, key_file=stage.support_key, expect=Exit.REFUSED)
    stage.check(_("a command that is not on their list is refused before anything is sent"), True)
    stage.hikitsugi("investigation", "close", str(number), "--finding", "none", key_file=stage.support_key)
    for serial in (changed, silent):
        stage.run("fleet", "fault", serial, "none")


def _opened(stage: Stage, contract: str) -> int:
    """An operator of the contract, and the investigation that follows from what the operator reports; its number."""
    stage.hikitsugi("account", "create", "olga", "--role", "operator", "--contract", contract)
    report = ("--title", "Routes are lost", "--observed", "Since the update.", "--reported-by", "olga")
    opened = stage.hikitsugi(
        "investigation", "open", "--contract", contract, *report, "--all", key_file=stage.support_key
    )
    return int(opened["investigation"])


def _swap(stage: Stage) -> None:
    stage.title(_("An adapter breaks: entry and standby are exchanged while both are unplugged"))
    codes = stage.peek("code", "ls")
    entry = next(c for c in codes if c["kind"] == "entry" and c["series"] == "seil8")
    standby = next(
        c for c in codes if c["kind"] == "standby" and c["series"] == "seil8" and c["contract"] == entry["contract"]
    )
    stage.entry, stage.standby = entry["code"], standby["code"]
    stage.old, stage.new = entry["adapter"], standby["adapter"]
    stage.config = stage.text("config", "show", stage.entry)
    stage.run("fleet", "unplug", stage.old)
    stage.hikitsugi("swap", stage.entry, stage.standby, "--dry-run")
    report = stage.hikitsugi("swap", stage.entry, stage.standby, "--reason", "does not power on")
    stage.exchange = report["exchange"]
    stage.check(_("the registrations changed places"), stage.peek("code", "show", stage.entry)["adapter"] == stage.new)
    stage.check(_("the newest firmware is the target"), report["firmware_target"] == NEW_FIRMWARE["seil8"])


def _kill(stage: Stage) -> None:
    stage.title(_("The controller is killed with -9 and started again"))
    stage.controller.send_signal(signal.SIGKILL)
    stage.controller.wait(timeout=10)
    stage.start_controller()
    row = stage.hikitsugi("exchange", "show", str(stage.exchange))
    stage.check(_("the exchange is still there, waiting for its adapter"), row["state"] == "ordered")
    holder = stage.hikitsugi("code", "holder", stage.entry)
    stage.check(_("the ledger knows who sits where"), holder["adapter"] == stage.new)


def _hand_over(stage: Stage) -> None:
    stage.title(_("The spare is plugged in. That is the whole exchange"))
    stage.run("fleet", "fault", stage.new, "cut-download", "--times", "2")
    stage.run("fleet", "plug", stage.new)
    code = stage.until(_("the spare in service with new firmware"), lambda: _handed_over(stage), _BOOT_S)
    stage.check(_("it updated over a cut connection before service"), code["firmware"] == NEW_FIRMWARE["seil8"])
    row = stage.hikitsugi("exchange", "show", str(stage.exchange))
    stage.check(_("the exchange is confirmed"), row["state"] == "confirmed")
    result = stage.hikitsugi("run", "show config", "--entry", stage.entry, "--output")
    printed = result["task_list"][0]["transcripts"][0]["text"].replace("\r\n", "\n")
    kept, _secrets = by_name("seil8").mask(stage.config.encode())
    stage.check(_("it answers with the inherited config, its secrets masked"), printed == kept.decode())


def _handed_over(stage: Stage) -> Any:
    """Any: the entry's JSON row, None while the exchange is not confirmed with the new firmware."""
    code = stage.peek("code", "show", stage.entry)
    done = code["exchange_state"] == "confirmed" and code["firmware"] == NEW_FIRMWARE["seil8"] and code["in_service_at"]
    return code if done else None


def _turned_away(stage: Stage) -> None:
    stage.title(_("The old adapter is plugged in somewhere: it is turned away"))
    stage.run("fleet", "plug", stage.old)
    row = stage.until(_("the old adapter's answer"), lambda: _last_answer(stage, 404), _BOOT_S)
    stage.check(_("it is told that it is a stand-by, and gets no config"), row["in_service_at"] is None)
    stays = stage.hikitsugi("adapter", "history", stage.old)
    stage.check(_("its history names both codes"), [s["code"] for s in stays] == [stage.standby, stage.entry])


def _last_answer(stage: Stage, result: int) -> Any:
    """Any: the old adapter's JSON row once it was answered so."""
    row = stage.peek("adapter", "show", stage.old)
    return row if row["last_result"] == result else None
