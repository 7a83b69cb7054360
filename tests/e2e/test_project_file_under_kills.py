"""What a project file decides holds over processes that are killed, and ones that stop at a row."""

import csv

from support.processes import environment, holding, kill, run, start, wait_until

PROJECT = """
source = ["contacts.csv"]
opt_outs = "list"
blank_values = ["n/a"]

[columns]
"E-mail" = "email"
"Town" = { property = "city", blank_values = ["0"] }
"Class" = "tier"

[values."Class"]
"A" = "gold"
"B" = "Silver"

[values."Marketing status"]
"unsubscribed" = "yes"
"subscribed" = "no"
"""
COUNT = 900
TOWNS, CLASSES = (("Ulm", "Ulm"), ("n/a", ""), ("0", "")), (("A", "gold"), ("b", "silver"), ("N/A", ""))


def listed(folder):
    path = folder / "contacts.csv.optouts.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [address for (address,) in list(csv.reader(file))[1:]]


def test_blanks_values_and_opt_outs_hold_over_kills_and_limits(tmp_path, hubspot_mock):
    wanted, opted_out = {}, set()
    with (tmp_path / "contacts.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["E-mail", "Town", "Class", "Marketing status"])
        for at in range(COUNT):
            (town, city), (class_, tier), address = TOWNS[at % 3], CLASSES[at % 7 % 3], f"c{at}@example.com"
            lines.writerow([address, town, class_, "Unsubscribed" if at % 5 == 0 else "subscribed"])
            wanted[address] = (city, tier)
            opted_out |= {address} if at % 5 == 0 else set()
    (tmp_path / "contacts.toml").write_text(PROJECT)
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.02)
    env, upload = environment(HUBSPOT_BASE_URL=mock.url), ("upload", "-f", "contacts.toml", "--json")

    def held():
        return {
            one["properties"]["email"]: tuple(one["properties"].get(name) or "" for name in ("city", "tier"))
            for one in mock.contacts()
        }

    def kill_at(received, *more):
        mock.change_scenario(holding((received - mock.stats()["records_received"]) // 100 + 3))
        process = start(*upload, *more, cwd=tmp_path, env=env)
        wait_until(lambda: mock.stats()["records_received"] >= received, process)
        kill(process)
        mock.change_scenario({})
        # Each moment would do: whoever was written and has opted out is in the list.
        assert held().keys() & opted_out <= set(listed(tmp_path))

    kill_at(100, "--limit", "400")
    stopped = run(*upload, "--limit", "400", cwd=tmp_path, env=env)
    assert (stopped.code, stopped.summary["rows"], stopped.summary["open"]) == (75, 400, 0)
    assert held() == dict(list(wanted.items())[:400])
    kill_at(600)
    ended = run(*upload, cwd=tmp_path, env=env)
    assert (ended.code, ended.summary["rows"], ended.summary["opt_outs"]) == (0, COUNT, len(opted_out))
    assert held() == wanted
    assert sorted(listed(tmp_path)) == sorted(opted_out)
    assert run("verify", "-f", "contacts.toml", cwd=tmp_path, env=env).code == 0
