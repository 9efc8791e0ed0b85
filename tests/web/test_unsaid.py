"""Sentences of ours without the caller's words in them."""

import pytest

from stepcare.web.unsaid import GONE, MOST_WORDS, OURS, Unsaid


@pytest.mark.parametrize(
    ("said", "sentence", "left"),
    [
        (["Bo"], "There is no form 'Bo'. Did you mean contact?", f"There is no form '{GONE}'. Did you mean contact?"),
        (["contact"], "There is no form 'contact'.", "There is no form 'contact'."),
        ([{"Ada L.": 1}], "Ada L. is not asked here.", f"{GONE} is not asked here."),
        (
            ['it\'s "so"'],
            f"The answer {'it' + chr(39) + 's ' + chr(34) + 'so' + chr(34)!r} is none.",
            f"The answer '{GONE}' is none.",
        ),
        (["x" * 100], f"{('x' * 100)[:60]!r} is no answer.", f"'{GONE}' is no answer."),
        (["is"], "This is it.", f"This {GONE} it."),
        ([11], "the score is 11: NRS goes from 0 to 10.", f"the score is {GONE}: NRS goes from 0 to 10."),
        ([10], "the score is wrong: NRS goes from 0 to 10.", "the score is wrong: NRS goes from 0 to 10."),
        (["7.25"], "the score is 7.25: give a whole number.", f"the score is {GONE}: give a whole number."),
        (["one and two, three"], "prefixone and two, threesuffix stays?", ""),
    ],
)
def test_what_was_said_is_left_out(said: object, sentence: str, left: str) -> None:
    """Quoted, shortened, as a key or a number; what is ours stays; where it cannot be cut out, all is left out."""
    assert Unsaid(said, OURS | {"contact"}).sentence(sentence) == left


def test_a_request_that_says_too_much_gets_no_sentence() -> None:
    """Nobody makes us search thousands of words."""
    many = [f"word-{number}" for number in range(MOST_WORDS + 1)]

    assert Unsaid(many).sentence("Something is wrong.", "Correct it.") == "Correct it."
    assert Unsaid(many[1:]).sentence("Something is wrong.", "Correct it.") == "Something is wrong."
