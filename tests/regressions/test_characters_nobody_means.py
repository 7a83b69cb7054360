"""Characters that nobody sees or means: `check` counts the texts with some, and they are sent as they are."""

import json

import pytest

from support.check_runs import check
from support.jobs import Job
from support.mock_transport import make_simulator
from uploader.check.as_json import as_dict
from uploader.cli.text.check.details import lines
from uploader.records.values.wrappings import have_remarks, remark_on


def twice(text, encoding="windows-1252"):
    """UTF-8 that was read in another encoding."""
    return text.encode().decode(encoding)


GARBLED = {
    "LOST_CHARACTERS": ["Ren\ufffd", "\ufffd\ufffd Lee"],
    "WRONG_ENCODING": [
        *map(
            twice,
            (
                "Ren\xe9",
                "M\xfcller",
                "Stra\xdfe",
                "\xd6zil",
                "O\u2019Neil",
                "\u0142\xf3d\u017a",
                "\u0416\u0443\u043a",
            ),
        ),
        *map(twice, ("10\xa0\u20ac", "\U0001f600", "na\xefve")),
        twice(twice("Ren\xe9")),
        *(twice(text, "mac-roman") for text in ("Ren\xe9", "M\xfcller", "Stra\xdfe")),
        *(twice(text, "cp850") for text in ("Ren\xe9", "M\xfcller", "Stra\xdfe")),
    ],
    "INVISIBLE": ["Ann\u200bLee", "Ann\x92s", "a\x07b", "Ann\xadLee", "\u202eeeL"],
    "HTML": ["Lee &amp; Stone", "M&uuml;ller", "O&#39;Neil", "&#xe9;"],
}
FINE = [
    *(
        "Ren\xe9",
        "M\xfcller & S\xf6hne",
        "Stra\xdfe",
        "\xc5sa",
        "S\xc3O PAULO",
        "\xc2ngela",
        "\u0416\u0443\u043a",
        "\u738b\u5c0f\u660e",
        "AT&T; R&D",
    ),
    *(
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "O\u2019Neil",
        "10\xa0\u20ac",
        "\u221a2",
        "a\tb\r\nc",
        "\u03a3\u03ac\u03bc\u03b7",
        "\xdc\u2013Z",
    ),
]


@pytest.mark.parametrize(("category", "text"), [(kind, text) for kind in GARBLED for text in GARBLED[kind]])
def test_a_garbled_text_gets_a_remark(category, text):
    assert have_remarks(["Ann", text, "Lee"])
    assert remark_on(text).category == category


@pytest.mark.parametrize("text", FINE)
def test_other_texts_get_none(text):
    assert not have_remarks([text])
    assert remark_on(text) is None


@pytest.mark.parametrize("name", ["contacts.csv", "contacts.ndjson"])
def test_check_counts_garbled_texts_by_column_and_kind(tmp_path, name):
    names = ["Ann", twice("Ren\xe9"), "Ren\ufffd", twice("M\xfcller"), "Zo\xeb"]
    rows = [{"email": f"u{at}@x.com", "firstname": one} for at, one in enumerate(names)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if name.endswith("csv"):
        text = "email,firstname\n" + "".join(f"{row['email']},{row['firstname']}\n" for row in rows)
    (tmp_path / name).write_text(text, encoding="utf-8")
    job = Job(tmp_path / name, make_simulator())
    report = check(job)
    found = {group["category"]: group for group in as_dict(report)["remarks"]}
    assert {kind: (one["column"], one["count"]) for kind, one in found.items()} == {
        "WRONG_ENCODING": ("firstname", 2),
        "LOST_CHARACTERS": ("firstname", 1),
    }
    assert [one["row"] for one in found["WRONG_ENCODING"]["examples"]] == (
        [3, 5] if name.endswith("csv") else [2, 4]
    )
    assert report.exit_code == 0
    assert any("was read in a wrong encoding" in line for line in lines(report, job.settings(), ["check"]))
