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

#: What stands before the @ of an address of nobody, whatever its domain, by language. Parts may be joined by
#: signs. None is a name of people.
_NOBODY = {
    "en": (
        *(
            "none",
            "unknown",
            "null",
            "undefined",
            "dummy",
            "fake",
            "placeholder",
            "email unknown",
            "no email",
        ),
        *(
            "no email",
            "no e mail",
            "no mail",
            "no address",
            "no email address",
            "no email provided",
            "no emails",
        ),
        *("no email given", "no email available", "have no email", "has no email", "without email"),
        *("not provided", "not available", "not applicable", "not given", "not known"),
    ),
    "de": (
        *("keine", "unbekannt", "keine email", "keine e mail", "keine mail", "kein email", "keine adresse"),
        *("keine mailadresse", "keine emailadresse", "keine angabe", "ohne email", "ohne mail"),
        *("nicht vorhanden", "nicht bekannt", "hat keine", "hat keine email", "hat keine mail"),
    ),
    "es": (*("ninguno", "ninguna", "sin email", "sin e mail", "sin mail", "sin correo", "no tiene"),),
    "fr": (
        *("aucun", "aucune", "inconnu", "pas de mail", "pas d email", "pas de mel", "pas d adresse"),
        *("sans email", "sans mail", "non renseigne", "non communique", "aucun mail", "aucun email"),
    ),
    "it": (
        "nessuno",
        "nessuna",
        "senza email",
        "senza mail",
        "nessuna email",
        "nessuna mail",
        "non ha email",
    ),
    "nl": ("geen", "onbekend", "geen email", "geen e mail", "geen mail", "geen mailadres", "geen emailadres"),
    "pl": ("brak email", "brak maila", "brak adresu", "brak emaila"),
    "pt": ("nenhum", "nenhuma", "sem email", "sem e mail", "nao tem", "nao tem email", "nao informado"),
    "scandinavian": (
        "ingen email",
        "ingen mail",
        "ingen epost",
        "ingen e post",
        "saknas",
        "ukendt",
        "ukjent",
    ),
}
_NOBODIES = frozenset(
    sign.join(name.split()) for names in _NOBODY.values() for name in names for sign in ("", ".", "-", "_")
)
#: The same if the domain repeats it, as in test@test.com, or has no name either.
_WITH_DOMAIN = frozenset(
    ["test", "abc", "asdf", "qwerty", "email", "mail", "nobody", "name", "user", "example"]
) | frozenset(letter * count for letter in "abcdefghijklmnopqrstuvwxyz" for count in range(2, 5))
#: The same also if the domain is one that people make up for it, as in no@email.com.
_WITH_MADE_UP = frozenset(["no", "na", "nil", "nan", "kein", "keiner", "keins", "brak", "ingen"])
_ONE_DIGIT = re.compile(r"0|\+?[ ().\-/]*(\d)(?:[ ().\-/]*\1){2,}[ ().\-/]*")
_ANY_OF_ONE_DIGIT = re.compile(rf"^(?:{_ONE_DIGIT.pattern})$", re.MULTILINE)


def is_address_of_nobody(text: str) -> bool:
    """Whether a text is an address that people type where none is known, such as `none@none.com`."""
    local, at, domain = text.lower().partition("@")
    if local in _NOBODIES:
        return bool(at)
    label = domain.partition(".")[0]
    is_unnamed = label == local or label in _NOBODIES or label in _NO_NAMES
    return (local in _WITH_DOMAIN and is_unnamed) or (
        local in _WITH_MADE_UP and (is_unnamed or label in _MADE_UP)
    )


_NO_NAMES = frozenset({"no", "na"})
_MADE_UP = frozenset(["email", "mail", "e-mail", "domain", "example", "test"])


def addresses_of_nobody(texts: Collection[str], prefix: str = "") -> list[str]:
    """Return those among many texts that begin with `prefix`, without it; fast where there are none."""
    begin = len(prefix)
    if _LOCAL_PARTS.isdisjoint([text[begin : text.find("@")].lower() for text in texts]):
        return []
    addresses = (text[begin:] for text in texts if text.startswith(prefix))
    return list(filter(is_address_of_nobody, addresses))


_LOCAL_PARTS = _NOBODIES | _WITH_DOMAIN | _WITH_MADE_UP


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
