"""`uploader properties`: the properties of the account, as a table or as JSON."""

import asyncio
import contextlib
import shutil
from collections.abc import Iterator

import click

from uploader.cli.logs import configure_messages, print_message
from uploader.cli.option_variables import say_settings
from uploader.cli.options.connection import LOG_FORMAT, connection_options, connection_settings
from uploader.cli.options.group import CommandWithHeadings, Heading, option
from uploader.cli.output import print_json, print_lines
from uploader.cli.suggestions import suggestions
from uploader.cli.text.properties import properties_as_list, property_lines
from uploader.hubspot.object_types import noun
from uploader.jobs.summary import advice
from uploader.model.foreign_texts import printable
from uploader.properties.listing import Chosen, choose
from uploader.properties.run import Listing, Report, account_settings
from uploader.system.stop_signals import stop_on_signals

#: Of so few properties, the options are listed without being asked for.
_FEW = 3


@click.command(cls=CommandWithHeadings)
@click.argument("word", required=False, default="")
@click.option(
    "--object-type",
    metavar="NAME",
    default="contacts",
    show_default=True,
    help="Type of the records: contacts, companies, deals, tickets, or a custom object's name or id.",
)
@click.option(
    "--options",
    "with_options",
    is_flag=True,
    help=f"List the options of each property, too. Default: if at most {_FEW} properties are shown.",
)
@click.option("--hidden", "with_hidden", is_flag=True, help="Show properties that HubSpot hides, too.")
@connection_options
@LOG_FORMAT
@option(Heading.OUTPUT, "--json", "as_json", is_flag=True, help="Print a list on stdout as JSON.")
def command(
    word: str,
    *,
    object_type: str,
    with_options: bool,
    with_hidden: bool,
    log_format: str,
    as_json: bool,
    **connection: object,
) -> int:
    """Show the properties of the account, or those whose name or label holds WORD.

    Archived properties are not shown. Nothing is written to HubSpot.

    \b
    Exit codes:
      0        at least one property is shown
      1        no property has WORD in its name or label
      2        wrong usage, or the token may not read properties
      75       the account could not be asked; try again later
      130/143  interrupted by SIGINT/SIGTERM
    """
    configure_messages(log_format, verbose=False)
    settings = account_settings(object_type, **connection_settings(connection))
    say_settings(click.get_current_context())
    report = asyncio.run(_list(Listing(settings)))
    if report.end is not None:
        print_message(f"stopped: {printable(report.end.reason)}; {advice(report.end.cause)}")
        return report.exit_code
    chosen = choose(report.properties, word, with_hidden=with_hidden)
    with contextlib.suppress(OSError):
        if as_json:
            print_json(properties_as_list(chosen.shown))
        elif chosen.shown:
            width = shutil.get_terminal_size().columns
            with_options = with_options or len(chosen.shown) <= _FEW
            print_lines(property_lines(chosen.shown, width, with_options=with_options))
    for line in _notes(report, chosen, word, noun(object_type).one):
        print_message(line)
    return report.exit_code if chosen.shown else 1


async def _list(listing: Listing) -> Report:
    stop_on_signals(listing.ending.stop)
    return await listing.run()


def _notes(report: Report, chosen: Chosen, word: str, one: str) -> Iterator[str]:
    """Lines about what is shown and what is left out."""
    count = len(chosen.shown)
    yield (
        f"account {report.account.portal or 'unknown'}: {count:,} of {len(report.properties):,} {one} "
        "properties"
    )
    if chosen.hidden:
        yield f"left out: {chosen.hidden:,} that HubSpot hides; --hidden shows them"
    if report.hidden_scope:
        yield f"left out: sensitive properties, because the token lacks the scope {report.hidden_scope}"
    if not count and not chosen.hidden and word:
        names = [text for listed in report.properties for text in (listed.name, listed.label)]
        found = suggestions(word, names)
        alike = f"; similar: {', '.join(found)}" if found else ""
        yield f"no property has {word!r} in its name or label{alike}"
