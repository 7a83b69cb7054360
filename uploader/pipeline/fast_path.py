"""The short way of plain rows: what is the same for each of them is done to all of them at once.

Everything here has a longer way elsewhere that says what is right: `mapper` and `wire.encode_input` for
rows, `wire.decode` and `reply_verdict.classify` for answers. What does not fit the short way in every
respect goes the longer one, so nothing is decided here. Microseconds a record of ten properties, on 2
cores:

    rows to a batch's body     2.2 (NDJSON), 1.6 (CSV, its cells read already)    18
    answer to confirmations    0.6                                                 9
    values taken and freed     0.15                                                4

In    plain rows; a pack and the answer to it.
Out   packs, and which of the rows are not in any; whether all of a pack was confirmed; lines of results.
Raise nothing: None where the longer way has to be taken.
"""

import operator
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import chain, repeat, starmap
from typing import Any

import msgspec
import orjson

from uploader.hubspot.fast_decoder import NOT_IN_NAMES, read_short
from uploader.hubspot.wire import CLOSING, OPENING, Reply
from uploader.model.records import EMAIL, Pack, Record, closed_value, closed_values
from uploader.model.rows import Plain, Row
from uploader.model.settlements import Delivered
from uploader.records.mapper import Mapper
from uploader.records.values.convert import MOST_CHARACTERS
from uploader.records.values.email import are_plausible_emails, plausible_email

#: More fields, in rows that name their own, are no columns.
_MOST_NAMES = 1_000
#: Slices that are looked at again for the fields they hold. Where rows differ that much, it does not pay.
_LOOKS = 8


class _Envelope(msgspec.Struct, gc=False):
    """One input, as `wire.encode_input` spells it."""

    idProperty: str  # noqa: N815
    id: str
    objectWriteTraceId: str  # noqa: N815
    properties: msgspec.Struct


_ENCODER = msgspec.json.Encoder()

# --- rows to packs ---


class Packer:
    """Makes packs of one source's plain rows. Learns the fields of NDJSON rows as it goes."""

    def __init__(self, mapper: Mapper, max_records: int, max_bytes: int) -> None:
        self._mapper = mapper
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._key = mapper.rules.id_property
        self._names: tuple[str, ...] = ()  # of the properties, in the order of a row's fields
        self._select: Callable[[list[str]], Sequence[str]] | None = None
        self._looks = _LOOKS
        columns = mapper.columns
        if columns is not None:
            self._looks = 0
            if not columns.nameless and columns.superseded is None:
                self._names = tuple(columns.names.values())
                self._select = _selection(tuple(columns.names))
        self._begin()

    def _begin(self) -> None:
        names = self._names
        fits = len(names) > 1 and self._mapper.is_lone_key(names) and not NOT_IN_NAMES.search("".join(names))
        fits = fits and not self._mapper.sends_blanks
        converters = [(place, self._mapper.convert_of(name)) for place, name in enumerate(names)]
        self._converters = [(place, convert) for place, convert in converters if convert is not None]
        self._row = _row_type(names) if fits else None
        self._decoder = msgspec.json.Decoder(self._row) if self._row else None
        self._at = names.index(self._key) if fits else 0

    def pack(self, first: int, plain: Plain) -> tuple[list[Pack], list[int]] | None:
        """Packs, and the indices of the rows in none of them, in order. `first`: position of row 0."""
        flat = self._cells(plain) if plain.cells else self._fields(plain)
        if flat is None or self._row is None:
            return None
        width, count = len(self._names), len(plain.raws)
        bad = self._convert(flat)
        keys = flat[self._at :: width]
        flat[self._at :: width] = [""] * count  # the key is not repeated among the properties
        rows: list[Any] = list(starmap(self._row, zip(*[iter(flat)] * width, strict=True)))
        good = self._good(keys)
        values = closed_values(self._key, keys)
        # A row with a bad value may be sent without it: then none of its key may overtake it.
        others = [values[index] for index in bad if keys[index]]
        if bad:
            good = [index for index in good if index not in bad]
        if len(good) < count:
            keys, values, rows = ([column[i] for i in good] for column in (keys, values, rows))
        full = len(good) // self._max_records * self._max_records
        if len({*values, *others}) < len(values) + len(others):
            return None
        packs = []
        for begin in range(0, full, self._max_records):
            cut = slice(begin, begin + self._max_records)
            made = self._made(first, plain, good[cut], keys[cut], values=values[cut], rows=rows[cut])
            if made is None:
                return None
            packs.append(made)
        packed = set(good[:full])
        return packs, [i for i in range(count) if i not in packed] if len(packed) < count else []

    def _convert(self, flat: list[str]) -> set[int]:
        """Spell values as HubSpot wants them; the indices of rows with one that can't be come back."""
        width = len(self._names)
        bad: set[int] = set()
        for place, convert in self._converters:
            texts = flat[place::width]
            made = [convert(text) if text else text for text in texts]
            if set(map(type, made)) != {str}:
                bad.update(index for index, one in enumerate(made) if not isinstance(one, str))
            flat[place::width] = [one if isinstance(one, str) else "" for one in made]
        return bad

    def _cells(self, plain: Plain) -> list[str] | None:
        """All values of all rows, in one list, trimmed."""
        assert plain.cells is not None
        if self._select is None:
            return None
        return list(map(str.strip, chain.from_iterable(map(self._select, plain.cells))))

    def _fields(self, plain: Plain) -> list[str] | None:
        if self._decoder is None:
            self._look(plain)
            return None
        try:
            rows = list(map(self._decoder.decode, plain.raws))
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._look(plain)
            return None
        tuples = list(map(msgspec.structs.astuple, rows))
        if not self._names_each_once(plain, rows, tuples):
            return None
        return list(map(str.strip, chain.from_iterable(tuples)))

    def _names_each_once(self, plain: Plain, rows: list[Any], tuples: list[tuple[Any, ...]]) -> bool:
        """Whether no field was dropped in decoding because its object has another of that name.

        What is written again without any blank is never longer than what was read: so where all is as long
        as before, nothing is missing. Else each field has its colon, behind its quote.
        """
        written = _ENCODER.encode_lines(rows)
        if len(written) - len(rows) == sum(map(len, plain.raws)):
            return True
        text = b"\n".join(plain.raws)
        if any(space in text for space in (b" :", b"\t:", b"\r:", b"\n:")):
            return False
        width = len(self._names)
        return all(
            (colons := raw.count(b'":')) == width - row.count("") or colons == len(orjson.loads(raw))
            for raw, row in zip(plain.raws, tuples, strict=True)
        )

    def _look(self, plain: Plain) -> None:
        """Which fields there are, if all of them can be sent as they are."""
        if self._looks == 0:
            return
        self._looks -= 1
        try:
            rows = [orjson.loads(raw) for raw in plain.raws]
        except orjson.JSONDecodeError:
            return
        names = dict.fromkeys(self._names)
        for row in rows:
            if not isinstance(row, dict):
                return
            names.update(dict.fromkeys(row))
        if len(names) <= _MOST_NAMES and self._key in names and all(map(self._mapper.is_as_named, names)):
            self._names = tuple(names)
            self._begin()

    def _good(self, keys: list[str]) -> Sequence[int]:
        """The indices of keys that can be sent."""
        if self._key != EMAIL:
            return range(len(keys)) if all(keys) else [i for i, key in enumerate(keys) if key]
        if are_plausible_emails(keys):
            return range(len(keys))
        return [i for i, key in enumerate(keys) if plausible_email(key)]

    def _made(
        self,
        first: int,
        plain: Plain,
        indices: Sequence[int],
        keys: list[str],
        *,
        values: list[str],
        rows: list[Any],
    ) -> Pack | None:
        positions = _shifted(indices, first)
        inputs = list(map(_Envelope, repeat(self._key), keys, map(str, positions), rows))
        try:
            body = OPENING + _ENCODER.encode(inputs)[1:-1] + CLOSING
        except UnicodeEncodeError:  # half a surrogate pair
            return None
        if len(body) > self._max_bytes or b"\\u0000" in body:
            return None
        raws = _taken(plain.raws, indices)
        if len(body) > MOST_CHARACTERS and max(map(len, raws)) > MOST_CHARACTERS:
            return None
        return Pack(
            positions=positions,
            numbers=_shifted(indices, plain.number),
            source=self._mapper.source,
            id_property=self._key,
            keys=keys,
            values=values,
            body=body,
            size_bytes=len(body) + sum(map(len, raws)),
            records=partial(_records, self._mapper, plain.content, positions, plain.number - first, raws),
        )


def _shifted(indices: Sequence[int], by: int) -> Sequence[int]:
    if _are_neighbours(indices):
        return range(indices[0] + by, indices[-1] + by + 1)
    return [index + by for index in indices]


def _taken(raws: list[bytes], indices: Sequence[int]) -> list[bytes]:
    if _are_neighbours(indices):
        return raws[indices[0] : indices[-1] + 1]
    return [raws[index] for index in indices]


def _are_neighbours(indices: Sequence[int]) -> bool:
    return indices[-1] - indices[0] + 1 == len(indices)


def _records(
    mapper: Mapper,
    content: Callable[[bytes], Any],
    positions: Sequence[int],
    to_number: int,
    raws: list[bytes],
) -> list[Record]:
    """A pack's records, the long way."""
    rows = (
        Row(position + to_number, raw, content(raw)) for position, raw in zip(positions, raws, strict=True)
    )
    records = [mapper.map(position, row) for position, row in zip(positions, rows, strict=True)]
    made = [record for record in records if isinstance(record, Record)]
    if len(made) < len(records):
        raise TypeError(f"rows {positions[0]} and following are plain by one way and not by the other")
    return made


def _selection(indices: tuple[int, ...]) -> Callable[[list[str]], Sequence[str]] | None:
    if len(indices) < 2:
        return None
    return operator.itemgetter(*indices)


@lru_cache(16)
def _row_type(names: tuple[str, ...]) -> type[msgspec.Struct]:
    """A row's properties; those that are blank are not written."""
    fields = [f"f{index}" for index in range(len(names))]
    return msgspec.defstruct(
        "Row",
        [(field, str, "") for field in fields],
        rename=dict(zip(fields, names, strict=True)),
        omit_defaults=True,
        forbid_unknown_fields=True,
        gc=False,
    )


# --- an answer to a pack, and what is written of it ---


def confirm(pack: Pack, reply: Reply) -> Delivered | None:
    """Whether an answer names every record of the pack, each once, and nothing is wrong with any.

    By trace id, else by key, as `reply_verdict.classify` does. An answer that contradicts itself goes the
    longer way.
    """
    short = reply.short or (read_short(reply.raw, pack.id_property) if reply.ok else None)
    if short is None or len(short.results) != len(pack.keys):
        return None
    results = short.results
    traces = [result.trace for result in results]
    if any(traces):
        named, wanted = traces, list(map(str, pack.positions))
    else:
        named, wanted = _shown(pack, results), pack.values
    if named != wanted:
        by_name = dict(zip(named, results, strict=True))
        if not by_name.keys() >= set(wanted):  # as many as wanted: so each once
            return None
        results = [by_name[name] for name in wanted]
    nothing = closed_value(pack.id_property, "")
    shown = zip(_shown(pack, results), pack.values, strict=True) if any(traces) else ()
    if any(key not in {value, nothing} for key, value in shown):
        return None  # a trace id names one record, the key beside it perhaps another
    ids = [result.id for result in results]
    is_each_once = all(ids) and len(set(ids)) == len(ids)
    return Delivered(pack, ids, [result.new for result in results]) if is_each_once else None


def _shown(pack: Pack, results: Sequence[Any]) -> list[str]:
    """The keys that results show, as `closed_value` spells them."""
    return closed_values(pack.id_property, [result.properties.key.strip() for result in results])
