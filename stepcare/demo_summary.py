"""What the demonstration leaves: its figures, what it has reached, whether the log holds, and what to type next."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from shlex import quote
from typing import Any, cast

from rich.text import Text

from engine.audit import instant
from engine.model import Json
from stepcare.demo_coverage import Coverage
from stepcare.demo_people import ANN, AZIZ, LENA, RAVI
from stepcare.desk.audits import replay_json, replayed, report_json, verified
from stepcare.desk.opened import Desk
from stepcare.options import Output
from stepcare.render import emit_thing
from storage.queries import MOST, DueFilter, DueLine, due_list, episodes_by_state, work_counts
from storage.verify import Verdict

Row = dict[str, Json]
SHOWN = 10
WORDS = {"states": "States", "transitions": "Moves", "levels": "Levels of rules", "acts": "Acts"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is summed up: the story's terms, when it ended, and what was counted on the way."""

    episodes: int
    days: int
    seed: int
    ends: datetime
    coverage: Coverage


def summed_up(desk: Desk, told: Told) -> Row:
    """Sum up: figures, coverage, the log verified and decided again, and what to type next."""
    coverage, database = told.coverage, desk.app.database
    owed, overdue = work_counts(database, told.ends)
    states = episodes_by_state(database)
    tally, report = replayed(desk), verified(desk)
    again = replay_json(tally, report)
    del again["verify"]
    found: Row = {
        "episodes": told.episodes,
        "days": told.days,
        "seed": told.seed,
        "ends": instant(told.ends),
        "database": database.backend.place,
        "episodes_by_state": {name: states[name] for name in coverage.pathway.states if name in states},
        "due": owed,
        "overdue": overdue,
        "answers": _counts(coverage.outcomes),
        "refusals": _counts(coverage.refusals),
        "overrides": _counts(coverage.overrides),
        "deviations": _counts(coverage.deviations),
        "timers": _counts(coverage.timers),
        "messages": _counts(coverage.messages),
        "coverage": _coverage(coverage),
        "digest": coverage.digest(),
        "log": _log(desk, report.entries),
        "verify": report_json(report),
        "replay": again,
        "sound": tally.verdict(report) is Verdict.VERIFIED,
    }
    found["next"] = list[Json](_next(desk, told, str(found["database"])))
    return found


def _counts(counter: Counter[str]) -> Row:
    return {name: count for name, count in sorted(counter.items(), key=lambda one: (-one[1], one[0])) if count}


def _coverage(coverage: Coverage) -> Row:
    return {
        **{part: dict[str, Json](counts) for part, counts in coverage.parts().items()},
        "missing": list[Json](coverage.missing()),
    }


def _log(desk: Desk, entries: int) -> Row:
    size = sum(len(one.entry) + len(one.blob or b"") for one in desk.app.store.entries())
    return {"entries": entries, "bytes": size, "bytes_per_entry": size // entries if entries else None}


# --- what to type next --------------------------------------------------------------------------------------------


def _next(desk: Desk, told: Told, directory: str) -> Iterator[Row]:
    begin = f"stepcare --data {quote(directory)}"
    late = _most_overdue(desk, told)
    yield {"say": "this morning's worklist", "type": f"{begin} due list --as {ANN.id}"}
    if late is not None:
        yield {
            "say": "the most overdue: what may happen, and why not",
            "type": f"{begin} episode why {late.episode} --as {RAVI.id}",
        }
        yield {"say": "and what happened so far", "type": f"{begin} episode timeline {late.episode} --as {RAVI.id}"}
        yield {"say": "what its ladder will do", "type": f"{begin} due explain {late.episode} --as {ANN.id}"}
    for kind, say in (
        ("refusal", "a refusal, rule by rule"),
        ("override", "soft stops passed with reasons"),
        ("correction", "a correction, with the decisions that relied on the old score"),
    ):
        if kind in told.coverage.worth:
            yield {"say": say, "type": f"{begin} audit show {told.coverage.worth[kind][1]} --as {AZIZ.id}"}
    yield {"say": "everybody who waits", "type": f"{begin} episode list --as {LENA.id}"}
    yield {"say": "the log, recomputed from its bytes", "type": f"{begin} audit verify --as {AZIZ.id}"}


def _most_overdue(desk: Desk, told: Told) -> DueLine | None:
    priorities = {name: one.priority for name, one in told.coverage.pathway.due.items()}
    lines = due_list(desk.app.database, told.ends, DueFilter(priorities=priorities, limit=MOST))
    steps = {name for name, state in told.coverage.pathway.states.items() if state.step}
    late = [line for line in lines if line.item.due_at is not None and line.item.due_at <= told.ends]
    mine = [line for line in late if line.state in steps and line.team in RAVI.teams]
    return min(mine or late, key=lambda line: (line.item.due_at or told.ends, line.episode), default=None)


# --- for people ---------------------------------------------------------------------------------------------------


def show(output: Output, summary: Row) -> None:
    """Write the summary."""
    emit_thing(output, summary, lambda: _lines(cast("dict[str, Any]", summary)))


def _lines(row: Mapping[str, Any]) -> Iterator[Text | str]:
    yield Text(
        f"{row['episodes']} episodes of invented people over {row['days']} days, seed {row['seed']}, in {row['database']}",
        style="bold",
    )
    yield ""
    yield from _part("Episodes", row["episodes_by_state"])
    yield f"Work: {row['due']} due, {row['overdue']} of it overdue."
    yield from _part("Commands", row["answers"])
    yield from _part("Refused by", row["refusals"])
    yield from _part("Overrides", row["overrides"])
    yield from _part("Deviations", row["deviations"])
    yield f"Timers: {_said(row['timers'])}. Messages: {_said(row['messages'])}."
    yield ""
    yield from _covered(row["coverage"])
    yield ""
    yield from _sound(row)
    yield ""
    yield Text("What to type next", style="bold")
    for one in row["next"]:
        yield f"  {one['type']}"
        yield Text(f"      {one['say']}", style="dim")


def _part(title: str, counts: Mapping[str, int]) -> Iterator[str]:
    total = sum(counts.values())
    rest = len(counts) - SHOWN
    more = f", and {rest} more" if rest > 0 and title not in ("Episodes", "Commands") else ""
    shown = counts if not more else dict(list(counts.items())[:SHOWN])
    yield f"{title}: {total}{' (' if counts else ''}{_said(shown)}{more}{')' if counts else ''}."


def _said(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _covered(coverage: Mapping[str, Any]) -> Iterator[Text | str]:
    yield Text("Coverage", style="bold")
    for part, title in WORDS.items():
        counts: Mapping[str, int] = coverage[part]
        reached = sum(count > 0 for count in counts.values())
        yield f"  {title}: {reached} of {len(counts)} reached"
        yield f"    {_said(counts)}"
    if coverage["missing"]:
        yield Text(f"  Not reached: {', '.join(coverage['missing'])}", style="yellow")


def _sound(row: Mapping[str, Any]) -> Iterator[Text | str]:
    log, verify, again = row["log"], row["verify"], row["replay"]
    yield f"Log: {log['entries']} entries, {log['bytes'] // 1024} KiB, {log['bytes_per_entry']} bytes an entry; root {verify['root']}."
    fine = verify["verdict"] == Verdict.VERIFIED
    yield Text(f"{'✓' if fine else '✗'} verify: {verify['verdict']}", style="green" if fine else "red")
    same = again["same"] == again["entries"]
    words = f"{'✓' if same else '✗'} replay: {again['same']} of {again['entries']} decided the same again"
    yield Text(words, style="green" if same else "red")
