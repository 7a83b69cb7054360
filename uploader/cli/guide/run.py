"""`init --guide`: the columns are asked about first, then what the cells of all rows hold."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from uploader.check.mapping_draft import draft
from uploader.check.report import Column, Report
from uploader.check.value_draft import with_value_tables
from uploader.cli.commands.check import run_check, settings_to_check
from uploader.cli.commands.create_properties import (
    command as create_command,
    create,
    read_definitions,
    say_end,
)
from uploader.cli.guide.answers import Question
from uploader.cli.guide.questions import (
    bad_values,
    blank_questions,
    column_questions,
    key_questions,
    match_questions,
    new_properties,
    owner_questions,
    reading_questions,
    unknown_owners,
    value_questions,
)
from uploader.cli.guide.terminal import ProjectText, ask
from uploader.cli.logs import print_message
from uploader.cli.options.connection import TOKEN_VARIABLE, account_options, connection_settings
from uploader.cli.output import print_lines
from uploader.cli.project_file import upload_context, words_beside_file
from uploader.cli.text.check.column_table import unsent_columns
from uploader.cli.text.check.screen import rows_lines
from uploader.cli.text.new_properties import created_lines
from uploader.cli.text.next_command import account_words, command_line
from uploader.errors import DeclinedError, SettingsError
from uploader.jobs.column_rules import undecided_fields
from uploader.jobs.summary import advice
from uploader.model.column_names import folded
from uploader.model.counted import counted
from uploader.model.foreign_texts import printable
from uploader.settings import Settings
from uploader.storage.file_names import unused
from uploader.storage.output_files import write_new

_INTERRUPTED, _LIST = 130, ", "
#: Options of `create-properties` that are not about the connection.
_NO_CONNECTION = {"file", "dry_run", "portal", "yes", "log_format", "as_json", "project"}


def refuse_without_account(report: Report) -> None:
    """SettingsError if the account's properties could not be read."""
    if report.schema is None or report.account_problems:
        missing = f"--guide needs the account: set {TOKEN_VARIABLE} to the token"
        raise SettingsError("; ".join(report.account_problems or [missing]))


class _Ended(Exception):  # noqa: N818  # it is no error
    """The guide ends before its last question."""

    def __init__(self, exit_code: int, text: str) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def guide(path: Path, sample: int | None, report: Report | None) -> int:
    """Complete the project file. `sample`: read only this many rows of each source. `report`: what the file
    was drafted from, if it is new.
    """
    try:
        _Guide(path, sample).run(report)
    except _Ended as end:
        text, code = str(end), end.exit_code
    except KeyboardInterrupt:
        print_message("")
        text, code = f"interrupted; {path} has all that is decided", _INTERRUPTED
    else:
        return 0
    print_message(text)
    print_message(f"go on later with: {command_line(*sys.argv[1:])}")
    return code


class _Guide:
    def __init__(self, path: Path, sample: int | None) -> None:
        self._path = path
        self._sample = sample
        self._file = ProjectText(path)
        self._postponed: frozenset[str] = frozenset()  # columns whose properties are to be created later
        self._to_create = ""  # the command that does it

    def run(self, report: Report | None) -> None:
        file, former = self._file, self._file.text if report is None else ""
        report = report or self._checked(drafts=True)
        self._ask_about_columns(report)
        assert report.schema is not None
        if new := new_properties(file.text, report.schema):
            self._create(new)
        if new or file.text != former:
            report = self._checked()
        if first := [*reading_questions(report), *key_questions(report)]:
            self._ask(first)
            report = self._checked()  # other values are read now
        checked, settings = file.text, self._settings()
        self._ask(blank_questions(report, settings.match, file.text))
        are_dropped = settings.rules.drop_bad_values
        values = bad_values(report, file.text)
        file.save(with_value_tables(file.text, values))
        self._ask(value_questions(values, are_dropped=are_dropped))
        owners = unknown_owners(report, file.text)
        file.save(with_value_tables(file.text, owners))
        self._ask(owner_questions(owners, are_dropped=are_dropped))
        if file.text != checked:  # more rows may lack their key now
            checked, report = file.text, self._checked()
        self._ask(match_questions(report, settings.match))
        self._end(report if file.text == checked else self._checked())

    def _end(self, report: Report) -> None:
        """Say what a check of the file finds now."""
        problems = [f"PROBLEM: {printable(text, 600)}" for text in report.problems]
        left = sum(one.cells for one in report.bad_columns)
        left += sum(counts.total() for counts in report.unknown_owners.values())
        is_complete = "is complete"
        if left:
            is_complete = f"is complete, but for {counted(left, 'cell')} to decide later"
        is_complete = "has what you decided, and check finds problems:" if problems else is_complete
        is_complete = f"{is_complete}, without {self._columns_text()}" if self._postponed else is_complete
        rows = [*self._unasked_lines(report), *rows_lines(report)]
        print_lines([f"{self._path} {is_complete}", *problems, *rows])
        if self._postponed:
            print_message(f"first review the new properties, then create them: {self._to_create}")
        check = command_line("check", "-f", self._path, *words_beside_file())
        print_message(f"next: review it, then {check}")

    def _unasked_lines(self, report: Report) -> list[str]:
        """What was decided without a question, and may be worth one."""
        rules = self._settings().rules
        out = [one for one in unsent_columns(report, rules)["left out"] if one not in rules.suppress_where]
        lines = [f"left out: {_LIST.join(out)}"] if out else []
        return lines + [f"{printable(one.column, 60)}: {one.remark}" for one in report.columns if one.remark]

    def _ask_about_columns(self, report: Report) -> None:
        refuse_without_account(report)
        assert report.draft is not None
        rules = self._settings().rules
        report.draft = replace(report.draft, values=(), blanks=())  # asked about once the columns are decided
        for index, source in enumerate(report.sources):
            if fields := undecided_fields(source, rules):
                report.columns += [Column(index, name, "", is_undecided=True) for name in fields]
                columns = (
                    *report.draft.columns,
                    *draft(
                        fields, report.schema, [], key=rules.id_property, object_type=rules.object_type
                    ).columns,
                )
                report.draft = replace(report.draft, columns=columns)
        undecided = {one.column for one in report.columns if one.is_undecided}
        self._file.save(report.draft.added_to(self._file.text, undecided))
        self._ask(column_questions(report, self._file.text, has_addresses=rules.has_addresses))

    def _ask(self, questions: Sequence[Question]) -> None:
        state = ask(self._file, questions)
        if state.has_left:
            raise _Ended(0, f"left; {self._path} has all that is decided")

    def _settings(self) -> Settings:
        """As every command with this project file has them."""
        context = upload_context(self._path)
        with context:
            settings = settings_to_check(context.params)
        left = {column: name for column, name in settings.mapped.items() if column not in self._postponed}
        return replace(settings, mapped=left, ignored=settings.ignored | self._postponed)

    def _columns_text(self) -> str:
        return f"{_LIST.join(map(repr, sorted(self._postponed)))}, whose properties do not exist yet"

    def _checked(self, *, drafts: bool = False, properties: bool = False) -> Report:
        run = run_check(self._settings(), self._sample, 0, drafts=drafts, drafts_properties=properties)
        report = asyncio.run(run)
        if report.end is not None:
            reason = f"stopped: {printable(report.end.reason)}; {advice(report.end.cause)}"
            raise _Ended(report.exit_code, reason)
        return report

    def _create(self, new: dict[str, str]) -> None:
        """Create the properties that the columns are mapped to and that do not exist yet."""
        definitions = self._definitions(set(new.values()))
        context = upload_context(self._path)
        names = {one.name for one in create_command.params} - _NO_CONNECTION
        given = {name: value for name, value in context.params.items() if name in names}
        portal = str(context.params["portal"] or "")
        print_message(f"{definitions} defines the new properties")
        try:
            report = create(
                definitions, read_definitions(definitions), connection_settings(given), portal=portal
            )
        except DeclinedError as error:
            self._postponed = frozenset(map(folded, new))
            self._to_create = command_line(
                "create-properties", definitions, "-f", self._path, *words_beside_file()
            )
            print_message(f"{error}: the questions go on without {self._columns_text()}")
            return
        print_lines(created_lines(report))
        say_end(report, account_words(account_options(given)), dry_run=False)
        if report.end is not None or report.refused or report.left:
            raise _Ended(report.exit_code, f"not all properties of {definitions} exist yet")

    def _definitions(self, names: set[str]) -> Path:
        """The file that defines these properties: an earlier one, or a new draft."""
        path = self._path.with_name(f"{self._path.stem}.properties.toml")
        if path.exists() and names <= {one.name for one in read_definitions(path).definitions}:
            return path
        path = unused(path)
        report = self._checked(properties=True)
        write_new(path, report.properties_draft)
        return path
