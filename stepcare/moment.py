"""A moment as people say it: a day, which means its end in the site's zone, or an instant."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from engine.errors import InvalidInput
from engine.time import local_day, start_of, zone
from workflows.scenario import instant_of

DAY = re.compile(r"\d{4}-\d\d-\d\d")
NOW = "now"
HOW = "write a day (2026-03-02: the end of it), an instant (2026-03-02T09:00:00+01:00), or now"
TICK = timedelta(microseconds=1)  # what instants are counted in


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An instant, what was typed for it, and the zone in which it is said again."""

    at: datetime
    typed: str
    zone: str

    def words(self) -> str:
        """Say it in the site's time; a day by its name, because its end is what nobody types."""
        if DAY.fullmatch(self.typed) and self.at + TICK == _end(date.fromisoformat(self.typed), self.zone) + TICK:
            return f"the end of {self.typed} ({self.zone})"
        return said_at(self.at, self.zone)


def moment_asked(typed: str, zone_name: str, now: datetime) -> Moment:
    """Read a moment of the past; today's end has not come, so today means now. Raises InvalidInput for a later one."""
    said = typed.strip()
    at = now if said == NOW else _end(_day(said), zone_name) if DAY.fullmatch(said) else _instant(said)
    if at > now:
        if not DAY.fullmatch(said) or _day(said) != local_day(now, zone_name):
            raise InvalidInput(
                f"{said} is still to come: nothing is recorded of it. Ask for a day up to today, or now."
            )
        at = now
    return Moment(at=at, typed=said, zone=zone_name)


def said_at(at: datetime, zone_name: str) -> str:
    """Say an instant as a wall clock shows it, with its offset: on the night clocks change the same time comes twice."""
    local = at.astimezone(zone(zone_name))
    return f"{local:%Y-%m-%d %H:%M:%S} {local.isoformat()[-6:]}"


def _day(said: str) -> date:
    try:
        return date.fromisoformat(said)
    except ValueError:
        raise InvalidInput(f"{said} is no day of the calendar: {HOW}.") from None


def _end(day: date, zone_name: str) -> datetime:
    """Give the last instant of a local day, however many hours it has."""
    try:
        return start_of(day + timedelta(days=1), zone_name) - TICK
    except OverflowError:
        raise InvalidInput(f"{day} has no end on our calendar: {HOW}.") from None


def _instant(said: str) -> datetime:
    try:
        return instant_of(said)
    except InvalidInput:
        bare = " It has no offset: add one, such as +01:00 or Z." if re.fullmatch(r"\S+[T ]\d\d:\S+", said[:40]) else ""
        raise InvalidInput(
            f"{said[:40]!r} is no moment here: {HOW}.{bare if said[-6:-5] not in '+-' else ''}"
        ) from None
