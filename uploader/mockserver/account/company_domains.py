"""Companies that HubSpot makes from the domains of contacts, where an admin has switched that on. Pure.

From the knowledge base ("create and associate companies with contacts"): the company with the domain of the
contact's address, else a new one, which is linked with the contact; addresses of mailbox providers have none.
Assumed: that a contact with a company gets no other one, that it happens some time after the write, which
`companies_after_seconds` says, and the source of the new company.
"""

from uploader.mockserver.account.store import Source

SOURCE = Source("AUTO_ASSOCIATE_BY_DOMAIN")
#: Some of the providers whose domains are no company's.
MAILBOX_PROVIDERS = frozenset(
    {
        "aol.com",
        "gmail.com",
        "gmx.de",
        "gmx.net",
        "googlemail.com",
        "hotmail.com",
        "icloud.com",
        "live.com",
        "outlook.com",
        "proton.me",
        "web.de",
        "yahoo.com",
    }
)


def domain_of(address: str) -> str:
    """The domain that stands for a company; "" if none does."""
    domain = address.rpartition("@")[2].strip().lower()
    return "" if domain in MAILBOX_PROVIDERS else domain


def new_company(domain: str) -> dict[str, str]:
    """The values of a company that is made from a domain alone."""
    return {"domain": domain, "name": domain.partition(".")[0].capitalize()}
