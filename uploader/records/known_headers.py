"""Names of columns in the exports of other systems, and in files of no particular system. Tables.

A target is a property's name; `?` before it, or alone, if the values have to be looked at first; IGNORE for
columns that a system keeps for itself or HubSpot keeps elsewhere; OPT_OUT for columns that tell who must not
be written to, because they opted out or their address bounces.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

IGNORE, OPT_OUT, ASK = "-", "!", "?"


def bare(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _table(text: str) -> Mapping[str, str]:
    pairs = (entry.split("=") for entry in text.replace("\n", "|").strip("|").split("|"))
    return {bare(column): target.strip() for column, target in pairs}


#: Of no system in particular.
COMMON = _table("""
E-mail Address=email|E-mail=email|Mail=email|Email Address=email|Primary Email=email
Work Email Address=email|First=firstname|Given Name=firstname|FName=firstname|Forename=firstname
Vorname=firstname|Prénom=firstname|Last=lastname|Surname=lastname|Family Name=lastname|LName=lastname
Nachname=lastname|Telephone=phone|Tel=phone|Phone=phone|Business Phone=phone|Telefon=phone
Mobile=mobilephone|Mobile Phone=mobilephone|Cell=mobilephone|Cell Phone=mobilephone|Mobil=mobilephone
Fax Number=fax|Title=?jobtitle|Position=jobtitle|Organization=company|Organisation=company|Firma=company
Postcode=zip|Zip Code=zip|Zip=zip|PLZ=zip|Street=address|Strasse=address|Straße=address|Town=city|Ort=city
Province=state|Land=country|Web=website|URL=website|Homepage=website|Birthday=?date_of_birth
Birth date=date_of_birth|Date of Birth=date_of_birth|Geburtsdatum=date_of_birth|Owner=hubspot_owner_id
Full Name=?|Name=?|Notes=?|Comments=?|Tags=?|Owner Email=hubspot_owner_id|Owner Name=hubspot_owner_id
Contact Owner=hubspot_owner_id|Lead Owner=hubspot_owner_id|Lifecycle=?lifecyclestage|Stage=?lifecyclestage
Mailing Street=address|Mailing Address=address|Street Address=address|Mailing City=city|Mailing State=state
Mailing Zip=zip|Mailing Postal Code=zip|Postal Code=zip|Mailing Country=country|Company Name=company
""")
SYSTEMS: Mapping[str, Mapping[str, str]] = {
    "Salesforce": _table("""
Id=?|AccountId=-|Account.Name=company|Account Name=company|FirstName=firstname|LastName=lastname|Name=?
Email=email|Phone=phone|MobilePhone=mobilephone|HomePhone=?phone|OtherPhone=?phone|Fax=fax|Title=jobtitle
MailingStreet=address|MailingCity=city|MailingState=state|MailingPostalCode=zip|MailingCountry=country
OtherStreet=?|OtherCity=?|OtherPostalCode=?|Department=?|LeadSource=?|Description=?|Birthdate=date_of_birth
OwnerId=?hubspot_owner_id|HasOptedOutOfEmail=!|HasOptedOutOfFax=?|DoNotCall=?|EmailBouncedReason=!
EmailBouncedDate=!|IsEmailBounced=!|CreatedDate=-|CreatedById=-|LastModifiedDate=-|LastModifiedById=-|SystemModstamp=-
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
Person - Open deals=-|Person - Won deals=-|Person - Lost deals=-|Person - Closed deals=-
Person - Total activities=-|Person - Done activities=-|Person - Activities to do=-
Person - Email messages count=-|Person - Profile picture=-|Person - Last email received=-
Person - Last email sent=-|Person - Marketing status=!|Person - Birthday=date_of_birth
Person - Job title=jobtitle|Person - Postal address=address|Person - Notes=?|Person - Instant messenger=?
Person - Organization ID=-
"""),
    "Zoho": _table("""
Record Id=?|Contact Id=?|Contact Owner=hubspot_owner_id|Contact Owner.id=-|Contact Owner Id=-|Lead Source=?
First Name=firstname|Last Name=lastname|Full Name=?|Email=email|Secondary Email=?|Phone=phone
Other Phone=?phone|Home Phone=?phone|Mobile=mobilephone|Fax=fax|Title=jobtitle|Department=?
Account Name=company|Account Name.id=-|Vendor Name=-|Assistant=?|Asst Phone=?|Date of Birth=date_of_birth
Email Opt Out=!|Skype ID=?|Twitter=twitterhandle|Salutation=salutation|Created By=-|Created By.id=-
Modified By=-|Modified By.id=-|Created Time=-|Modified Time=-|Last Activity Time=-|Tag=?|Reporting To=-
Unsubscribed Mode=!|Unsubscribed Time=!|Mailing Street=address|Mailing City=city|Mailing State=state
Mailing Zip=zip|Mailing Country=country|Other Street=?|Other City=?|Other State=?|Other Zip=?
Other Country=?|Description=?|Currency=-|Exchange Rate=-|Layout=-|Locked=-
"""),
    "Mailchimp": _table("""
Email Address=email|First Name=firstname|Last Name=lastname|Address=?address|Phone Number=phone|Birthday=?
MEMBER_RATING=-|OPTIN_TIME=?|OPTIN_IP=-|CONFIRM_TIME=?|CONFIRM_IP=-|LATITUDE=-|LONGITUDE=-|GMTOFF=-|DSTOFF=-
TIMEZONE=-|CC=?country|REGION=?state|LAST_CHANGED=-|LEID=-|EUID=-|NOTES=?|TAGS=?|UNSUB_TIME=!
UNSUB_CAMPAIGN_TITLE=!|UNSUB_CAMPAIGN_ID=!|UNSUB_REASON=!|UNSUB_REASON_OTHER=!|CLEAN_TIME=!
CLEAN_CAMPAIGN_ID=!
"""),
    "HubSpot": _table("""
Record ID=hs_object_id|Record ID - Contact=hs_object_id|Contact owner=hubspot_owner_id
Create Date=createdate|Last Modified Date=lastmodifieddate|Lead Status=hs_lead_status
Lifecycle Stage=lifecyclestage|Last Activity Date=-|Associated Company=-|Associated Company IDs=-
Associated Company IDs (Primary)=-|Associated Company (Primary)=-|Associated Deal=-|Associated Deal IDs=-
Associated Note=-|Associated Note IDs=-|Marketing contact status=-|Unsubscribed from all email=!
Marketing emails bounced=!|Email hard bounce reason=!|Email address quarantined=!|Invalid email address=!
Email Domain=hs_email_domain|Additional email addresses=?|Original Traffic Source=-
Record source=hs_object_source|Favorite Content Topics=?|Preferred channels=?
"""),
}


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
cleaned cleantime marketingstatus emailstatus subscriptionstatus noemail noemails nomarketing nonewsletter
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
    if any(names.get(plain) == OPT_OUT for names in SYSTEMS.values()) or plain in _OPT_OUT_NAMES:
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


def _is_consent(plain: str) -> bool:
    is_named = plain in _CONSENT_NAMES or any(part in plain for part in _CONSENT_PARTS)
    return is_named and not plain.endswith(_CIRCUMSTANCES)


def holds_whatever(column: str) -> bool:
    """Whether any value in such a column means yes, such as a time or a reason."""
    return bare(column).endswith(_WHATEVER)


_WHATEVER = ("time", "date", "reason", "reasonother", "title", "campaignid", "mode", "at", "on")
