"""Who wrote a value, by the versions in its history.

Raise nothing.
From  The sources are those of `PropertyValue` in HubSpot's published client library:
      https://github.com/HubSpot/hubspot-api-nodejs codegen/marketing/events/models/PropertyValue.ts
"""

from uploader.hubspot.replies import Version

#: The source of what an app writes.
APP = "INTEGRATION"
#: Sources of values that HubSpot writes by itself.
OWN_SOURCES = frozenset(
    {
        "ANALYTICS",
        "AVATARS_SERVICE",
        "BIDEN",
        "CALCULATED",
        "CENTRAL_EXCHANGE_RATES",
        "COMPANY_FAMILIES",
        "COMPANY_INSIGHTS",
        "DATA_ENRICHMENT",
        "DEFAULT",
        "INTERNAL_PROCESSING",
        "MIGRATION",
        "PIPELINE_SETTINGS",
        "PORTAL_OBJECT_SYNC",
        "PORTAL_USER_ASSOCIATOR",
        "PROPERTY_DEFAULT_VALUE",
        "PROPERTY_SETTINGS",
        "SIGNALS",
        "TALLY",
        "WAL_INCREMENTAL",
    }
)


def is_of_app(version: Version, app: str) -> bool:
    """Whether this app wrote a version, or an app that may be this one. `app`: its id, "" if not known."""
    return version.source == APP and (not app or version.source_id == app)


def written_by(version: Version) -> str:
    """Who wrote a version, as text."""
    details = " ".join(part for part in (version.source_id, version.label) if part)
    return f"{version.source} ({details})" if details else version.source
