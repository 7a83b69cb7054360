"""From a file whose values differ to a verified account: draft, remove the #, upload, verify."""

import json
import subprocess

from support.processes import environment, run

HEADER = "Email,Lifecycle,Vip,Owner"
STAGES = ["MQL", "Leads", "Prospect", "Customer"]


def sed(folder, script, name):
    subprocess.run(["sed", "-i", script, name], cwd=folder, check=True)


def test_a_draft_of_values_and_owners_is_completed_with_sed_and_uploaded(tmp_path, hubspot_mock):
    mock = hubspot_mock()
    rows = [f"c{n}@example.com,{STAGES[n % 4]},{'Yess' if n % 2 else 'no'},Old Ann" for n in range(40)]
    (tmp_path / "a.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    variables = environment(HUBSPOT_BASE_URL=mock.url)
    drafts = ("--write-mapping", "map.toml", "--write-owner-map", "owners.csv")
    ended = run("check", "a.csv", *drafts, cwd=tmp_path, env=variables)
    assert (ended.code, "map.toml" in ended.err) == (2, True), ended
    assert "no column is known to hold owners: --write-owner-map wrote no file" in ended.err
    # What anybody would type: the columns, then the values, then what is left to fill in.
    sed(tmp_path, '/^\\[values/,$ s/^# \\(".*" = \\)/\\1/', "map.toml")
    sed(
        tmp_path,
        's/"Prospect" = "OPTION"/"Prospect" = "lead"/; s/"Yess" = "OPTION"/"Yess" = "true"/',
        "map.toml",
    )
    sed(tmp_path, 's/^# \\("[A-Z][a-z]*" = "[a-z_]*"\\)$/\\1/', "map.toml")
    options = ("--mapping", "map.toml")
    ended = run(
        "check", "a.csv", *options, "--write-owner-map", "owners.csv", "--json", cwd=tmp_path, env=variables
    )
    report = json.loads(ended.out)
    assert (ended.code, report["bad_values"], report["problems"]) == (1, [], []), ended
    assert report["unknown_owners"] == {"hubspot_owner_id": {"Old Ann": 40}}
    owners = tmp_path / "owners.csv"
    assert owners.read_text() == "their owner,HubSpot owner,rows\nOld Ann,OWNER,40\n"
    assert owners.stat().st_mode & 0o777 == 0o600
    options += ("--owner-map", "owners.csv", "--yes", "--no-canary")
    refused = run("upload", "a.csv", *options, cwd=tmp_path, env=variables)
    assert (refused.code, "owners.csv: row 2 needs an e-mail address or id" in refused.err) == (2, True), (
        refused
    )
    sed(tmp_path, "s/OWNER/41629779/", "owners.csv")
    ended = run("upload", "a.csv", *options, cwd=tmp_path, env=variables)
    assert ended.code == 0, ended
    ended = run("verify", "a.csv.checkpoint", cwd=tmp_path, env=variables)
    assert ended.code == 0, ended
    held = {one["properties"]["email"]: one["properties"] for one in mock.contacts()}
    stages = ["marketingqualifiedlead", "lead", "lead", "customer"]
    for n in range(40):
        properties = held[f"c{n}@example.com"]
        assert properties["lifecyclestage"] == stages[n % 4]
        assert (properties["vip"], properties["hubspot_owner_id"]) == (
            "true" if n % 2 else "false",
            "41629779",
        )
