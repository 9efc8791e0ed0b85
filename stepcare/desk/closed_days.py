"""Public holidays, worked out once and set as the site's closed days: two parameters, each change an entry of the log."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date

import typer

from engine.errors import NotFound
from engine.model import Actor, Command, Json, Kind, Outcome
from engine.service import Answer
from stepcare.answers import answer_json
from stepcare.desk.doing import EXITS
from stepcare.desk.opened import Desk, actor_of, opened, os_user
from stepcare.holiday_calendar import ClosedDay, ClosedDays, Wanted, closed_days, day_from, years_from
from stepcare.options import Options
from stepcare.render import emit_thing, note, progress
from stepcare.tell import decision_lines
from stepcare.typed import checked
from storage.pump_figures import armed_episodes

CLOSED, VERSION = "closed_days", "calendar_version"
TOGETHER = 100  # episodes replanned in one commit
MOVES = "may still move: set it anew when it is known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked of `due calendar`, as it was typed."""

    country: str
    subdivision: str | None
    years: str
    add: tuple[str, ...]
    remove: tuple[str, ...]
    replan: bool = False


@dataclass(slots=True, kw_only=True)
class Replanned:
    """What replanning did: episodes, reminders whose new time has passed (they are not sent), episodes it failed for."""

    episodes: int = 0
    passed: int = 0
    failed: int = 0


def set_calendar(options: Options, asked: Asked) -> None:
    """Set the site's closed days to the holidays of a place, and say what that changes; nothing is kept on a dry run."""
    found = closed_days(
        Wanted(
            country=asked.country.upper(),
            subdivision=asked.subdivision,
            years=years_from(asked.years),
            add=frozenset(map(day_from, asked.add)),
            remove=frozenset(map(day_from, asked.remove)),
        )
    )
    with opened(options) as desk:
        before = {name: _present(desk, name) for name in (CLOSED, VERSION)}
        actor = None if options.dry_run else actor_of(desk)
        entries = [] if actor is None else list(_given(options, desk, actor, found, before))
        replanned = _replanned(desk) if actor is not None and asked.replan else None
    row = _row(found, before[CLOSED], entries, replanned)
    emit_thing(options.output, row, lambda: _lines(found, row))
    if options.dry_run:
        note("Dry run: nothing was kept.")


def _present(desk: Desk, name: str) -> Json:
    """Give a parameter's present value; NotFound where the pathway in force has no such parameter."""
    site = desk.app.store.site()
    for sha256 in site.pathways.values():
        parameter = desk.app.engine.compiled(sha256).pathway.parameters.get(name)
        if parameter is not None:
            usual = parameter.default
            return site.parameters.get(name, list[Json](usual) if isinstance(usual, tuple) else usual)
    remedy = "publish a pathway that has it: `stepcare pathway publish`"
    raise NotFound(what="parameter", name=name, remedy=remedy)


def _given(
    options: Options, desk: Desk, actor: Actor, found: ClosedDays, before: dict[str, Json]
) -> Iterator[int | None]:
    """Set what differs, and give the entries; exits by the outcome where one was not accepted."""
    for name, value in ((CLOSED, list[Json](found.dates)), (VERSION, found.version)):
        if value == before[name]:
            continue
        command = Command(
            id=desk.app.make_id(),
            kind=Kind.SET_PARAMETER,
            actor=actor,
            values={"name": name, "value": value},
            via=f"cli:{os_user()}",
        )
        answer = desk.app.engine.handle(checked(command))
        _require_accepted(options, answer)
        yield answer.entry


def _replanned(desk: Desk) -> Replanned:
    """Give what is armed the site's present numbers, episode by episode, an entry each."""
    done, waiting = Replanned(), armed_episodes(desk.app.database)
    with progress("Replanning", len(waiting)) as step:
        for first in range(0, len(waiting), TOGETHER):
            for answer in desk.app.engine.replan(waiting[first : first + TOGETHER], desk.app.make_id):
                step()
                if isinstance(answer, Exception) or answer.decision.outcome is not Outcome.ACCEPTED:
                    done.failed += 1
                    continue
                passed = answer.decision.derived.get("passed")
                done.episodes += 1
                done.passed += len(passed) if isinstance(passed, list) else 0
    return done


def _require_accepted(options: Options, answer: Answer) -> None:
    if answer.decision.outcome is not Outcome.ACCEPTED:
        row = answer_json(answer)
        emit_thing(options.output, row, lambda: decision_lines(row, {}))
        raise typer.Exit(EXITS[answer.decision.outcome])


def _row(found: ClosedDays, before: Json, entries: list[int | None], replanned: Replanned | None) -> dict[str, Json]:
    old = set(map(str, before)) if isinstance(before, list) else set()
    new = set(found.dates)
    return {
        "version": found.version,
        "days": [_day_json(one) for one in found.days],
        "added": list[Json](sorted(new - old)),
        "removed": list[Json](sorted(old - new)),
        "estimated": [one.day.isoformat() for one in found.days if one.estimated],
        "entries": list[Json](entries),
        "replanned": dict[str, Json](asdict(replanned)) if replanned is not None else None,
    }


def _day_json(one: ClosedDay) -> Json:
    return {
        "day": one.day.isoformat(),
        "weekday": f"{one.day:%a}",
        "name": one.name,
        "estimated": one.estimated,
        "by_hand": one.by_hand,
    }


def _lines(found: ClosedDays, row: dict[str, Json]) -> Iterator[str]:
    added, removed = _days(row, "added"), _days(row, "removed")
    for one in found.days:
        name = one.name or "closed by hand"
        uncertain = f" ({MOVES})" if one.estimated else ""
        yield f"{'+' if one.day.isoformat() in added else ' '} {_said(one.day)}  {name}{uncertain}"
    for day in sorted(removed):
        yield f"- {_said(date.fromisoformat(day))}  no longer closed"
    uncertain_days = sum(one.estimated for one in found.days)
    yield (
        f"{len(found.days)} closed days: {len(added)} new, {len(removed)} no longer"
        f"{f', {uncertain_days} of them estimated' if uncertain_days else ''}. {found.version}"
    )
    entries = row["entries"]
    if isinstance(entries, list) and entries:
        yield f"✓ Kept as {', '.join(f'entry {one}' for one in entries)}."
    yield from _replanned_lines(row["replanned"], kept=bool(entries))


def _replanned_lines(said: Json, *, kept: bool) -> Iterator[str]:
    if isinstance(said, dict):
        yield (
            f"✓ Episodes replanned: {said['episodes']}; "
            f"reminders that would have come before now, and are not sent: {said['passed']}."
        )
        if said["failed"]:
            yield f"Episodes that could not be replanned now: {said['failed']}; give the same command again."
    elif kept:
        yield "What is planned already keeps its days; --replan moves it, too."


def _days(row: dict[str, Json], name: str) -> set[str]:
    found = row[name]
    return set(map(str, found)) if isinstance(found, list) else set()


def _said(day: date) -> str:
    return f"{day:%Y-%m-%d %a}"
