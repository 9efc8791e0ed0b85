"""Erasing a person: two people, one commit, no trace; and the log still verifies."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import stepcare.custody
from engine.errors import Erased, StaleEpisode, StepcareError
from engine.merkle import Frontier
from engine.model import Actor, Command, Kind, Outcome, Role
from stepcare.custody import census, due_by_retention, finish_erasures, retain
from stepcare.replay import Replay
from storage import erasures
from storage.access import Read, note_read
from storage.access_verify import verify_access
from storage.database import Database
from storage.erasures import affected_by, has_key, to_destroy
from storage.store import Store
from storage.tables import TABLES
from storage.vault import Details, Vault
from storage.verify import Report, Verdict, verify_log
from storage.walk import opener_of
from tests.storage import canaries
from tests.storage.erased import ADAM, ANN, LENA, PETRA, PETRA_AS_LEAD, RAVI, WORKER, Site, site_at
from tests.storage.homes import Directory, Home

WHO = Details(name=canaries.NAME, contacts={"email": canaries.EMAIL, "sms": canaries.TELEPHONE})
OTHER = Details(name="Somebody Else")


@pytest.fixture
def site(home: Home) -> Iterator[Site]:
    """Give a site on each kind of database; afterwards it must verify."""
    with site_at(home) as made:
        yield made
        assert verified(made.app.database).verdict is Verdict.VERIFIED


@pytest.fixture
def small(founded: Path, tmp_path: Path) -> Iterator[Site]:
    """Give a site on SQLite alone, where both databases would do the same."""
    with site_at(Directory(Path(shutil.copytree(founded, tmp_path / "small")))) as made:
        yield made
        assert verified(made.app.database).verdict is Verdict.VERIFIED


def verified(database: Database) -> Report:
    """Verify with the vault's keys; nothing may be wrong."""
    report = verify_log(database, opener_of(database))
    assert report.faults == ()
    return report


def planted(site: Site) -> tuple[str, str]:
    """Register somebody, say everything unusual about them, and close the episode."""
    worker = replace(ANN, teams=frozenset({"main", canaries.TEAM}))
    person, episode = site.register(WHO, key="k1", referrer=canaries.TEXT)
    assigned = site.about(worker, Kind.ASSIGN, episode, owner="ann", team=canaries.TEAM)
    assert assigned.decision.outcome is Outcome.ACCEPTED, assigned.decision.problem
    noted = site.about(worker, Kind.CONTACT, episode, "k2", channel="telephone", result="reached", note=canaries.NOTE)
    assert noted.decision.outcome is Outcome.ACCEPTED, (noted.decision.problem, noted.decision.failed)
    moved = site.about(worker, Kind.MOVE, episode, transition="decline", reason="cost", risk_told=True)
    assert moved.decision.outcome is Outcome.ACCEPTED, (moved.decision.problem, moved.decision.failed)
    return person, episode


def count(site: Site, query: str, **values: object) -> int:
    """Count rows."""
    found: int = site.app.database.look(query, values)[0]
    return found


def dumped(site: Site) -> bytes:
    """Give every row of every table, as text and as bytes."""
    out = b""
    with site.app.database.reading() as connection:
        for table in TABLES:
            for row in connection.execute(f'SELECT * FROM "{table}"').fetchall():  # noqa: S608 - our own tables
                out += b"\n".join(one if isinstance(one, bytes) else str(one).encode() for one in row)
    return out


# --- the whole way ------------------------------------------------------------------------------------------------


def test_after_an_erasure_nothing_is_left_and_the_log_still_verifies(
    site: Site, home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    """Names, contact points, texts and list columns: none in any file, row or log line, in any encoding."""
    person, _ = planted(site)
    other, _ = site.register(OTHER)
    places = (home.vault,) if home.vault.exists() else ()
    before = b"".join(canaries.files(*places).values()) + dumped(site)
    assert canaries.found_in(before, ("name", "email", "telephone", "team")) == {"name", "email", "telephone", "team"}

    erased = site.erase(person)
    done = list(finish_erasures(site.app))

    assert [(one, gone) for one, gone, _ in done] == [(person, True)]
    assert canaries.found_in(dumped(site), canaries.ALL) == set()
    for file, data in canaries.files(*places).items():
        assert canaries.found_in(data, canaries.ALL) == set(), file
    assert canaries.found_in("".join(capfd.readouterr()).encode(), canaries.ALL) == set()
    report = verified(site.app.database)
    assert (report.verdict, [(one.person, one.entry) for one in report.erased]) == (
        Verdict.VERIFIED,
        [(person, erased.entry)],
    )
    assert site.app.vault.names([person, other]) == {other: "Somebody Else"}


def test_the_erasing_commit_empties_what_lists_and_jobs_say(site: Site) -> None:
    """Due items and timers are gone, queued messages cancelled and empty, list columns blank; others keep theirs."""
    person, episode = planted(site)
    _, others = site.register(OTHER)
    due = count(site, "SELECT count(*) FROM due_item WHERE episode_id = :id", id=others)

    site.erase(person)

    row = site.app.database.look(
        "SELECT team, owner, region, language, response, urgency, next_due_at, state FROM episode WHERE id = :id",
        {"id": episode},
    )
    assert tuple(row) == ("", None, "", "", None, "", None, "closed_declined")
    for table in ("due_item", "timer"):
        assert count(site, f"SELECT count(*) FROM {table} WHERE episode_id = :id", id=episode) == 0  # noqa: S608
    queued = "SELECT count(*) FROM message WHERE episode_id = :id AND (status = 'queued' OR recipient <> '')"
    assert count(site, queued, id=episode) == 0
    assert count(site, "SELECT count(*) FROM idempotency") == 0  # k1 and k2 were theirs
    assert count(site, "SELECT count(*) FROM due_item WHERE episode_id = :id", id=others) == due > 0


def test_nothing_is_sealed_about_an_erased_person_from_the_first_commit_on(site: Site) -> None:
    """Also before the key is destroyed, and also by a decision that was made before the erasure."""
    person, episode = planted(site)
    command = Command(
        id="late", kind=Kind.CONTACT, actor=replace(ANN, teams=frozenset({canaries.TEAM})), episode=episode,
        values={"channel": "telephone", "result": "reached"},
    )  # fmt: skip
    decided = site.app.engine._change(command, site.clock(), site.app.store.look(command))
    site.erase(person)

    (late,) = site.app.store.apply((decided,))

    assert isinstance(late.error, Erased)
    with pytest.raises(Erased):
        site.app.engine.handle(replace(command, id="later"))
    assert has_key(site.app.database, person)


def test_the_database_itself_refuses_a_seal_for_an_erased_person(site: Site, home: Home) -> None:
    """Whoever passes the program by, as the role that serves, is refused by the table."""
    person, _ = planted(site)
    site.register(OTHER)
    site.erase(person)
    database = site.app.database
    refused = "nothing is sealed about a person who was erased"

    row = {"idx": count(site, "SELECT max(idx) FROM audit_entry"), "blob": b"", "person": person}
    seal = "INSERT INTO audit_sealed (idx, blob, key_id, person_ref) VALUES (:idx, :blob, 'k', :person)"

    with pytest.raises(StepcareError, match=refused), database.writing() as connection:
        connection.execute(seal, row)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO erasure (person_ref, entry, at) SELECT :other, entry, at FROM erasure",
        "DELETE FROM erasure",
        "UPDATE erasure SET destroyed = entry",
        "UPDATE erasure SET person_ref = :other",
        "UPDATE episode SET team = 'x'",
        "UPDATE episode SET team = '', region = ''",
    ],
)
def test_an_erasure_is_made_by_its_entry_only_and_stays(site: Site, statement: str) -> None:
    """No row without its entry, no second one from it, none taken back, none ended without the entry that says so."""
    person, _ = planted(site)
    other, _ = site.register(OTHER)
    site.erase(person)

    with pytest.raises(StepcareError), site.app.database.writing() as connection:
        connection.execute(statement, {"other": other} if ":other" in statement else {})


def test_the_same_person_cannot_approve_their_own_request(site: Site) -> None:
    """Petra is privacy officer and lead: as the lead she still cannot approve what she asked for."""
    person, _ = planted(site)
    asked = site.ask(PETRA, Kind.ERASE, person=person, basis="consent_withdrawn")

    alone = site.ask(PETRA_AS_LEAD, Kind.SIGN_OFF, asked.decision.command.id, answer="yes")

    assert alone.decision.failed == ("SIGN-02",)
    assert to_destroy(site.app.database) == []


def test_a_legal_hold_keeps_everything(site: Site) -> None:
    """Asked and approved, but held meanwhile: refused by name, nothing emptied, the key is there."""
    person, episode = planted(site)
    asked = site.ask(PETRA, Kind.ERASE, person=person, basis="consent_withdrawn")
    site.ask(PETRA, Kind.HOLD, person=person, reason="litigation", matter="7-o-12.26")

    answer = site.ask(LENA, Kind.SIGN_OFF, asked.decision.command.id, answer="yes")

    assert answer.decision.failed == ("ERASE-01",)
    assert count(site, "SELECT count(*) FROM erasure") == 0
    assert site.app.store.episode(episode).records


def test_an_episode_opened_while_it_was_approved_makes_the_approval_stale(small: Site) -> None:
    """The person's picture is checked once more in the commit: nobody is erased who has just come back."""
    person, _ = planted(small)
    asked = small.ask(PETRA, Kind.ERASE, person=person, basis="consent_withdrawn")
    command = Command(id="yes", kind=Kind.SIGN_OFF, actor=LENA, of=asked.decision.command.id, values={"answer": "yes"})
    decided = small.app.engine._change(command, small.clock(), small.app.store.look(command))
    again = Command(
        id="again", kind=Kind.REGISTER, actor=ANN, episode="e-again",
        values={"region": "mid_back", "problem": "back_pain", "onset": "2026-01-12", "patient": person},
    )  # fmt: skip
    small.app.engine.handle(again)

    (late,) = small.app.store.apply((decided,))

    assert isinstance(late.error, StaleEpisode)
    assert count(small, "SELECT count(*) FROM erasure") == 0


def test_the_sites_own_key_is_nobodys_to_erase(small: Site) -> None:
    """`site` is no person: its key seals what is decided for everybody."""
    with pytest.raises(StepcareError, match="site's own"):
        small.ask(PETRA, Kind.ERASE, person="site", basis="unlawful")


# --- crashes ------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process dies here."""


STEPS = {
    "before the vault": (Vault, "destroy_key"),
    "after the vault": (Database, "scrub"),
    "after the files": (stepcare.custody, "erasure_of"),
    "before the last commit": (Store, "apply"),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_between_any_two_steps_is_finished_later(
    home: Home, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The row says what is still to be done; doing it again ends in the same place, with one entry that says so."""

    def dying(*_: object, **__: object) -> None:
        raise Killed

    with site_at(home) as site:
        person, _ = planted(site)
        site.erase(person)
        with monkeypatch.context() as patch:
            patch.setattr(*STEPS[step], dying)
            with pytest.raises(Killed):
                list(finish_erasures(site.app))
        assert to_destroy(site.app.database) == [person]
        assert verified(site.app.database).verdict is Verdict.VERIFIED

    with site_at(home) as site:
        ((whom, gone, entry),) = finish_erasures(site.app)
        assert (whom, gone, entry is None) == (person, True, False)
        assert list(finish_erasures(site.app)) == []
        said = count(site, "SELECT count(*) FROM erasure WHERE destroyed IS NOT NULL")
        assert (said, has_key(site.app.database, person)) == (1, False)
        assert verified(site.app.database).verdict is Verdict.VERIFIED


def test_a_crash_inside_the_erasing_commit_erases_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry, row and emptied lists are one transaction: without COMMIT the person is there, whole."""
    with site_at(home) as site:
        person, episode = planted(site)
        asked = site.ask(PETRA, Kind.ERASE, person=person, basis="consent_withdrawn")

        def dying(*_: object, **__: object) -> None:
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(Frontier, "extend", dying)
            with pytest.raises(Killed):
                site.ask(LENA, Kind.SIGN_OFF, asked.decision.command.id, answer="yes")

    with site_at(home) as site:
        assert count(site, "SELECT count(*) FROM erasure") == 0
        assert site.app.store.episode(episode).team == canaries.TEAM
        assert verified(site.app.database).erased == ()


def test_a_reader_who_holds_old_pages_makes_it_wait(small: Site) -> None:
    """While somebody reads an older moment of the file, its old pages stay: not ended, and tried again."""
    person, _ = planted(small)
    database = small.app.database
    with database.reading() as old:
        old.execute("SELECT count(*) FROM episode").fetchone()
        small.erase(person)
        with monkeyed_timeout(database):
            waiting = list(finish_erasures(small.app))
    after = list(finish_erasures(small.app))

    assert [(gone, entry) for _, gone, entry in waiting] == [(False, None)]
    assert [gone for _, gone, _ in after] == [True]


def monkeyed_timeout(database: Database) -> "closing[_Impatient]":
    """Do not wait long for the reader."""
    return closing(_Impatient(database))


class _Impatient:
    def __init__(self, database: Database) -> None:
        self.database = database
        database.writer.execute("PRAGMA busy_timeout = 20")

    def close(self) -> None:
        self.database.writer.execute("PRAGMA busy_timeout = 10000")


# --- verifying ----------------------------------------------------------------------------------------------------


def test_a_key_that_is_gone_without_an_erasure_is_still_a_loss(small: Site, tmp_path: Path) -> None:
    """Somebody destroyed a key by hand: unverifiable, not erased."""
    person, _ = planted(small)
    copy = Directory(tmp_path / "small").copy(tmp_path / "copy")
    with closing(copy.open()) as database:
        database.vault.destroy_key(person, small.clock())

        report = verify_log(database, opener_of(database))

    assert report.verdict is Verdict.UNVERIFIABLE
    assert report.erased == ()


def test_an_old_vault_put_back_is_noticed_and_the_key_destroyed_again(home: Home, tmp_path: Path) -> None:
    """A backup of the vault from before the erasure brings the key back: verify says so, --finish ends it."""
    with site_at(home) as site:
        person, _ = planted(site)
    vault = home.vault / "vault.db"
    shutil.copy(vault, tmp_path / "backup")
    with site_at(home) as site:
        site.erase(person)
        list(finish_erasures(site.app))
    shutil.copy(tmp_path / "backup", vault)

    with site_at(home) as site:
        back = verify_log(site.app.database, opener_of(site.app.database))
        again = list(finish_erasures(site.app))
        assert verified(site.app.database).verdict is Verdict.VERIFIED

    assert (back.verdict, [fault.what for fault in back.faults]) == (Verdict.UNVERIFIABLE, ["vault"])
    assert again == [(person, True, None)]


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        ("DELETE FROM erasure", "erasure"),
        ("UPDATE erasure SET at = '2026-01-01T00:00:00.000000Z'", "erasure"),
        ("UPDATE erasure SET destroyed = NULL", "erasure"),
        ("UPDATE episode SET region = 'hip' WHERE team = ''", "episode"),
        ("UPDATE episode SET version = version + 1 WHERE team = ''", "episode"),
        ("UPDATE message SET recipient = 'x' WHERE recipient = ''", "message"),
    ],
)
def test_what_is_changed_of_an_erasure_past_the_program_is_found(home: Home, harm: str, what: str) -> None:
    """The rows of an erasure, and the emptied ones, follow from the log like all others."""
    with site_at(home) as site:
        person, _ = planted(site)
        site.erase(person)
        list(finish_erasures(site.app))
        messages = count(site, "SELECT count(*) FROM message")
    with home.unguarded() as connection:
        connection.execute(harm)

    with site_at(home) as site:
        report = verify_log(site.app.database, opener_of(site.app.database))

    assert what in {fault.what for fault in report.faults} or (what == "message" and not messages)
    assert report.verdict is Verdict.TAMPERED or not messages


def test_replay_says_what_was_erased_and_decides_the_rest_again(site: Site) -> None:
    """Entries about the erased person are named as such, never as failures; all others come out the same."""
    person, episode = planted(site)
    site.register(OTHER)
    erased = site.erase(person)
    list(finish_erasures(site.app))

    found = list(Replay(store=site.app.store).every())

    lost = [one for one in found if one.lost is not None]
    assert all(isinstance(one.lost, Erased) and one.lost.entry == erased.entry for one in lost)
    assert {one.index for one in found if one.kept and one.kept.envelope.episode == episode} == set()
    assert all(one.differences == () for one in found)
    assert len(found) - len(lost) >= 3
    with pytest.raises(Erased):
        site.app.store.episode(episode)


# --- census and retention -----------------------------------------------------------------------------------------


def test_a_census_counts_every_episodes_last_entry(site: Site) -> None:
    """It is recomputed by verify from the entries alone, also the older ones."""
    first = census(site.app)
    planted(site)
    site.register(OTHER)
    second = census(site.app)

    said = [answer.decision.command.values["count"] for answer in (first, second)]
    assert said == [0, 2]
    assert verified(site.app.database).verdict is Verdict.VERIFIED


def test_a_census_that_leaves_out_an_entry_is_found(home: Home) -> None:
    """Whoever withholds an episode's last entry cannot take a census that hides it."""
    with site_at(home) as site:
        planted(site)
        true = erasures.take_census(site.app.database)
        site.ask(WORKER, Kind.CENSUS, **{**true.values(), "count": 0})
        report = verify_log(site.app.database, opener_of(site.app.database))

    assert [fault.what for fault in report.faults] == ["census"]
    assert report.verdict is Verdict.TAMPERED


def test_a_retention_run_forgets_old_keys_with_an_entry_that_counts_them(site: Site) -> None:
    """Thirty days after a request its key may be used anew; the log keeps that it was so."""
    planted(site)
    site.clock.forward_to(site.clock() + timedelta(days=31))
    site.register(OTHER, key="fresh")

    runs = due_by_retention(site.app)
    answer = retain(site.app, runs, ADAM)

    assert answer.decision.outcome is Outcome.ACCEPTED
    assert next(run.count for run in runs if run.rule.what == "idempotency_keys") == 2
    assert site.app.store.remembered("ann", "k1") is None
    assert site.app.store.remembered("ann", "fresh") is not None


def test_retention_proposes_who_is_due_and_erases_nobody(site: Site) -> None:
    """Ten years after the last episode a person is named, unless held; nothing else happens."""
    person, _ = planted(site)
    held, episode = site.register(OTHER)
    site.close(episode)
    site.ask(PETRA, Kind.HOLD, person=held, reason="audit", matter="a")
    site.clock.forward_to(site.clock() + timedelta(days=3700))

    due = next(run for run in due_by_retention(site.app) if run.rule.what == "due_for_erasure")

    assert due.people == (person,)
    assert count(site, "SELECT count(*) FROM erasure") == 0


def test_what_would_go_is_counted_before(small: Site) -> None:
    """Whoever asks sees how much it is about; nothing is shown of what it says."""
    person, _ = planted(small)

    found = affected_by(small.app.database, person)

    assert (found["episodes"], found["sealed_entries"], found["idempotency_keys"]) == (1, 4, 2)


@pytest.mark.parametrize("who", [RAVI, ANN, Actor(id="o", role=Role.OUTSIDER)])
def test_others_cannot_run_retention(small: Site, who: Actor) -> None:
    """The worker, the administrator and the privacy officer may; nobody else."""
    assert retain(small.app, due_by_retention(small.app), who).decision.failed == ("ROLE-01",)


def test_a_person_who_comes_back_is_a_new_person(small: Site) -> None:
    """Registered again after an erasure they get another reference and another key; the old parts stay closed."""
    person, _ = planted(small)
    small.erase(person)
    list(finish_erasures(small.app))

    again, _ = small.register(WHO)

    assert again != person
    assert small.app.vault.details(again).name == WHO.name


def test_a_retention_run_shortens_the_log_of_reads_and_its_tree_stays(site: Site) -> None:
    """Six years after they were noted reads go, with the run's own entry; what is left still verifies."""
    read = Read(
        id="r1", at=site.clock(), actor="ann", role="coordinator", purpose="treatment", request="q1", what="read.list"
    )
    note_read(site.app.database, read)
    site.clock.forward_to(site.clock() + timedelta(days=2300))
    note_read(site.app.database, replace(read, id="r2", at=site.clock(), request="q2"))

    answer = retain(site.app, due_by_retention(site.app), ADAM)

    assert answer.decision.outcome is Outcome.ACCEPTED
    assert count(site, "SELECT count(*) FROM access_entry") == 1
    assert verify_access(site.app.database).verdict is Verdict.VERIFIED


def test_a_process_that_remembers_an_erased_person_forgets_them(home: Home) -> None:
    """Another process erased them: the next question is refused, and nothing is kept in memory."""
    with site_at(home) as site, site_at(home) as other:
        person, episode = planted(site)
        command = Command(id="q", kind=Kind.CONTACT, actor=ANN, episode=episode)
        assert other.app.store.look(command).episode is not None
        site.erase(person)

        with pytest.raises(Erased):
            other.app.store.look(command)
        assert episode not in other.app.store._episodes._found
        assert person not in other.app.store._persons._found
