"""What an export of the log holds: every entry that a search finds, line by line, and a manifest that says which.

NDJSON gives the entries' own bytes, so that whoever reads them can do the sum. CSV is for spreadsheets: a cell that one
would run as a formula (it begins with = + - @, a tab or a carriage return) begins with an apostrophe, without exception.
Persons and colleagues stand in both under their pseudonyms only, and nothing that was sealed.
"""

import base64
import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import IO

from engine.audit import FORMAT, Envelope, check_envelope, instant
from engine.errors import StepcareError, VerificationFailed
from engine.merkle import leaf_hash
from engine.model import Json
from stepcare.app import App
from stepcare.sought import Asked
from storage.ledger import ENGINE
from storage.search import numbers_of
from storage.search_fields import ASKED_AS, FIELDS, UNREADABLE
from storage.search_index import entries_at

MEDIA: Mapping[str, str] = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
BATCH = 500
FORMULA = ("=", "+", "-", "@", "\t", "\r")
HEADER = (*FIELDS, "leaf")
MOST_CHECKPOINT = 65_536
WITHHELD = "(words sought in the texts of one episode; the log of reads keeps their length)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One file of an export, as its manifest names it."""

    name: str
    media: str
    size: int
    sha256: str

    def as_json(self) -> Json:
        """Give it as JSON."""
        return {"name": self.name, "media": self.media, "bytes": self.size, "sha256": self.sha256}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """Who exports and when; `teams`: they see the episodes of these care teams only (None: all)."""

    actor: str | None
    role: str | None
    os_user: str | None
    at: datetime
    teams: tuple[str, ...] | None


def lines_of(app: App, asked: Asked, form: str) -> Iterator[bytes]:
    """Give an export's lines, in the order of the search, a CSV's header first.

    Raises VerificationFailed for an entry whose bytes do not have the hash that was kept with them: what was changed is
    not handed on as if it were the log.
    """
    if form == "csv":
        yield _csv_line(list(HEADER))
    numbers = numbers_of(asked.index, asked.wanted, asked.order)
    while some := list(islice(numbers, BATCH)):
        for number, leaf, entry, person in entries_at(app.database, some):
            if leaf_hash(entry) != leaf:
                raise VerificationFailed(
                    f"Entry {number} does not have the hash that was kept with it: nothing was exported. "
                    "Run `stepcare audit verify`."
                )
            yield _ndjson_line(number, leaf, entry, person) if form == "ndjson" else _row(number, leaf, entry, person)


def write_lines(stream: IO[bytes], form: str, lines: Iterator[bytes]) -> tuple[Written, int]:
    """Write an export's lines; gives what a manifest says of them, and how many they are."""
    digest, size, count = hashlib.sha256(), 0, 0
    for line in lines:
        stream.write(line)
        digest.update(line)
        size += len(line)
        count += 1
    stream.flush()
    return Written(name=f"entries.{form}", media=MEDIA[form], size=size, sha256=digest.hexdigest()), count


def manifest_of(
    asked: Asked, by: Exporter, published: Path | None, files: list[Written], count: int
) -> dict[str, Json]:
    """Say what was exported from which log, by whom and when, and the hash of each file."""
    query = asked.sought.said()
    if asked.sought.text and asked.wanted.texts:
        query["text"] = WITHHELD
    return {
        "format": "stepcare-audit-export-1",
        "query": query,
        "count": count,
        "files": [one.as_json() for one in files],
        "at": instant(by.at),
        "by": {"actor": by.actor, "role": by.role, "os_user": by.os_user},
        "teams": None if by.teams is None else list[Json](by.teams),
        "log": {"origin": asked.index.origin, "size": asked.index.size, "root": asked.index.root},
        "checkpoint": _checkpoint(published),
        "software": {"name": "stepcare", "version": version("stepcare"), "engine": ENGINE, "entry_format": FORMAT},
    }


def _checkpoint(published: Path | None) -> str | None:
    """Give the checkpoint that is published now, None where there is none."""
    try:
        text = (published / "checkpoint").read_bytes()[:MOST_CHECKPOINT] if published is not None else b""
    except OSError:
        return None
    return text.decode(errors="replace") or None


# --- lines --------------------------------------------------------------------------------------------------------


def _ndjson_line(number: int, leaf: bytes, entry: bytes, person: str | None) -> bytes:
    about = json.dumps({"idx": number, "leaf": leaf.hex(), "patient": person}, separators=(",", ":")).encode()
    try:
        check_envelope(entry)
    except StepcareError:
        # Not of this program's format: as text it might break the line, or not be JSON at all.
        written = b'"bytes":"' + base64.b64encode(entry) + b'","entry":null'
    else:
        written = b'"entry":' + entry
    return about[:-1] + b"," + written + b"}\n"


def _row(number: int, leaf: bytes, entry: bytes, person: str | None) -> bytes:
    try:
        cells = _cells(check_envelope(entry))
    except StepcareError:
        cells = {"type": UNREADABLE}
    cells |= {"entry": str(number), "leaf": leaf.hex(), "patient": person or ""}
    return _csv_line([cells.get(name, "") for name in HEADER])


def _cells(said: Envelope) -> dict[str, str]:
    rules = said.rules
    return {
        "recorded": instant(said.recorded_at),
        "occurred": instant(said.occurred_at or said.recorded_at),
        "type": said.type,
        "command": ASKED_AS.get(said.type) or said.type.partition(".")[2],
        "trigger": said.trigger,
        "outcome": said.outcome,
        "actor": said.actor.id,
        "role": said.actor.role,
        "kind": said.actor.kind,
        "on_behalf_of": said.actor.on_behalf_of or "",
        "purpose": said.purpose,
        "episode": said.episode or "",
        "number": str(said.episode_index),
        "state_before": said.state_before or "",
        "state": said.state or "",
        "pathway": said.pathway or "",
        "parameters": said.parameters,
        "engine": said.engine,
        "request": said.request or "",
        "id": said.id,
        "corrects": "" if said.corrects is None else str(said.corrects),
        "rules": " | ".join(f"{one.id} {one.level} {one.value} {one.answer}" for one in rules),
        "failed": " ".join(one.id for one in rules if one.answer == "no"),
        "overridden": " ".join(one.id for one in rules if one.answer.startswith("override:")),
        "signed": " ".join(one.id for one in rules if one.answer == "signed"),
    }


def _csv_line(cells: list[str]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream, quoting=csv.QUOTE_ALL).writerow([harmless(cell) for cell in cells])
    return stream.getvalue().encode()


def harmless(cell: str) -> str:
    """Give a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell
