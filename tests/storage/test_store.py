"""What any store of episodes keeps and gives back: the conformance suite."""

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.audit import canonical, check_envelope
from engine.decision import ParameterSet, Put, Recorded
from engine.errors import Conflict, InvalidInput, KeyReused, NotFound, StaleEpisode
from engine.fold import fold_site
from engine.model import Episode, Kind, Outcome, Record, Site
from engine.service import Applied, parameters_hash
from storage.ledger import answer_hash
from storage.sqlite import LIBRARY, SAFE_FOR_TWO_WRITERS
from storage.store import Store
from storage.tables import TABLES
from tests.storage.acts import NOTE, NOW, PACK, SHA, Acts, a_task
from tests.storage.homes import Home


def fresh(acts: Acts) -> Store:
    """Give a store that remembers nothing, over the same database."""
    return Store(acts.store.database, secrets.token_bytes)


def test_an_episode_is_its_entries_folded(acts: Acts) -> None:
    """What was decided comes back exactly, from the log alone, with the person as they are now."""
    acts.register()
    change = acts.visiting()
    acts.keep(change)

    found = fresh(acts).episode("e1")

    assert isinstance(change.after, Episode)
    assert found == replace(change.after, person=change.person_after)  # type: ignore[arg-type]  # there is one
    assert found.relied == {"r1": (2,)}


def test_only_newer_entries_are_folded(acts: Acts) -> None:
    """A store that has seen an episode brings it up to date when another one has changed it."""
    acts.register()
    other = fresh(acts)
    assert other.episode("e1").version == 1

    acts.visit()
    acts.keep(acts.moving())

    assert other.episode("e1") == acts.store.episode("e1") == fresh(acts).episode("e1")


def test_the_person_is_shared_by_their_episodes(acts: Acts) -> None:
    """What counts per person is seen from every episode of theirs, and by nobody else's."""
    acts.register("e1", "p1")
    acts.register("e2", "p1")
    acts.register("e3", "p2")

    acts.visit("e1")

    assert [record.id for record in acts.store.episode("e2").person.records] == ["r1"]
    assert acts.store.person("p1").episodes == {"e1": ("upper_back", "open"), "e2": ("upper_back", "open")}
    assert acts.store.episode("e3").person.records == ()
    assert fresh(acts).person("p1") == acts.store.person("p1")


def test_a_stale_episode_is_refused(acts: Acts) -> None:
    """Who decided on an older version is told so, and nothing is kept."""
    acts.register()
    late = acts.assigning()
    acts.visit()

    (applied,) = acts.store.apply((late,))

    assert isinstance(applied.error, StaleEpisode)
    assert (applied.error.seen, applied.error.current) == (1, 2)
    assert acts.store.episode("e1").owner is None


def test_a_person_who_changed_elsewhere_makes_the_episode_stale(acts: Acts) -> None:
    """Doses count per person: a decision made before another episode recorded one has to be made again."""
    acts.register("e1", "p1")
    acts.register("e2", "p1")
    late = acts.visiting("e2")
    acts.visit("e1")

    (applied,) = acts.store.apply((late,))

    assert isinstance(applied.error, StaleEpisode)


def test_the_site_is_versioned_too(acts: Acts) -> None:
    """Two people who set parameters at once do not overwrite each other."""
    first = acts.site_change(Kind.SET_PARAMETER, ParameterSet(name="observe_min", value=15))
    second = acts.site_change(Kind.SET_PARAMETER, ParameterSet(name="observe_min", value=30))

    one, two = acts.store.apply((first, second))

    assert one.error is None
    assert isinstance(two.error, StaleEpisode)
    assert acts.store.site() == fold_site(
        Site(version=1, pathways={"back": SHA}), (ParameterSet(name="observe_min", value=15),)
    )


def test_the_parameters_an_entry_names_can_be_read(acts: Acts) -> None:
    """Every parameter set that was ever in force is kept under its hash, the empty one too."""
    acts.set_parameter("observe_min", 20)

    for values in ({}, {"observe_min": 20}):
        assert acts.store.parameters(parameters_hash(values)) == canonical(values)
    assert acts.store.pack(SHA) == PACK
    with pytest.raises(NotFound):
        acts.store.parameters(parameters_hash({"observe_min": 21}))


def test_bytes_under_another_name_are_refused(acts: Acts) -> None:
    """A pack is named by its hash, or it is not kept."""
    change = acts.site_change(Kind.PUBLISH, packs=(("0" * 64, PACK, "back", "1"),))

    (applied,) = acts.store.apply((change,))

    assert isinstance(applied.error, InvalidInput)


def test_a_key_used_again_gives_the_entry_it_stands_for(acts: Acts) -> None:
    """Sending the same wish twice, at once or later, keeps it once."""
    acts.register()
    change = acts.visiting(key="k1")

    both = acts.store.apply((change, change))
    again = acts.store.apply((change,))

    assert both == [Applied(index=2), Applied(index=2, repeated=True)]
    assert again == [Applied(index=2, repeated=True)]
    assert acts.store.remembered("ann", "k1") == (2, change.request_hash)
    assert acts.store.remembered("ravi", "k1") is None
    assert acts.store.episode("e1").version == 2


def test_a_key_used_for_another_wish_is_refused(acts: Acts) -> None:
    """A key stands for one request body."""
    acts.register()
    acts.keep(acts.visiting(key="k1"))
    other = acts.visiting(pain="9", key="k1")

    (applied,) = acts.store.apply((other,))

    assert isinstance(applied.error, KeyReused)
    assert applied.error.entry == 2


def test_old_keys_are_forgotten(acts: Acts) -> None:
    """After their days a key may be used anew."""
    acts.register()
    acts.keep(acts.visiting(key="k1"))

    acts.store.forget_keys(NOW + timedelta(days=30))

    assert acts.store.remembered("ann", "k1") is None


def test_a_command_is_kept_once(acts: Acts) -> None:
    """A command's id is the id of its entry: there is one."""
    acts.register()
    change = acts.assigning()
    acts.keep(change)
    again = acts.assigning(owner="lena")
    again = replace(again, command=replace(again.command, id=change.command.id))

    (applied,) = acts.store.apply((again,))

    assert isinstance(applied.error, Conflict)


def test_several_decisions_share_a_commit_and_one_cannot_undo_another(acts: Acts) -> None:
    """Of a batch, what can be kept is kept in order; what cannot says why."""
    acts.register("e1", "p1")
    acts.register("e2", "p2")
    acts.register("e3", "p3")
    stale = acts.assigning("e1")
    acts.visit("e1")

    found = acts.store.apply((acts.visiting("e2"), stale, acts.visiting("e3"), acts.assigning("e1", "lena")))

    assert [one.index for one in found] == [5, None, 6, 7]
    assert isinstance(found[1].error, StaleEpisode)


def test_what_the_database_itself_refuses_does_not_undo_its_neighbours(acts: Acts) -> None:
    """A change that breaks a promise of the tables is replayed alone and reported; the others stand."""
    acts.register("e1", "p1")
    acts.register("e2", "p2")
    broken = acts.assigning("e1")
    assert isinstance(broken.after, Episode)
    broken = replace(broken, after=replace(broken.after, version=7))

    found = acts.store.apply((acts.visiting("e2"), broken))

    assert [one.index for one in found] == [3, None]
    assert "entry without its state change" in str(found[1].error)


def test_a_refused_registration_leaves_an_entry_and_no_episode(acts: Acts) -> None:
    """Nobody came to be registered, yet the refusal is in the log; the same episode can be registered later."""
    index = acts.keep(acts.refused_registration("e1", "p1"))

    with pytest.raises(NotFound):
        acts.store.episode("e1")
    assert acts.store.kept(index).envelope.outcome == "refused"
    assert acts.store.kept(index).person == "p1"
    acts.register("e1", "p1")
    assert acts.store.episode("e1").version == 1


def test_an_entry_keeps_the_decision_without_its_clauses(acts: Acts) -> None:
    """Command, outcome, answers, values read and picture come back; the clauses are decided again and compared."""
    acts.register()
    change = acts.visiting()
    index = acts.keep(change)

    kept = acts.store.kept(index)

    assert kept.answer == answer_hash(change.decision)
    (rule,) = change.decision.rules
    bare = replace(rule, clauses=(), message="", remedy="", sources=())
    assert kept.decision == replace(change.decision, rules=(bare,))
    assert kept.inputs == rule.clauses[0].inputs
    with pytest.raises(NotFound):
        acts.store.decision(99)


def test_a_persons_own_words_lie_in_a_section_of_their_own(acts: Acts) -> None:
    """Facts can be disclosed without what people wrote; nothing of either is in the clear."""
    acts.register()
    index = acts.visit()
    (entry,) = acts.store.entries(index, index + 1)

    sections = acts.store._opened(entry)

    assert NOTE not in json.dumps(sections["facts"])
    assert sections["text"] == [NOTE, "As agreed by phone."] or sections["text"] == ["As agreed by phone.", NOTE]
    with acts.store.database.reading() as connection:
        for table in TABLES:
            for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - our own
                assert b"Canary" not in b"".join(one if isinstance(one, bytes) else str(one).encode() for one in row)


def test_an_entry_says_in_the_clear_who_decided_what(acts: Acts) -> None:
    """Actor, type, rule answers, versions, pack and parameters stand in the entry itself."""
    acts.register()
    acts.keep(acts.refusing())
    acts.visit()
    acts.keep(acts.firing())
    acts.set_parameter("observe_min", 20)

    entries = [check_envelope(entry.entry) for entry in acts.store.entries()]

    assert [entry.type for entry in entries] == [
        "site.publish",
        "episode.register",
        "episode.move",
        "episode.record",
        "timer.fired",
        "site.set_parameter",
    ]
    assert [(entry.version_before, entry.version_after) for entry in entries] == [
        (0, 1),
        (0, 1),
        (1, 2),
        (2, 3),
        (3, 4),
        (1, 2),
    ]
    refused, fired = entries[2], entries[4]
    assert (refused.outcome, refused.state_before, refused.state) == ("refused", "intake", "intake")
    assert [(line.id, line.value, line.answer) for line in refused.rules] == [("PATH-05", "u", "no")]
    assert (fired.actor.kind, fired.trigger) == ("scheduler", "reassessment:2@0")
    assert entries[1].pathway == SHA
    assert {entry.parameters for entry in entries} == {parameters_hash({})}


def test_a_correction_names_the_entry_it_sets_right(acts: Acts) -> None:
    """From a corrected fact one finds the first version of it."""
    acts.register()
    record = Record(
        id=f"c{next(acts.made) + 1}",  # the id of the command that records it
        form="visit",
        values={"pain": "6"},
        occurred_at=NOW,
        recorded_at=NOW,
        by="ann",
        episode="e1",
        stay=0,
        version=2,
    )
    first = acts.keep(acts.change(acts.store.episode("e1"), Kind.RECORD, Recorded(record=record)))
    right = replace(record, id="r2", values={"pain": "5"}, version=3)
    corrected = acts.change(acts.store.episode("e1"), Kind.CORRECT, Recorded(record=right, supersedes=record.id))

    index = acts.keep(corrected)

    assert acts.store.kept(index).envelope.corrects == first


def test_timers_that_are_due_come_earliest_first(acts: Acts) -> None:
    """The worker asks for what has come; what is later, fired or cancelled stays where it is."""
    acts.register("e1", "p1")
    acts.register("e2", "p2")
    acts.visit("e1")
    acts.visit("e2")
    due = NOW + timedelta(days=12)

    assert acts.store.due_timers(due - timedelta(microseconds=1), 10) == []
    assert acts.store.due_timers(due, 10) == [("e1", "reassessment:1@0"), ("e2", "reassessment:1@0")]
    acts.keep(acts.firing("e1"))
    assert acts.store.due_timers(due, 10) == [("e2", "reassessment:1@0")]
    assert acts.store.due_timers(due, 0) == []


def test_what_is_not_here_is_said_so(acts: Acts) -> None:
    """An unknown episode or person is an error with what to do, never an empty one."""
    with pytest.raises(NotFound, match="episode list"):
        acts.store.episode("e404")
    with pytest.raises(NotFound):
        acts.store.person("p404")


def test_many_callers_are_all_served_once(acts: Acts) -> None:
    """Eight threads append to eight episodes: every entry is there, in one order without gaps."""
    for number in range(8):
        acts.register(f"e{number}", f"p{number}")

    def work(number: int) -> None:
        for _ in range(5):
            acts.keep(acts.assigning(f"e{number}", f"owner{number}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    assert [entry.idx for entry in acts.store.entries()] == list(range(49))
    assert {acts.store.episode(f"e{number}").version for number in range(8)} == {6}


@pytest.mark.skipif(LIBRARY < SAFE_FOR_TWO_WRITERS, reason="this SQLite writes alone")
def test_two_processes_may_write(acts: Acts, home: Home) -> None:
    """A second opening of the same database sees and extends the same log."""
    acts.register()
    with closing(home.open()) as second:
        other = Acts(store=Store(second, secrets.token_bytes))
        other.made = acts.made
        other.visit()

        acts.keep(acts.moving())

        assert other.store.episode("e1") == acts.store.episode("e1")


def test_entries_are_given_in_pieces(acts: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long log is read in batches that meet without gap or repeat."""
    acts.register()
    for _ in range(6):
        acts.keep(acts.refusing())
    monkeypatch.setattr("storage.store.BATCH", 3)

    assert [entry.idx for entry in acts.store.entries()] == list(range(8))
    assert [entry.idx for entry in acts.store.entries(2, 5)] == [2, 3, 4]
    assert [entry.epn for entry in acts.store.entries_of("e1")] == list(range(7))


def test_a_refused_or_waiting_decision_changes_no_work(acts: Acts) -> None:
    """A refusal raises the version and nothing else."""
    acts.register()
    acts.visit()
    before = acts.store.episode("e1")

    acts.keep(acts.refusing())

    after = acts.store.episode("e1")
    assert replace(after, version=before.version) == before
    assert acts.store.decision(3).outcome is Outcome.REFUSED


def test_the_last_word_on_an_item_is_what_is_kept(acts: Acts) -> None:
    """A decision may put the same item twice; the row is the last."""
    acts.register()
    before = acts.store.episode("e1")
    acts.keep(acts.change(before, Kind.SNOOZE, Put(item=a_task()), Put(item=a_task(status="done", closed_by="c9"))))

    assert [item.status for item in acts.store.episode("e1").due_items] == ["done"]
