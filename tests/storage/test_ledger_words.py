"""People's own words are sealed apart, and whatever they write comes back as they wrote it."""

import pytest

from engine.model import Json
from storage.ledger import _with_texts, _without_texts


@pytest.mark.parametrize(
    "activities",
    [{"lifting": 3}, {"text#": 3}, {"text##": 3}, {"text#": {"text#": 1}}, {"text#": 3, "lifting": 2}, {"text": 1}],
)
def test_an_activity_may_be_named_like_our_mark(activities: dict[str, Json]) -> None:
    """The person names the activity; the mark that stands for a text taken out never mistakes it for itself."""
    given: Json = {"values": {"psfs": {"items": activities}, "note": "my own words"}}
    taken: dict[str, int] = {}

    sealed = _without_texts(given, frozenset({"note"}), taken, inside=False)

    assert "my own words" not in str(sealed)
    assert _with_texts(sealed, list(taken)) == given


def test_only_answers_hold_peoples_own_words() -> None:
    """A text field's name means a text among answers and where its fact is named; elsewhere the word is ours."""
    given: Json = {
        "note": "ours",
        "command": {"values": {"note": "theirs", "side": "left", "points": [{"note": "theirs too"}]}},
        "inputs": [{"fact": "visit.note", "value": "theirs"}, {"fact": "visit.side", "value": "left"}, None, 3],
        "why": "theirs again",
    }
    taken: dict[str, int] = {}

    sealed = _without_texts(given, frozenset({"note", "text", "why"}), taken, inside=False)

    assert list(taken) == ["theirs", "theirs too", "theirs again"]
    assert sealed == {
        "note": "ours",
        "command": {"values": {"note": {"text#": 0}, "side": "left", "points": [{"note": {"text#": 1}}]}},
        "inputs": [{"fact": "visit.note", "value": {"text#": 0}}, {"fact": "visit.side", "value": "left"}, None, 3],
        "why": {"text#": 2},
    }
