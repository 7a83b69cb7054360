"""What is said of the companies that HubSpot makes of e-mail domains by itself, before contacts are written.

A setting of the account, which no request shows: a new contact gets the company of its address's domain. That
is made if there is none, and becomes the contact's primary company if it is the first one.
"""

from collections.abc import Sequence

from uploader.hubspot.associations import PRIMARY
from uploader.hubspot.object_types import are_contacts, type_id
from uploader.model.associations import LinkColumn

_COMPANIES = "0-2"


def automatic_companies_text(object_type: str, columns: Sequence[LinkColumn]) -> str:
    """What may be linked beside the companies of these columns; "" where none are linked with contacts."""
    of_companies = [one for one in columns if type_id(one.object_type) == _COMPANIES]
    if not are_contacts(object_type) or not of_companies:
        return ""
    primary = [one for one in of_companies if one.label.casefold() == PRIMARY.casefold()]
    which = (
        f"a contact's primary company is the one of column {primary[-1].column!r} all the same, if it has one"
        if primary
        else "the one that is linked first is the primary company: to have it from a column, label its links "
        f"{PRIMARY}"
    )
    return (
        "HubSpot may make a company of each contact's e-mail domain and link it, too (switch that off in the "
        f"settings of companies while you upload); {which}"
    )
