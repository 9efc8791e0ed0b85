"""Showing how the due work goes: how late, how much waits, who works, what was done, what comes."""

from collections.abc import Iterator
from typing import Any

from rich.table import Table
from rich.text import Text

from engine.audit import instant_from
from engine.model import Json
from engine.time import zone
from stepcare.desk.opened import opened
from stepcare.due_stats import due_stats, stats_json
from stepcare.options import Options
from stepcare.render import Column, emit_thing, table

Row = dict[str, Json]
WAITS = (
    Column(key="stage", title="STAGE"),
    Column(key="kind", title="KIND"),
    Column(key="age", title="LATE BY UP TO"),
    Column(key="count", title="NUMBER", right=True),
)
AGES = {"minute": "a minute", "hour": "an hour", "day": "a day", "older": "more"}
NOBODY = "No worker was ever here: start `stepcare worker`, or `stepcare serve`, which has one inside."
SILENT = "No worker is alive: nothing falls due and nothing is sent. Nothing is lost; start `stepcare worker`."


def show_stats(options: Options) -> None:
    """Show the figures of this moment; they are about nobody, so nothing is noted."""
    with opened(options) as desk:
        row = stats_json(due_stats(desk.app.database, desk.app.clock()))
        emit_thing(options.output, row, lambda: _lines(row, desk.app.store.site().zone))


def _lines(row: Row, zone_name: str) -> Iterator[Text | str | Table]:
    found: Any = row
    lag = found["lag_seconds"]
    yield Text("Late", style="bold")
    yield f"  the longest due timer {_for(lag['fire'])}, the longest due message {_for(lag['deliver'])}"
    yield from _workers(found["workers"])
    yield from _waiting(found["backlog"])
    yield from _stuck(found)
    yield from _done(found)
    yield from _coming(found, zone_name)


def _for(seconds: int) -> str:
    """Say a span in the largest unit that fits."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s" if seconds else "not at all"


def _workers(workers: Any) -> Iterator[Text | str]:
    yield Text("Workers", style="bold")
    if not workers:
        yield f"  {NOBODY}"
    elif not any(one["alive"] for one in workers):
        yield f"  {SILENT}"
    for one in workers:
        life = "alive" if one["alive"] else "gone"
        yield f"  {one['id']}  {life}, last heard of {_for(one['silent_seconds'])} ago, {one['place']}, {one['version']}"


def _waiting(backlog: Any) -> Iterator[Text | str | Table]:
    yield Text("Due and not done", style="bold")
    if backlog:
        yield table([{**one, "age": AGES.get(one["age"], one["age"])} for one in backlog], WAITS)
    else:
        yield "  nothing: everything that was due is done"


def _stuck(found: Any) -> Iterator[Text | str]:
    numbers = {"put aside": found["parked"], **found["undelivered"]}
    stuck = ", ".join(f"{number} {name}" for name, number in numbers.items() if number)
    said = [f"{stuck}: `stepcare due parked` lists them"] if stuck else []
    if found["held_after_a_restore"]:
        said.append("messages are held after a restore (`stepcare due guard lift` lets them go)")
    if found["paused_by_the_clock"]:
        said.append("work waits until the stepped clock can be believed")
    if found["breakers_open"]:
        said.append(f"nothing is sent by {', '.join(found['breakers_open'])} for now")
    if said:
        yield Text("Needs somebody to look", style="bold")
        yield from (f"  {one}" for one in said)


def _done(found: Any) -> Iterator[Text | str]:
    yield Text("Done so far", style="bold")
    for stage, counts in found["counts"].items():
        yield f"  {stage}: {', '.join(f'{name} {number}' for name, number in counts.items()) or 'nothing yet'}"
        late = found["lateness"].get(stage)
        if late and late["count"]:
            share = late["within_seconds"]["60"] * 100 // late["count"]
            yield f"    {late['count']} of them on average {late['mean_seconds']} s late, {share} % within a minute"
    steps = ", ".join(f"{number} {name}" for name, number in found["clock_steps"].items())
    yield f"  leases that ran out {found['lease_expiries']}; clock steps {steps or 'none'}"


def _coming(found: Any, zone_name: str) -> Iterator[Text | str]:
    yield Text("In the next 24 hours", style="bold")
    hours: dict[str, list[str]] = {}
    for one in found["coming"]:
        hours.setdefault(one["hour"], []).append(f"{one['kind']} {one['count']}")
    if not hours:
        yield "  no timer falls due"
    for hour, kinds in hours.items():
        yield f"  {_local(hour, zone_name)}  {', '.join(kinds)}"


def _local(at: str, zone_name: str) -> str:
    return instant_from(at).astimezone(zone(zone_name)).strftime("%Y-%m-%d %H:%M")
