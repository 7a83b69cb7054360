"""Properties of similar names are proposed; names that mean different things are never paired."""

import pytest

from uploader.hubspot.schema import Schema
from uploader.mockserver.account.default_properties import properties_of
from uploader.mockserver.account.object_types import CONTACTS
from uploader.mockserver.account.properties import Catalogue
from uploader.records.headers.near_properties import NearProperties

LABELS = Schema.decode(
    {"results": Catalogue(properties_of(CONTACTS)).definitions("non_sensitive")}
).labels | {
    "hs_analytics_source": "Original Traffic Source",
    "lead_score": "Lead Score",
    "contract_end": "Contact End Date",
    "home_phone": "Home Phone",
    "address_2": "Address 2",
    "project_code": "Project Code",
    "delivery_country": "Delivery Country",
}
NEAR = NearProperties(LABELS)

DIFFERENT = """
Account Name|AccountName|account_name|Account Number|Mobile Phone|Other Phone|Work Phone|Assistant Phone
Mailing State|Mailing Country|Other Street|Other City|Birthdate|Birth Place|Lead Source|LeadSource|Lead Owner
Contract End Date|Delivery County|Product Code|Address 1|Address 3|Record Type|Title|Owner|Form
Email Opt Out|Created Date By|Job Level|Job Category|Last Viewed|Lifetime Points|Customer Name|Customer Email
Contact Number|Account Owner|Company Phone|Company Email|Country Code|Postal Address|Start State|Tile|Teir 1
Renewal Rate|Home Page|Work Address|Industry Code|School District|Field of work|Follower|Lead
"""
MISSPELLED = {
    "Frist Name": "firstname",
    "Last Nmae": "lastname",
    "Adress 2": "address_2",
    "Job Titel": "jobtitle",
    "jobtitel": "jobtitle",
    "Compny Name": "company",
    "Moblie Phone Number": "mobilephone",
    "Lifecyle Stage": "lifecyclestage",
    "Sallutation": "salutation",
    "Lead Scores": "lead_score",
    "Created Date": "createdate",
    "Annual Revenu": "annualrevenue",
    "Acount Manager": "account_manager",
}


@pytest.mark.parametrize("column", DIFFERENT.replace("\n", "|").strip("|").split("|"))
def test_names_that_mean_different_things_are_not_paired(column):
    assert NEAR.misspelled(column) == ""


@pytest.mark.parametrize("column", MISSPELLED)
def test_a_misspelled_name_is_paired(column):
    assert NEAR.misspelled(column) == MISSPELLED[column]


def test_a_name_that_may_be_several_properties_is_none():
    near = NearProperties({"a": "Renewal Dates", "b": "Renewals Date"})
    assert near.misspelled("Renewal Date") == ""


def test_the_same_name_is_found_in_any_spelling_and_all_properties_that_have_it():
    near = NearProperties({"jobtitle": "Job Title", "a": "Shoe-Size", "b": "shoe size"})
    assert near.same("JOB_TITLE") == ("jobtitle",)
    assert near.same("ShoeSize") == ("a", "b")
    assert near.same("Shoe") == ()


def test_a_name_without_letters_is_like_no_other():
    near = NearProperties({"a": "---", "b": ""})
    assert (near.same("!!"), near.misspelled("!!")) == ((), "")
