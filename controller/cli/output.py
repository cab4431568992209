"""What a command prints: tables for people, JSON for programs. Results go to stdout; progress and errors to stderr."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

from controller.cli.failures import CliError
from controller.cli.words import _
from controller.domain.errors import spoken

if TYPE_CHECKING:
    from rich.console import Console

Row = Mapping[str, Any]  # Any: a JSON object of the API


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table. value: name of the row's member, or a function of the row. right: align numbers."""

    title: str
    value: str | Callable[[Row], object]
    right: bool = False

    def cell(self, row: Row) -> str:
        return show(self.value(row) if callable(self.value) else row.get(self.value))


def show(value: object) -> str:
    """A JSON value for people: times in JST, yes and no, a dash for nothing, no control characters."""
    match value:
        case None | "" | [] | ():
            return "-"
        case bool():
            return _("yes") if value else _("no")
        case list() | tuple():
            return ", ".join(show(item) for item in value)
        case str():
            return _harmless(_when(value))
        case _:
            return _harmless(spoken(value))


def plain(value: object) -> str:
    """A JSON value of whatever shape on one line: text as it is, all else as JSON."""
    return _harmless(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


class Output:
    """Where a command's results go. json: one JSON document per command, nothing else on stdout."""

    def __init__(self, *, json: bool, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.json = json
        self._out = out or sys.stdout
        self._err = err or sys.stderr

    def table(self, rows: Iterable[Row], columns: Sequence[Column]) -> None:
        """Rows as a table, or as a JSON list of whole objects."""
        if self.json:
            self.document(list(rows))
            return
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD if self._out.isatty() else None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(Text(column.title), justify="right" if column.right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(column.cell(row)) for column in columns))
        if table.row_count:
            self._console(self._out).print(table)
        else:
            self.note(_("Nothing to show."))

    def record(self, row: Row, columns: Sequence[Column]) -> None:
        """One object, a line for each column; or the whole object as JSON."""
        if self.json:
            self.document(row)
            return
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for column in columns:
            table.add_row(Text(column.title, style="bold"), Text(column.cell(row)))
        self._console(self._out).print(table)

    def document(self, value: object) -> None:
        """A JSON document on stdout, whatever the mode."""
        json.dump(value, self._out, ensure_ascii=False, indent=None if not self._out.isatty() else 1)
        self._out.write("\n")

    def say(self, text: str) -> None:
        """A sentence for people; with --json it would disturb, so it is left out."""
        if not self.json:
            self._out.write(_harmless(text, keep="\n\t") + "\n")

    def done(self, result: object, sentence: str) -> None:
        """The end of a command that changed something: the result for programs, one sentence for people."""
        if self.json:
            self.document(result)
        else:
            self.say(sentence)

    def raw(self, body: bytes) -> None:
        """Bytes as they are when they go into a file or pipe; harmless ones on a terminal."""
        if self._out.isatty():
            self.text(body.decode(errors="replace"))
            return
        self._out.flush()
        self._out.buffer.write(body)
        self._out.buffer.flush()

    def text(self, text: str) -> None:
        """Many lines, such as what an adapter printed; only without --json."""
        if not self.json:
            self._out.write(_harmless(text, keep="\n\t"))
            if not text.endswith("\n"):
                self._out.write("\n")

    def note(self, text: str) -> None:
        """A remark on stderr."""
        if not self.json:
            self._err.write(_harmless(text, keep="\n\t") + "\n")

    def failure(self, error: CliError) -> None:
        """Why a command did not do what was asked, on stderr."""
        if self.json:
            self._err.write(json.dumps(error.as_json(), ensure_ascii=False) + "\n")
            return
        lines = [_("Error: {sentence}", sentence=error.sentence), *(f"  {detail}" for detail in error.details)]
        if error.next_step:
            lines.append(_("What to do: {next_step}", next_step=error.next_step))
        self._err.write("\n".join(_harmless(line) for line in lines) + "\n")

    @contextmanager
    def progress(self, description: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """A progress bar on stderr, if a person watches; the value is called with how much more is done."""
        done = 0

        def advance(amount: int) -> None:
            nonlocal done
            done += amount
            show_stage(description, done)

        with self.stages(total) as show_stage:
            show_stage(description, 0)
            yield advance

    @contextmanager
    def stages(self, total: int | None) -> Iterator[Callable[[str, int], None]]:
        """A bar for work in stages; the value is called with the stage's name and how much of `total` it has done."""
        if not self._err.isatty():
            yield lambda _stage, _done: None
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console(self._err), transient=True) as progress:
            task = progress.add_task("", total=total)
            yield lambda stage, done: progress.update(task, description=_harmless(stage), completed=done)

    def _console(self, file: TextIO) -> "Console":
        from rich.console import Console

        # into a pipe, a row stays one line however wide it is
        return Console(file=file, highlight=False, width=None if file.isatty() else 100_000)


def _when(text: str) -> str:
    """A time of the API (RFC 3339) as people here read it; any other text as it is."""
    if len(text) < 20 or text[10:11] != "T":
        return text
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return spoken(at) if at.tzinfo else text


def _harmless(text: str, keep: str = "") -> str:
    """Text from an adapter or a person that cannot steer the terminal."""
    return "".join(c if c.isprintable() or c in keep else f"\\x{ord(c):02x}" for c in text)
