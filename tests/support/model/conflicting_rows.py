"""Files with more conflicts than by chance, and the contacts that exist before.

links         contacts by either of two keys: rows that hold both, then rows that hold one
freed_values  unique values that contacts give up and others take
hot_keys      one key, or one value beside the key, in a large part of the file
"""

from typing import NamedTuple

from hypothesis import strategies as st

Row = dict[str, str]
#: Addresses that a contact has, and the values it holds.
Person = tuple[list[str], dict[str, str]]


class Rows(NamedTuple):
    match: tuple[str, ...]
    rows: list[Row]
    seeded: list[Person]  #: who was there before


#: Each row writes some of them: each shows which row was the last to write it.
COLUMNS = ["firstname", "lastname", "city", "company", "jobtitle", "phone", "state", "zip"]
#: Where most rows write their own place in the file: a contact's history tells in which order they came.
MARK = "message"
#: As a human might write a value: in other case, with blanks around.
SPELLINGS = st.sampled_from([str, str, str, str.upper, " {}".format, lambda text: f"{text.title()} "])


@st.composite
def spelled(draw, value: str) -> str:
    return draw(SPELLINGS)(value)


@st.composite
def links(draw, most: int) -> Rows:
    """People whose rows say one of their two keys, or both; some hold both from the beginning."""
    count = draw(st.integers(1, 3))
    met: set[int] = set()
    rows: list[Row] = []
    for _ in range(draw(st.integers(4, most))):
        person = draw(st.integers(1, count))
        own, other, key = f"p{person}@x.com", f"q{person}@x.com", f"k{person}"
        shape = draw(st.integers(0, 19))
        if person not in met:  # by its address alone first, it would be another contact for good
            met.add(person)
            shape = draw(st.sampled_from([shape, 4, 4, 4]))
        if shape < 1:
            external_id, address = draw(st.sampled_from([("", ""), (key, "nobody"), ("", "b@y.badtld")]))
        elif shape < 2:  # somebody else's, or nobody's yet
            external_id, address = key, draw(st.sampled_from(["p1@x.com", "q2@x.com", "new@x.com"]))
        elif shape < 3:
            external_id, address = key, other
        elif shape < 6:
            external_id, address = key, own
        elif shape < 12:
            external_id, address = key, ""
        elif shape < 18:
            external_id, address = "", draw(st.sampled_from([own] * 7 + [other]))
        else:  # of nobody else: time goes by
            external_id, address = draw(st.sampled_from([(f"f{len(rows)}", ""), ("", f"f{len(rows)}@x.com")]))
        rows.append(draw(_row(len(rows), external_id=external_id, email=address)))
    seeded = [
        ([f"p{person}@x.com"], {"external_id": f"k{person}"} if has_both else {})
        for person in range(1, count + 1)
        if draw(st.integers(0, 3)) == 0
        for has_both in [draw(st.booleans())]
    ]
    return Rows(("external_id", "email"), rows, seeded)


@st.composite
def rows_by_either_key(draw, most: int) -> list[Row]:
    """One row that holds both keys of a contact, and then rows by either."""
    keys = [{"external_id": "k1", "email": ""}, {"external_id": "", "email": "p1@x.com"}]
    chosen = draw(st.lists(st.sampled_from(keys), min_size=10, max_size=most))
    both = {"external_id": "k1", "email": "p1@x.com"}
    return [draw(_row(number, **cells)) for number, cells in enumerate([both, *chosen])]


@st.composite
def rows_by_one_key(draw, most: int) -> list[Row]:
    return [draw(_row(number, external_id="k1", email="")) for number in range(draw(st.integers(6, most)))]


@st.composite
def freed_values(draw, most: int) -> Rows:
    """Contacts that take what another one has just given up, or still has."""
    match, value = draw(st.sampled_from(_KEY_AND_VALUE))
    people, pool = draw(st.integers(2, 4)), draw(st.integers(2, 4))
    held: dict[int, str] = {}
    rows: list[Row] = []
    for _ in range(draw(st.integers(4, most))):
        person = draw(st.integers(1, people))
        taken = [text for other, text in held.items() if other != person]
        free = [text for text in _values(value, pool) if text not in held.values()]
        choice = draw(st.integers(0, 9))
        text = held.get(person, "")
        if choice < 6 and free:
            text = held[person] = draw(st.sampled_from(free))
        elif choice < 8 and taken:
            text = draw(st.sampled_from(taken))
        elif choice == 8:
            text = ""
        if len(match) > 1 and choice == 9:
            rows.append(draw(_row(len(rows), external_id="", email=text or "new@x.com")))
        else:
            rows.append(draw(_row(len(rows), **{match[0]: _key(match[0], person), value: text})))
    return Rows(match, rows, draw(_some_there(match[0], value)))


@st.composite
def hot_keys(draw, most: int) -> Rows:
    """One key in a large part of the file, with new values beside it; or one value beside new keys."""
    match, value = draw(st.sampled_from(_KEY_AND_VALUE))
    is_key = draw(st.booleans())
    share = draw(st.sampled_from([3, 5, 9]))
    pool = draw(st.sampled_from([3, most]))  # values beside it that come again, or hardly ever
    rows: list[Row] = []
    for _ in range(draw(st.integers(6, most))):
        is_hot = draw(st.integers(0, 9)) < share
        number = draw(st.integers(1, pool))
        key = _key(match[0], 0 if is_hot and is_key else number)
        beside = "none" if is_hot and not is_key else f"v{draw(st.integers(1, pool))}"
        text = draw(st.sampled_from([beside, beside, beside, ""]))
        cells = {match[0]: key, value: f"{text}@x.com" if text and value == "email" else text}
        if len(match) > 1 and draw(st.integers(0, 4)) == 0:
            cells = {"external_id": "", "email": cells["email"] or "none@x.com"}
        rows.append(draw(_row(len(rows), **cells)))
    return Rows(match, rows, draw(_some_there(match[0], value)))


#: What rows are matched by, and the unique value beside it.
_KEY_AND_VALUE = [
    (("email",), "old_id"),
    (("external_id",), "email"),
    (("external_id",), "old_id"),
    (("external_id", "email"), "email"),
]


def _key(name: str, person: int) -> str:
    return f"p{person}@x.com" if name == "email" else f"k{person}"


def _values(name: str, count: int) -> list[str]:
    return [f"v{number}@x.com" if name == "email" else f"v{number}" for number in range(1, count + 1)]


@st.composite
def _some_there(draw, key: str, value: str) -> list[Person]:
    """Some of the people are there before, or somebody who has one of the values."""
    if key == "email":
        return draw(st.sampled_from([[], [], [(["p1@x.com"], {})], [(["p9@x.com"], {"old_id": "v1"})]]))
    if value == "email":
        return draw(st.sampled_from([[], [], [(["v1@x.com"], {})], [(["v1@x.com"], {"external_id": "k1"})]]))
    return draw(st.sampled_from([[], [(["p9@x.com"], {"old_id": "v1"})]]))


@st.composite
def _row(draw, number: int, **cells: str) -> Row:
    """Its own number in some columns, or what other rows say as well."""
    every = {"email": "", "external_id": "", "old_id": "", **cells}
    written = {name: draw(spelled(text)) if text else "" for name, text in every.items()}
    mask, text = (
        draw(st.integers(1, 2 ** len(COLUMNS) - 1)),
        draw(st.sampled_from(["A", str(number), str(number)])),
    )
    cells = {name: text if mask >> bit & 1 else "" for bit, name in enumerate(COLUMNS)}
    return {**written, **cells, MARK: draw(st.sampled_from([str(number)] * 3 + [""]))}
