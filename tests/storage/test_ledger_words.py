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
