"""The properties of a new account, and custom ones of every type. Tables."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from uploader.mockserver.account.behaviour_switches import ExtraProperty, Pipeline
from uploader.mockserver.account.object_types import Kind
from uploader.mockserver.account.properties import LIFECYCLE_STAGES, Option, Property

TEXTS = """
email=Email|firstname=First Name|lastname=Last Name|phone=Phone Number|mobilephone=Mobile Phone Number
fax=Fax Number|company=Company Name|jobtitle=Job Title|website=Website URL|address=Street Address|city=City
state=State/Region|zip=Postal Code|country=Country/Region|industry=Industry|salutation=Salutation
date_of_birth=Date of birth|degree=Degree|field_of_study=Field of study|graduation_date=Graduation date
job_function=Job function|message=Message|military_status=Military status
relationship_status=Relationship Status
school=School|seniority=Seniority|start_date=Start date|work_email=Work email|twitterhandle=Twitter Username
twitterbio=Twitter Bio|hs_linkedin_url=LinkedIn URL|company_size=Company size
marital_status=Marital Status
hs_facebookid=Facebook ID|hs_googleplusid=googleplus ID|linkedinbio=LinkedIn Bio
hs_language_note=Language note
hs_content_membership_notes=Membership Notes
"""

NUMBERS = {
    "annualrevenue": "Annual Revenue",
    "numemployees": "Number of Employees",
    "followercount": "Follower Count",
    "hs_predictivecontactscore_v2": "Likelihood to close",
}
CALCULATED = {
    "hs_email_domain": ("Email Domain", "string"),
    "hs_full_name_or_email": ("Full name or email", "string"),
    "hs_is_contact": ("Is a contact", "bool"),
    "hs_is_unworked": ("Contact unworked", "bool"),
    "hs_searchable_calculated_phone_number": ("Searchable phone number", "string"),
    "hs_lifecyclestage_lead_date": ("Became a Lead Date", "datetime"),
    "num_notes": ("Number of Sales Activities", "number"),
    "num_conversion_events": ("Number of Form Submissions", "number"),
}
READ_ONLY = {
    "createdate": ("Create Date", "datetime"),
    "lastmodifieddate": ("Last Modified Date", "datetime"),
    "hs_object_id": ("Record ID", "number"),
    "hs_additional_emails": ("Additional email addresses", "string"),
    "hs_all_contact_vids": ("Merged record IDs", "string"),
    "hs_object_source": ("Record creation source", "string"),
    "hs_pipeline": ("Pipeline", "string"),
}
LEAD_STATUSES = (
    "New",
    "Open",
    "In Progress",
    "Open Deal",
    "Unqualified",
    "Attempted to Contact",
    "Connected",
    "Bad Timing",
)
STAGE_LABELS = (
    "Subscriber",
    "Lead",
    "Marketing Qualified Lead",
    "Sales Qualified Lead",
    "Opportunity",
    "Customer",
    "Evangelist",
    "Other",
)
#: Properties of the other object types; none is unique.
OTHER_TEXTS = {
    "companies": "name=Company name|domain=Company Domain Name|phone=Phone Number|city=City"
    "|country=Country/Region|description=Description|website=Website URL"
    "|address=Street Address|state=State/Region|zip=Postal Code|linkedin_company_page=LinkedIn Company Page",
    "deals": "dealname=Deal Name|description=Deal Description|hs_next_step=Next step"
    "|closed_lost_reason=Closed Lost Reason",
    "tickets": "subject=Ticket name|content=Ticket description",
    "p_cars": "model=Model|maker=Maker|colour=Colour|email=Email of the garage",
}
OTHER_NUMBERS = {
    "companies": {"numberofemployees": "Number of Employees", "annualrevenue": "Annual Revenue"},
    "deals": {"amount": "Amount"},
    "p_cars": {"doors": "Doors"},
}
INDUSTRIES = ("BANKING", "CONSTRUCTION", "EDUCATION", "INSURANCE", "RETAIL")
COMPANY_TYPES = ("PROSPECT", "PARTNER", "RESELLER", "VENDOR", "OTHER")
DEAL_TYPES = {"newbusiness": "New Business", "existingbusiness": "Existing Business"}
TRUE_OR_FALSE = (Option("True", "true"), Option("False", "false"))
FIELD_TYPES = {
    "number": "number",
    "date": "date",
    "datetime": "date",
    "bool": "booleancheckbox",
    "enumeration": "select",
    "phone_number": "phonenumber",
}


def properties_of(
    kind: Kind,
    extra: Sequence[ExtraProperty] = (),
    user_ids: frozenset[str] = frozenset(),
    pipelines: Sequence[Pipeline] = (),
) -> list[Property]:
    """The properties of an object type. `extra`, `pipelines`: of the scenario; `user_ids`: of the owners."""
    default = CONTACT_PROPERTIES if kind.is_contacts else _of_others(kind, pipelines)
    named = {p.name: p for p in (*default, *CUSTOM_PROPERTIES)}
    named.update((p.name, _from_scenario(p)) for p in extra if p.object_type == kind.name)
    if kind.is_contacts:
        named["email"] = replace(named["email"], address=True)
    return [replace(p, user_ids=user_ids) if p.owner else p for p in named.values()]


def _of_others(kind: Kind, pipelines: Sequence[Pipeline]) -> Iterator[Property]:
    yield from _staged(pipelines_of(kind, pipelines), *stage_names(kind))
    for entry in OTHER_TEXTS.get(kind.name, "").strip("|").split("|"):
        name, label = entry.split("=")
        yield Property(name=name, label=label, group=f"{kind.singular.lower()}information")
    for name, label in OTHER_NUMBERS.get(kind.name, {}).items():
        yield Property(name=name, label=label, type="number", field_type="number")
    yield OWNER
    for name, label, type_ in (
        (kind.created, "Create Date", "datetime"),
        (kind.modified, "Last Modified Date", "datetime"),
        ("hs_object_id", "Record ID", "number"),
        ("hs_object_source", "Record creation source", "string"),
    ):
        yield Property(name=name, label=label, type=type_, read_only=True)
    if kind.name == "companies":
        yield _choice("lifecyclestage", "Lifecycle Stage", zip(STAGE_LABELS, LIFECYCLE_STAGES, strict=True))
        yield _choice("industry", "Industry", ((one.title(), one) for one in INDUSTRIES))
        yield _choice("type", "Type", ((one.title(), one) for one in COMPANY_TYPES))
    if kind.name == "deals":
        yield Property(name="closedate", label="Close Date", type="datetime", field_type="date")
        yield _choice("dealtype", "Deal Type", ((label, value) for value, label in DEAL_TYPES.items()))


#: The properties of pipeline and stage; "" stands for all other types.
STAGE_NAMES = {"deals": ("pipeline", "dealstage"), "": ("hs_pipeline", "hs_pipeline_stage")}
STAGE_LABELS_OF = {"dealstage": "Deal Stage", "hs_pipeline_stage": "Ticket status"}
PIPELINES = (
    Pipeline(
        id="default",
        label="Sales Pipeline",
        stages=(
            "appointmentscheduled=Appointment Scheduled",
            "contractsent=Contract Sent",
            "closedwon=Closed Won",
            "closedlost=Closed Lost",
        ),
    ),
    Pipeline(
        object_type="tickets",
        id="0",
        label="Support Pipeline",
        stages=("1=New", "2=Waiting on contact", "3=Waiting on us", "4=Closed"),
    ),
)


def stage_names(kind: Kind) -> tuple[str, str]:
    """The properties of pipeline and stage."""
    return STAGE_NAMES.get(kind.name, STAGE_NAMES[""])


def pipelines_of(kind: Kind, pipelines: Sequence[Pipeline]) -> list[Pipeline]:
    """The pipelines of an object type: those of the scenario, else the default ones."""
    own = [one for one in pipelines if one.object_type == kind.name]
    return own or [one for one in PIPELINES if one.object_type == kind.name]


def _staged(pipelines: Sequence[Pipeline], pipeline: str, stage: str) -> Iterator[Property]:
    """The properties that hold a pipeline and a stage, whose options no property lists."""
    named = tuple(Option(one.label, one.id) for one in pipelines)
    stages = tuple(option for one in pipelines for option in options_of(one.stages))
    kept = Property(name="", label="", type="enumeration", field_type="select", external_options=True)
    if pipelines:
        yield replace(kept, name=pipeline, label="Pipeline", options=named)
        yield replace(kept, name=stage, label=STAGE_LABELS_OF[stage], options=stages)


OWNER = Property(
    name="hubspot_owner_id",
    label="Owner",
    type="enumeration",
    field_type="select",
    external_options=True,
    owner=True,
)


def _default() -> Iterator[Property]:
    for entry in TEXTS.replace("\n", "|").strip("|").split("|"):
        name, label = entry.split("=")
        yield Property(name=name, label=label, field_type="phonenumber" if "Phone" in label else "text")
    for name, label in NUMBERS.items():
        yield Property(name=name, label=label, type="number", field_type="number")
    for name, (label, type_) in CALCULATED.items():
        yield Property(
            name=name, label=label, type=type_, field_type="calculation_read_time", calculated=True
        )
    for name, (label, type_) in READ_ONLY.items():
        yield Property(name=name, label=label, type=type_, read_only=True)
    yield _choice("lifecyclestage", "Lifecycle Stage", zip(STAGE_LABELS, LIFECYCLE_STAGES, strict=True))
    yield _choice("hs_lead_status", "Lead Status", ((s, s.upper().replace(" ", "_")) for s in LEAD_STATUSES))
    yield _choice(
        "hs_language", "Preferred language", [("English", "en"), ("German", "de"), ("French", "fr")]
    )
    yield replace(OWNER, label="Contact owner")
    yield Property(name="closedate", label="Close Date", type="datetime", field_type="date")
    yield Property(
        name="hs_marketable_until_renewal",
        label="Marketing contact until next update",
        type="bool",
        field_type="booleancheckbox",
        options=TRUE_OR_FALSE,
    )


def _choice(name: str, label: str, options: Iterable[tuple[str, str]]) -> Property:
    pairs = tuple(Option(*pair) for pair in options)
    return Property(name=name, label=label, type="enumeration", field_type="radio", options=pairs)


def _custom() -> Iterator[Property]:
    yield from map(
        _from_scenario,
        (
            ExtraProperty(name="external_id", label="External ID", unique=True),
            ExtraProperty(name="score", label="Score", type="number"),
            ExtraProperty(name="renewal_date", label="Renewal date", type="date"),
            ExtraProperty(name="last_seen", label="Last seen", type="datetime"),
            ExtraProperty(name="vip", label="VIP", type="bool"),
            ExtraProperty(
                name="tier", label="Tier", type="enumeration", options=("gold", "silver", "bronze")
            ),
            ExtraProperty(
                name="interests",
                label="Interests",
                type="enumeration",
                multiple=True,
                options=("hiking", "sailing", "chess", "music"),
            ),
            ExtraProperty(name="account_manager", label="Account manager", type="enumeration", owner=True),
            ExtraProperty(name="whatsapp", label="WhatsApp", type="phone_number"),
            ExtraProperty(name="lifetime_value", label="Lifetime value", type="number", read_only=True),
            ExtraProperty(name="customer_number", label="Customer number", unique=True),
        ),
    )


def _from_scenario(extra: ExtraProperty) -> Property:
    return Property(
        name=extra.name,
        label=extra.label or extra.name,
        type=extra.type,
        field_type=_field_type(extra),
        options=TRUE_OR_FALSE if extra.type == "bool" else options_of(extra.options),
        external_options=extra.owner,
        owner=extra.owner,
        unique=extra.unique,
        read_only=extra.read_only,
        hubspot_defined=False,
        sensitivity=_sensitivity(extra),
    )


def _field_type(extra: ExtraProperty) -> str:
    if extra.checkbox:
        return "booleancheckbox"
    return "checkbox" if extra.multiple else FIELD_TYPES.get(extra.type, "text")


def _sensitivity(extra: ExtraProperty) -> str:
    if extra.highly_sensitive:
        return "highly_sensitive"
    return "sensitive" if extra.sensitive else "non_sensitive"


def options_of(written: Sequence[str]) -> tuple[Option, ...]:
    """The options that a scenario writes as `value` or `value=label`."""
    pairs = (option.partition("=") for option in written)
    return tuple(Option(label or value.capitalize(), value) for value, _, label in pairs)


CONTACT_PROPERTIES = tuple(_default())
#: Of every object type.
CUSTOM_PROPERTIES = tuple(_custom())
