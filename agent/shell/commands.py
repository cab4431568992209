"""What one line does: print a recording, act, change the config, or earn an error line.

Found: statements act at once when typed. Assumed: every error text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.adapter import Adapter
from agent.language import statements
from agent.language.effective import BadLine, Effective
from agent.shell import recordings, typed
from agent.shell.actions import ACTIONS, Action
from agent.shell.recordings import Misused
from agent.shell.results import Result
from agent.shell.view import View

PRIVILEGED = "admin"


@dataclass(slots=True)
class Settings:
    """What a session may change for itself. columns, rows: 0 = as the terminal says."""

    pager: bool = True
    columns: int = 0
    rows: int = 0
    login_timer: int = 300


@dataclass(slots=True)
class Shell:
    """The command interpreter of one session."""

    adapter: Adapter
    user: str = PRIVILEGED
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        config = self.adapter.config
        self.settings = Settings(config.pager, config.columns, config.rows, config.login_timer)

    @property
    def privileged(self) -> bool:
        return self.user == PRIVILEGED

    def run(self, line: str) -> Result:
        """Do what the line says. line: without its end."""
        words = line.split()
        if not words:
            return Result()
        try:
            return self._run(line.strip(), words)
        except (Misused, BadLine) as reason:
            return self._error(str(reason))

    def completion(self, line: str) -> str:
        """What a TAB adds: the rest of the word, as far as it can be only one, and a blank when it is."""
        *before, begun = line.split(" ")
        words = self.words_after(" ".join(before))
        fitting = [word for word in words if word.startswith(begun)]
        return f"{fitting[0].removeprefix(begun)} " if len(fitting) == 1 else ""

    def words_after(self, line: str) -> list[str]:
        """The words that may come next, for "?" and TAB."""
        begun = tuple(line.split())
        model = self.adapter.row.model
        names = [words for words, each in self._known().items() if not each.models or model in each.models]
        names += [tuple(name.split()) for name in ACTIONS[self.adapter.row.series]]
        if self.adapter.row.series == "seil3":
            names += [(verb,) for verb in statements.VERBS]
        return sorted({name[len(begun)] for name in names if len(name) > len(begun) and name[: len(begun)] == begun})

    def _run(self, line: str, words: list[str]) -> Result:
        series = self.adapter.row.series
        if found := recordings.find(series, self.adapter.row.model, words):
            recording, rest = found
            args = recording.arguments_from(rest)
            device = View(self.adapter, privileged=self.privileged)
            return Result(recording.template.render(device=device, args=args))
        for length in range(len(words), 0, -1):
            if action := ACTIONS[series].get(" ".join(words[:length])):
                return self._act(action, words[length:], words)
        if series == "seil3" and words[0] in statements.VERBS:
            return self._state(line)
        raise Misused(f"incomplete command: {line}" if self.words_after(line) else f"unknown command: {line[:60]}")

    def _act(self, action: Action, rest: list[str], words: list[str]) -> Result:
        if not self.privileged and words != ["exit"]:
            raise Misused("permission denied")
        return action(self, rest)

    def _state(self, line: str) -> Result:
        """A statement. `environment` concerns this session only: whether it would show in the config is not known."""
        if not self.privileged:
            raise Misused("permission denied")
        words = statements.split(line)
        if words[0] == "environment":
            return self._environment(words)
        state = self.adapter.volatile
        config = typed.edited(self.adapter.running_text.decode("latin-1"), line).encode("latin-1")
        state.running = config
        state.ssh_open = self.adapter.config.sshd
        self.adapter.log("info", "system", f"{self.user}: {line[:80]}")
        return Result()

    def _environment(self, words: list[str]) -> Result:
        state = Effective(
            pager=self.settings.pager,
            columns=self.settings.columns,
            rows=self.settings.rows,
            login_timer=self.settings.login_timer,
        )
        statements.apply(state, words)
        self.settings = Settings(state.pager, state.columns, state.rows, state.login_timer)
        return Result()

    def _known(self) -> dict[tuple[str, ...], recordings.Recording]:
        return recordings.of_series(self.adapter.row.series)

    def _error(self, reason: str) -> Result:
        return Result(recordings.error(self.adapter.row.series, reason), ok=False)
