"""The command line: the list of commands, and how errors are printed. The commands are in `commands/`.

Every error is one line on stderr and an exit code; a traceback is printed with --verbose only.
"""

import errno
import functools
import gc
import importlib
import os
import signal
import sys
import traceback
from types import ModuleType

import click

from uploader.errors import UploaderError
from uploader.system.open_files import allow_many_open_files
from uploader.system.supported_systems import refuse_unsupported_system
from uploader.version import __version__

#: Name -> description in `uploader --help`. Modules are imported when their command is called.
COMMANDS = {
    "init": "Write a project file: settings, and what columns mean.",
    "check": "Check the file and the account before an upload.",
    "properties": "Show the properties of the account.",
    "create-properties": "Create properties that the account lacks.",
    "preview": "Show what an upload would create, change and leave.",
    "upload": "Upload a file, or resume an upload.",
    "migrate": "Run a plan: several files, one after the other.",
    "status": "Show the progress of a job.",
    "failures": "Write failed rows to a file, to correct and upload them.",
    "verify": "Read a job's records back and compare them with its rows.",
    "report": "Write an HTML report of a job.",
    "undo": "Archive what a job created, and restore what it changed.",
    "purge": "Delete the files of a job that hold personal data.",
    "mock-server": "Run a mock of HubSpot's API on this machine.",
    "demo": "Try an upload without an account, on a mock server.",
    "schema": "Print the JSON Schema of the project file.",
    "help": "Show the manual, one page per topic.",
}
_USAGE, _BUG = 2, 70
#: In a container the uploader is process number 1.
_FIRST = 1


class Commands(click.Group):
    """Commands by name, each in a module of its own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        return _load(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        refuse_unsupported_system()
        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            raise _environment().unknown_command(args[0], COMMANDS, ctx)
        found = super().resolve_command(ctx, args)
        importlib.import_module("uploader.cli.project_file").note_typed(ctx, found[2])
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _environment() -> ModuleType:
    """Import `option_variables` with the first command: a list of commands does not need it."""
    return importlib.import_module("uploader.cli.option_variables")


@functools.cache
def _load(name: str) -> click.Command:
    module = importlib.import_module(f"uploader.cli.commands.{name.replace('-', '_')}")
    command: click.Command = module.command
    _environment().add_option_variables(command, lambda: map(_load, COMMANDS))
    return command


@click.group(
    cls=Commands,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="uploader")
@click.pass_context
def group(context: click.Context) -> None:
    """Upload a large file of contacts or other records to HubSpot, and report the outcome of every row.

    \b
    uploader demo                 try it without an account, in a minute
    uploader upload contacts.csv  upload; the access token is read from the
                                  environment variable HUBSPOT_ACCESS_TOKEN
    uploader help                 the manual
    """
    if context.invoked_subcommand is None:  # what click does by itself depends on its version
        click.echo(context.get_help(), err=True)
        context.exit(_USAGE)


def main() -> None:
    """Entry point of the console script."""
    # Modules are objects that stay, and records make no cycles: by default, looking for garbage costs 3 % of
    # the start and 15 to 20 % of an upload.
    gc.set_threshold(50_000, 20, 100)
    allow_many_open_files()
    if os.getpid() == _FIRST:
        # The kernel does not deliver unhandled signals to it; commands that drain set their own handler.
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:  # noqa: PLR0911
    """Run one command and return its exit code."""
    try:
        code = group.main(arguments, prog_name="uploader", standalone_mode=False)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        # Without the command's usage, which would hide the line that matters.
        return _fail(_environment().usage_text(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", 128 + signal.SIGINT)
    except UploaderError as error:
        return _fail(str(error), error.exit_code)
    except BrokenPipeError:
        # The reader of our output has gone; what is committed stays.
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
        return 128 + signal.SIGPIPE
    except Exception as error:  # noqa: BLE001  # the last line of defence against a traceback
        return _fail_unexpectedly(error, arguments)
    return code if isinstance(code, int) else 0


def _fail_unexpectedly(error: Exception, arguments: list[str]) -> int:
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        # Any look at a path that somebody typed may be the one that fails.
        return _fail(f"{error.filename}: the name is too long for a file; choose a shorter one", _USAGE)
    if {"--verbose", "-v"} & {*arguments} or os.environ.get("UPLOADER_VERBOSE"):
        for line in "".join(traceback.format_exception(error)).splitlines():
            print(_printable(line), file=sys.stderr)
    return _fail(f"a bug in uploader ({type(error).__name__}: {error}); --verbose shows where", _BUG)


def _fail(text: str, code: int) -> int:
    # Imported here: `uploader --help` does not need it.
    from uploader.cli.logs import is_json, note_event  # noqa: PLC0415
    from uploader.cli.terminal import shown_on  # noqa: PLC0415

    line = " ".join(_printable(text).split())
    if is_json():
        note_event("error", line, {"exit_code": code}, level="error")
    else:
        print(shown_on(sys.stderr, f"uploader: {line}"), file=sys.stderr)
    return code


def _printable(text: str) -> str:
    """An error's text without control characters: it may include text from anywhere."""
    from uploader.model.foreign_texts import harmless  # noqa: PLC0415  # only where something went wrong

    return harmless(text)
