"""What auditors ask: is the log what was written, and would it be decided so again."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import typer
from rich.text import Text

from engine.errors import Erased, Unverifiable
from engine.model import Json
from stepcare.desk.looking import looked_if_possible
from stepcare.desk.opened import Desk, opened, reader_of
from stepcare.options import Options
from stepcare.render import emit_thing, progress
from stepcare.replay import Redone, Replay
from storage.verify import Report, Verdict, verify_log
from storage.walk import Fault, opener_of

Row = dict[str, Json]
MOST_SHOWN = 50
NO_LOG = "The log is empty: nothing has been decided here yet. `stepcare episode open` begins."


# --- verify -------------------------------------------------------------------------------------------------------


def verified(desk: Desk, *, with_keys: bool = True, sizes: Collection[int] = ()) -> Report:
    """Verify the database, showing how far it has come on a terminal; `sizes` as `verify_log` takes them."""
    opener = opener_of(desk.app.database) if with_keys else None
    seen = 0
    with progress("Verifying") as step:

        def tell(done: int, _: int) -> None:
            nonlocal seen
            for _ in range(done - seen):
                step()
            seen = done

        return verify_log(desk.app.database, opener, tell, sizes)


def report_json(report: Report) -> Row:
    """Give a report as JSON."""
    return {
        "verdict": report.verdict.value,
        "entries": report.entries,
        "root": report.root,
        "checked": dict[str, Json](report.checked),
        "faults": [_fault_json(fault) for fault in report.faults],
        "not_checked": list[Json](report.not_checked),
        "erased": [{"person": one.person, "by_entry": one.entry, "parts": one.parts} for one in report.erased],
    }


def _fault_json(fault: Fault) -> Row:
    return {"entry": fault.idx, "what": fault.what, "reason": fault.reason, "lost": fault.lost}


def report_lines(report: Report) -> Iterator[Text | str]:
    """Give a report as lines."""
    words = {
        Verdict.VERIFIED: ("✓ Verified", "green"),
        Verdict.ABSENT: ("No log", "yellow"),
        Verdict.TAMPERED: ("✗ Tampered: what is stored is not what was written", "red"),
        Verdict.UNVERIFIABLE: ("? Unverifiable: part of it can be neither confirmed nor denied", "yellow"),
    }
    said, colour = words[report.verdict]
    yield Text(f"{said}: {report.entries} entries, root {report.root}", style=colour)
    if report.verdict is Verdict.ABSENT:
        yield NO_LOG
    yield "  " + ", ".join(f"{count} {name}" for name, count in report.checked.items())
    for fault in report.faults[:MOST_SHOWN]:
        where = f"entry {fault.idx}" if fault.idx is not None else "the log"
        yield f"  {where}, {fault.what}: {fault.reason}{' (cannot be told)' if fault.lost else ''}"
    if len(report.faults) > MOST_SHOWN:
        yield f"  … and {len(report.faults) - MOST_SHOWN} more: --output json shows all."
    for one in report.erased:
        yield f"  erased by entry {one.entry}: {one.person}, {one.parts} sealed parts closed for ever"
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
    erased: Counter[int | str] = field(default_factory=Counter)
    failed: bool = False

    def count(self, redone: Redone) -> None:
        """Count one entry."""
        self.entries += 1
        if isinstance(redone.lost, Erased):
            self.erased[redone.lost.entry] += 1
        elif redone.lost is not None:
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
        if self.different or self.failed or report.verdict is Verdict.TAMPERED:
            return Verdict.TAMPERED
        if self.lost or report.verdict is Verdict.UNVERIFIABLE:
            return Verdict.UNVERIFIABLE
        return report.verdict


def replay(options: Options) -> None:
    """Decide every entry again and fold the log against the rows; exits by the verdict."""
    with opened(options) as desk:
        reader_of(desk, "log")
        looked_if_possible(desk, what="log.verify")
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
        "erased": [{"by_entry": entry, "entries": count} for entry, count in sorted(tally.erased.items())],
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
        Verdict.ABSENT: "No log",
        Verdict.TAMPERED: "✗ Not the same",
        Verdict.UNVERIFIABLE: "? Some entries could not be decided again",
    }[verdict]
    style = "green" if fine else "red"
    yield Text(f"{said}: {tally.same} of {tally.entries} the same, {len(tally.different)} different.", style=style)
    if tally.other_same or tally.other_different:
        yield f"  by another engine: {tally.other_same} the same, {tally.other_different} different (no failure)"
    for one in tally.different[:MOST_SHOWN]:
        parts: Any = one["parts"]
        yield f"  entry {one['entry']} ({one['episode'] or 'site'}): {', '.join(parts)}"
    for entry, count in sorted(tally.erased.items()):
        yield f"  erased by entry {entry}: {count} entries cannot be decided again"
    for one in tally.lost[:MOST_SHOWN]:
        yield f"  entry {one['entry']}: {one['reason']}"
    yield from report_lines(report)
