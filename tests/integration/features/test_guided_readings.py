"""What check asks about the reading of columns is asked by the guide, and its answers leave nothing open."""

from support.check_runs import check
from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from uploader.check.mapping_edits import decisions
from uploader.cli.guide.answers import State, answered
from uploader.cli.guide.questions import reading_questions

PROPERTIES = [
    {"name": "born", "type": "date"},
    {"name": "paid", "type": "number"},
    {"name": "seen", "type": "datetime"},
    {"name": "made", "type": "date"},
]
ROWS = [
    {"email": "a@x.com", "born": "01/02/2020", "paid": "1,234", "seen": "03/04/2024 10:00", "made": "45000"}
]
#: The column of each question, its number of choices, and what is typed.
ASKED = [
    ("seen", 0, ["berlin", "1"]),
    ("seen", 2, ["1"]),
    ("made", 2, ["1"]),
    ("born", 2, ["2"]),
    ("paid", 2, ["2"]),
]


def test_each_open_reading_is_asked_about_and_no_check_asks_again(tmp_path):
    simulator = make_simulator(quota="none", properties=PROPERTIES)
    job = Job(write_csv(tmp_path / "a.csv", ROWS), simulator, {})
    report = check(job)
    questions = reading_questions(report)
    state = State('[columns]\n"Born" = "born"\n', questions)
    for question in questions:
        assert not question.is_proposed
        assert "--" not in "".join(question.about), question
    typed = [one for *_, answers in ASKED for one in answers]
    for one in typed:
        state = answered(state, one)
    found = [(one.title, len(one.choices)) for one in questions]
    assert found == [(f'Column "{column}"', choices) for column, choices, _ in ASKED]
    assert not state.ahead
    file = decisions(state.text)
    assert file.date_orders == {"seen": "DMY", "made": "SERIAL", "born": "MDY"}
    assert (file.decimals, file.timezones) == (
        {"paid": ","}, {"seen": "Europe/Berlin"},
    )  # fmt: skip
    decided = {name: getattr(file, name) for name in ("date_orders", "decimals", "timezones")}
    again = check(Job(job.source, simulator, decided))
    assert (again.open_readings, again.problems, again.findings.invalid) == ({}, [], 0)
