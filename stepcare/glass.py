"""Breaking the glass: reading an episode of another care team in need, for a stated time, and answering for it.

Who opens one says why, in a coded word and in their own; it is noted before anything is shown. Until its time is over
it allows reading and nothing else, and every read carries its number. Afterwards the privacy officer looks at it: that
is owed for each opening, and nobody reviews their own.
"""

import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.access import GLASS, may_break_glass, purpose_of
from engine.errors import Conflict, Erased, InvalidInput, Refused, near
from engine.model import Actor
from stepcare.app import App
from stepcare.noting import Reader
from stepcare.sight import sees
from storage.access import Read, Sealed, note_checked, note_read, sealed_text
from storage.access_read import OPENED, REVIEWED, opening_in_force, opening_of
from storage.connection import Connection
from storage.sight import whose
from storage.vault import KeyDestroyed

REASONS = ("emergency", "cover", "patient_request", "safeguarding", "other")
FINDINGS = ("justified", "not_justified")
USUAL = timedelta(minutes=60)
LONGEST = timedelta(hours=8)
SHORTEST_TEXT, LONGEST_TEXT = 10, 2000


def require_open(app: App, actor: Actor | None, episode: str, team: str) -> int | None:
    """Refuse to show an episode of another care team, unless the reader has opened it; gives that entry's number.

    None: they may see it anyway, or nobody said who reads.
    """
    if actor is None or sees(actor, team):
        return None
    now = app.clock()
    found = opening_in_force(app.database, actor.id, episode, now, now - LONGEST) if may_break_glass(actor) else None
    if found is None:
        glass = " In need: `stepcare episode break-glass`." if may_break_glass(actor) else ""
        raise Refused(f"{actor.id} is not in care team {team!r} of episode {episode}: ask its lead to add you.{glass}")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Why an episode is opened: a coded reason, their own words, and for how long (None: an hour)."""

    reason: str
    text: str = field(repr=False)
    minutes: int | None = None


def break_glass(app: App, reader: Reader, episode: str, need: Need) -> tuple[int, datetime]:
    """Open an episode of another care team; gives the entry's number and until when it is open.

    Refused for a role that may not, and for who sees the episode anyway.
    """
    actor = _required(reader)
    if not may_break_glass(actor):
        allowed = ", ".join(sorted(GLASS))
        raise Refused(f"As {actor.role} you may not open an episode of another care team: ask one of {allowed}.")
    team, person = whose(app.database, episode)
    if sees(actor, team):
        raise Refused(f"{actor.id} sees episode {episode} already: nothing need be broken.")
    if need.reason not in REASONS:
        raise InvalidInput(f"There is no such reason. {near(need.reason, REASONS)}")
    lasts = USUAL if need.minutes is None else timedelta(minutes=need.minutes)
    if not timedelta(minutes=1) <= lasts <= LONGEST:
        raise InvalidInput(f"An episode is opened for 1 to {LONGEST // timedelta(minutes=1)} minutes: say how many.")
    id_, now = app.make_id(), app.clock()
    read = Read(
        id=id_,
        at=now,
        actor=actor.id,
        role=actor.role.value,
        purpose="emergency" if need.reason == "emergency" else purpose_of(actor.role),
        request=reader.request,
        what=OPENED,
        persons=[person],
        episodes=[episode],
        reason=need.reason,
        via=reader.via,
        until=now + lasts,
        sealed=sealed_text(app.database, id_, person, _text(need.text), os.urandom),
    )
    return note_read(app.database, read), now + lasts


def review(app: App, reader: Reader, opening: int, *, finding: str, text: str) -> int:
    """Say of an opening whether it was justified; gives the entry's number.

    Refused to whoever opened it; Conflict where it has been reviewed, NotFound where there is none of this number.
    Once the person is erased the finding is kept without words: it is owed all the same.
    """
    actor = _required(reader)
    if finding not in FINDINGS:
        raise InvalidInput(f"There is no such finding. {near(finding, FINDINGS)}")
    with app.database.reading() as connection:
        opened = opening_of(connection, opening)
    if opened.actor == actor.id:
        raise Refused(f"{actor.id} opened it: nobody reviews their own, ask another privacy officer.")

    def unreviewed(connection: Connection) -> None:
        if (before := opening_of(connection, opening).review) is not None:
            raise Conflict(f"Opening {opening} was reviewed before: entry {before} says by whom.")

    id_ = app.make_id()
    read = Read(
        id=id_,
        at=app.clock(),
        actor=actor.id,
        role=actor.role.value,
        purpose=purpose_of(actor.role),
        request=reader.request,
        what=REVIEWED,
        persons=[opened.person],
        episodes=[opened.episode],
        via=reader.via,
        opening=opening,
        finding=finding,
        sealed=_sealed_unless_erased(app, id_, opened.person, _text(text)),
    )
    return note_checked(app.database, read, unreviewed)


def _sealed_unless_erased(app: App, id_: str, person: str, text: str) -> Sealed | None:
    """Seal a reviewer's words; None once the person is erased, because nothing new is sealed about them."""
    try:
        app.store.require_not_erased(person)
        return sealed_text(app.database, id_, person, text, os.urandom)
    except (Erased, KeyDestroyed):
        return None


def _required(reader: Reader) -> Actor:
    if reader.actor is None:
        raise Refused("Nobody said who asks: this is answered for by name.")
    return reader.actor


def _text(text: str) -> str:
    found = text.strip()
    if not SHORTEST_TEXT <= len(found) <= LONGEST_TEXT or "\x00" in found:
        raise InvalidInput(f"Say why in your own words, in {SHORTEST_TEXT} to {LONGEST_TEXT} characters.")
    return found
