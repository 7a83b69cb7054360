"""Lines fit the terminal, no word or quoted value is broken, and folded commands are the same commands."""

import pytest
from hypothesis import given, strategies as st

from uploader.cli.text.folding import cut, cut_at_word, folded, folded_command, wrapped
from uploader.cli.text.next_command import command_line
from uploader.cli.text.terminal_lines import broken_lines

WORDS = st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=30)
ARGUMENTS = st.lists(
    st.text(st.sampled_from(list("ab c'\"$-=é\\\n")), min_size=1, max_size=30), min_size=1, max_size=8
)


@given(WORDS, st.sampled_from(["", "  ", "   1,234  "]), st.integers(24, 90))
def test_words_stay_whole_and_lines_fit(words, lead, width):
    lines = folded(lead + " ".join(words), width)
    assert " ".join(lines).split() == [*lead.split(), *words]
    assert all(len(line) <= width for line in lines)
    assert len({len(line) - len(line.lstrip()) for line in lines[1:]}) <= 1


def test_an_option_stays_beside_its_quoted_value():
    text = 'to take them for blanks: --blank-value "Mailing Country=not known" --blank-value "n/a"'
    for width in range(42, 90):
        assert sum('--blank-value "Mailing Country=not known"' in line for line in folded(text, width)) == 1


@pytest.mark.parametrize("fold", [lambda text, width: wrapped(text, width, "", "  "), folded])
@pytest.mark.parametrize(
    "entry",
    [
        '"Email" = { property = "email", blank_values = ["none@none.com"] }',
        '"Contact ID" = "external_id"',
        'blank_values = ["n/a",',
    ],
)
def test_an_entry_of_a_file_stays_in_one_line(fold, entry):
    text = f"1,522 cells may stand for no value: none@none.com (1,522): {entry} in contacts.toml"
    for width in range(40, 120):
        assert sum(entry in line for line in fold(text, width)) == 1


@given(ARGUMENTS, st.integers(40, 100))
def test_a_command_is_never_folded_so_that_it_can_be_pasted(arguments, width):
    command = command_line("check", *arguments)
    *_, last = folded_command(f"next: correct this, then {command}", width)
    assert last.removeprefix("next: correct this, then").strip() == command.strip()
    if len(last) > width:
        assert broken_lines(last, width) == [last]


def test_a_command_within_a_sentence_stays_in_one_piece():
    text = "Not visible to uploader: workflows, costs (`uploader help live-portal`), and more of it"
    for width in range(30, 90):
        for lines in (folded(text, width), broken_lines(text, width)):
            assert sum("(`uploader help live-portal`)," in line for line in lines) == 1


@pytest.mark.parametrize("width", range(4, 30))
def test_what_is_cut_fits_and_is_marked(width):
    text = "Lifecycle Stage: Prospect (3,988), MQL (3,887)"
    for short in (cut(text, width), cut_at_word(text, width)):
        assert len(short) <= width
        assert short.endswith("...")
        assert short.count("(") == short.count(")") or short == cut(text, width)
    assert cut("日本語のなまえ", 9) == "日本語..."
    assert cut("Stage", 5) == cut_at_word("Stage", 5) == "Stage"
