"""What auditors ask: is the log what was written, would it be decided so again, what does one entry say."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import typer
from rich.text import Text

from engine.errors import Unverifiable
from engine.model import Episode, Json
from stepcare.desk.opened import Desk, opened, reader_of
from stepcare.options import Options
from stepcare.render import Column, emit_rows, emit_thing, progress
from stepcare.replay import Redone, Replay
from stepcare.shown import citations_of, entry_json, kept_line_json
from stepcare.sight import require_seen
from stepcare.tell import decision_lines
from storage.verify import Report, Verdict, verify_log
from storage.walk import Fault, opener_of

Row = dict[str, Json]
MOST_SHOWN = 50
NO_LOG = "The log is empty: nothing has been decided here yet. `stepcare episode open` begins."


# --- verify -------------------------------------------------------------------------------------------------------


def verify(options: Options, *, with_keys: bool) -> None:
    """Verify the log and everything that follows from it; exits by the verdict."""
    with opened(options) as desk:
        reader_of(desk, "log")
        report = verified(desk, with_keys=with_keys)
        row = report_json(report)
        emit_thing(options.output, row, lambda: _report_lines(report))
    if report.verdict.exit:
        raise typer.Exit(report.verdict.exit)


def verified(desk: Desk, *, with_keys: bool = True) -> Report:
    """Verify, showing how far it has come on a terminal."""
    opener = opener_of(desk.app.database) if with_keys else None
    seen = 0
    with progress("Verifying") as step:

        def tell(done: int, _: int) -> None:
            nonlocal seen
            for _ in range(done - seen):
                step()
            seen = done

        return verify_log(desk.app.database, opener, tell)


def report_json(report: Report) -> Row:
    """Give a report as JSON."""
    return {
        "verdict": report.verdict.value,
        "entries": report.entries,
        "root": report.root,
        "checked": dict[str, Json](report.checked),
        "faults": [_fault_json(fault) for fault in report.faults],
        "not_checked": list[Json](report.not_checked),
    }


def _fault_json(fault: Fault) -> Row:
    return {"entry": fault.idx, "what": fault.what, "reason": fault.reason, "lost": fault.lost}


def _report_lines(report: Report) -> Iterator[Text | str]:
    words = {
        Verdict.VERIFIED: ("✓ Verified", "green"),
        Verdict.EMPTY: ("No log", "yellow"),
        Verdict.FAILED: ("✗ Failed: what is stored is not what was written", "red"),
        Verdict.UNVERIFIABLE: ("? Unverifiable: part of it can be neither confirmed nor denied", "yellow"),
    }
    said, colour = words[report.verdict]
    yield Text(f"{said}: {report.entries} entries, root {report.root}", style=colour)
    if report.verdict is Verdict.EMPTY:
        yield NO_LOG
    yield "  " + ", ".join(f"{count} {name}" for name, count in report.checked.items())
    for fault in report.faults[:MOST_SHOWN]:
        where = f"entry {fault.idx}" if fault.idx is not None else "the log"
        yield f"  {where}, {fault.what}: {fault.reason}{' (cannot be told)' if fault.lost else ''}"
    if len(report.faults) > MOST_SHOWN:
        yield f"  … and {len(report.faults) - MOST_SHOWN} more: --output json shows all."
    yield "Not checked:"
    yield from (f"  {one}" for one in report.not_checked)


# --- replay -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Tally:
    """What deciding everything again came to. Entries of another engine are counted apart: they bind nobody."""

    entries: int = 0
    same: int = 0
    other_same: int = 0
    other_different: int = 0
    different: list[Row] = field(default_factory=list)
    lost: list[Row] = field(default_factory=list)
    failed: bool = False

    def count(self, redone: Redone) -> None:
        """Count one entry."""
        self.entries += 1
        if redone.lost is not None:
            self.lost.append({"entry": redone.index, "code": redone.lost.code, "reason": str(redone.lost)})
            self.failed = self.failed or not isinstance(redone.lost, Unverifiable)
        elif not redone.ours:
            self.other_same += not redone.differences
            self.other_different += bool(redone.differences)
        elif redone.differences:
            self.different.append(_difference_json(redone))
        else:
            self.same += 1

    def verdict(self, report: Report) -> Verdict:
        """Give the verdict of both: decided again, and folded against the rows."""
        if self.different or self.failed or report.verdict is Verdict.FAILED:
            return Verdict.FAILED
        if self.lost or report.verdict is Verdict.UNVERIFIABLE:
            return Verdict.UNVERIFIABLE
        return report.verdict


def replay(options: Options) -> None:
    """Decide every entry again and fold the log against the rows; exits by the verdict."""
    with opened(options) as desk:
        reader_of(desk, "log")
        tally = replayed(desk)
        report = verified(desk)
        verdict = tally.verdict(report)
        row = replay_json(tally, report)
        emit_thing(options.output, row, lambda: _replay_lines(tally, report))
    if verdict.exit:
        raise typer.Exit(verdict.exit)


def replayed(desk: Desk) -> Tally:
    """Decide every entry again, showing how far it has come on a terminal."""
    tally = Tally()
    with progress("Deciding again") as step:
        for redone in Replay(store=desk.app.store).every():
            tally.count(redone)
            step()
    return tally


def replay_json(tally: Tally, report: Report) -> Row:
    """Give both results as JSON."""
    return {
        "verdict": tally.verdict(report).value,
        "entries": tally.entries,
        "same": tally.same,
        "different": len(tally.different),
        "lost": list[Json](tally.lost),
        "other_engine": {"same": tally.other_same, "different": tally.other_different},
        "differences": list[Json](tally.different),
        "verify": report_json(report),
    }


def _difference_json(redone: Redone) -> Row:
    episode = redone.kept.envelope.episode if redone.kept else None
    return {"entry": redone.index, "episode": episode, "parts": list[Json](redone.differences)}


def _replay_lines(tally: Tally, report: Report) -> Iterator[Text | str]:
    verdict = tally.verdict(report)
    fine = verdict is Verdict.VERIFIED
    said = {
        Verdict.VERIFIED: "✓ Every entry is decided the same again, and the rows are what the log says",
        Verdict.EMPTY: "No log",
        Verdict.FAILED: "✗ Not the same",
        Verdict.UNVERIFIABLE: "? Some entries could not be decided again",
    }[verdict]
    style = "green" if fine else "red"
    yield Text(f"{said}: {tally.same} of {tally.entries} the same, {len(tally.different)} different.", style=style)
    if tally.other_same or tally.other_different:
        yield f"  by another engine: {tally.other_same} the same, {tally.other_different} different (no failure)"
    for one in tally.different[:MOST_SHOWN]:
        parts: Any = one["parts"]
        yield f"  entry {one['entry']} ({one['episode'] or 'site'}): {', '.join(parts)}"
    for one in tally.lost[:MOST_SHOWN]:
        yield f"  entry {one['entry']}: {one['reason']}"
    yield from _report_lines(report)


# --- one entry ----------------------------------------------------------------------------------------------------

ENTRIES = (
    Column(key="entry", title="ENTRY", right=True),
    Column(key="at", title="RECORDED", say=lambda value: str(value)[:16].replace("T", " ")),
    Column(key="by", title="BY"),
    Column(key="role", title="ROLE"),
    Column(key="type", title="WHAT"),
    Column(key="trigger", title="TRIGGER"),
    Column(key="episode", title="EPISODE", whole=True),
    Column(key="outcome", title="OUTCOME"),
    Column(key="failed", title="FAILED"),
)


def show(options: Options, index: int | None, last: int) -> None:
    """Show one entry as it was explained, or list the latest."""
    with opened(options) as desk:
        reader = reader_of(desk, "log")
        if index is None:
            _list_latest(desk, last)
            return
        redone = Replay(store=desk.app.store).one(index)
        if redone.lost is not None:
            raise redone.lost
        episode = redone.before if isinstance(redone.before, Episode) else None
        if episode is not None and episode.version:
            require_seen(reader, episode.id, episode.team)
        row = entry_json(redone)
        citations = _citations(desk, redone)
        emit_thing(options.output, row, lambda: _entry_lines(row, redone, citations))


def _list_latest(desk: Desk, last: int) -> None:
    entries = list(desk.app.store.entries(max(0, _length(desk) - last)))
    found = [kept_line_json(desk.app.store.kept(entry.idx)) for entry in entries]
    emit_rows(desk.options.output, found, ENTRIES, NO_LOG)


def _length(desk: Desk) -> int:
    return sum(1 for _ in desk.app.store.entries())


def _entry_lines(row: Row, redone: Redone, citations: dict[str, str]) -> Iterator[Text | str]:
    assert redone.kept is not None  # noqa: S101 - nothing was lost
    yield from decision_lines(row, citations)
    yield f"  recorded {row['at']}, happened {row['occurred_at'] or 'then'}, as {row['role']}, via {row['via'] or '-'}"
    yield f"  pathway {row['pathway'] or '-'}"
    yield f"  parameters {row['parameters']}, engine {row['engine']}"
    yield f"  previous entry of its chain {row['previous'] or 'none'}"
    values: Any = row["values"]
    for name, value in values.items():
        yield f"  {name} = {value}"
    if redone.differences:
        yield Text(f"  ✗ decided again it differs in {', '.join(redone.differences)}", style="red")
    else:
        yield Text("  ✓ decided again it is the same, word for word", style="green")


def _citations(desk: Desk, redone: Redone) -> dict[str, str]:
    pathway = redone.kept.envelope.pathway if redone.kept else None
    return citations_of(desk.app.engine.compiled(pathway).pathway) if pathway else {}
