"""A score over time as a picture, with the steps behind it as bands; the same numbers stand in a table beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from engine.conditions import json_of
from engine.facts import Number
from engine.model import Episode
from engine.pathway import Pathway
from engine.time import local_day
from stepcare.pages.frame import day

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 44, 16, 26, 34
LINES = 5
SHORT = 90  # pixels below which a band's title would not fit


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One score: its place, and what it says."""

    x: float
    y: float
    on: str
    score: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A stay in a step: from where to where, and its title (empty where it would not fit)."""

    x: float
    width: float
    title: str
    parity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A drawing of one instrument."""

    title: str
    better: str
    points: tuple[Point, ...]
    path: str
    bands: tuple[Band, ...]
    grid: tuple[tuple[float, str], ...]
    days: tuple[tuple[float, str], ...]


def trend_of(
    pathway: Pathway, instrument: str, scores: Sequence[tuple[datetime, Number]], episode: Episode, now: datetime
) -> Trend | None:
    """Draw the scores of an instrument; None where there is none yet."""
    if not scores:
        return None
    sheet, zone = pathway.instruments[instrument], episode.zone
    low, high = Fraction(sheet.low), Fraction(sheet.high)
    begin = min(scores[0][0], episode.stays[0].since if episode.stays else scores[0][0])
    end = max(now, scores[-1][0], begin + timedelta(days=1))

    def across(at: datetime) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * ((at - begin) / (end - begin)), 1)

    def up(score: Number) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - float((score - low) / (high - low))), 1)

    points = tuple(
        Point(x=across(at), y=up(score), on=day(local_day(at, zone)), score=str(json_of(score))) for at, score in scores
    )
    step = (high - low) / LINES
    grid = tuple((up(low + step * line), str(json_of(low + step * line))) for line in range(LINES + 1))
    days = ((across(begin), day(local_day(begin, zone))), (across(end), day(local_day(end, zone))))
    return Trend(
        title=f"{sheet.title} ({sheet.low} to {sheet.high})",
        better="lower is better" if sheet.direction == "higher_is_worse" else "higher is better",
        points=points,
        path=" ".join(f"{point.x},{point.y}" for point in points),
        bands=_bands(pathway, episode, across, end),
        grid=grid,
        days=days,
    )


def _bands(pathway: Pathway, episode: Episode, across: Callable[[datetime], float], end: datetime) -> tuple[Band, ...]:
    found = []
    stays = episode.stays
    for number, stay in enumerate(stays):
        state = pathway.states[stay.state]
        until = stays[number + 1].since if number + 1 < len(stays) else end
        x, width = across(stay.since), across(until) - across(stay.since)
        if state.step is not None and width > 0:
            parity = "even" if state.step % 2 else "odd"
            found.append(Band(x=x, width=width, title=state.title if width > SHORT else "", parity=parity))
    return tuple(found)
