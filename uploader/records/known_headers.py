"""Names of columns as they are compared, and which of them tell who must not be written to: by an opt-out, or
an address that bounces. What exports of other systems have is in `records.headers`.
"""

import re
from functools import lru_cache


def bare(text: str) -> str:
    """A name without case, blanks and punctuation."""
    return "".join(character for character in text.casefold() if character.isalnum())


def words_of(text: str) -> tuple[str, ...]:
    """The words of a name, in lower case. `JobTitle` and `job_title` have two."""
    return tuple(_LETTERS.findall(_HUMPS.sub(" ", text).casefold()))


_LETTERS, _HUMPS = re.compile(r"[^\W_]+"), re.compile(r"(?<=[a-z])(?=[A-Z])")


_IDS = frozenset({"id", "guid", "uuid"})


def names_ids(column: str) -> bool:
    """Whether a column, by its name, holds ids of records."""
    return not _IDS.isdisjoint(words_of(column))


# --- who must not be written to ---


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


#: In a column's name without blanks and marks; as the whole name; as a word by itself.
_OPT_OUT_PARTS = _words("""
optout optedout unsubscri donotemail donotmail donotcontact donotbulk donotsend donotmarket
donotallowemail donotallowbulk donotdisturb bounce quarantined blacklist blocklist suppress
marketingsuspended emailinvalid invalidemail badaddress legalbasis spamcomplaint spamreport
complained objected widerspr widerruf withdrawn revoked abmeld abgemeldet désinscri desinscri
werbesperr mailsperr kontaktsperr nichtkontaktieren keinewerbung keinnewsletter robinson
""")
_OPT_OUT_NAMES = _words("""
cleaned cleantime cleancampaigntitle cleancampaignid marketingstatus personmarketingstatus emailstatus
subscriptionstatus noemail noemails nomarketing nonewsletter
""")
_OPT_OUT_WORDS = frozenset({"unsub", "dnc"})
#: The same of columns that tell who has agreed to e-mail: a no keeps from it.
_CONSENT_PARTS = _words("""
optin optedin consent acceptsmarketing acceptsemail acceptemail acceptmarketing issubscribed subscribedto
emailsubscribed emailpermi marketingpermi emailallowed marketingallowed allowemail allowsemail allowmarketing
allowsmarketing oktoemail oktomail canemail mayemail receiveemail receivesemail receivemarketing wantsemail
einwilligung zustimmung werbeerlaubnis werbungerlaubt mailerlaubt newsletteranmeld newsletterabo
consentimiento consenso toestemming
""")
_CONSENT_NAMES = _words("newsletter subscribe subscribed emailsubscription emailmarketing marketingemails")
#: When, where and how somebody agreed is no answer.
_CIRCUMSTANCES = _words(
    "time timestamp date datum ip ipaddress source quelle text version medium method url level at"
)
#: Words for other ways to reach somebody. HubSpot sends e-mail.
_CHANNELS = frozenset(_words("call calls phone fax sms text texts whatsapp telefon anruf anrufe"))
#: In the names of columns that may tell either.
_PRIVACY = _words("gdpr dsgvo rgpd")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


@lru_cache(10_000)
def carries_opt_out(column: str) -> bool:
    """Whether a column, by its name, tells who has opted out, has not agreed, or whose address bounces."""
    plain = bare(column)
    if plain in _OPT_OUT_NAMES:
        return True
    words = {word.casefold() for word in _WORD.findall(column)}
    if not words.isdisjoint(_CHANNELS) and "mail" not in plain:
        return False
    is_opt_out = any(part in plain for part in (*_OPT_OUT_PARTS, *_PRIVACY)) or words & _OPT_OUT_WORDS
    return bool(is_opt_out) or _is_consent(plain)


@lru_cache(10_000)
def carries_consent(column: str) -> bool:
    """Whether such a column tells who has agreed to e-mail, so that a no keeps from it and not a yes."""
    plain = bare(column)
    return carries_opt_out(column) and _is_consent(plain) and not any(p in plain for p in _OPT_OUT_PARTS)


@lru_cache(10_000)
def may_mean_either(column: str) -> bool:
    """Whether the name of such a column leaves open what a yes means: `GDPR`, and `DNC`, which is "do not
    call" to some and "do not contact" to others.
    """
    plain = bare(column)
    is_plain = plain in _OPT_OUT_NAMES or any(part in plain for part in (*_OPT_OUT_PARTS, "unsub"))
    return carries_opt_out(column) and not is_plain and not _is_consent(plain)


def _is_consent(plain: str) -> bool:
    is_named = plain in _CONSENT_NAMES or any(part in plain for part in _CONSENT_PARTS)
    return is_named and not plain.endswith(_CIRCUMSTANCES)


def holds_whatever(column: str) -> bool:
    """Whether any value in such a column means yes, such as a time or a reason."""
    return bare(column).endswith(_WHATEVER)


_WHATEVER = ("time", "date", "reason", "reasonother", "title", "campaignid", "mode", "at", "on")
