"""The account's properties on the command line, in real processes."""

import json

from support.processes import environment, run


def test_properties_are_a_table_that_fits_or_json_and_no_match_is_told_with_similar_names(
    tmp_path, hubspot_mock
):
    url = hubspot_mock().url

    def properties(*words):
        return run("properties", *words, cwd=tmp_path, env=environment(HUBSPOT_BASE_URL=url, COLUMNS="80"))

    ended = properties()
    lines = ended.out.splitlines()
    assert (ended.code, max(map(len, lines)) <= 80) == (0, True)
    assert lines[0].split() == ["name", "label", "type", "options", "notes"]
    assert "account 44237313: 74 of 74 contact properties" in ended.err
    ended = properties("TIER")
    assert "  gold: Gold" in ended.out.splitlines()
    assert "customer_number" not in ended.out
    ended = properties("last seen", "--json")
    assert [one["name"] for one in json.loads(ended.out)] == ["last_seen"]
    ended = properties("lifecylestage")
    assert (ended.code, ended.out) == (1, "")
    assert "similar: lifecyclestage" in ended.err
