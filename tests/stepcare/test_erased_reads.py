"""After an erasure: openings are still reviewed, and who looked can still be asked. Who may not is shown nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.merkle import leaf_hash
from stepcare.disclosure import NotShown, check
from tests.stepcare.conftest import Run
from tests.stepcare.test_erasing import closed, disclosed, erased, somebody, staffed, told
from tests.storage import canaries

PETRA = ("--as", "petra:privacy_officer")
__all__ = ["staffed"]


def test_an_opening_is_reviewed_after_its_person_was_erased(staffed: Run) -> None:
    """The finding is kept without words, and the opening no longer waits (nor holds back the retention of reads)."""
    person, episode = closed(staffed, "Somebody")
    why = ("--reason", "cover", "--text", "Covering for Ann this week.")
    opening = str(told("episode", "break-glass", episode, *why, "--as", "otto")["opening"])
    erased(person)

    reviewed = staffed("audit", "review", opening, "--finding", "justified", "--text", "Ann was away.", *PETRA)

    assert reviewed.exit_code == 0, reviewed.stderr
    assert "your words are not" in reviewed.stderr
    assert told("audit", "reviews", *PETRA) == []
    (kept,) = told("audit", "reviews", "--all", *PETRA)
    assert (kept["finding"], kept["reviewer"]) == ("justified", "petra")
    assert told("audit", "verify", "--as", "aziz")["verdict"] == "verified"


def test_who_looked_at_an_episode_is_still_told_after_erasure(staffed: Run) -> None:
    """The reads of an erased person's episode are listed; an episode that never was is not found."""
    person, episode = closed(staffed, "Somebody")
    assert staffed("episode", "show", episode, "--as", "ann").exit_code == 0
    erased(person)

    found = told("audit", "access", "--episode", episode.lower(), *PETRA)

    assert "read.episode" in {one["type"] for one in found}
    assert staffed("audit", "access", "--episode", "e-none", *PETRA).exit_code == 2
    assert staffed("audit", "access", "--episode", "none", *PETRA).exit_code == 3


def test_a_subject_who_was_erased_is_said_to_be_erased(staffed: Run, tmp_path: Path) -> None:
    """Not that there never was such a person: which entry erased them."""
    person, _ = closed(staffed, "Somebody")
    entry = erased(person)["entry"]

    for typed in (person, person.lower()):
        said = staffed("audit", "subject", typed, "--out", str(tmp_path / "out"), *PETRA)
        assert said.exit_code == 7
        assert f"was erased by entry {entry}" in said.stderr


# --- who may not is shown nothing -------------------------------------------------------------------------------------


def test_who_may_not_erase_is_not_shown_what_would_go(staffed: Run) -> None:
    """Asking or approving without the role: the door's refusal, and no counts."""
    person, _ = closed(staffed, "Somebody")
    ask = ("audit", "erase", person, "--basis", "objection")

    refused = [staffed(*ask, *more, "--as", "ann") for more in ((), ("--dry-run",))]
    request = told(*ask, *PETRA, exits=4)["id"]
    for who in ("ann", "olga"):
        refused += [staffed("audit", "erase", "--approve", request, "--as", who)]

    for one in refused:
        assert one.exit_code == 4
        assert "ROLE-01" in one.stdout
        assert "destroys" not in one.stderr


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_who_may_not_retain_is_not_shown_what_is_due(staffed: Run, more: tuple[str, ...]) -> None:
    """Who is due for erasure is a list of persons."""
    said = staffed("audit", "retain", *more, "--as", "ann")

    assert said.exit_code == 4
    assert "from before" not in said.stderr


def test_what_is_due_is_noted_before_it_is_shown(staffed: Run) -> None:
    """Also where it is only looked at."""
    before = len(told("audit", "access", "--type", "read.log", *PETRA))

    assert staffed("audit", "retain", "--dry-run", "--as", "adam").exit_code == 0

    assert len(told("audit", "access", "--type", "read.log", *PETRA)) == before + 1


def test_who_may_not_release_is_not_told_how_many_holds_there_are(staffed: Run) -> None:
    """Whether somebody is on hold is no answer for everybody; nina is a coordinator, like ann."""
    person, _ = closed(staffed, "Somebody")

    said = staffed("audit", "hold", "release", person, "--as", "ann")

    assert said.exit_code == 4
    assert "holds" not in said.stderr
    assert staffed("audit", "hold", "release", person, *PETRA).exit_code == 2


# --- disclosures from anywhere ----------------------------------------------------------------------------------------


def test_a_hostile_disclosure_is_not_shown_and_breaks_nothing(staffed: Run, tmp_path: Path) -> None:
    """A commitment, salt, section or number of another type, or brackets without end: exit 6, never a crash."""
    somebody(staffed, "Somebody", f"referrer={canaries.TEXT}")
    shown = disclosed(1, "text", tmp_path / "shown.json")
    said = json.loads(shown["entry"])
    commitments: list[Any] = [{"text": "é"}, {"text": 1}, {"text": None}, "text", []]
    bent = [json.dumps({**said, "c": one}) for one in commitments]
    hostile: list[Any] = [
        *({**shown, "entry": entry, "leaf": leaf_hash(entry.encode()).hex()} for entry in bent),
        {**shown, "salt": shown["salt"].upper()},
        {**shown, "salt": f" {shown['salt']}"},
        {**shown, "salt": f"{shown['salt']}\n"},
        {**shown, "index": True},
        {**shown, "index": 1.0},
        {**shown, "section": 0},
        {**shown, "section": "\ud800"},
        [],
        "text",
    ]
    file = tmp_path / "hostile.json"

    for one in hostile:
        with pytest.raises(NotShown):
            check(one)
        file.write_text(json.dumps(one), encoding="utf-8")
        assert staffed("audit", "disclose", "--check", str(file)).exit_code == 6
    deep = "[" * 100_000 + "]" * 100_000
    for text in (deep, json.dumps({**shown, "value": 0}).replace('"value": 0', f'"value": {deep}')):
        file.write_text(text, encoding="utf-8")
        assert staffed("audit", "disclose", "--check", str(file)).exit_code == 6


def test_a_disclosure_says_what_it_does_not_show(staffed: Run, tmp_path: Path) -> None:
    """It is not checked whether the entry is in the log; and a file that is there is not written over."""
    somebody(staffed, "Somebody", f"referrer={canaries.TEXT}")
    file = tmp_path / "shown.json"
    shown = disclosed(1, "text", file)
    again = ("audit", "disclose", "1", "--section", "text", "--as", "aziz", "--to")

    said = staffed("audit", "disclose", "--check", str(file))

    assert "audit proof" in said.stderr
    assert "audit proof" in shown["how_to_check"]
    assert staffed(*again, str(file)).exit_code == 5
    assert staffed(*again, str(tmp_path / "none" / "shown.json")).exit_code == 2
