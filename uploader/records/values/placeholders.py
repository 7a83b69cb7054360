"""Texts that may stand for no value: words, addresses of nobody, telephone numbers of one digit.

In    the trimmed texts of a column.
Out   which of them are such texts.
Raise nothing.
Rules They are counted, and proposed to the user as blank words, never acted on: `unknown` may be meant.
      `nothing` has the words that no key can be.
"""

import re
from collections.abc import Collection, Iterable

from uploader.hubspot.schema import Option
from uploader.records.values.nothing import WORDS as NOTHINGS, spellings

_LISTED = """
- -- --- . .. ... ? ?? ??? / _ n.a. k.a. s.n. unknown unbekannt inconnu desconocido sconosciuto onbekend
(unknown) <unknown> [unknown] (blank) <blank> [blank] (empty) <empty> [empty] unspecified unassigned
"""
_SENTENCES = (
    *("not available", "not applicable", "not provided", "not specified", "not set", "not given", "no data"),
    *("no value", "no entry", "no answer", "no email", "no e-mail", "no phone", "keine angabe", "keine"),
    *("nicht bekannt", "nicht vorhanden", "non renseigné", "non disponible", "no disponible"),
)
_WORDS = NOTHINGS | {spelled for word in (*_LISTED.split(), *_SENTENCES) for spelled in spellings(word)}

#: What stands before the @ of an address of nobody, whatever its domain. Parts may be joined by signs.
_NOBODY = (
    *("none", "unknown", "null", "undefined", "dummy", "fake", "placeholder", "unbekannt"),
    *("no email", "no e mail", "no mail", "no address", "no email address", "no email provided", "no emails"),
    *(
        "not provided",
        "not available",
        "not applicable",
        "not given",
        "keine email",
        "keine mail",
        "kein email",
    ),
    *("sin email", "sin correo", "no tiene", "pas de mail", "pas d email", "sans email", "email unknown"),
)
_NOBODIES = frozenset(sign.join(name.split()) for name in _NOBODY for sign in ("", ".", "-", "_"))
#: The same if the domain repeats it, as in test@test.com, or has no name either.
_WITH_DOMAIN = frozenset(
    {
        "no",
        "na",
        "nil",
        "nan",
        "test",
        "abc",
        "asdf",
        "qwerty",
        "email",
        "mail",
        "nobody",
        "name",
        "user",
        "example",
    }
    | {letter * count for letter in "abcdefghijklmnopqrstuvwxyz" for count in range(2, 5)}
)
_ONE_DIGIT = re.compile(r"0|\+?[ ().\-/]*(\d)(?:[ ().\-/]*\1){2,}[ ().\-/]*")
_ANY_OF_ONE_DIGIT = re.compile(rf"^(?:{_ONE_DIGIT.pattern})$", re.MULTILINE)


def is_address_of_nobody(text: str) -> bool:
    """Whether a text is an address that people type where none is known, such as `none@none.com`."""
    local, at, domain = text.lower().partition("@")
    if local in _NOBODIES:
        return bool(at)
    label = domain.partition(".")[0]
    return local in _WITH_DOMAIN and (label == local or label in _NOBODIES or label in _NO_NAMES)


_NO_NAMES = frozenset({"no", "na"})


def addresses_of_nobody(texts: Collection[str], prefix: str = "") -> list[str]:
    """Return those among many texts that begin with `prefix`, without it; fast where there are none."""
    begin = len(prefix)
    if _LOCAL_PARTS.isdisjoint([text[begin : text.find("@")].lower() for text in texts]):
        return []
    addresses = (text[begin:] for text in texts if text.startswith(prefix))
    return list(filter(is_address_of_nobody, addresses))


_LOCAL_PARTS = _NOBODIES | _WITH_DOMAIN


def is_phone_of_one_digit(text: str) -> bool:
    """Whether a text is a telephone number such as `0`, `000000` or `99-99`."""
    return _ONE_DIGIT.fullmatch(text) is not None


def phones_of_one_digit(texts: Collection[str]) -> list[str]:
    """Return those among many texts; fast where there are none."""
    return list(filter(is_phone_of_one_digit, texts)) if _ANY_OF_ONE_DIGIT.search("\n".join(texts)) else []


def words_in(texts: Collection[str], distinct: Iterable[str]) -> list[str]:
    """Return the words among many texts; fast where there are none. `distinct`: each of these texts."""
    return [] if _WORDS.isdisjoint(distinct) else list(filter(_WORDS.__contains__, texts))


def real_words(options: Iterable[Option]) -> frozenset[str]:
    """Return in small letters what is a value of a property with these options, and so stands for one."""
    return frozenset(text.strip().lower() for option in options for text in (option.value, option.label))
