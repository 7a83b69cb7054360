"""Which rows are suppressed, and which say "opted out": by the user's lists, or by what their cells say.

In    a row's content; the rules; which property each of its fields is.
Out   a `Fault`: SUPPRESSED for a row that is skipped; another one if it cannot be decided, so that the row is
      not sent either. Its text contains no address. And the addresses of a row that says "opted out", if such
      rows are listed.
Rules Everything that names the row's person is compared, or listed: its key, its addresses, also those in
      columns that are left out. Suppression comes before anything else that may be wrong with a row. A row is
      listed whatever becomes of it: also if it is skipped, invalid or refused.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from uploader.model.column_names import INVISIBLE, folded
from uploader.model.rows import Content, Fault, PartlyReadable, Unreadable, readable
from uploader.records.columns import ADDRESSES, LIST, Columns, Rules
from uploader.records.fields import spell
from uploader.records.known_headers import carries_consent, holds_whatever
from uploader.records.values.convert import NO, is_yes, lacks_consent, text_fault
from uploader.records.values.email import plausible_email
from uploader.records.values.nothing import is_nothing
from uploader.records.values.options import BOOLEANS

#: The category of a row that is skipped because its person is suppressed.
SUPPRESSED = "SUPPRESSED"
#: Verdicts that are remembered.
_REMEMBERED = 1_000
#: Texts, each with its column.
_Cells = Sequence[tuple[str, str]]


class Said(NamedTuple):
    """What a row says of its person."""

    fault: Fault | None = None  #: why the row is not sent
    opt_outs: tuple[str, ...] | None = None  #: addresses to be listed; None if it does not say "opted out"


NOTHING_SAID = Said()


class SuppressionCheck:
    """Decides which rows of one source are suppressed, and which addresses are listed."""

    def __init__(
        self,
        rules: Rules,
        columns: Columns | None,
        name_of: Callable[[str], str],
        replaced: Callable[[str, Sequence[str]], Sequence[str]],
    ) -> None:
        """`name_of` returns the property of a row's own field, left out or not; "" if it is none. `replaced`
        returns the texts of a column as the user's tables replace them.
        """
        self._rules = rules
        # Few columns tell, in few words.
        self._is_telling = lru_cache(_REMEMBERED)(self._may_tell)
        self._says_yes = lru_cache(_REMEMBERED)(self._judged)
        self._list = rules.suppression
        self._name_of = name_of
        self._replaced = replaced if rules.translations else None
        header = columns.header if columns else ()
        self._addresses = {i: columns.column(i) for i in columns.addresses} if columns else {}
        self._telling = [(i, column) for i, column in enumerate(header) if self._is_telling(column)]
        self._consents = frozenset(filter(carries_consent, rules.suppress_where)) | rules.consent_fields

    def look(self, content: Content) -> Said:
        """Return whether a row is suppressed, or that this cannot be decided, and the addresses to list."""
        reasons = content.reasons if isinstance(content, PartlyReadable) else {}
        content = readable(content)
        if isinstance(content, Unreadable):
            return NOTHING_SAID
        if isinstance(content, Mapping):
            fields = self._fields_of(content)
            cells, addresses = self._telling_fields(fields), list(self._addresses_of(content, fields))
        else:
            # A cell that can't be read is no blank: a blank in a column of consent means no.
            cells = [(column, content[i]) for i, column in self._telling if i not in reasons]
            addresses = [(column, content[i]) for i, column in self._addresses.items()]
        hidden = [column for i, column in self._telling if i in reasons] if reasons else []
        fault, is_opted_out = self._judge(cells, hidden)
        if self._is_listed(addresses):
            fault = _LISTED
        elif self._list is not None and not reasons.keys().isdisjoint(self._addresses):
            fault = fault or _MAY_BE_LISTED
        return Said(fault, self._opt_outs(addresses) if is_opted_out else None)

    def _may_tell(self, column: str) -> bool:
        return column in self._rules.suppress_where or self._rules.tells_opt_outs(column)

    def _fields_of(self, content: Mapping[str, object]) -> list[tuple[str, object]]:
        """Return the fields of a row; in the API's own form of an input also its properties and its key."""
        fields, nested = list(content.items()), content.get("properties")
        if isinstance(nested, Mapping):
            key = str(content.get("idProperty") or self._rules.id_property)
            fields += [*nested.items(), (key, content.get("id"))]
        return fields

    def _telling_fields(self, fields: Sequence[tuple[str, object]]) -> _Cells:
        """Return the fields of a row that tell."""
        cells = [(folded(column), value) for column, value in fields]
        found = [(column, _text(value)) for column, value in cells if self._is_telling(column)]
        # A field that is missing is a blank: nobody has agreed.
        return found + [(column, "") for column in self._consents.difference(column for column, _ in found)]

    def _judge(self, cells: _Cells, hidden: Sequence[str]) -> tuple[Fault | None, bool]:
        """Return why a row is not sent by what its cells say, and whether it is listed. `hidden`: columns
        that tell, and can't be read.
        """
        rules, is_opted_out = self._rules, False
        skipped: Fault | None = None
        doubts = dict.fromkeys(hidden, "")
        for column, text in cells:
            says = self._says_yes(column, text)
            if says is None:
                doubts[column] = text.strip()
            if not says:
                continue
            is_opted_out = is_opted_out or (rules.opt_outs == LIST and rules.tells_opt_outs(column))
            if column in rules.suppress_where:
                skipped = Fault(f"{column} has a value of --suppress-where", SUPPRESSED, column)
            elif rules.opt_outs != LIST:
                skipped = Fault(f"{column} tells of an opt-out (--opt-outs skip)", SUPPRESSED, column)
        if is_opted_out:  # a column that only lists says nothing more
            doubts = {column: text for column, text in doubts.items() if column in rules.suppress_where}
        return skipped or next((self._doubt(*one) for one in doubts.items()), None), is_opted_out

    def _doubt(self, column: str, text: str) -> Fault:
        """Return the fault of a text that is neither a yes nor a no; "": of a cell that can't be read."""
        if column in self._rules.suppress_where:
            return Fault(f"{column}: {_DOUBT}", "BOOLEAN", column)
        return Fault(f"{column}: {_UNCLEAR}", "BOOLEAN", column, (text,) if text else ())

    def _judged(self, column: str, text: str) -> bool | None:
        """Whether a cell suppresses its row, or says "opted out"; None if that is unclear."""
        values = self._rules.suppress_where.get(column)
        if values is not None:
            return (lacks_consent if column in self._consents else is_yes)(text, values)
        says = self._says_opted_out(column, text)
        if says is None and self._replaced is not None:
            says = self._says_opted_out(column, self._replaced(column, [text.strip()])[0])
        return says

    def _says_opted_out(self, column: str, text: str) -> bool | None:
        """Whether a text says "opted out" in a column that is known by its name."""
        if carries_consent(column):
            return lacks_consent(text, (NO,))
        word = text.strip()
        if not holds_whatever(column) or BOOLEANS.get(word.casefold()) == "false":
            return is_yes(word, ())
        return None if is_nothing(word) else bool(word)

    def _opt_outs(self, addresses: _Cells) -> tuple[str, ...]:
        """Return the addresses of a row that can be listed."""
        texts = list(addresses)
        if self._replaced is not None:
            texts += [(column, self._replaced(column, [text.strip()])[0]) for column, text in addresses]
        words = chain.from_iterable(_BETWEEN_ADDRESSES.split(text) for _, text in texts)
        found = (word.lower() for word in words if plausible_email(word) and text_fault(word) is None)
        return tuple(dict.fromkeys(found))

    def _addresses_of(
        self, content: Mapping[str, object], fields: Sequence[tuple[str, object]]
    ) -> Iterator[tuple[str, str]]:
        for column, value in fields:
            if self._name_of(column) in ADDRESSES:
                yield column, _text(value)
        if isinstance(content.get("properties"), Mapping):
            # Whatever property it is given for: any address counts.
            yield str(content.get("idProperty") or self._rules.id_property), _text(content.get("id"))

    def _is_listed(self, addresses: Iterable[tuple[str, str]]) -> bool:
        """Whether one of a row's addresses, each with its column, is listed: as it stands, or replaced."""
        return self._list is not None and any(
            self._list.holds(text)
            or (self._replaced is not None and self._list.holds(self._replaced(column, [text.strip()])[0]))
            for column, text in addresses
        )


def _text(value: object) -> str:
    text = spell(value)
    return str(value) if text is None else text  # what has no text form is in doubt, never a no


_LISTED = Fault("it is on a list of --suppress", SUPPRESSED)
_MAY_BE_LISTED = Fault("an address of the row can't be read, and may be on a list of --suppress", "EMAIL")
#: What no address holds.
_BETWEEN_ADDRESSES = re.compile(rf'[\s,;<>"(){INVISIBLE}]+')
_UNCLEAR = (
    "neither a usual yes nor a usual no, so the row is not sent; say what the words of this column mean with "
    "--values (replace each by yes or no), or leave the column out with --ignore"
)
_DOUBT = (
    "neither a usual yes nor a usual no, so the row is not sent; say which values suppress a row with "
    '--suppress-where "COLUMN=VALUE"'
)
