"""Calendars of owed work: addresses made, listed and taken back, a calendar shown here, and visits as invitations."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path

from engine.audit import instant
from engine.errors import Conflict, InvalidInput, NotFound, Refused, near
from engine.model import Episode, Json
from engine.time import at_local
from engine.time import zone as zone_of
from stepcare.desk.episodes import read_one
from stepcare.desk.looking import looked
from stepcare.desk.opened import Desk, opened, reader_of
from stepcare.feeds.invitation import NOBODY, Method, Visit, invitation
from stepcare.feeds.secret import new_feed as made
from stepcare.feeds.secret import path_of, reading_as, view_of
from stepcare.options import Options
from stepcare.render import Column, emit_rows, emit_text, emit_thing, note
from storage.feeds import Covers, Feed, add_feed, all_feeds, revoke_feed
from workflows.scenario import moment_of

ONCE = "The address is shown this once and kept nowhere. Whoever has it can read the calendar: pass it on in private."
FORMER = "The former address of this colleague leads nowhere from now on."
WALL = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
COLUMNS = (
    Column(key="id", title="ID", whole=True),
    Column(key="actor", title="FOR"),
    Column(key="covers", title="COVERS"),
    Column(key="status", title="STATUS"),
    Column(key="expires_at", title="EXPIRES", say=lambda value: str(value)[:10]),
    Column(key="made_at", title="MADE", say=lambda value: str(value)[:10]),
)


# --- addresses ----------------------------------------------------------------------------------------------------


def new(options: Options, actor: str, covers: Covers, days: int) -> None:
    """Make the address of a colleague's calendar and show it, once; a former one is taken back."""
    with opened(options) as desk:
        feed, secret = made(desk.staff.find(actor), covers, days, desk.app.clock(), os.urandom)
        if options.dry_run:
            note(f"Dry run: no address was made for {feed.actor}.")
            return
        former = add_feed(desk.app.database, feed)
        row = {**_row(desk, feed), "path": path_of(secret)}
    head = f"✓ Calendar {feed.id} for {feed.actor}, until {feed.expires_at:%Y-%m-%d}; on the address of your service:"
    emit_thing(options.output, row, lambda: [head, str(row["path"])])
    note(ONCE)
    if former:
        note(FORMER)


def list_feeds(options: Options) -> None:
    """List the addresses, without their secrets."""
    with opened(options) as desk:
        rows = [_row(desk, one) for one in all_feeds(desk.app.database)]
    emit_rows(options.output, rows, COLUMNS, "There are no calendars: make one with `stepcare feed new --for ann`.")


def revoke(options: Options, id_: str) -> None:
    """Take an address back."""
    with opened(options) as desk:
        if options.dry_run:
            note(f"Dry run: the calendar {id_[:40]} would be taken back.")
            return
        changed = revoke_feed(desk.app.database, id_, desk.app.clock())
    row: dict[str, Json] = {"id": id_, "changed": changed}
    said = f"✓ The calendar {id_} is taken back." if changed else f"{id_} was taken back before."
    emit_thing(options.output, row, lambda: [said])


def show(options: Options, actor: str, covers: Covers) -> None:
    """Write a colleague's calendar as it is now, to look at or to import."""
    with opened(options) as desk:
        reader_of(desk, "lists")
        whose = reading_as(desk.staff.find(actor))
        found = view_of(desk.app, actor, covers) if whose is not None else None
        if found is None:
            raise Refused(f"{actor} may read no list of work, so there is nothing to show in a calendar.")
        _require_teams(desk, actor, found.actor.teams)
        looked(
            desk,
            what="read.list",
            persons=list(dict.fromkeys(one.person for one in found.work)),
            episodes=list(dict.fromkeys(one.episode for one in found.work)),
            query={"list": f"feed {covers.value}", "owner": actor},
        )
        emit_text(found.body.decode())


def _require_teams(desk: Desk, actor: str, teams: frozenset[str]) -> None:
    """Refuse to show the work of care teams the reader is not in."""
    reader = desk.seat.actor
    if reader is not None and (foreign := sorted(teams - reader.teams)):
        raise Refused(f"{reader.id} is not in care team {foreign[0]!r}, whose work the calendar of {actor} shows.")


def _row(desk: Desk, feed: Feed) -> dict[str, Json]:
    now = desk.app.clock()
    status = "revoked" if feed.revoked_at else "expired" if not feed.stands(now) else "valid"
    return {
        "id": feed.id,
        "actor": feed.actor,
        "covers": feed.covers.value,
        "status": status,
        "made_at": instant(feed.made_at),
        "expires_at": instant(feed.expires_at),
        "revoked_at": instant(feed.revoked_at) if feed.revoked_at else None,
    }


def covers_from(typed: str) -> Covers:
    """Read whose work a calendar shows."""
    if typed not in tuple(Covers):
        raise InvalidInput(f"A calendar covers {' or '.join(Covers)}, not {typed[:40]!r}. {near(typed, tuple(Covers))}")
    return Covers(typed)


# --- invitations --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """What was asked of `feed invitation`. `at` None: the visit is called off; `to` None: the file goes to stdout."""

    episode: str
    due_item: str
    at: str | None
    minutes: int
    cancel: bool
    organizer: str | None
    to: Path | None


def invite(options: Options, asked: Invited) -> None:
    """Write an invitation to a visit that was agreed for a due item, or call it off."""
    if asked.at is None:
        raise InvalidInput("Say when the visit is, or was to be: --at 2026-03-20T10:00, on the clock of the episode.")
    with opened(options) as desk:
        episode, _, _ = read_one(desk, asked.episode)
        now = desk.app.clock()
        visit = Visit(
            origin=desk.app.database.origin,
            episode=episode.id,
            due_item=_due_item(episode, asked),
            person=episode.person.id,
            at=_when(asked.at, now, episode.zone),
            lasts=timedelta(minutes=asked.minutes),
            language=episode.language,
            organizer=asked.organizer or NOBODY,
        )
        body = invitation(visit, Method.CANCEL if asked.cancel else Method.REQUEST, now)
    if asked.to is None:
        emit_text(body.decode())
        return
    if options.dry_run:
        note(f"Dry run: {asked.to} was not written.")
        return
    _write(asked.to, body)
    row: dict[str, Json] = {"file": str(asked.to), "at": instant(visit.at), "due_item": visit.due_item}
    emit_thing(options.output, row, lambda: [f"✓ {asked.to}: {visit.at.isoformat()}, {asked.minutes} minutes."])


def _due_item(episode: Episode, asked: Invited) -> str:
    """Give the item's id, if it is the episode's; only what is still owed is visited for."""
    items: Mapping[str, str] = {one.id: one.status for one in episode.due_items}
    if asked.due_item not in items:
        there = ", ".join(name for name, status in items.items() if status == "open") or "nothing"
        raise NotFound(what="due item", name=asked.due_item[:80], remedy=f"owed for {episode.id}: {there}.")
    if not asked.cancel and items[asked.due_item] not in ("open", "on_hold"):
        raise Conflict(f"{asked.due_item} is {items[asked.due_item]}: a visit is agreed for what is still owed.")
    return asked.due_item


def _when(typed: str, now: datetime, zone: str) -> datetime:
    """Read when a visit is: on the clock of the episode's place, or an instant, or so far from now."""
    if not WALL.fullmatch(typed):
        return moment_of(typed, now, zone)
    try:
        said = datetime.fromisoformat(typed)
    except ValueError:
        raise InvalidInput(f"{typed!r} is no time here: write 2026-03-20T10:00.") from None
    found = at_local(said.date(), time(said.hour, said.minute), zone)
    if found.astimezone(zone_of(zone)).replace(tzinfo=None) != said:
        raise InvalidInput(f"The clock skips {typed} in {zone}: say another time.")
    return found


def _write(place: Path, body: bytes) -> None:
    try:
        with place.open("xb") as stream:
            stream.write(body)
    except FileExistsError:
        raise Conflict(f"{place} is there already: name another file.") from None
    except OSError as error:
        raise InvalidInput(f"{place} cannot be written ({error.strerror}): name another file.") from None
