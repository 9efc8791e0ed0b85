"""Addresses of calendars: made, recognised, and what each shows at this moment.

What counts is the register of colleagues as it is now: who has left a care team no longer sees its work, and an
address whose colleague may read no list any more leads nowhere.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.access import may_read
from engine.errors import InvalidInput, NotFound, Refused
from engine.model import Actor
from engine.time import local_day, start_of
from stepcare.app import App
from stepcare.feeds.ical import Heading, calendar_of
from storage.feeds import Covers, Dated, Feed, Shown, dated_work, find_feed
from storage.seal import Random
from storage.staff import Colleague, Staff

SECRET_BYTES = 32
SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
MOST_DAYS = 366
BACK = timedelta(days=30)  # how long what was taken back stays
AHEAD = timedelta(days=183)
MOST_EVENTS = 2000
TITLES = {Covers.TEAM: "Stepcare: team", Covers.OWN: "Stepcare: mine"}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A calendar as one colleague sees it: who reads, in which role, and the work that is on it."""

    actor: Actor
    covers: Covers
    work: tuple[Dated, ...]
    body: bytes


def new_feed(colleague: Colleague, covers: Covers, days: int, now: datetime, random: Random) -> tuple[Feed, str]:
    """Make an address for a colleague; gives what is kept of it, and the secret, which is kept nowhere.

    InvalidInput for more than a year; Refused for a colleague who may read no list.
    """
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput(f"A feed lasts 1 to {MOST_DAYS} days, not {days}: make a new one before it expires.")
    if reading_as(colleague) is None:
        raise Refused(f"{colleague.id} may read no list of work, so there is nothing to show in a calendar.")
    secret = base64.urlsafe_b64encode(random(SECRET_BYTES)).rstrip(b"=").decode()
    feed = Feed(
        token_hash=hash_of(secret),
        actor=colleague.id,
        covers=covers,
        made_at=now,
        expires_at=now + timedelta(days=days),
    )
    return feed, secret


def hash_of(secret: str) -> str:
    """Give what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def path_of(secret: str) -> str:
    """Give the path of an address on the service."""
    return f"/feeds/{secret}.ics"


def reading_as(colleague: Colleague) -> Actor | None:
    """Give a colleague in the first of their roles that may read lists, None where no role may."""
    for role in colleague.roles:
        actor = Actor(id=colleague.id, role=role, teams=frozenset(colleague.teams))
        if may_read(actor, "lists"):
            return actor
    return None


def feed_of(app: App, secret: str) -> Feed | None:
    """Give the feed of an address; None where it is wrong, expired or taken back: nobody is told which."""
    found = find_feed(app.database, hash_of(secret)) if SECRET.fullmatch(secret) else None
    return found if found is not None and found.stands(app.clock()) else None


def view_of(app: App, who: str, covers: Covers) -> View | None:
    """Give a colleague's calendar as it is now; None where they are gone or may read no list any more."""
    try:
        actor = reading_as(Staff(app.database).find(who))
    except NotFound:
        return None
    if actor is None:
        return None
    zone = app.database.zone
    today = local_day(app.clock(), zone)
    wanted = Shown(
        teams=actor.teams,
        owner=actor.id if covers is Covers.OWN else None,
        since=start_of(today - BACK, zone),
        until=start_of(today + AHEAD, zone),
        most=MOST_EVENTS,
    )
    work = tuple(dated_work(app.database, wanted))
    heading = Heading(title=TITLES[covers], origin=app.database.origin, titles=_titles(app))
    return View(actor=actor, covers=covers, work=work, body=calendar_of(heading, work))


def _titles(app: App) -> dict[str, str]:
    """Give what each kind of work is called by the pathways in force; never an item's own title, which may say more."""
    pathways = [app.engine.compiled(sha256).pathway for sha256 in app.store.site().pathways.values()]
    return {kind: policy.title for pathway in pathways for kind, policy in pathway.due.items()}
