"""Who is away, and who hears in their stead.

Nothing in an episode changes by it: whom a message reaches, and whose list shows the work, is asked at the time.
"""

import re
from datetime import date, datetime, timedelta

from engine.access import why_not
from engine.decision import Away, Decision
from engine.errors import InvalidInput
from engine.model import Absence, Command, Json, Site
from engine.site_answer import accepted, invalid, refused
from engine.time import require_aware, start_of
from engine.weigh import denial

FIELDS = frozenset({"who", "cover", "from", "until"})
LONGEST = timedelta(days=400)
_PSEUDONYM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


def away(site: Site, who: str, at: datetime) -> Absence | None:
    """Give the absence of somebody at an instant, None where they are there."""
    return next((one for one in site.absences if one.who == who and one.since <= at < one.until), None)


def covered_by(site: Site, who: str, at: datetime) -> str:
    """Name who answers for `who` at an instant: themselves, or who stands in, or who stands in for that one, too.

    Where everybody in the chain is away it is `who` again: better the right person later than nobody.
    """
    seen, now = {who}, who
    while (absence := away(site, now, at)) is not None:
        now = absence.cover
        if now in seen:
            return who
        seen.add(now)
    return now


def decide_absence(site: Site, command: Command, now: datetime) -> Decision:
    """Decide who is away from when until when, and who stands in (`values`: who, cover, from, until).

    A day stands for the whole of it in the site's zone, `until` included; an instant for itself. Said again with the
    same `who` and `from` it takes the place of what was said: so an absence is made longer, or ended early.
    """
    why = why_not(command.actor, command.kind, None)
    if why:
        return refused(command, now, denial(why))
    if set(command.values) != FIELDS:
        return invalid(command, now, f"An absence takes exactly {', '.join(sorted(FIELDS))}.")
    try:
        absence = _read(site, command)
    except InvalidInput as error:
        return invalid(command, now, str(error))
    problem = _wrong(site, absence, now)
    return invalid(command, now, problem) if problem else accepted(command, now, Away(absence=absence))


def _read(site: Site, command: Command) -> Absence:
    who, cover = (_person(command.values[name], name) for name in ("who", "cover"))
    since = _moment(site, command.values["from"], last=False)
    until = _moment(site, command.values["until"], last=True)
    said = next((one.id for one in site.absences if one.who == who and one.since == since), command.id)
    return Absence(id=said, who=who, cover=cover, since=since, until=until)


def _person(value: Json, name: str) -> str:
    if not isinstance(value, str) or not _PSEUDONYM.fullmatch(value):
        raise InvalidInput(f"{name} is a pseudonym: letters, digits, dot, dash and underscore, at most 40.")
    return value


def _moment(site: Site, value: Json, *, last: bool) -> datetime:
    """Read a day (its start; its end where it is the last one) or an instant."""
    text = value if isinstance(value, str) else ""
    if len(text) == len("2026-03-02"):
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise InvalidInput(f"{text!r} is not a day: write YYYY-MM-DD.") from None
        return start_of(day + timedelta(days=last), site.zone)
    try:
        return require_aware(datetime.fromisoformat(text), "An absence")
    except ValueError:
        raise InvalidInput("Say from and until as a day (YYYY-MM-DD) or an instant.") from None


def _wrong(site: Site, absence: Absence, now: datetime) -> str:
    """Say why it cannot be so, empty where it can."""
    others = [one for one in site.absences if one.id != absence.id and one.who == absence.who]
    again = any(one.id == absence.id for one in site.absences)
    if absence.cover == absence.who:
        return "Nobody stands in for themselves: name somebody else as cover."
    if absence.until <= absence.since or absence.until - absence.since > LONGEST:
        return f"An absence ends after it began, within {LONGEST.days} days: check from and until."
    if absence.until <= now or (absence.since < now - timedelta(days=1) and not again):
        return "It lies in the past: say it from today on; what was sent has been sent."
    if any(one.since < absence.until and absence.since < one.until for one in others):
        return f"{absence.who} is away at that time already: change that absence by giving its `from` again."
    return ""
