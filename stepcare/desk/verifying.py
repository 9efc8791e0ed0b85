"""`audit verify`: the database from its bytes, the log of reads, what is published, and what was kept elsewhere."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import typer
from rich.text import Text

from engine import errors
from engine.errors import NotFound
from engine.model import Json
from stepcare.desk.audits import report_json, report_lines, verified
from stepcare.desk.looking import looked_if_possible
from stepcare.desk.opened import Desk, opened, reader_of
from stepcare.options import Options
from stepcare.render import emit_thing
from stepcare.settings import Settings
from stepcare.verifier.asked import Asked
from stepcare.verifier.check import check
from stepcare.verifier.given import kept_in, keys_of, trust_in
from stepcare.verifier.kept import Kept, Trust, check_kept, compare
from stepcare.verifier.note import Key
from stepcare.verifier.outcome import NotVerified, Outcome
from stepcare.verifier.report import Finding
from stepcare.verifier.report import Report as Published
from stepcare.verifier.say import as_json, lines
from storage.access_verify import verify_access
from storage.verify import NEVER_KEPT, Report, Verdict
from storage.walk import Fault, opener_of

ACCESS = "access"
OWN_KEY = "that the key is the log's: it was read on this machine. Give one you got another way (--vkey)"
APART = "whether the published log of reads is this one: compare their roots where they are of one size"
UNPUBLISHED = "what is published: there is nothing in {}. `stepcare sealer` publishes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What the log is held against besides itself. `published` None: the usual folder; `policy` None: no witnesses."""

    checkpoints: tuple[Path, ...] = ()
    published: Path | None = None
    keys: tuple[str, ...] = ()
    policy: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What verifying came to: the database, its log of reads, and each log that is published."""

    database: Report
    reads: Report
    published: tuple[Published, ...]

    @property
    def verdict(self) -> Verdict:
        """Give the gravest verdict; that a second log is empty or not published is none."""
        all_of_them = {self.database.verdict, self.reads.verdict, *(Verdict(one.outcome) for one in self.published)}
        grave = (one for one in (Verdict.TAMPERED, Verdict.UNVERIFIABLE) if one in all_of_them)
        return next(grave, self.database.verdict)


def verify(options: Options, outside: Outside, *, with_keys: bool) -> None:
    """Verify the log and everything that follows from it; exits by the gravest verdict."""
    with opened(options) as desk:
        reader_of(desk, "log")
        looked_if_possible(desk, what="log.verify")
        found = found_by(desk, outside, with_keys=with_keys)
        emit_thing(options.output, found_json(found), lambda: _lines(found))
    if found.verdict.exit:
        raise typer.Exit(found.verdict.exit)


def found_by(desk: Desk, outside: Outside, *, with_keys: bool) -> Found:
    """Verify everything. NotFound where the published folder that was named is none; Unverifiable for unusable input."""
    folder = _folder(desk.settings, outside.published)
    try:
        trust, kept = trust_in(outside.keys, outside.policy), kept_in(outside.checkpoints)
    except NotVerified as error:
        raise errors.Unverifiable(str(error)) from None
    believed = trust if trust.keys or trust.policy else _own(desk.settings, trust)
    # The published log is read first: what is appended meanwhile makes the database longer, never shorter.
    published = _published(folder, believed, kept)
    shown = _shown(folder)
    database = verified(desk, with_keys=with_keys, sizes={one.checkpoint.size for one in (*kept, *shown)})
    database = _held(database, desk.app.database.origin, kept, shown, trust)
    if believed is not trust:
        for one in published:
            one.skip(OWN_KEY)
            one.anchored &= bool(kept)  # a key found on the same machine speaks for nothing
    if not published:
        unpublished = UNPUBLISHED.format(folder)
        database = replace(database, not_checked=(*database.not_checked, unpublished))
    reads = verify_access(desk.app.database, opener_of(desk.app.database) if with_keys else None)
    if any(one.origin and one.origin.endswith(f"/{ACCESS}") for one in published):
        reads = replace(reads, not_checked=(*reads.not_checked, APART))
    return Found(database=database, reads=reads, published=tuple(published))


def _folder(settings: Settings, named: Path | None) -> Path:
    if named is None:
        return settings.published_folder
    if not named.is_dir():
        raise NotFound(what="published log", name=str(named), remedy="name the folder that holds checkpoint and tile/")
    return named


def _own(settings: Settings, trust: Trust) -> Trust:
    """Take the keys that lie on this machine, where nobody gave one."""
    keys: list[Key] = []
    for name in ("vkey", f"vkey-{ACCESS}"):
        with suppress(NotVerified, errors.InvalidInput):
            keys += keys_of(str(settings.sealer_folder / name))
    return Trust(keys=tuple(keys)) if keys else trust


def _published(folder: Path, trust: Trust, kept: Sequence[Kept]) -> list[Published]:
    """Check each log that is published here, with the checkpoints kept of it."""
    found = []
    # The log of reads has a name and a key of its own: what is not given is not checked, and said.
    reads = Trust(keys=tuple(key for key in trust.keys if key.name.endswith(f"/{ACCESS}")))
    for one, asked in ((folder, Asked(trust=trust, kept=tuple(kept))), (folder / ACCESS, Asked(trust=reads))):
        report = check(one, asked)
        if report.outcome is not Outcome.ABSENT or report.origin is not None:
            found.append(report)
    return found


def _shown(folder: Path) -> list[Kept]:
    """Give what the published checkpoint says; one that cannot be read is a finding of its own."""
    try:
        return [Kept.parse("that is published", (folder / "checkpoint").read_bytes())]
    except (OSError, NotVerified):
        return []


def _held(report: Report, origin: str, kept: Sequence[Kept], shown: Sequence[Kept], trust: Trust) -> Report:
    """Hold the database's own roots against checkpoints; what does not agree is a fault of the log."""
    beside = Published(what="database")
    fine = check_kept(kept, origin, trust, beside) if kept else []
    compare([*fine, *(one for one in shown if one.checkpoint.origin == origin)], report.entries, report.roots, beside)
    faults = tuple(map(_fault, beside.findings))
    verdict = report.verdict
    if any(not one.lost for one in faults):
        verdict = Verdict.TAMPERED
    elif faults and verdict is not Verdict.TAMPERED:
        verdict = Verdict.UNVERIFIABLE
    checked = {**report.checked, "checkpoints": beside.checked.get("kept checkpoints", 0)}
    not_checked = tuple(one for one in report.not_checked if not (kept and one == NEVER_KEPT))
    faults = (*report.faults, *faults)
    return replace(report, verdict=verdict, faults=faults, checked=checked, not_checked=not_checked)


def _fault(finding: Finding) -> Fault:
    lost = finding.outcome is not Outcome.TAMPERED
    return Fault(idx=finding.index, what="checkpoint", reason=finding.reason, lost=lost)


def found_json(found: Found) -> dict[str, Json]:
    """Give it as JSON: the database's report, its verdict the gravest of all, with the others beside it."""
    published: list[Json] = [as_json(one) for one in found.published]
    row: dict[str, Json] = {**report_json(found.database), "verdict": found.verdict.value}
    return {**row, "reads": report_json(found.reads), "published": published}


def _lines(found: Found) -> Iterator[Text | str]:
    if found.verdict is not found.database.verdict:
        yield Text(
            f"✗ {found.verdict.value.capitalize()}: the database by itself is fine, what is beside it is not.", "red"
        )
    yield from report_lines(found.database)
    if found.reads.entries or found.reads.faults:
        yield "The log of reads:"
        yield from (f"  {one}" for one in report_lines(found.reads))
    for report in found.published:
        yield "What is published:"
        yield from (f"  {one}" for one in lines(report))
