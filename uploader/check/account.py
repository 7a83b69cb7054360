"""The account and its token, judged: is it the right account, what may the token do, what could not be read?

Each function adds what it finds to the report.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from uploader.check.mapping_draft import draft
from uploader.check.report import KnownQuota, ListFinding, Report
from uploader.errors import SettingsError
from uploader.hubspot.account import Account
from uploader.hubspot.missing_scopes import DETAILS, LIMITS, PIPELINES, PROPERTIES, USAGE, lack_text
from uploader.hubspot.object_types import type_id
from uploader.hubspot.schema import Schema
from uploader.hubspot.sign_in.token_info import TokenInfo, object_scopes, scope_texts
from uploader.jobs.preflight import TokenAndLimits, check_keys, check_named_portal, run_both
from uploader.jobs.session import Session
from uploader.lists.named_list import check_list
from uploader.model.rows import Fault
from uploader.records.columns import Rules
from uploader.records.values.convert import converter
from uploader.settings import Settings
from uploader.sources.source import Source
from uploader.system.blocking_calls import Offload


async def read_account(
    session: Session, sources: list[Source], *, drafts: bool
) -> tuple[Account, TokenAndLimits]:
    """Read all that a check needs of the account. `drafts`: also of the properties of drafted columns."""
    account = await session.read_account()

    async def read_properties() -> Account:
        found = await session.read_properties(account)
        drafted = {
            one.property
            for source in (sources if drafts else ())
            for one in draft(
                source.shape.columns, found.schema, [], object_type=session.settings.object_type
            ).columns
        }
        return await session.with_named_values(sources, found, drafted=drafted)

    closer = session.preflight.read_token_and_limits(session.settings.token, session.settings.object_type)
    found = await run_both(read_properties(), closer)
    await session.wait_for_daily_usage()
    return found


def judge_account(report: Report, settings: Settings, account: Account) -> None:
    """Report a problem if it is not the account that --portal names, or lacks a key's property."""
    if settings.portal:
        with _collecting_problem(report):
            check_named_portal(settings.portal, account)
    if account.schema is not None:
        with _collecting_problem(report):
            check_keys(settings.rules, account.schema)


async def look_at_list(report: Report, session: Session, account: Account, reader: Offload) -> None:
    """Find the list of --add-to-list, and report a problem if it can't take the records."""
    name, object_type = session.settings.add_to_list, session.settings.object_type
    if not name:
        return
    with _collecting_problem(report):
        found = await check_list(session.tools(account, reader, reader), type_id(object_type), name)
        report.record_list = ListFinding(name, found)


@contextmanager
def _collecting_problem(report: Report) -> Iterator[None]:
    """Report a SettingsError within instead of raising it."""
    try:
        yield
    except SettingsError as error:
        report.problems.append(str(error))


def note_account(report: Report, session: Session) -> None:
    """Report quota and limits of the account, and what could not be checked about it."""
    account, day = session.account or Account(), session.sender.day
    report.quota = KnownQuota(session.sender.log.slowest, day.limit, day.left)
    report.not_checked += _unreadable_details(account)
    if report.closer is not None:
        _note_scopes(report, report.closer.token, session.settings.object_type)
        if report.closer.record_limit is None:
            scope = account.lacking.get(LIMITS)
            why = f"the token may not read it (scope {scope})" if scope else "HubSpot does not report it"
            report.not_checked.append(f"how many more records the account can hold: {why}")


def _unreadable_details(account: Account) -> Iterator[str]:
    """What cannot be checked, because the token may not read it."""
    if not account.portal:
        yield (
            f"which account it is: the token may not read it (scope {account.scope(DETAILS)}), so a wrong "
            "account would go unnoticed"
        )
    if not account.kind:
        yield (
            "whether it is a production account, and its time zone: the token may not read it (scope "
            f"{account.scope(DETAILS)})"
        )
    if account.schema is None:
        yield (
            "whether the properties exist and accept these values: the token may not read it (scope "
            f"{account.scope(PROPERTIES)}); columns are mapped by their names"
        )
    if scope := account.lacking.get(USAGE):
        yield f"when the account's day ends: the token may not read it (scope {scope})"


def _note_scopes(report: Report, token: TokenInfo, object_type: str) -> None:
    """Report the scopes that the token lacks, or that its scopes are unknown."""
    if token.scopes is None:
        report.not_checked.append("what the token may do: HubSpot does not report it for this kind of token")
        return
    are_read = report.schema is not None  # some tokens may read properties without the scope for it
    known = token.scopes | ({object_scopes(object_type).schema} if are_read else set())
    problem, warnings = scope_texts(known, object_type)
    report.problems += [problem] if problem else []
    report.warnings += warnings


def note_pipelines(report: Report) -> None:
    """Report that names of pipelines and stages can't be checked, if a column has some."""
    account, schema = report.account, report.schema
    if account is None or schema is None or schema.pipelines is not None:
        return
    if names := sorted({column.property for column in report.columns} & schema.staged):
        report.not_checked.append(
            f"the values of {' and '.join(names)}: the token may not read pipelines (scope "
            f"{account.scope(PIPELINES)}), so only ids are accepted"
        )


def judge_sensitive_properties(report: Report, settings: Settings) -> None:
    """Report a problem if the token may not write a sensitive property that a column or --set names."""
    schema = report.schema
    if schema is None or report.closer is None or report.closer.token.scopes is None:
        return
    scopes = object_scopes(settings.object_type)
    names = {column.property for column in report.columns} | settings.constants.keys()
    for name in sorted(names & schema.sensitive.keys()):
        needed = scopes.of_sensitive(schema.sensitive[name], "write")
        if needed not in report.closer.token.scopes | {""}:
            report.problems.append(f"{name!r} is a sensitive property: {lack_text([needed])} to write it")


def unknown_owners(
    owners: Mapping[str, Counter[str]], schema: Schema | None, rules: Rules
) -> dict[str, Counter[str]]:
    """By property, the owners in the rows that name no owner of the account, or several of them."""
    found: dict[str, Counter[str]] = {}
    for name, counts in owners.items():
        convert = converter(name, name, schema, rules)
        unknown = {who: n for who, n in counts.items() if convert and isinstance(convert(who), Fault)}
        if unknown:
            found[name] = Counter(unknown)
    return found
