"""Groups of commands that all take the same options (--json, --url, --key-file, --ca-file) and fail in the same way.

codes = group("code", _("Codes of a contract"))

@codes.command("ls", help=_("List codes."))
def ls(session: Session, contract: Annotated[str, typer.Option(help=_("Only this contract."))] = "") -> None:
    session.out.table(session.api.pages("/codes", contract=contract or None), COLUMNS)
"""

import functools
import inspect
import os
import sys
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar
from urllib.parse import quote

import typer

from controller.cli.failures import CliError, Exit
from controller.cli.output import Output
from controller.cli.profile import Options, choose
from controller.cli.words import _

if TYPE_CHECKING:
    from controller.cli.client import Client

Function = TypeVar("Function", bound=Callable[..., Any])  # Any: commands have their own parameters


class Session:
    """What a command works with: the API as `api` (connected when first used), the terminal as `out`."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.out = Output(json=options.json)

    @cached_property
    def api(self) -> "Client":
        from controller.cli.client import Client

        return Client(choose(self.options, os.environ))

    def close(self) -> None:
        if "api" in self.__dict__:
            self.api.__exit__(None, None, None)


class Commands(typer.Typer):
    """A Typer whose commands get a Session as their first parameter, and the common options."""

    def command(
        self, name: str | None = None, **kwargs: Any
    ) -> Callable[[Function], Function]:  # Any: Typer has its own
        register = super().command(name, **kwargs)

        def take(function: Function) -> Function:
            register(_with_session(function))
            return function

        return take


def group(name: str, help: str) -> Commands:  # noqa: A002  # Typer's word
    """A group of commands, to be added to the root."""
    return Commands(name=name, help=help, no_args_is_help=True, rich_markup_mode=None)


def segment(name: object) -> str:
    """A name as one segment of a path: `f"/codes/{segment(code)}"`."""
    return quote(str(name), safe="")


_JSON = Annotated[bool, typer.Option("--json", help=_("Print JSON instead of a table."))]
_URL = Annotated[str, typer.Option("--url", help=_("Address of the controller."), show_default=False)]
_KEY = Annotated[str, typer.Option("--key-file", help=_("File with the access key."), show_default=False)]
_CA = Annotated[str, typer.Option("--ca-file", help=_("File with the certificate authority."), show_default=False)]
_COMMON: Final = {"json": (_JSON, False), "url": (_URL, ""), "key_file": (_KEY, ""), "ca_file": (_CA, "")}


def _with_session(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as Typer sees it: without the session, with the common options."""

    @functools.wraps(function)
    def run(**given: Any) -> None:
        session = Session(Options(**{name: given.pop(name) for name in _COMMON}))
        try:
            function(session, **given)
        except CliError as error:
            session.out.failure(error)
            raise typer.Exit(error.exit_code) from error
        except BrokenPipeError:  # `| head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter would flush, and complain
            raise typer.Exit(Exit.OK) from None
        except KeyboardInterrupt:  # Typer would make it 1, which means something else here
            raise typer.Exit(Exit.INTERRUPTED) from None
        finally:
            session.close()

    keyword = inspect.Parameter.KEYWORD_ONLY
    common = [inspect.Parameter(n, keyword, default=d, annotation=a) for n, (a, d) in _COMMON.items()]
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    run.__signature__ = inspect.Signature([*own, *common])  # type: ignore[attr-defined]  # what inspect looks for
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *common)}
    return run
