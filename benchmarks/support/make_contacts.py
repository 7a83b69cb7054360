"""Makes a CSV shaped like a CRM export, the same for the same arguments, row by row in bounded memory.

Lives here: the dirt real files have, and nothing of what ought to become of it (that is `oracle`).

    python -m benchmarks.support.make_contacts OUT.csv --rows 1000000 --seed 7

Quoted cells with commas and doubled quotes, line breaks inside cells (2 % of the rows), names in several
scripts, padded and blank cells, keys that come again in another case (1 %, half of them close by), addresses
that are plain nonsense and others only a server can refuse (0.25 % each), options that do not exist (0.1 %).
`--clean` leaves out whatever a row could fail or wait for; `--poison-every` and `--poison-share` put in rows
that the server will refuse.
"""

# ruff: noqa: RUF001  # names in many scripts are the point

import argparse
import csv
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

T = TypeVar("T")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


HEADER = (
    "Email",
    "First Name",
    "Last Name",
    "Phone Number",
    "Company Name",
    "jobtitle",
    "City",
    "Country/Region",
    "website",
    "Lead Status",
    "Message",
)

#: How the address of a poisoned row begins. Only the server refuses it, for its top-level domain: what the
#: uploader itself finds invalid is never sent.
POISON = "poisoned"

REPEATED_SHARE = 0.01
NONSENSE_SHARE = 0.0025
REFUSED_ADDRESS_SHARE = 0.0025
UNKNOWN_OPTION_SHARE = 0.001
BLANK_KEY_SHARE = 0.0002
BLANK_SHARE = 0.06
PADDED_SHARE = 0.01
LINE_BREAK_SHARE = 0.02
NOTE_SHARE = 0.75

#: Keys a repeat can choose from: the last ones, and some from far back.
CLOSE_KEYS, FAR_KEYS = 250, 5_000

FIRST_NAMES = _words(
    "Anna Ben Chloé Dmitri Elif Fatima Gábor Hiroshi Ingrid João Katarzyna Liam María Nadia Olga Priya "
    "Quentin Rosa Søren Thuy Uwe Vanessa Wanjiru Xavier Yusuf Zoë Łukasz Ælfgifu Šárka Jean-Luc O'Shea "
    "Дмитрий Ольга 伟 秀英 さくら 健太 محمد فاطمة Γιώργος Ελένη प्रिया राहुल 민준 서연 דוד נועה ธนา"
)
LAST_NAMES = _words(
    "Schmidt Müller García O'Brien Nguyễn Kowalski Åkesson Dupont Rossi Öztürk Jensen Petrov Novák "
    "Fernández Smith-Jones McDonald Tanaka Yılmaz Szabó Popescu Weiß Østergård Hansen Silva Costa "
    "Иванов Смирнова 王 李 佐藤 鈴木 الأحمد Παπαδόπουλος शर्मा 김 박 כהן ใจดี"
)
ASCII_FIRST = _words(
    "anna ben chloe dmitri elif fatima gabor hiroshi ingrid joao kasia liam maria nadia olga"
)
ASCII_LAST = _words("schmidt mueller garcia obrien nguyen kowalski akesson dupont rossi ozturk jensen petrov")
DOMAINS = _words(
    "example.com example.org example.net mail.example.com kunde.example.de corp.example.co.uk "
    "post.example.fr example.io team.example.jp a-b.example.com"
)
COMPANIES = (
    "Contoso",
    "Müller & Söhne GmbH",
    "Smith, Jones and Partners",
    'The "Good" Bakery, Inc.',
    "Société Générale d'Exemple",
    "株式会社サンプル",
    "ООО Ромашка",
    'Bar "Zum Löwen"',
    "Ödegård AB",
    "Example Holdings (UK), Ltd.",
    "Pérez Hermanos S.A.",
    "Nordwind Logistik",
)
TITLES = (
    "CEO",
    "Head of Sales, EMEA",
    "Leiterin Einkauf",
    'Engineer ("Backend")',
    "Directrice générale",
    "営業部長",
    "Менеджер",
    "VP, Marketing",
    "Buyer",
    "Owner",
)
PLACES = (
    ("Berlin", "Germany"),
    ("München", "Germany"),
    ("Washington, D.C.", "United States"),
    ("São Paulo", "Brazil"),
    ("東京", "Japan"),
    ("Москва", "Russia"),
    ("القاهرة", "Egypt"),
    ("Kraków", "Poland"),
    ("L'Aquila", "Italy"),
    ("Paris", "France"),
    ("Zürich", "Switzerland"),
    ("Nairobi", "Kenya"),
)
STATUSES = ("NEW", "OPEN", "IN_PROGRESS", "UNQUALIFIED", "CONNECTED", "BAD_TIMING")
UNKNOWN_OPTIONS = ("Dormant", "new", "LEAD?", "Öffnen")
NOTES = (
    "Met at the fair in Hannover; wants a call back after the 15th.",
    'Said "maybe next year", ask again in spring.',
    "Prefers e-mail, not phone. Speaks German, English and some Polish.",
    "Invoice 2024-118, 2024-131 and 2024-140 paid late.",
    "見積書を送付済み、返事待ち。",
    "Просил перезвонить, очень заинтересован.",
    "Angebot über 1.250,00 € verschickt",
    "Referred by an existing customer",
)
LINES = (
    "Called twice",
    "- wants a demo, with pricing",
    "Adresse:\nMusterstraße 5\n10115 Berlin",
    'They wrote: "please don\'t call"',
    "",
    "cc: accounting, legal",
)
NONSENSE = (
    "n/a",
    "none",
    "unknown",
    "john.smith(at)example.com",
    "{0}.example.com",
    "{0}@localhost",
    "{0}@",
    "@example.com",
    "jane {0}@example.com",
    "{0}@@example.com",
    "{0}@example..com",
    "+49 30 1234567",
)
REFUSED_TLDS = ("badtld", "con", "comm", "invalid")


class Maker:
    """The rows of one file, in order. What it remembers does not grow with their number."""

    def __init__(self, seed: int, *, clean: bool, poison_every: int, poison_share: float) -> None:
        self._random = Random(f"contacts {seed}")
        self._clean = clean
        self._poison_every = poison_every
        self._poison_share = poison_share
        self._poison_at = -1
        self._close: deque[str] = deque(maxlen=CLOSE_KEYS)
        self._far: list[str] = []

    def rows(self, count: int) -> Iterator[list[str]]:
        for number in range(count):
            yield self._row(number)

    def _row(self, number: int) -> list[str]:
        draw = self._random.random
        city, country = _pick(PLACES, draw())
        row = [
            self._key(number),
            _pick(FIRST_NAMES, draw()),
            _pick(LAST_NAMES, draw()),
            f"+{1 + int(draw() * 98)} {int(100 + draw() * 899)} {int(1e6 + draw() * 8.9e6)}",
            _pick(COMPANIES, draw()),
            _pick(TITLES, draw()),
            city,
            country,
            f"https://www.{_pick(DOMAINS, draw())}/p/{int(draw() * 100_000)}",
            _pick(STATUSES, draw()),
            self._note(number),
        ]
        self._blank(row)
        if self._is_poisoned(number):
            row[0] = f"{POISON}{number}@example.{REFUSED_TLDS[0]}"
        elif not self._clean and draw() < UNKNOWN_OPTION_SHARE:
            row[9] = _pick(UNKNOWN_OPTIONS, draw())
        return row

    # --- keys ---

    def _key(self, number: int) -> str:
        draw = self._random.random
        if not self._clean:
            share = draw()
            if share < REPEATED_SHARE and self._close:
                return self._repeated()
            share -= REPEATED_SHARE
            if 0 <= share < NONSENSE_SHARE:
                return _pick(NONSENSE, draw()).format(f"x{number}")
            share -= NONSENSE_SHARE
            if 0 <= share < REFUSED_ADDRESS_SHARE:
                return f"x{number}@example.{_pick(REFUSED_TLDS, draw())}"
            share -= REFUSED_ADDRESS_SHARE
            if 0 <= share < BLANK_KEY_SHARE:
                return _pick(("", " ", "\t"), draw())
        first, last = _pick(ASCII_FIRST, draw()), _pick(ASCII_LAST, draw())
        key = f"{first}.{last}{number}@{_pick(DOMAINS, draw())}"
        self._remember(key)
        return self._in_some_case(key) if not self._clean and draw() < 0.1 else key

    def _remember(self, key: str) -> None:
        draw = self._random.random
        self._close.append(key)
        if len(self._far) < FAR_KEYS:
            self._far.append(key)
        elif draw() < 0.01:  # so that what is kept here is spread over all that came before
            self._far[int(draw() * FAR_KEYS)] = key

    def _repeated(self) -> str:
        draw = self._random.random
        key = _pick(self._close if draw() < 0.5 else self._far, draw())
        return self._in_some_case(key)

    def _in_some_case(self, key: str) -> str:
        draw = self._random.random
        changed = _pick((key.upper(), key.title(), key.capitalize(), key), draw())
        return f" {changed} " if draw() < 0.1 else changed

    # --- the other cells ---

    def _note(self, number: int) -> str:
        draw = self._random.random
        share = draw()
        if share < LINE_BREAK_SHARE:
            lines = [_pick(LINES, draw()) for _ in range(2 + int(draw() * 3))]
            return "\n".join([f"Note {number}", *lines, "end"])
        if share >= NOTE_SHARE:
            return ""
        return f"{_pick(NOTES, draw())} {_pick(NOTES, draw())}"

    def _blank(self, row: list[str]) -> None:
        draw = self._random.random
        for index in range(1, len(row)):
            share = draw()
            if share < BLANK_SHARE:
                row[index] = "  " if share < BLANK_SHARE / 20 else ""
            elif share < BLANK_SHARE + PADDED_SHARE and row[index]:
                row[index] = f" {row[index]}  "

    def _is_poisoned(self, number: int) -> bool:
        draw = self._random.random
        if self._poison_every:
            place = number % self._poison_every
            if place == 0:
                self._poison_at = int(draw() * self._poison_every)
            if place == self._poison_at:
                return True
        return bool(self._poison_share) and draw() < self._poison_share


def _pick(choices: Sequence[T], draw: float) -> T:
    return choices[int(draw * len(choices))]


def make(
    path: Path, rows: int, seed: int, *, clean: bool = False, poison_every: int = 0, poison_share: float = 0.0
) -> None:
    maker = Maker(seed, clean=clean, poison_every=poison_every, poison_share=poison_share)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(maker.rows(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a CSV of contacts shaped like a CRM export.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clean", action="store_true", help="no row that fails or waits for another")
    parser.add_argument("--poison-every", type=int, default=0, metavar="N", help="one refused row in each N")
    parser.add_argument("--poison-share", type=float, default=0.0, metavar="P", help="refused rows, 0 to 1")
    options = parser.parse_args()
    started = time.monotonic()
    make(
        options.out,
        options.rows,
        options.seed,
        clean=options.clean,
        poison_every=options.poison_every,
        poison_share=options.poison_share,
    )
    size, seconds = options.out.stat().st_size, time.monotonic() - started
    per_row = size / max(1, options.rows)
    print(f"{options.rows:,} rows, {size:,} bytes ({per_row:.0f} a row) in {seconds:.1f} s")


if __name__ == "__main__":
    main()
