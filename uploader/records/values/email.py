"""What an e-mail address looks like. Whose it is is not known here."""

_EMAIL_CHARACTERS = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets


def plausible_email(address: str) -> bool:
    """Whether it is worth a request: HubSpot decides what is valid, this only sees plain nonsense."""
    local, at, domain = address.rpartition("@")
    return (
        bool(at and local)
        and "@" not in local
        and len(address) <= _EMAIL_CHARACTERS
        and not any(character.isspace() or character in ',;<>"()' for character in address)
        and "." in domain
        and all(domain.split("."))
    )
