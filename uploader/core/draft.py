"""A draft of what the columns of a file are, for the user to read, correct and approve.

In    a header, what HubSpot knows of its properties (if known), and some rows.
Out   a `Draft`, and its text: a mapping file with a comment for each column.
Raise nothing.
Rules Only a draft: nothing acts on it before the user gives it to `upload`. What is likely stands there as it
      would act; what is not sure is commented out, so that it stops `upload` until somebody decides. What is
      calculated by HubSpot is ignored. Who must not be written to is no property: such columns are flagged.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from uploader.core.columns import OWN_PREFIX
from uploader.core.moments import orders_of
from uploader.core.schema import Schema
from uploader.core.values import BOOLEANS

IGNORE, OPT_OUT, ASK = "-", "!", "?"


@dataclass(frozen=True, slots=True)
class Drafted:
    """One column."""

    column: str
    property: str = ""  #: "" with `ignore`: leave it out; "" without: nobody knows
    ignore: bool = False
    is_sure: bool = False  #: acts as it stands
    why: str = ""
    type: str = ""  #: of the property
    warnings: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    system: str  #: whose export it seems to be; "" where nothing speaks for one
    columns: tuple[Drafted, ...]

    def toml(self) -> str:
        """As a mapping file."""
        seems = f" It seems to be an export of {self.system}." if self.system else ""
        lines = [
            f"# Drafted from the file's header and its first rows.{seems}",
            "# Read it, decide what is commented out, and give it to upload --mapping.",
            "",
            "[columns]",
        ]
        for one in self.columns:
            samples = ", ".join(_quoted(sample) for sample in one.samples) or "none"
            of_type = f" Type: {one.type}." if one.type else ""
            lines += ["", f"# {_comment(one.why)}.{of_type} Samples: {samples}"]
            lines += [f"# CAUTION: {_comment(warning)}" for warning in one.warnings]
            value = "{ ignore = true }" if one.ignore else _quoted(one.property or "PROPERTY")
            lines.append(f"{'' if one.is_sure else '# '}{_quoted(one.column)} = {value}")
        return "\n".join(lines) + "\n"


class _Guess(NamedTuple):
    target: str  #: a property, or IGNORE, OPT_OUT, ASK
    why: str
    is_sure: bool


def draft(header: Sequence[str], schema: Schema | None, rows: Sequence[Sequence[str]]) -> Draft:
    """`rows`: cells, as many as the header has; a few are enough."""
    system = _system(header)
    drafted: list[Drafted] = []
    taken: dict[str, str] = {}
    for index, column in enumerate(header):
        if column.startswith(OWN_PREFIX):
            continue
        samples = tuple(dict.fromkeys(text for row in rows if (text := row[index].strip())))
        one = _drafted(column, _guess(column, system, schema), schema, samples)
        if one.property in taken and not one.ignore:
            other = f"{taken[one.property]!r} is drafted as the same property"
            one = Drafted(
                column, one.property, why=one.why, type=one.type, warnings=(other,), samples=one.samples
            )
        elif one.is_sure and one.property:
            taken[one.property] = column
        drafted.append(one)
    return Draft(system, tuple(drafted))


def _drafted(column: str, guess: _Guess, schema: Schema | None, samples: Sequence[str]) -> Drafted:
    shown = tuple(_shortened(sample) for sample in samples[:_SAMPLES])
    if guess.target == IGNORE:
        return Drafted(column, ignore=True, is_sure=True, why=guess.why, samples=shown)
    if guess.target == OPT_OUT:
        return Drafted(column, ignore=True, why=guess.why, warnings=(_OPT_OUT_TEXT,), samples=shown)
    if guess.target == ASK or not guess.target:
        return Drafted(column, why=guess.why, samples=shown)
    name = guess.target
    if schema is None:
        return Drafted(column, name, is_sure=guess.is_sure, why=guess.why, samples=shown)
    if name not in schema.labels:
        return Drafted(column, why=f"{guess.why}, but this account has no property {name}", samples=shown)
    kind = schema.kinds.get(name)
    type_ = kind.type if kind else ""
    if name in schema.read_only:
        why = f"{guess.why}: {name}, which HubSpot sets by itself and nobody can write"
        return Drafted(column, ignore=True, is_sure=True, why=why, type=type_, samples=shown)
    warnings = tuple(_warnings(name, type_, schema, samples))
    return Drafted(column, name, False, guess.is_sure, f"{guess.why}: {name}", type_, warnings, shown)


def _warnings(name: str, type_: str, schema: Schema, samples: Sequence[str]) -> list[str]:
    found = []
    if type_ in {"date", "datetime"} and any(len(orders_of(sample)) == 2 for sample in samples):
        found.append(f'day or month first? {{ property = "{name}", date_order = "DMY" }} would say it')
    if name in schema.owned:
        found.append("owners by e-mail or name; for other ids give --owner-map")
    if type_ == "bool" and any(sample.casefold() not in BOOLEANS for sample in samples):
        found.append("the samples are not all true or false")
    return found


def _guess(column: str, system: str, schema: Schema | None) -> _Guess:
    bare = _bare(column)
    if schema is not None:
        if column in schema.labels:
            return _Guess(column, "the property's name", is_sure=True)
        labelled = [name for name, label in schema.labels.items() if label == column]
        if len(labelled) == 1:
            return _Guess(labelled[0], "the property's label", is_sure=True)
    if system and (target := _SYSTEMS[system].get(bare)):
        return _known(target, f"{system}'s name")
    if target := _COMMON.get(bare):
        return _known(target, "a usual name")
    for words in _OPT_OUT_WORDS:
        if words in bare:
            return _Guess(OPT_OUT, "perhaps an opt-out", is_sure=False)
    if schema is None:
        return _Guess(column, "taken at its word: the account's properties are not known", is_sure=False)
    said = {_bare(text): name for name, label in schema.labels.items() for text in (label, name)}
    if bare in said:
        return _Guess(said[bare], "the same but for case and marks", is_sure=True)
    close = difflib.get_close_matches(bare, said, n=1, cutoff=0.8)
    if close:
        return _Guess(said[close[0]], "alike, no more", is_sure=False)
    return _Guess("", "no property is like it", is_sure=False)


def _known(target: str, whose: str) -> _Guess:
    if target == IGNORE:
        return _Guess(IGNORE, f"{whose} for what HubSpot has no place for", is_sure=True)
    if target == OPT_OUT:
        return _Guess(OPT_OUT, f"{whose} for an opt-out", is_sure=False)
    if target.startswith(ASK):
        return _Guess(target[1:] or ASK, f"{whose}, whose values are to be looked at", is_sure=False)
    return _Guess(target, whose, is_sure=True)


def _system(header: Sequence[str]) -> str:
    """Whose names most columns have, where at least three are of one system alone."""
    bare = {_bare(column) for column in header}
    hits = {
        system: sum(1 for name in bare if name in names and not _elsewhere(name, system))
        for system, names in _SYSTEMS.items()
    }
    best = max(hits, key=lambda system: hits[system])
    return best if hits[best] >= _ENOUGH else ""


def _elsewhere(name: str, system: str) -> bool:
    return name in _COMMON or any(name in names for other, names in _SYSTEMS.items() if other != system)


_ENOUGH, _SAMPLES, _SHOWN = 3, 3, 24
_OPT_OUT_WORDS = ("optout", "optedout", "unsubscri", "donotcall", "donotemail", "donotcontact", "dnc")
_OPT_OUT_TEXT = (
    "who has opted out is no property in HubSpot but a subscription: bring these over before any mail is sent"
)


def _bare(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _quoted(text: str) -> str:
    """A TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _table(text: str) -> Mapping[str, str]:
    pairs = (entry.split("=") for entry in text.replace("\n", "|").strip("|").split("|"))
    return {_bare(column): target.strip() for column, target in pairs}


#: Of no system in particular.
_COMMON = _table("""
E-mail Address=email|E-mail=email|Mail=email|Email Address=email|Primary Email=email|Work Email Address=email
First=firstname|Given Name=firstname|FName=firstname|Forename=firstname|Vorname=firstname|Prénom=firstname
Last=lastname|Surname=lastname|Family Name=lastname|LName=lastname|Nachname=lastname
Telephone=phone|Tel=phone|Phone=phone|Business Phone=phone|Telefon=phone
Mobile=mobilephone|Mobile Phone=mobilephone|Cell=mobilephone|Cell Phone=mobilephone|Mobil=mobilephone
Fax Number=fax|Title=?jobtitle|Position=jobtitle|Organization=company|Organisation=company|Firma=company
Postcode=zip|Zip Code=zip|Zip=zip|PLZ=zip|Street=address|Strasse=address|Straße=address|Town=city|Ort=city
Province=state|Land=country|Web=website|URL=website|Homepage=website|Birthday=?date_of_birth
Birth date=date_of_birth|Date of Birth=date_of_birth|Geburtsdatum=date_of_birth|Owner=hubspot_owner_id
Full Name=?|Name=?|Notes=?|Comments=?|Tags=?
""")
_SYSTEMS: Mapping[str, Mapping[str, str]] = {
    "Salesforce": _table("""
Id=?|AccountId=-|Account.Name=company|Account Name=company|FirstName=firstname|LastName=lastname|Name=?
Email=email|Phone=phone|MobilePhone=mobilephone|HomePhone=?phone|OtherPhone=?phone|Fax=fax|Title=jobtitle
MailingStreet=address|MailingCity=city|MailingState=state|MailingPostalCode=zip|MailingCountry=country
OtherStreet=?|OtherCity=?|OtherPostalCode=?|Department=?|LeadSource=?|Description=?|Birthdate=date_of_birth
OwnerId=?hubspot_owner_id|HasOptedOutOfEmail=!|HasOptedOutOfFax=!|DoNotCall=!|EmailBouncedReason=-
EmailBouncedDate=-|CreatedDate=-|CreatedById=-|LastModifiedDate=-|LastModifiedById=-|SystemModstamp=-
IsDeleted=-|MasterRecordId=-|ReportsToId=-|LastActivityDate=-|LastViewedDate=-|LastReferencedDate=-
PhotoUrl=-|Jigsaw=-|JigsawContactId=-|IndividualId=-|CleanStatus=-|LastCURequestDate=-|LastCUUpdateDate=-
Company=company|Website=website|Industry=industry|AnnualRevenue=annualrevenue|NumberOfEmployees=numemployees
Status=?hs_lead_status|IsConverted=-|ConvertedDate=-|Street=address|PostalCode=zip|Country=country
"""),
    "Pipedrive": _table("""
Person - ID=?|Person - Name=?|Person - First name=firstname|Person - Last name=lastname|Person - Label=?
Person - Email - Work=email|Person - Email=email|Person - Email - Home=?|Person - Email - Other=?
Person - Phone - Work=phone|Person - Phone=phone|Person - Phone - Mobile=mobilephone|Person - Phone - Home=?
Person - Phone - Other=?|Person - Organization=company|Person - Owner=hubspot_owner_id|Person - Visible to=-
Person - Person created=-|Person - Update time=-|Person - Next activity date=-|Person - Last activity date=-
Person - Open deals=-|Person - Won deals=-|Person - Lost deals=-|Person - Closed deals=-|Person - Total activities=-
Person - Done activities=-|Person - Activities to do=-|Person - Email messages count=-|Person - Profile picture=-
Person - Last email received=-|Person - Last email sent=-|Person - Marketing status=!|Person - Birthday=date_of_birth
Person - Job title=jobtitle|Person - Postal address=address|Person - Notes=?|Person - Instant messenger=?
Person - Organization ID=-
"""),
    "Zoho": _table("""
Record Id=?|Contact Id=?|Contact Owner=hubspot_owner_id|Contact Owner.id=-|Contact Owner Id=-|Lead Source=?
First Name=firstname|Last Name=lastname|Full Name=?|Email=email|Secondary Email=?|Phone=phone|Other Phone=?phone
Home Phone=?phone|Mobile=mobilephone|Fax=fax|Title=jobtitle|Department=?|Account Name=company|Account Name.id=-
Vendor Name=-|Assistant=?|Asst Phone=?|Date of Birth=date_of_birth|Email Opt Out=!|Skype ID=?|Twitter=twitterhandle
Salutation=salutation|Created By=-|Created By.id=-|Modified By=-|Modified By.id=-|Created Time=-|Modified Time=-
Last Activity Time=-|Tag=?|Reporting To=-|Unsubscribed Mode=!|Unsubscribed Time=!|Mailing Street=address
Mailing City=city|Mailing State=state|Mailing Zip=zip|Mailing Country=country|Other Street=?|Other City=?
Other State=?|Other Zip=?|Other Country=?|Description=?|Currency=-|Exchange Rate=-|Layout=-|Locked=-
"""),
    "Mailchimp": _table("""
Email Address=email|First Name=firstname|Last Name=lastname|Address=?address|Phone Number=phone|Birthday=?
MEMBER_RATING=-|OPTIN_TIME=?|OPTIN_IP=-|CONFIRM_TIME=?|CONFIRM_IP=-|LATITUDE=-|LONGITUDE=-|GMTOFF=-|DSTOFF=-
TIMEZONE=-|CC=?country|REGION=?state|LAST_CHANGED=-|LEID=-|EUID=-|NOTES=?|TAGS=?|UNSUB_TIME=!
UNSUB_CAMPAIGN_TITLE=!|UNSUB_CAMPAIGN_ID=!|UNSUB_REASON=!|UNSUB_REASON_OTHER=!|CLEAN_TIME=!|CLEAN_CAMPAIGN_ID=!
"""),
    "HubSpot": _table("""
Record ID=hs_object_id|Record ID - Contact=hs_object_id|Contact owner=hubspot_owner_id|Create Date=createdate
Last Modified Date=lastmodifieddate|Lead Status=hs_lead_status|Lifecycle Stage=lifecyclestage
Last Activity Date=-|Associated Company=-|Associated Company IDs=-|Associated Company IDs (Primary)=-
Associated Company (Primary)=-|Associated Deal=-|Associated Deal IDs=-|Associated Note=-|Associated Note IDs=-
Marketing contact status=-|Unsubscribed from all email=!|Email Domain=hs_email_domain|Additional email addresses=?
Original Traffic Source=-|Record source=hs_object_source|Favorite Content Topics=?|Preferred channels=?
"""),
}
