"""The reference page of the settings, made from the class so that it cannot be wrong."""

from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from controller.settings import reading
from controller.settings.settings import PREFIX, Settings, default_data_dir

_TOP = f"""\
# Settings

<!-- Written by docs/generate.py from controller/settings/settings.py: change it there, then `make docs`. -->

Later wins: default, then the TOML file (`--config`, else `{reading.CONFIG_VARIABLE}`, else
`~/.config/hikitsugi/controller.toml` if it exists), then the secrets directory (`--secrets-dir`, else
`{reading.SECRETS_VARIABLE}`: one file per setting, named like it), then the environment (`{PREFIX}` and the name in
capitals, e.g. `{PREFIX}API_LISTEN`), then the command line. Lists are TOML lists, or text with commas. Wrong values and
unknown names in the file are all reported at once, and nothing is started.

```toml
# controller.toml
device_listen = "0.0.0.0:8443"
device_advertise = "192.0.2.10:8443"
log_format = "json"
```

| setting | default | allowed | meaning |
|---|---|---|---|
"""


def markdown() -> str:
    """The page docs/operations/settings.md."""
    return _TOP + "".join(_row(key, field) for key, field in Settings.model_fields.items())


def _row(key: str, field: FieldInfo) -> str:
    return f"| `{key}` | {_default(field)} | {reading.allowed_for(key).words} | {field.description} |\n"


def _default(field: FieldInfo) -> str:
    if field.default_factory is None:
        return "unset" if field.default in (None, (), "", PydanticUndefined) else f"`{field.default}`"
    if field.default_factory is default_data_dir:
        return "`~/.local/share/hikitsugi`"
    named = field.get_default(call_default_factory=True, validated_data={"data_dir": Path("data_dir")})
    return f"`{named}`"
