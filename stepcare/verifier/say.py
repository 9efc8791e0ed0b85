"""Reports as people and as programs read them."""

from collections.abc import Iterator
from typing import Any

from stepcare.verifier.outcome import Outcome
from stepcare.verifier.report import Finding, Report

WORDS = {
    Outcome.VERIFIED: "✓ Verified",
    Outcome.TAMPERED: "✗ Tampered: this is not what was written",
    Outcome.UNVERIFIABLE: "? Unverifiable: part of it can be neither confirmed nor denied",
    Outcome.ABSENT: "- Absent: there is no log here",
}
MOST_SHOWN = 20
ALONE = "as far as it agrees with itself: {}, so whoever holds the files could have rewritten them all"


def as_json(report: Report) -> dict[str, Any]:
    """Give a report as JSON; `root` is hex."""
    first = report.first
    return {
        "outcome": report.outcome.value,
        "exit": report.outcome.exit,
        "what": report.what,
        "origin": report.origin,
        "entries": report.entries,
        "root": report.root.hex() if report.root else None,
        "first": _finding(first) if first else None,
        "findings": [_finding(one) for one in report.findings],
        "more": report.more,
        "anchored": report.anchored,
        "checked": {name: count for name, count in report.checked.items() if count},
        "not_checked": report.not_checked,
        "seconds": round(report.seconds, 3),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {"outcome": finding.outcome.value, "entry": finding.index, "id": finding.id, "reason": finding.reason}


def lines(report: Report) -> Iterator[str]:
    """Give a report as lines: the outcome first, then the first bad entry, and last what was not checked."""
    alone = report.outcome is Outcome.VERIFIED and not report.anchored
    yield f"{WORDS[report.outcome]}{f', {ALONE.format(report.lacks)}' if alone else ''}: {report.what}"
    if report.origin is not None:
        root = f", root {report.root.hex()}" if report.root else ""
        yield f"  log {report.origin}, {report.entries:,} entries{root}"
    counts = ", ".join(f"{count:,} {name}" for name, count in report.checked.items() if count)
    if counts:
        yield f"  checked: {counts}{_speed(report)}"
    if report.first is not None:
        yield f"  first: {_where(report.first)}: {report.first.reason}"
    others = [one for one in report.findings if one is not report.first]
    for one in others[:MOST_SHOWN]:
        yield f"  also: {_where(one)}: {one.reason} [{one.outcome}]"
    more = len(others[MOST_SHOWN:]) + report.more
    if more:
        yield f"  … and {more} more: --json shows the first hundred of each kind."
    for name in report.not_checked:
        yield f"not checked: {name}"


def _speed(report: Report) -> str:
    done = max(report.checked.get("entries", 0), report.checked.get("hashes", 0))
    return f", in {report.seconds:.1f} s ({done / report.seconds:,.0f} entries/s)" if report.seconds > 0 else ""


def _where(finding: Finding) -> str:
    if finding.index is None:
        return "the log"
    return f"entry {finding.index}" + (f" ({finding.id})" if finding.id else "")
