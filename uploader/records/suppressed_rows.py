"""Which rows are suppressed: by the user's list of addresses, or by what their cells say.

In    a row's content; the rules; which property each of its fields is.
Out   a `Fault`: SUPPRESSED for a row that is skipped; another one if it cannot be decided, so that the row is
      not sent either. Its text contains no address.
Rules Everything that names the row's person is compared: its key, its addresses, also those in columns that
      are left out. Suppression comes before anything else that may be wrong with a row.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from uploader.model.column_names import folded
from uploader.model.rows import Content, Fault, PartlyReadable, Unreadable
from uploader.records.columns import ADDRESSES, Columns, Rules
from uploader.records.fields import spell
from uploader.records.known_headers import carries_consent
from uploader.records.values.convert import is_yes, lacks_consent

#: The category of a row that is skipped because its person is suppressed.
SUPPRESSED = "SUPPRESSED"


class SuppressionCheck:
    """Decides which rows of one source are suppressed."""

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
        self._list = rules.suppression
        self._name_of = name_of
        self._replaced = replaced if rules.translations else None
        header = columns.header if columns else ()
        self._addresses = {i: columns.column(i) for i in columns.addresses} if columns else {}
        self._suppressing = [(i, c) for i, c in enumerate(header) if c in rules.suppress_where]
        self._consents = frozenset(filter(carries_consent, rules.suppress_where))

    def look(self, content: Content) -> Fault | None:
        """Return a fault if the row is suppressed, or if that cannot be decided; else None."""
        if isinstance(content, PartlyReadable):
            return self._look_at_readable(content)
        if isinstance(content, Unreadable):
            return None
        if isinstance(content, Mapping):
            fields = _all_fields(content)
            if self._is_listed(self._addresses_of(content, fields)):
                return _LISTED
            named = [(folded(column), value) for column, value in fields]
            cells = [(column, value) for column, value in named if column in self._rules.suppress_where]
            # A field that is missing is a blank: nobody has agreed.
            cells += [(column, "") for column in self._consents.difference(column for column, _ in named)]
            return self._fault_of((column, _text(value)) for column, value in cells)
        if self._is_listed((column, content[index]) for index, column in self._addresses.items()):
            return _LISTED
        return self._fault_of((column, content[index]) for index, column in self._suppressing)

    def _look_at_readable(self, content: PartlyReadable) -> Fault | None:
        if self._is_listed((column, content.cells[index]) for index, column in self._addresses.items()):
            return _LISTED
        # A cell that can't be read is no blank: a blank in a column of consent means no.
        seen = ((i, column) for i, column in self._suppressing if i not in content.reasons)
        fault = self._fault_of((column, content.cells[index]) for index, column in seen)
        if fault is not None and fault.category == SUPPRESSED:
            return fault
        for index, column in self._suppressing:
            if index in content.reasons:
                return Fault(f"{column}: {_DOUBT}", "BOOLEAN", column)
        if self._list is not None and not content.reasons.keys().isdisjoint(self._addresses):
            return Fault("an address of the row can't be read, and may be on a list of --suppress", "EMAIL")
        return fault

    def _fault_of(self, cells: Iterator[tuple[str, str]]) -> Fault | None:
        doubt = None
        for column, text in cells:
            judge = lacks_consent if column in self._consents else is_yes
            is_suppressed = judge(text, self._rules.suppress_where[column])
            if is_suppressed:
                return Fault(f"{column} has a value of --suppress-where", SUPPRESSED, column)
            if is_suppressed is None:
                doubt = Fault(f"{column}: {_DOUBT}", "BOOLEAN", column)
        return doubt

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


def _all_fields(content: Mapping[str, object]) -> list[tuple[str, object]]:
    """Return the fields of a row, or of the API's own form of an input."""
    nested = content.get("properties")
    return list(chain(content.items(), nested.items() if isinstance(nested, Mapping) else ()))


def _text(value: object) -> str:
    text = spell(value)
    return str(value) if text is None else text  # what has no text form is in doubt, never a no


_LISTED = Fault("it is on a list of --suppress", SUPPRESSED)
_DOUBT = (
    "neither a usual yes nor a usual no, so the row is not sent; say which values suppress a row with "
    '--suppress-where "COLUMN=VALUE"'
)
