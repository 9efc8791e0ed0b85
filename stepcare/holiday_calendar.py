"""Public holidays worked out once, for a person to look at before they become the site's numbers.

The dates come from the `holidays` package, and are only a proposal: what counts are the days that are set as the
parameter `closed_days`, so that a decision of last year is the same sum under next year's tables. `version` says in
words which tables and which changes by hand the list came from.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version

from engine.errors import InvalidInput, near

YEARS = re.compile(r"(\d{4})(?:-(\d{4}))?")
MOST_YEARS = 10
ENGLISH = "en_US"  # where a country's names are there in it
SEVERAL = "; "  # between the names of one day


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedDay:
    """One day the site is closed. `estimated`: it hangs on the moon being seen, so the day itself may still move.

    `by_hand`: the tables do not know it; then it has no name.
    """

    day: date
    name: str
    estimated: bool = False
    by_hand: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Whose holidays: ISO 3166 country and subdivision (None: what the whole country keeps), and which years.

    `add` are closures of the site's own; `remove` are holidays on which it works all the same.
    """

    country: str
    subdivision: str | None
    years: range
    add: frozenset[date] = frozenset()
    remove: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedDays:
    """The days, the earliest first, and where they came from."""

    days: tuple[ClosedDay, ...]
    version: str

    @property
    def dates(self) -> list[str]:
        """Give the days as the parameter keeps them."""
        return [one.day.isoformat() for one in self.days]


def closed_days(wanted: Wanted) -> ClosedDays:
    """Work the days out. InvalidInput for an unknown country or subdivision, and for what cannot be taken out."""
    table = _table(wanted)
    known = {day: name for day, name in table.items() if day.year in wanted.years}
    if not known:
        raise InvalidInput(
            f"No holidays are known of {wanted.country} for {_said(wanted.years)}: ask for other years, or --add days."
        )
    idle = sorted(wanted.remove - known.keys())
    if idle:
        raise InvalidInput(f"{idle[0]} is no holiday there, so it cannot be removed: see the list with --dry-run.")
    outside = sorted(day for day in wanted.add if day.year not in wanted.years)
    if outside:
        raise InvalidInput(f"{outside[0]} is not within {_said(wanted.years)}: name its year in --years.")
    marks = _marks(table)
    found = [
        ClosedDay(day=day, name=name, estimated=_is_estimated(name, marks))
        for day, name in known.items()
        if day not in wanted.remove
    ]
    found += [ClosedDay(day=day, name="", by_hand=True) for day in wanted.add - known.keys()]
    return ClosedDays(days=tuple(sorted(found, key=lambda one: one.day)), version=_version(wanted, version("holidays")))


def years_from(typed: str) -> range:
    """Read `2026` or `2026-2028`."""
    found = YEARS.fullmatch(typed.strip())
    if found is None:
        raise InvalidInput(f"{typed[:20]!r} are no years: write 2026, or 2026-2028.")
    first, last = int(found[1]), int(found[2] or found[1])
    if not 0 <= last - first < MOST_YEARS:
        raise InvalidInput(f"{typed[:20]} is no span of 1 to {MOST_YEARS} years: write the earlier year first.")
    return range(first, last + 1)


def day_from(typed: str) -> date:
    """Read one day."""
    try:
        return date.fromisoformat(typed.strip())
    except ValueError:
        raise InvalidInput(f"{typed[:20]!r} is no day: write it as 2026-12-24.") from None


def _table(wanted: Wanted) -> Mapping[date, str]:
    import holidays  # noqa: PLC0415 - a hundred tables; only who asks for them pays

    countries = holidays.list_supported_countries()
    if wanted.country not in countries:
        raise InvalidInput(
            f"No holidays are known of a country {wanted.country[:20]!r}: write its two letters, such as DE. "
            f"{near(wanted.country, countries)}"
        )
    subdivision = wanted.subdivision
    if subdivision is not None and subdivision not in countries[wanted.country]:
        there = ", ".join(countries[wanted.country]) or "none"
        raise InvalidInput(f"{wanted.country} has no subdivision {subdivision[:20]!r}: there is {there}.")
    languages = getattr(holidays, wanted.country).supported_languages
    return holidays.country_holidays(
        wanted.country,
        subdiv=subdivision,
        years=wanted.years,
        expand=False,
        language=ENGLISH if ENGLISH in languages else None,
    )


def _marks(table: Mapping[date, str]) -> tuple[str, ...]:
    """Give what a name of an estimated day ends with, in English and in the country's own language."""
    labels = (getattr(table, name, "") for name in ("estimated_label", "observed_estimated_label"))
    return ("estimated)", *(mark for label in labels if (mark := str(label).rpartition("%s")[2].strip())))


def _is_estimated(name: str, marks: Sequence[str]) -> bool:
    """Say whether the day itself is uncertain: another holiday that is sure makes it sure."""
    return all(one.endswith(tuple(marks)) for one in name.split(SEVERAL))


def _version(wanted: Wanted, library: str) -> str:
    """Give the origin of the days as `calendar_version` keeps it: `holidays 0.109, DE-BE, 2026-2028, +2026-12-24`."""

    def parts() -> Iterator[str]:
        yield f"holidays {library}"
        yield "-".join(one for one in (wanted.country, wanted.subdivision) if one)
        yield _said(wanted.years)
        yield from (f"+{day}" for day in sorted(wanted.add))
        yield from (f"-{day}" for day in sorted(wanted.remove))

    return ", ".join(parts())


def _said(years: range) -> str:
    return str(years[0]) if len(years) == 1 else f"{years[0]}-{years[-1]}"
