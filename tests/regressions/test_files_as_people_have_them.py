"""Files as people have them: what is around a table, and what cells hold that is no value. Whole jobs.

Each test is named after what a trial with such files showed.
"""

from support.jobs import Job
from support.mock_transport import make_simulator

HEADER = "email,firstname,lastname,address\n"


def job(tmp_path, text, name="contacts.csv", **options):
    source = tmp_path / name
    source.write_text(text, encoding="utf-8", newline="")
    run = Job(source, make_simulator(quota="190/10"), options)
    run.simulator.reset(0.0, [])
    return run


def good(count, first=0):
    return "".join(f"u{i}@x.com,First{i},Last{i},Street {i}\n" for i in range(first, first + count))


# --- quotes ---


def test_a_note_that_quotes_a_row_is_one_cell_and_creates_no_contact_of_its_own(tmp_path):
    note = "He wrote:\nbob@y.com,Bob,Stone,hello\nand that was all"
    run = job(tmp_path, HEADER + good(5) + f'a@x.com,Ann,Lee,"{note}"\n' + good(5, 5))
    summary = run.run_virtual()
    assert (summary.exit_code, summary.as_dict()["created"]) == (0, 11)
    assert run.held()["a@x.com"]["address"] == note
    assert "bob@y.com" not in run.held()


def test_a_note_with_a_quote_that_is_not_doubled_creates_no_contact_of_its_lines(tmp_path):
    note = 'He said "hi" and wrote:\nbob@y.com,Bob,Stone,hello\nand that was all'
    run = job(tmp_path, HEADER + good(5) + f'a@x.com,Ann,Lee,"{note}"\n' + good(5, 5))
    summary = run.run_virtual()
    assert (summary.exit_code, summary.as_dict()["created"], summary.as_dict()["invalid"]) == (1, 10, 3)
    assert "bob@y.com" not in run.held()
    assert [letter.row for letter in run.dead_letters()] == [7, 8, 9]
    assert "line 7 opens" in run.dead_letters()[1].message
