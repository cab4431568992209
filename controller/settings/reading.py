"""Reads the settings from everywhere, and reports everything that is wrong with them in one go.

Later wins: default < TOML file < secrets directory (a file per key, named like it) < environment (HIKITSUGI_ and the
key in capitals) < command line. Lists are TOML lists, or text with commas. An empty variable counts as unset.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource, SecretsSettingsSource, SettingsError

from controller.settings.settings import PREFIX, Settings, xdg
from controller.settings.values import Allowed
from controller.startup import CannotStart

CONFIG_VARIABLE, SECRETS_VARIABLE = f"{PREFIX}CONFIG", f"{PREFIX}SECRETS_DIR"


def default_config() -> Path:
    """$XDG_CONFIG_HOME/hikitsugi/controller.toml, usually ~/.config/hikitsugi/controller.toml."""
    return xdg("XDG_CONFIG_HOME", ".config") / "controller.toml"


def load(
    config: Path | None = None, command_line: Mapping[str, object] | None = None, *, secrets_dir: Path | None = None
) -> Settings:
    """Read all settings. Raises CannotStart with one line for each thing that is wrong.

    config, secrets_dir: None means HIKITSUGI_CONFIG, HIKITSUGI_SECRETS_DIR, and else the default file if it exists.
    command_line: settings by key, as text or as values; None values count as not given.
    """
    config = config or _named_by(CONFIG_VARIABLE)
    secrets_dir = secrets_dir or _named_by(SECRETS_VARIABLE)
    faults: list[str] = []
    sources = {
        f"file {config or default_config()}": _from_file(config, faults),
        f"secrets directory {secrets_dir}": _from_secrets(secrets_dir, faults),
        "environment": EnvSettingsSource(Settings, env_ignore_empty=True)(),
        "command line": {key: value for key, value in (command_line or {}).items() if value is not None},
    }
    merged = {key: value for source in sources.values() for key, value in source.items()}
    origins = {key: name for name, source in sources.items() for key in source}
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        faults += [line for details in error.errors() for line in _told(details, origins)]
    if faults:
        raise CannotStart("\n  ".join(["The settings are wrong; nothing was started:", *faults]))
    return settings


def _named_by(variable: str) -> Path | None:
    return Path(os.environ[variable]).expanduser() if os.environ.get(variable) else None


def _from_file(named: Path | None, faults: list[str]) -> Mapping[str, object]:
    path = named or default_config()
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        if named:
            faults.append(f"file {path}: does not exist")
    except OSError as error:
        faults.append(f"file {path}: {error.strerror}")
    except ValueError as error:  # no TOML, or no UTF-8
        faults.append(f"file {path}: {error}")
    return {}


def _from_secrets(folder: Path | None, faults: list[str]) -> Mapping[str, object]:
    if folder is None:
        return {}
    if not folder.is_dir():
        faults.append(f"secrets directory {folder}: does not exist")
        return {}
    try:
        return SecretsSettingsSource(Settings, secrets_dir=folder, env_prefix="")()
    except (OSError, SettingsError, ValueError) as error:
        faults.append(f"secrets directory {folder}: {error}")
        return {}


def _told(details: ErrorDetails, origins: Mapping[str, str]) -> Sequence[str]:
    """One line about one fault: the key, what it is set to, where, and what is allowed."""
    key = str(details["loc"][0])
    match details["type"]:
        case "default_factory_not_called":  # only because another one is wrong
            return ()
        case "extra_forbidden":
            alike = difflib.get_close_matches(key, Settings.model_fields, n=1)
            return (f"{key} ({origins[key]}): no such setting{f'; did you mean {alike[0]}?' if alike else ''}",)
        case "rule":
            return (f"{key} {f'({origins[key]})' if key in origins else ''}: {details['msg']}".replace(" :", ":"),)
    allowed = allowed_for(key)
    shown = "(hidden)" if allowed.secret else _shown(details["input"])
    return (f"{key} = {shown} ({origins.get(key, 'default')}): allowed is {allowed.words}",)


def allowed_for(key: str) -> Allowed:
    """What the setting may be. Every field says it, or this raises StopIteration (tested)."""
    return next(each for each in Settings.model_fields[key].metadata if isinstance(each, Allowed))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
