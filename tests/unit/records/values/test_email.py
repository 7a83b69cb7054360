"""Which texts are e-mail addresses."""

from hypothesis import example, given, strategies as st

from uploader.records.values.email import implausible_emails, plausible_email

PIECES = st.sampled_from(["a", "@", ".", ".b", " ", "\n", ";", "\u00e9", "\u200b", "a@b.example", "\0"])
PLAIN = st.integers(0, 99).map("a.b+{}@mail.example.com".format)
TEXTS = st.lists(PIECES, max_size=5).map("".join) | PLAIN


@given(st.lists(TEXTS, max_size=12))
@example(["a@b.example\na@b.example"])  # two lines, and one text
@example([f"{'a' * 250}@b.example"])
@example(["", "a@b.example", ""])
def test_of_many_texts_those_are_found_that_are_no_address(texts):
    found = list(implausible_emails(texts))
    assert found == [at for at, text in enumerate(texts) if not plausible_email(text)]
