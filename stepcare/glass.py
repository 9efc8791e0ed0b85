"""Breaking the glass: reading an episode of another care team in need, for a stated time, and answering for it.

Who opens one says why, in a coded word and in their own; it is noted before anything is shown. Until its time is over
it allows reading and nothing else, and every read carries its number. Afterwards the privacy officer looks at it: that
is owed for each opening, and nobody reviews their own.

How long an opening may last is one of the site's numbers, `break_glass_minutes_max`; eight hours where no pathway in
force has it, and a day whatever a site sets.
"""

import hashlib
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, get_args

from engine.access import GLASS, may_break_glass, purpose_of
from engine.audit import instant, instant_from
from engine.errors import Conflict, Erased, InvalidInput, KeyReused, Refused, StepcareError, Unverifiable, near
from engine.model import Actor, Json
from stepcare.app import App
from stepcare.noting import Reader
from stepcare.sight import sees
from storage.access import Read, Sealed, note_checked, note_read, sealed_text
from storage.access_read import OPENED, REVIEWED, Noted, Opening, noted_as, opening_in_force, opening_of, text_of
from storage.connection import Connection
from storage.sight import whose
from storage.vault import KeyDestroyed

Reason = Literal["emergency", "cover", "patient_request", "safeguarding", "other"]
Finding = Literal["justified", "not_justified"]
REASONS: tuple[str, ...] = get_args(Reason)
FINDINGS: tuple[str, ...] = get_args(Finding)
MINUTE = timedelta(minutes=1)
USUAL = timedelta(minutes=60)
LONGEST, LONGEST_SET = timedelta(hours=8), timedelta(hours=24)
PARAMETER = "break_glass_minutes_max"
SHORTEST_TEXT, LONGEST_TEXT = 10, 2000
CLOSED = "(the person was erased)"


def require_open(app: App, actor: Actor | None, episode: str, team: str) -> int | None:
    """Refuse to show an episode of another care team, unless the reader has opened it; gives that entry's number.

    None: they may see it anyway, or nobody said who reads.
    """
    if actor is None or sees(actor, team):
        return None
    now = app.clock()
    found = (
        opening_in_force(app.database, actor.id, episode, now, now - LONGEST_SET) if may_break_glass(actor) else None
    )
    if found is None:
        glass = " In need: `stepcare episode break-glass`." if may_break_glass(actor) else ""
        raise Refused(f"{actor.id} is not in care team {team!r} of episode {episode}: ask its lead to add you.{glass}")
    return found


def longest(app: App) -> timedelta:
    """Give for how long an episode may be opened here: the site's number, of several pathways the shortest."""
    said = []
    for sha256 in app.store.site().pathways.values():
        compiled = app.engine.compiled(sha256)
        declared = compiled.pathway.parameters.get(PARAMETER)
        found = compiled.settings.get(PARAMETER, declared.default) if declared is not None else None
        if isinstance(found, int):
            said.append(found * MINUTE)
    return min((*said, LONGEST_SET)) if said else LONGEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Why an episode is opened: a coded reason, their own words, and for how long.

    `minutes` None: an hour, or as long as the site allows where that is less.
    """

    reason: str
    text: str = field(repr=False)
    minutes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An episode opened until a moment, by the entry of this number. `repeated`: its key had opened it before."""

    number: int
    until: datetime
    repeated: bool = False


def break_glass(app: App, reader: Reader, episode: str, need: Need, key: str | None = None) -> Opened:
    """Open an episode of another care team.

    Refused for a role that may not, and for who sees the episode anyway; KeyReused where the actor's `key` (None: there
    is none) stands for another wish.
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
    lasts, text, now = _lasts(app, need.minutes), _text(need.text), app.clock()
    read = Read(
        id=_id(app, actor, key),
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
    )

    def keep() -> int:
        return note_read(
            app.database, replace(read, sealed=sealed_text(app.database, read.id, person, text, os.urandom))
        )

    number, first = _once(app, read, text, key, keep)
    return Opened(number=number, until=_until(first) if first else now + lasts, repeated=first is not None)


def _lasts(app: App, minutes: int | None) -> timedelta:
    most = longest(app)
    lasts = min(USUAL, most) if minutes is None else minutes * MINUTE
    if not MINUTE <= lasts <= most:
        raise InvalidInput(f"An episode is opened for 1 to {most // MINUTE} minutes: say how many.")
    return lasts


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a privacy officer found of an opening, and why."""

    finding: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """A review, kept as the entry of this number. `repeated`: its key had kept it before."""

    number: int
    repeated: bool = False


def review(app: App, reader: Reader, opening: int, found: Found, key: str | None = None) -> Reviewed:
    """Say of an opening whether it was justified.

    Refused to whoever opened it; Conflict where it has been reviewed, NotFound where there is none of this number,
    KeyReused as for an opening. Once the person is erased the finding is kept without words: it is owed all the same.
    """
    actor = _required(reader)
    if found.finding not in FINDINGS:
        raise InvalidInput(f"There is no such finding. {near(found.finding, FINDINGS)}")
    with app.database.reading() as connection:
        opened = opening_of(connection, opening)
    if opened.actor == actor.id:
        raise Refused(f"{actor.id} opened it: nobody reviews their own, ask another privacy officer.")

    def unreviewed(connection: Connection) -> None:
        if (before := opening_of(connection, opening).review) is not None:
            raise Conflict(f"Opening {opening} was reviewed before: entry {before} says by whom.")

    words = _text(found.text)
    read = Read(
        id=_id(app, actor, key),
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
        finding=found.finding,
    )

    def keep() -> int:
        sealed = _sealed_unless_erased(app, read.id, opened.person, words)
        return note_checked(app.database, replace(read, sealed=sealed), unreviewed)

    number, first = _once(app, read, words, key, keep)
    return Reviewed(number=number, repeated=first is not None)


# --- the same request, sent again ---------------------------------------------------------------------------------------


def _id(app: App, actor: Actor, key: str | None) -> str:
    """Give an entry's id: a new one, or the one that the actor's key always gives, so that it is kept once."""
    if key is None:
        return app.make_id()
    digest = hashlib.sha256(f"break-glass\0{actor.id}\0{key}".encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=5))


def _once(app: App, read: Read, text: str, key: str | None, keep: Callable[[], int]) -> tuple[int, Noted | None]:
    """Keep an entry and give its number, or the one its key has kept before, with what that says."""
    first = _first(app, read, text, key)
    if first is None:
        try:
            return keep(), None
        except StepcareError:
            first = _first(app, read, text, key)  # the same request, sent twice at once: the other one was first
            if first is None:
                raise
    return first.idx, first


def _first(app: App, read: Read, text: str, key: str | None) -> Noted | None:
    """Give the entry that a key has kept, None where it has kept none; KeyReused where that is about another wish."""
    found = noted_as(app.database, read.id) if key is not None else None
    if found is None:
        return None
    said = found.said
    lasted = _until(found) - found.at if "until" in said else None
    then = (said["type"], said.get("episodes"), said.get("reason", ""), said.get("opening"), said.get("finding", ""))
    now = (read.what, list(read.episodes), read.reason, read.opening, read.finding)
    lasts = read.until - read.at if read.until else None
    if (then, lasted) != (now, lasts) or _words(app, found.idx, text) not in (text, ""):
        raise KeyReused(key=key or "", entry=found.idx)
    return found


def _until(opening: Noted) -> datetime:
    return instant_from(opening.said["until"])


def _words(app: App, number: int, otherwise: str) -> str:
    """Give what was written with an entry; of somebody erased, `otherwise`, because it cannot be told any more."""
    try:
        return text_of(app.database, number)
    except Unverifiable:
        return otherwise


# --- as JSON ----------------------------------------------------------------------------------------------------------


def words_of(app: App, number: int) -> str:
    """Give what was written with an opening or its review; of somebody erased it says that."""
    return _words(app, number, CLOSED)


def opening_json(app: App, one: Opening) -> dict[str, Json]:
    """Give an opening with what its opener wrote and, once there is one, its review."""
    return {
        "number": one.idx,
        "at": instant(one.at),
        "until": instant(one.until),
        "actor": one.actor,
        "role": one.role,
        "episode": one.episode,
        "person": one.person,
        "reason": one.reason,
        "text": words_of(app, one.idx),
        "reads": one.used,
        "finding": one.finding,
        "reviewer": one.reviewer,
        "review": one.review,
    }


# --- what both need -----------------------------------------------------------------------------------------------------


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
