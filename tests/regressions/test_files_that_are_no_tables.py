"""Files that were taken as CSV and are none, and titles above a table. Each is named, with what to do."""

import io
import zipfile

import pytest

from uploader.errors import SourceError
from uploader.sources.open import open_source

ROWS = "".join(f"u{i}@x.com,First{i},Last{i}\n" for i in range(5))

NO_TABLES = {
    "vcard": ("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ann Lee\r\nEMAIL:a@x.com\r\nEND:VCARD\r\n", "holds vCards"),
    "calendar": ("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", "is a calendar"),
    "ldif": ("# export\nversion: 1\n\ndn: cn=Ann,dc=x\nmail: a@x.com\n", "LDIF.*csvde"),
    "mysql": ("-- MySQL dump 10.13\n--\n/*!40101 SET NAMES utf8 */;\n\nDROP TABLE IF EXISTS `c`;\n", "SQL"),
    "postgres": (
        "--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\nCOPY c (a, b) FROM stdin;\n",
        "SQL",
    ),
    "sqlite": ("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE c(a);\n", "SQL"),
    "insert": ("INSERT INTO contacts (email, name) VALUES ('a@x.com', 'Ann');\n", "SQL"),
    "mysql client": ("+---------+------+\n| email   | name |\n+---------+------+\n", "database client"),
    "yaml": ("- email: a@x.com\n  name: Ann\n- email: b@x.com\n", "YAML.*yq"),
    "yaml document": ("---\ncontacts:\n  - email: a@x.com\n", "YAML"),
    "yaml list": ("# all\ncontacts:\n  - email: a@x.com\n", "YAML"),
    "toml": ('# Drafted\n\n[columns]\n"Old id" = { ignore = true }\n', "settings.*--mapping"),
    "ini": ("[main]\nemail=a@x.com\n", "settings"),
    "html": ('<html xmlns:x="urn:x">\n<table><tr><td>email</td></tr>\n', "web page.*save it as .xlsx"),
    "login page": ("\n<!DOCTYPE html>\n<title>Sign in</title>\n", "web page.*download the file again"),
    "xhtml": ('<?xml version="1.0"?>\n<!-- x -->\n<html>\n', "web page"),
    "excel 2003": (
        '<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n<Workbook\n xmlns="urn:x">\n',
        "Excel 2003",
    ),
    "flat ods": ('<?xml version="1.0"?>\n<office:document xmlns:office="urn:x">\n', "OpenDocument"),
    "s3": (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Expired',
        r"object store \(AccessDenied\)",
    ),
    "xml": ('<?xml version="1.0"?>\n<contacts><contact email="a@x.com"/></contacts>\n', "is an XML file"),
    "lfs": (
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "Git LFS.*`git lfs pull`",
    ),
    "annex": ("/annex/objects/SHA256E-s31--5f.csv\n", "`git annex get`"),
    "rtf": ("{\\rtf1\\ansi\\deff0 email,firstname\\par}\n", "RTF"),
    "mbox": ("From a@x.com Mon Jan  1 00:00:00 2025\nSubject: hi\n\nhello\n", "e-mail or a mailbox"),
    "e-mail": ("Return-Path: <a@x.com>\nFrom: a@x.com\nSubject: hi\n\nhello\n", "e-mail or a mailbox"),
    "pgp": ("-----BEGIN PGP MESSAGE-----\n\nhQEMA\n", "is encrypted"),
    "curl -i": (
        "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n\r\nemail\r\na@x.com\r\n",
        "headers of a reply",
    ),
    "sylk": ("ID;PWXL;N;E\nP;PGeneral\n", "SYLK"),
}


def write(tmp_path, text, encoding="utf-8"):
    source = tmp_path / "contacts.csv"
    source.write_text(text, encoding=encoding, newline="")
    return str(source)


@pytest.mark.parametrize("kind", NO_TABLES)
def test_a_text_that_is_no_table_is_named_with_what_to_do(tmp_path, kind):
    text, says = NO_TABLES[kind]
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        with pytest.raises(SourceError, match=rf"contacts\.csv: .*{says}"):
            open_source(write(tmp_path, text, encoding))


def test_its_encoding_or_sheets_do_not_matter(tmp_path):
    """Else the advice would be an option first, which leads to the next error."""
    (tmp_path / "a.xls").write_bytes("<html>\n<td>Müller\n".encode("windows-1252"))
    for options in ({}, {"encoding": "windows-1252"}, {"sheet": "Contacts"}):
        with pytest.raises(SourceError, match="web page"):
            open_source(str(tmp_path / "a.xls"), **options)


@pytest.mark.parametrize(
    ("member", "says"),
    [
        ("word/document.xml", "Word"),
        ("content.xml", "OpenDocument"),
        ("Index/Document.iwa", "Numbers"),
        ("[Content_Types].xml", "Office"),
    ],
)
def test_a_document_in_a_zip_archive_is_named(tmp_path, member, says):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr(member, "x")
        archive.writestr("other", "x")
    (tmp_path / "a.xlsx").write_bytes(raw.getvalue())
    with pytest.raises(SourceError, match=says):
        open_source(str(tmp_path / "a.xlsx"))


@pytest.mark.parametrize(
    "header",
    [
        "Use case;email",
        "USE CASE;email",
        "Set,email",
        "Version,email",
        "From,email",
        "Received: by,email",
        "- note,email",
        "ID;Phone;email",
        "<b>Name</b>,email",
        "#id,email",
        "Begin,email",
        "dn,email",
        "SELECT,email",
        "--,email",
    ],
)
def test_a_table_with_such_a_word_in_its_header_stays_a_table(tmp_path, header):
    source = open_source(write(tmp_path, f"{header}\n1,a@x.com\n"))
    assert source.shape.columns[-1] == "email"


def test_a_given_format_is_believed(tmp_path):
    source = open_source(write(tmp_path, f"---\n{ROWS}"), format="csv")
    assert source.shape.columns == ("---",)


# --- titles ---


@pytest.mark.parametrize(
    ("title", "line"),
    [
        ("Contact report\n", 2),
        ("Contact report,,\n,,\n", 3),
        ("Contact report\nGenerated: 1/2/2025\n\n", 4),
        ("Contacts, exported\n\n", 3),
        ('"Contacts, all"\n', 2),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_title_above_the_header_of_csv_is_named(tmp_path, title, line, delimiter):
    text = title + ("email,firstname,lastname\n" + ROWS).replace(",", delimiter)
    with pytest.raises(
        SourceError, match=rf"line 1 has .* line {line} has more, .* title.*tail -n \+{line} "
    ):
        open_source(write(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        "email\n" + "".join(f"u{i}@x.com\n" for i in range(5)),
        "email\n" + "".join(f"u{i}@x.com,First\n" for i in range(5)),
        "email,firstname\n" + ROWS,
        "external_id,firstname\n" + "".join(f"k{i},Ann,Lee\n" for i in range(5)),
        "company\n" + "Stone, Inc\nLee, Ltd\nMiller, Inc\nBaker, LLC\n",
        "note\n" + "good\nbad, or worse\ngood\nfine\n",
        "email,,\n" + ROWS,
        ",city\nAnn,Bonn\nBob,Rome\n",  # as pandas writes an index
    ],
)
def test_a_header_with_too_few_names_is_no_title(tmp_path, text):
    first = text.splitlines()[0].split(",", maxsplit=1)[0] or "column 1"
    assert open_source(write(tmp_path, text)).shape.columns[0] == first
