"""Logs for search tests: random entries put into the tables as they lie there, and what each of them says."""

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from engine.audit import Agent, Envelope, RuleLine
from engine.merkle import Frontier, leaf_hash
from storage.search_fields import FIELDS, NONE
from storage.tables import Row
from tests.storage.acts import NOW
from tests.storage.homes import Home

ACTORS = ("ann", "anna", "ravi", "lena", "worker", "ÖZGE")
ROLES = ("coordinator", "assessor", "lead", "service")
RULES = ("PATH-05", "PATH-15", "CON-01", "INJ-05", "RF-07")
ANSWERS = ("ok", "no", "signed", "override:severe_worsening", "override:other")
LEVELS = ("SS", "HS2", "HSx", "INFO")
TYPES = ("episode.move", "episode.record", "timer.fired", "site.set_parameter", "episode.correct")
TRIGGERS = ("T5", "T15", "record", "=1+1", "hold_end:s3@2")
OUTCOMES = ("accepted", "refused", "needs_sign_off")
STATES = ("intake", "self_care", "injection")
HASH = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Told:
    """An entry, and whose sealed part lies beside it (None: the site's)."""

    envelope: Envelope
    person: str | None


def told(random: Random, index: int, at: datetime) -> Told:
    """Make up an entry; the same few words come again and again, so that many are equal in each field."""
    type_ = random.choice(TYPES)
    mine = type_.startswith("site.")
    return Told(
        Envelope(
            id=f"id-{random.randrange(10**9):09d}-{index}",
            index=index,
            recorded_at=at,
            occurred_at=random.choice((None, at - timedelta(days=random.randrange(40)))),
            type=type_,
            episode=None if mine else f"e-{random.randrange(9)}",
            episode_index=index,
            previous=HASH if index else None,
            version_before=index,
            version_after=index + 1,
            state_before=random.choice((None, *STATES)),
            state=random.choice(STATES),
            trigger=random.choice(TRIGGERS),
            outcome=random.choice(OUTCOMES),
            rules=tuple(_rule(random) for _ in range(random.choice((0, 0, 1, 2, 4)))),
            pathway=random.choice((None, HASH)),
            parameters=HASH,
            engine=random.choice(("1", "2")),
            actor=Agent(
                id=random.choice(ACTORS),
                kind="user",
                role=random.choice(ROLES),
                on_behalf_of=random.choice((None, "lena")),
            ),
            request=random.choice((None, "req-1", "req-2")),
            corrects=random.choice((None, None, max(0, index - 3))),
        ),
        None if mine else f"p-{random.randrange(5)}",
    )


def _rule(random: Random) -> RuleLine:
    return RuleLine(
        id=random.choice(RULES), level=random.choice(LEVELS), value=random.choice("tfu"), answer=random.choice(ANSWERS)
    )


def a_log(random: Random, size: int) -> list[Told]:
    """Make up a log; a few entries are recorded at the same moment, and now and then the clock goes back."""
    at, log = NOW, []
    for index in range(size):
        at += timedelta(minutes=random.choice((0, 7, 600, -3)))
        log.append(told(random, index, at))
    return log


def put_in(home: Home, log: Sequence[Told], first: int = 0) -> None:
    """Put entries into a database as if they had been decided: from `first` on, with their head."""
    with home.unguarded() as connection:
        for one in log[first:]:
            entry, data = one.envelope, one.envelope.to_bytes()
            connection.execute(
                "INSERT INTO audit_entry (idx, id, ep, epn, leaf, entry) VALUES (:idx, :id, :ep, :epn, :leaf, :entry)",
                {
                    "idx": entry.index,
                    "id": entry.id,
                    "ep": entry.episode,
                    "epn": entry.episode_index,
                    "leaf": leaf_hash(data),
                    "entry": data,
                },
            )
            connection.execute(
                "INSERT INTO audit_sealed (idx, blob, key_id, person_ref) VALUES (:idx, :blob, 'k', :person)",
                {"idx": entry.index, "blob": b"sealed", "person": one.person or "site"},
            )
        frontier = Frontier().extend(leaf_hash(one.envelope.to_bytes()) for one in log)
        connection.execute(
            "UPDATE audit_head SET n = :n, rooted = :n, frontier = :nodes",
            {"n": frontier.size, "nodes": frontier.to_bytes()},
        )


def says(one: Told) -> Row:
    """Give what an entry says by field name, read off the envelope and not off any index."""
    entry = one.envelope
    answers = [rule.answer for rule in entry.rules]
    said: Row = {
        "entry": entry.index,
        "recorded": entry.recorded_at,
        "occurred": entry.occurred_at or entry.recorded_at,
        "type": entry.type,
        "command": "fire" if entry.type == "timer.fired" else entry.type.split(".")[1],
        "trigger": entry.trigger,
        "outcome": entry.outcome,
        "actor": entry.actor.id,
        "role": entry.actor.role,
        "kind": entry.actor.kind,
        "on_behalf_of": entry.actor.on_behalf_of or "",
        "purpose": entry.purpose,
        "patient": one.person or "",
        "episode": entry.episode or "",
        "number": entry.episode_index,
        "state_before": entry.state_before or "",
        "state": entry.state or "",
        "pathway": entry.pathway or "",
        "parameters": entry.parameters,
        "engine": entry.engine,
        "request": entry.request or "",
        "id": entry.id,
        "corrects": NONE if entry.corrects is None else entry.corrects,
        "rules": len(answers),
        "failed": answers.count("no"),
        "overridden": sum(answer.startswith("override:") for answer in answers),
        "signed": answers.count("signed"),
    }
    assert said.keys() == FIELDS.keys()
    return said


def changed(one: Told, **fields: object) -> Told:
    """Give an entry that says something else."""
    return replace(one, envelope=replace(one.envelope, **fields))  # type: ignore[arg-type]  # any field of an envelope


def filled(home: Home, log: Sequence[Told]) -> Home:
    """Give the home with this log in it."""
    with closing(home.open()):
        put_in(home, log)
    return home
