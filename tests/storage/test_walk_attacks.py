"""Tampering that looks like something allowed: an erasure, a row outside the log, a clear part that lies."""

# ruff: noqa: S608 - attacks are text

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import storage.commit
from engine.audit import Agent, Envelope
from engine.errors import Erased, NotFound, StaleEpisode
from engine.model import Command, Kind
from stepcare.custody import finish_erasures
from stepcare.subject import subject_of
from storage.connection import Connection
from storage.database import Database
from storage.erasures import has_key
from storage.ledger import envelope_of
from storage.schema_erasure import AT, EMPTY_EPISODE
from storage.store import Store
from storage.tables import TABLES
from storage.verify import Report, Verdict, verify_log
from storage.walk import opener_of
from tests.storage.acts import Acts
from tests.storage.erased import ANN, LENA, PETRA, Site, site_at
from tests.storage.homes import Home
from tests.storage.test_erasure import OTHER, WHO, planted

FAR = 2**62


def verified(database: Database) -> Report:
    """Verify with the vault's keys."""
    return verify_log(database, opener_of(database))


# --- hidden behind an erasure -------------------------------------------------------------------------------------


def one_erased_one_living(site: Site) -> tuple[str, str, str]:
    """Erase one person for good, and let another one be cared for: (erased, living, the living one's episode)."""
    erased, _ = planted(site)
    living, episode = site.register(OTHER)
    site.about(ANN, Kind.CONTACT, episode, "k9", channel="telephone", result="reached", note="told us of weak legs")
    site.erase(erased)
    list(finish_erasures(site.app))
    return erased, living, episode


def hide(connection: Connection, erased: str, living: str, episode: str) -> None:
    """Make all of a living person's rows look as if they had been erased with somebody else."""
    (at,) = connection.execute("SELECT at FROM erasure", {}).fetchone()
    connection.execute(
        "UPDATE audit_sealed SET person_ref = :erased, blob = :blob WHERE person_ref = :living",
        {"erased": erased, "living": living, "blob": b"\x00"},
    )
    connection.execute("UPDATE episode SET person_ref = :erased WHERE id = :id", {"erased": erased, "id": episode})
    for name, value in EMPTY_EPISODE.items():
        said = {"value": at if value == AT else value, "id": episode}
        connection.execute(f'UPDATE episode SET "{name}" = :value WHERE id = :id', said)
    for table in ("due_item", "timer", "message"):
        connection.execute(f"DELETE FROM {table} WHERE episode_id = :id", {"id": episode})
    connection.execute("DELETE FROM person_state WHERE ref = :living", {"living": living})


def test_a_living_person_cannot_be_hidden_behind_anothers_erasure(home: Home) -> None:
    """The erasing entry keeps what it closed: entries that are put to it afterwards are named."""
    with site_at(home) as site:
        erased, living, episode = one_erased_one_living(site)
        assert verified(site.app.database).verdict is Verdict.VERIFIED
    with home.unguarded() as connection:
        hide(connection, erased, living, episode)

    with site_at(home) as site:
        report = verified(site.app.database)

    assert report.verdict is Verdict.TAMPERED
    assert any(fault.what == "erasure" and episode in fault.reason for fault in report.faults)


def test_what_is_decided_after_an_erasure_cannot_be_put_behind_it(home: Home) -> None:
    """Nothing is sealed about an erased person, so a later entry that names them was put there."""
    with site_at(home) as site:
        erased, _ = planted(site)
        site.erase(erased)
        list(finish_erasures(site.app))
        living, episode = site.register(OTHER)
    with home.unguarded() as connection:
        hide(connection, erased, living, episode)

    with site_at(home) as site:
        report = verified(site.app.database)

    assert {fault.what for fault in report.faults} >= {"erasure"}
    assert report.verdict is Verdict.TAMPERED


def test_a_decision_of_the_site_cannot_be_hidden_behind_an_erasure(home: Home) -> None:
    """Of the site's own entries only a refused registration is about a person."""
    with site_at(home) as site:
        erased, _, _ = one_erased_one_living(site)
    with home.unguarded() as connection:
        harm = "UPDATE audit_sealed SET person_ref = :erased, blob = :blob WHERE idx = 0"
        connection.execute(harm, {"erased": erased, "blob": b"\x00"})

    with site_at(home) as site:
        report = verified(site.app.database)

    assert 0 in {fault.idx for fault in report.faults}
    assert report.verdict is Verdict.TAMPERED


def test_an_entry_that_comes_while_an_erasure_is_approved_makes_it_stale(home: Home) -> None:
    """What is closed is counted once more in the commit: a contact refused meanwhile is not closed uncounted."""
    with site_at(home) as site:
        person, episode = planted(site)
        asked = site.ask(PETRA, Kind.ERASE, person=person, basis="consent_withdrawn")
        yes = Command(id="yes", kind=Kind.SIGN_OFF, actor=LENA, of=asked.decision.command.id, values={"answer": "yes"})
        decided = site.app.engine._change(yes, site.clock(), site.app.store.look(yes))
        refused = site.about(ANN, Kind.MOVE, episode, transition="decline", reason="cost", risk_told=True)
        assert refused.entry is not None

        (late,) = site.app.store.apply((decided,))

        assert isinstance(late.error, StaleEpisode)
        assert site.app.store.erased() == {}
        site.app.engine.handle(yes)
        list(finish_erasures(site.app))
        assert verified(site.app.database).verdict is Verdict.VERIFIED
        assert [one.parts for one in verified(site.app.database).erased] == [5]


def test_whoever_is_erased_is_closed_to_everybody_from_the_first_commit_on(home: Home) -> None:
    """Their key is still there, and all the same nothing of them is opened: not by episode, command, name or number."""
    with site_at(home) as site:
        person, episode = planted(site)
        site.app.store.episode(episode)
        site.erase(person)
        store = site.app.store

        assert has_key(site.app.database, person)
        command = Command(id="q", kind=Kind.CONTACT, actor=ANN, episode=episode)
        opening: dict[str, Callable[[], object]] = {
            "episode": lambda: store.episode(episode),
            "person": lambda: store.person(person),
            "command": lambda: store.look(command),
            "entry": lambda: store.kept(1),
            "everything": lambda: subject_of(site.app, person),
        }
        for opened in opening.values():
            with pytest.raises(Erased):
                opened()
        assert store.names([person]) == {}
        assert site.app.vault.names([person]) == {person: WHO.name}


# --- rows outside the log -----------------------------------------------------------------------------------------


@pytest.fixture
def harmed(lived: Home, tmp_path: Path) -> Iterator[Home]:
    """Give a copy, of each kind of database, where a little of everything has happened."""
    made = lived.copy(tmp_path / "harmed")
    yield made
    made.drop()


@pytest.mark.parametrize("far", [12, FAR, -1, 2**63 - 1])
def test_a_row_outside_the_log_is_found_and_given_to_nobody(harmed: Home, far: int) -> None:
    """Beyond the head or before the beginning there is no entry, whatever lies there."""
    with harmed.unguarded() as connection:
        names = ", ".join(
            f'"{one.name}"' for one in TABLES["audit_entry"].columns if one.name not in ("idx", "id", "epn")
        )
        copied = f"INSERT INTO audit_entry (idx, id, epn, {names}) SELECT :far, 'far', 999, {names} FROM audit_entry"
        connection.execute(f"{copied} WHERE idx = 9", {"far": far})
        sealed = "INSERT INTO audit_sealed SELECT :far, blob, key_id, person_ref FROM audit_sealed WHERE idx = 9"
        connection.execute(sealed, {"far": far})

    with closing(harmed.open()) as database:
        store = Store(database, secrets.token_bytes)
        assert verified(database).verdict is Verdict.TAMPERED
        assert [one.idx for one in store.entries()] == list(range(12))
        assert list(store.entries(far, min(far + 1, 2**63 - 1))) == []
        assert far not in {one.idx for one in store.entries_about("p1", 2**63 - 1)}
        assert far not in {one.idx for one in store.entries_of("e1")}
        with pytest.raises(NotFound):
            store.kept(far)


def test_a_sealed_part_without_its_entry_is_found(harmed: Home) -> None:
    """A sealed part belongs to an entry."""
    with harmed.unguarded() as connection:
        connection.execute(
            "INSERT INTO audit_sealed SELECT 777, blob, key_id, person_ref FROM audit_sealed WHERE idx = 9"
        )

    with closing(harmed.open()) as database:
        assert verified(database).verdict is Verdict.TAMPERED


# --- a clear part that lies ---------------------------------------------------------------------------------------

# Of the clear part only the state itself is missing here: the database refuses an entry without its state change.
LIES: dict[str, Callable[[Envelope], dict[str, Any]]] = {
    "type": lambda _: {"type": "episode.snooze"},
    "trigger": lambda _: {"trigger": "nothing"},
    "outcome": lambda _: {"outcome": "refused"},
    "occurred_at": lambda said: {"occurred_at": said.recorded_at - timedelta(days=9)},
    "recorded_at": lambda said: {"recorded_at": said.recorded_at - timedelta(days=9)},
    "actor's role": lambda said: {"actor": replace(said.actor, role="privacy_officer")},
    "actor's kind": lambda said: {"actor": replace(said.actor, kind="service")},
    "actor's id": lambda said: {"actor": replace(said.actor, id="eve")},
    "actor's on_behalf_of": lambda said: {"actor": Agent(**_fields(said.actor), on_behalf_of="eve")},
    "corrects": lambda _: {"corrects": 0},
    "state_before": lambda _: {"state_before": "maintenance"},
    "rules": lambda _: {"rules": ()},
    "pathway": lambda said: {"pathway": said.parameters},
    "pathway_version": lambda _: {"pathway_version": "9"},
    "parameters": lambda said: {"parameters": said.pathway},
    "key": lambda _: {"key": "k7"},
    "purpose": lambda _: {"purpose": "research"},
    "request": lambda _: {"request": "r7"},
}


def _fields(agent: Agent) -> dict[str, str]:
    return {"id": agent.id, "kind": agent.kind, "role": agent.role}


@pytest.mark.parametrize("field", LIES)
def test_what_is_said_in_the_clear_follows_from_what_is_sealed(
    home: Home, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    """A writer who hashes a lie into the log is found by the sealed decision, and the field is named."""

    def lying(*made: Any) -> Envelope:
        said = envelope_of(*made)
        return replace(said, **LIES[field](said))

    with closing(home.open()) as database:
        acts = Acts(store=Store(database, secrets.token_bytes))
        acts.publish()
        acts.register()
        visit = acts.visiting()
        monkeypatch.setattr(storage.commit, "envelope_of", lying)
        acts.keep(visit)
        monkeypatch.undo()

        report = verified(database)

    assert report.verdict is Verdict.TAMPERED
    assert any(fault.idx == 2 and fault.what == "clear" and field in fault.reason for fault in report.faults)


# --- a form that was never written --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [0x00, 0x03, 0xFF])
def test_an_unknown_form_of_a_sealed_part_hides_no_forged_row(harmed: Home, form: int) -> None:
    """In an entry of a format we read, a form that was never written is a changed byte: tampered, not unverifiable."""
    with harmed.unguarded() as connection:
        (blob,) = connection.execute("SELECT blob FROM audit_sealed WHERE idx = 9", {}).fetchone()
        changed = {"blob": bytes([form]) + bytes(blob)[1:]}
        connection.execute("UPDATE audit_sealed SET blob = :blob WHERE idx = 9", changed)
        connection.execute("UPDATE episode SET state = 'maintenance', response = 'responder' WHERE id = 'e1'", {})

    with closing(harmed.open()) as database:
        report = verified(database)

    assert (report.verdict, report.verdict.exit) == (Verdict.TAMPERED, 6)
    assert 9 in {fault.idx for fault in report.faults}
