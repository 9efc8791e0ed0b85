"""`audit show N`: the decision as it was seen, made again from what the entry keeps, and equal to its seal."""

import json
import os
import re
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from engine.audit import canonical
from engine.decision import Decision, Recorded
from engine.errors import Erased, NotFound
from engine.model import Actor, Command, Kind, Outcome, Role
from engine.service import Change
from stepcare.explained import DIFFERS, EQUAL, LOST, OTHER_ENGINE, explained, explained_json
from stepcare.replay import Replay
from stepcare.tell_entry import explained_lines
from storage.beside import unlike
from storage.ledger import sections_again, sections_of
from storage.seal import Place, open_sealed, seal
from tests.stepcare.courses import Lived, corrected, lived, walk
from tests.storage.test_verify import unguarded
from tests.worlds import LENA, RAVI, ZONE

Run = Callable[..., Result]
Asked = Callable[..., Any]
Story = tuple[Lived, dict[str, Decision]]


@pytest.fixture(scope="module", params=range(2))
def course(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Lived, None, None]:
    """Live a random course."""
    with lived(tmp_path_factory.mktemp("course")) as world:
        walk(world, request.param, 14)
        yield world


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Generator[Story, None, None]:
    """Live a course with a late entry and a correction, to be read."""
    with lived(tmp_path_factory.mktemp("story")) as world:
        yield world, corrected(world)


@pytest.fixture
def own(tmp_path: Path) -> Generator[Story, None, None]:
    """Live the same course in a test's own database, to go on with or to tamper with."""
    with lived(tmp_path) as world:
        yield world, corrected(world)


def shown(world: Lived, index: int) -> tuple[dict[str, Any], str]:
    """Give an entry as JSON, and as it reads."""
    row: Any = explained_json(world.app, explained(world.app, index))
    return row, "\n".join(str(line) for line in explained_lines(row, ZONE))


def entry_of(world: Lived, decision: Decision) -> int:
    """Give the entry a command became."""
    return next(one.index for one in world.past().steps if one.kept.decision.command.id == decision.command.id)


# --- made again ---------------------------------------------------------------------------------------------------


def test_every_entry_made_again_gives_the_commitments_it_keeps(course: Lived) -> None:
    """Decided again with its pack, numbers and facts, each entry commits to the same four sections, salt by salt."""
    stored = {one.idx: one for one in course.app.store.entries()}

    unequal: dict[int, object] = {}
    for redone in Replay(store=course.app.store).every():
        said = unlike(course.app.database, stored[redone.index], redone.decision) if redone.decision else redone.lost
        if said:
            unequal[redone.index] = said

    assert len(stored) > 20
    assert unequal == {}


CHANGES: dict[str, tuple[Callable[[Decision], Decision], set[str]]] = {
    "another outcome": (lambda one: replace(one, outcome=Outcome.REFUSED), {"facts"}),
    "a rule more failed": (lambda one: replace(one, failed=(*one.failed, "PATH-05")), {"facts"}),
    "a word of a prompt": (
        lambda one: replace(one, rules=(replace(one.rules[0], message="No."), *one.rules[1:])),
        {"facts"},
    ),
    "a value that was read": (
        lambda one: replace(one, rules=(replace(one.rules[0], clauses=()), *one.rules[1:])),
        {"facts"},
    ),
    "a rule left out": (lambda one: replace(one, rules=one.rules[1:]), {"facts"}),
    "a fact less relied on": (lambda one: replace(one, reads=one.reads[1:]), {"facts", "reads"}),
    "another picture": (lambda one: replace(one, derived={**one.derived, "overdue": 9}), {"facts"}),
    "an event less": (lambda one: replace(one, events=one.events[1:]), {"facts"}),
    "other numbers": (lambda one: replace(one, parameters="0" * 64), {"facts"}),
    "another person's own words": (
        lambda one: replace(one, command=replace(one.command, values={**one.command.values, "text": "!"})),
        {"facts", "text"},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_decision_that_came_out_otherwise_has_another_commitment(name: str, story: Story) -> None:
    """Whatever part of a decision changed, down to a word that was shown: its section is named."""
    world, told = story
    index = entry_of(world, told["moved"])
    redone = Replay(store=world.app.store).one(index)
    stored = next(world.app.store.entries(index, index + 1))
    assert redone.decision is not None
    assert unlike(world.app.database, stored, redone.decision) == ()
    change, sections = CHANGES[name]

    found = unlike(world.app.database, stored, change(redone.decision))

    assert set(found) == sections


def test_texts_are_numbered_as_they_were_met_the_first_time(story: Story) -> None:
    """People's words may be met in another order when a decision is made again: the sections are the same all the same."""
    _, told = story
    texts = frozenset({"zeta", "alpha"})
    typed = replace(told["moved"].command, values={"list": [{"zeta": "first", "alpha": "second"}]})
    sorted_ = replace(typed, values={"list": [{"alpha": "second", "zeta": "first"}]})
    first, again = replace(told["moved"], command=typed), replace(told["moved"], command=sorted_)

    kept = sections_of(_change(first), "p1", texts)
    said: Any = kept["text"]
    made = sections_again(again, "p1", texts, said)

    assert said == ["first", "second"]
    assert {name: canonical(one) for name, one in made.items()} == {name: canonical(one) for name, one in kept.items()}
    other = replace(told["moved"], command=replace(typed, values={"list": [{"alpha": "second", "zeta": "third"}]}))
    assert sections_again(other, "p1", texts, said) != kept


def _change(decision: Decision) -> Change:
    site: Any = None
    return Change(command=decision.command, decision=decision, before=site, after=site, request_hash="")


# --- what is found ------------------------------------------------------------------------------------------------


def test_a_changed_pack_is_found(own: Story) -> None:
    """Somebody rewords a rule in the pack that is kept: the entry no longer explains itself as it did, and says so."""
    world, told = own
    index = entry_of(world, told["wrong"])
    row, _ = shown(world, index)
    assert row["check"]["verdict"] == EQUAL
    with unguarded(world.app.database) as connection:
        (data,) = connection.execute("SELECT bytes FROM pack").fetchone()
        reworded = bytes(data).replace(b'"level":"SS"', b'"level":"HS2"')
        connection.execute("UPDATE pack SET bytes = ?", (reworded,))

    row, text = shown(world, index)

    assert reworded != data
    assert row["check"]["verdict"] == DIFFERS
    assert "facts" in [name for name, said in row["check"]["sections"].items() if said == "differs"]
    assert "✗ differs in" in text
    assert "audit verify" in text


def test_changed_numbers_are_found(own: Story) -> None:
    """Somebody changes the parameter set an entry names: decided again, it differs."""
    world, told = own
    index = entry_of(world, told["moved"])
    with unguarded(world.app.database) as connection:
        connection.execute("""UPDATE parameter_set SET bytes = CAST('{"screen_fresh_days":1}' AS BLOB)""")

    row, _ = shown(world, index)

    assert row["check"]["verdict"] == DIFFERS


def test_an_answer_that_was_sealed_anew_is_found(own: Story) -> None:
    """Whoever holds the keys can seal another answer and commit to it; deciding again does not give that answer."""
    world, told = own
    index = entry_of(world, told["moved"])
    database, stored = world.app.database, next(world.app.store.entries(index, index + 1))
    key, place = database.vault.key("p1"), Place(origin=database.origin, entry=stored.id)
    entry = json.loads(stored.entry)
    sections = open_sealed(stored.blob or b"", entry["c"], key, place)
    facts: Any = sections["facts"]
    facts["recommended"] = "adequate"
    entry["c"], blob = seal(sections, key, place, os.urandom)
    with unguarded(database) as connection:
        connection.execute("UPDATE audit_entry SET entry = ? WHERE idx = ?", (canonical(entry), index))
        connection.execute("UPDATE audit_sealed SET blob = ? WHERE idx = ?", (blob, index))

    row, text = shown(world, index)

    assert row["check"]["verdict"] == DIFFERS
    assert row["check"]["differences"] == ["recommended"]
    assert "differs in recommended" in text


def test_an_entry_of_another_engine_is_no_failure(story: Story) -> None:
    """Another version of the engine may decide otherwise: that is said, and blamed on nobody."""
    world, told = story
    found = explained(world.app, entry_of(world, told["moved"]))
    assert found.redone is not None
    assert found.redone.kept is not None
    kept = replace(found.redone.kept, envelope=replace(found.redone.kept.envelope, engine="0"))

    other = replace(found, redone=replace(found.redone, kept=kept, differences=("derived",)))

    assert other.verdict == OTHER_ENGINE
    row: Any = explained_json(world.app, other)
    assert "no failure" in "\n".join(str(line) for line in explained_lines(row, ZONE))


def test_an_entry_whose_key_is_gone_says_what_it_says_in_the_clear(own: Story) -> None:
    """Who, when, which rules, what came of it and where it stands are told; the rest cannot be, and that is said."""
    world, told = own
    index = entry_of(world, told["moved"])
    world.app.vault.destroy_key("p1", world.app.clock())

    row, text = shown(world, index)

    assert (row["check"]["verdict"], row["by"], row["outcome"], row["state"]) == (
        LOST,
        "ravi",
        "accepted",
        "professional",
    )
    assert "PATH-05" in [rule["id"] for rule in row["rules"]]
    assert row["chain"]["previous"] is not None
    assert "? cannot be recomputed" in text
    assert "preference" not in json.dumps(row)


def test_an_erased_persons_entry_names_the_entry_that_erased_them(own: Story) -> None:
    """After an erasure the entries before it say by which entry the key is gone; nothing of them is false, or known."""
    world, told = own
    index = entry_of(world, told["moved"])
    asked = world.move("void", RAVI, reason="duplicate")
    world.do(LENA, Kind.SIGN_OFF, {"answer": "yes"}, of=asked.command.id)
    petra = Actor(id="petra", role=Role.PRIVACY_OFFICER)
    erase = Command(id="erase", kind=Kind.ERASE, actor=petra, values={"person": "p1", "basis": "consent_withdrawn"})
    yes = Command(id="yes", kind=Kind.SIGN_OFF, actor=LENA, of="erase", values={"answer": "yes"})
    entry = [world.app.engine.handle(one).entry for one in (erase, yes)][1]

    row, text = shown(world, index)

    assert row["check"]["verdict"] == LOST
    assert f"? cannot be recomputed: its person was erased, the key is gone by entry {entry}" in text
    assert "PATH-05" in text
    with pytest.raises(Erased):
        world.past()


def test_a_sealed_part_that_was_changed_is_tampering(own: Story) -> None:
    """One bit of the sealed part: it is no longer what the entry commits to, which is not the same as a missing key."""
    world, told = own
    index = entry_of(world, told["moved"])
    with unguarded(world.app.database) as connection:
        (blob,) = connection.execute("SELECT blob FROM audit_sealed WHERE idx = ?", (index,)).fetchone()
        connection.execute("UPDATE audit_sealed SET blob = ? WHERE idx = ?", (blob[:-1] + bytes([blob[-1] ^ 1]), index))

    found = explained(world.app, index)

    assert (found.verdict, found.lost is not None and found.lost.exit) == (LOST, 6)


# --- what is shown ------------------------------------------------------------------------------------------------


def test_every_rule_is_shown_with_its_clauses_values_and_their_age(story: Story) -> None:
    """Rule by rule: level, answer, each clause, each value with the entry that recorded it and how old it was."""
    world, told = story

    row, text = shown(world, entry_of(world, told["moved"]))

    assert [rule["id"] for rule in row["rules"]] == [rule.id for rule in told["moved"].rules]
    assert "✓ SS PATH-05  yes, holds" in text
    assert "reassessed: yes" in text
    assert re.search(r"consent\.given = yes, of entry \d+, 19 days old \(2026-03-03 09:00:\d\d \+01:00\)", text)
    assert "sources" in text
    assert row["pack"]["worded_in"] == "en"
    assert row["parameter_values"]["used"]["screen_fresh_days"] == 28
    assert all(name in text for name in row["commitments"].values())


def test_what_a_decision_relied_on_and_was_corrected_is_said_with_both(story: Story) -> None:
    """The step up says which fact was wrong and who corrected it; the correction says which decisions it undermines."""
    world, told = story
    wrong, moved, right = (entry_of(world, told[name]) for name in ("wrong", "moved", "right"))

    row, text = shown(world, moved)
    assert [(one["entry"], one["corrected_by"]) for one in row["relied_wrongly"]] == [(wrong, [right])]
    assert f"! corrected since, by entry {right}" in text

    row, text = shown(world, right)
    assert (row["corrects"], [one["entry"] for one in row["misled"]]) == (wrong, [moved])
    assert f"this corrects entry {wrong}" in text

    row, text = shown(world, wrong)
    assert row["corrected_by"] == [right]
    assert "entered 2 d late" in text
    assert f"corrected by entry {right}" in text


def test_the_pair_of_a_sign_off_names_both_persons(own: Story) -> None:
    """The entry that asked and the entry that answered each name both: who, as what, when, in which entry."""
    world, _ = own
    asked = world.move("void", RAVI, reason="duplicate")
    answer = world.do(LENA, Kind.SIGN_OFF, {"answer": "yes"}, of=asked.command.id)
    assert (asked.outcome, answer.outcome) == (Outcome.NEEDS_SIGN_OFF, Outcome.ACCEPTED)

    pairs = [shown(world, entry_of(world, one))[0]["sign_off"] for one in (asked, answer)]

    assert pairs[0] == pairs[1]
    assert (pairs[0]["asked"]["by"], pairs[0]["answered"]["by"], pairs[0]["status"]) == ("ravi", "lena", "approved")
    text = shown(world, entry_of(world, answer))[1]
    assert "asked for by ravi as assessor" in text
    assert "answered yes by lena as lead" in text


def test_a_refusal_tells_every_failed_rule_and_its_remedy(own: Story) -> None:
    """A refusal is a decision: its failed rules, remedies and citations are told, in the words that were shown."""
    world, _ = own
    values: dict[str, Any] = {"to": "injection", "preference": "agrees_with_plan", "technique": "injection"}
    refused = world.move("step_up", RAVI, **values, manipulation_considered="no")
    assert refused.outcome is Outcome.REFUSED

    row, text = shown(world, entry_of(world, refused))

    assert row["failed"] == list(refused.failed)
    for rule in refused.rules:
        assert rule.message in text
        assert rule.remedy in text
    assert "failed" in text


def test_neighbours_lead_through_an_episode(story: Story) -> None:
    """From an entry to the one before and after it in its own episode, whatever stands between them in the log."""
    world, _ = story
    indexes = [step.index for step in world.past().steps]

    chains = [shown(world, index)[0]["chain"] for index in indexes]

    assert [one["previous"] for one in chains] == [None, *indexes[:-1]]
    assert [one["next"] for one in chains] == [*indexes[1:], None]


def test_the_sites_own_entries_are_shown_too(story: Story) -> None:
    """Publishing is an entry: who, which pack; it stands in the site's chain."""
    world, _ = story

    row, text = shown(world, 0)

    assert (row["check"]["verdict"], row["episode"], row["chain"]["previous"]) == (EQUAL, None, None)
    assert "of the site" in text


def test_an_entry_that_is_not_there_is_not_found(story: Story) -> None:
    """A number beyond the log is not found, and it is said how to list the latest."""
    with pytest.raises(NotFound, match="audit show"):
        explained(story[0].app, 9999)


def test_a_record_made_here_is_said_to_be_typed_here(story: Story) -> None:
    """A value of the command's own form is not told as if it had been known before."""
    world, told = story
    assert any(isinstance(event, Recorded) for event in told["moved"].events)

    _, text = shown(world, entry_of(world, told["moved"]))

    assert "to = professional" in text
    assert "of record" not in text


# --- on the command line ------------------------------------------------------------------------------------------


def test_show_exits_by_what_it_found(run: Run, asked: Asked, episode: str) -> None:
    """Equal is 0, not there is 3; JSON holds the same check that people read."""
    line = asked("audit", "show", "--last", "1")[0]

    row = asked("audit", "show", str(line["entry"]))

    assert (row["episode"], row["check"]["verdict"], row["command"]) == (episode, EQUAL, "register")
    assert "✓ recomputed and equal" in run("audit", "show", str(line["entry"])).stdout
    assert run("audit", "show", "999").exit_code == 3


def test_show_is_for_those_who_may_read_the_log(run: Run, episode: str) -> None:
    """An auditor reads every entry, a lead those of their team, a coordinator none."""
    assert run("audit", "show", "1", "--as", "aziz").exit_code == 0
    assert run("audit", "show", "1", "--as", "lena").exit_code == 0
    assert run("audit", "show", "1", "--as", "ann").exit_code == 4
