"""The names of months and weekdays in the languages whose dates are read.

English, German, French, Spanish, Italian, Portuguese and Dutch. Names may be shortened to three letters or
more, with or without a point; case and accents do not matter. What shortens the names of two months (French
`jui`) is none.
"""

import unicodedata
from functools import lru_cache

_MONTHS = """
    january januar janner janvier enero gennaio janeiro januari
    february februar feber fevrier febrero febbraio fevereiro februari
    march marz maerz mars marzo marco maart mrt
    april avril abril aprile
    may mai mayo maggio maio mei
    june juni juin junio giugno junho
    july juli juillet julio luglio julho
    august aout agosto augustus
    september septembre septiembre setiembre settembre setembro
    october oktober octobre octubre ottobre outubro
    november novembre noviembre novembro
    december dezember decembre diciembre dicembre dezembro
"""
_WEEKDAYS = """
    monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun
    montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag mo di mi do fr sa so
    lundi mardi mercredi jeudi vendredi samedi dimanche lun mar mer jeu ven sam dim
    lunes martes miercoles jueves viernes sabado domingo mie jue vie sab dom
    lunedi martedi mercoledi giovedi venerdi domenica gio
    segunda terca quarta quinta sexta feira seg ter qua qui sex
    maandag dinsdag woensdag donderdag vrijdag zaterdag zondag ma wo vr za zo
"""
_FEWEST_LETTERS = 3
_ORDERED = [line.split() for line in _MONTHS.split("\n") if line.strip()]
_BEFORE_A_DAY = frozenset([*_WEEKDAYS.split(), *["the", "le", "el", "il", "den"]])


def _shortened() -> dict[str, int]:
    found: dict[str, int] = {}
    for number, names in enumerate(_ORDERED, 1):
        prefixes = {name[:size] for name in names for size in range(_FEWEST_LETTERS, len(name) + 1)}
        for prefix in prefixes:
            found[prefix] = 0 if prefix in found else number
    whole = {name: number for number, names in enumerate(_ORDERED, 1) for name in names}
    return found | whole


_NUMBERS = _shortened()


def month_of(name: str) -> int:
    """Return the number of a month from 1 on; 0 if it is none."""
    return _NUMBERS.get(_plain(name), 0)


def may_precede_a_day(word: str) -> bool:
    """Whether a word is the name of a weekday, such as `Wed` or `segunda-feira`, or an article."""
    return all(part in _BEFORE_A_DAY for part in _plain(word).split("-"))


@lru_cache(512)
def _plain(name: str) -> str:
    parts = unicodedata.normalize("NFKD", name.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))
