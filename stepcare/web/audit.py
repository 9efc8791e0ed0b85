"""The routes of an auditor: searching the log, one entry's bytes, an export."""

import base64
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import IO, Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from engine.errors import Unavailable
from stepcare.exports import Exporter, Written, lines_of, manifest_of, write_lines
from stepcare.sight import ALL_TEAMS
from stepcare.sought import Asked, Sought, about, asked, found_json, page_json
from stepcare.web.call import Call, bytes_answer, call_of, json_answer
from stepcare.web.page import LONGEST_CURSOR, Limit
from stepcare.web.problem import Problem, dumped
from stepcare.whom import persons_in
from storage.database import SITE_REF
from storage.search import persons_of
from storage.search_fields import FIELDS

API = "/api/v1/audit"
NDJSON = b"application/x-ndjson"
CHUNK = 65_536
MOST_MANIFEST = 8_000  # bytes: what clients take in one header
ORDERS = frozenset(f"{way}{name}" for name in FIELDS for way in ("", "-"))
router = APIRouter(prefix=API, tags=["audit"])

Several = Annotated[list[str], Field(max_length=50)]


class Filters(BaseModel):
    """Which entries: every condition that is said must hold; of several values of one field any one is enough."""

    model_config = ConfigDict(extra="forbid")

    actor: Annotated[Several, Field(description="Who acted.")] = []
    role: Annotated[Several, Field(description="As what they acted.")] = []
    patient: Annotated[Several, Field(description="The person's reference.")] = []
    episode: Annotated[Several, Field(description="The episode's reference.")] = []
    command: Annotated[Several, Field(description="What was asked.")] = []
    trigger: Annotated[Several, Field(description="The transition, the request answered, or the command.")] = []
    outcome: Annotated[Several, Field(description="What came of it.")] = []
    state: Annotated[Several, Field(description="Where the episode was afterwards.")] = []
    rule: Annotated[Several, Field(description="A rule that was asked.")] = []
    answer: Annotated[Several, Field(description="What came of it: ok, no, signed, override, override:REASON.")] = []
    level: Annotated[Several, Field(description="That rule's level.")] = []
    override: Annotated[bool | None, Field(description="With an override, or without any.")] = None
    signed: Annotated[bool | None, Field(description="With a rule signed off, or without any.")] = None
    recorded: Annotated[
        str | None, Field(description="FROM..TO: days of the site's zone, or instants; both in it.")
    ] = None
    occurred: Annotated[str | None, Field(description="FROM..TO, when it happened.")] = None
    entries: Annotated[str | None, Field(description="FROM..TO, by number.")] = None
    text: Annotated[str | None, Field(description="Words in codes; with one episode in its opened texts too.")] = None
    sort: Annotated[str, Field(max_length=40, description="A field of the entries; - before it: from its end.")] = (
        "-recorded"
    )

    def sought(self) -> Sought:
        """Give it as the search takes it."""
        said: dict[str, Any] = {name: getattr(self, name) for name in Filters.model_fields}
        several = {name: tuple(one) for name, one in said.items() if isinstance(one, list)}
        return Sought(**(said | several))


class EntriesQuery(Filters):
    """A page of what is found."""

    limit: Limit = 50
    cursor: Annotated[
        str | None, Field(max_length=LONGEST_CURSOR, description="As the Link of the page before says.")
    ] = None


class ExportQuery(Filters):
    """Everything that is found, in one file."""

    sort: Annotated[str, Field(max_length=40, description="A field of the entries; - before it: from its end.")] = (
        "entry"
    )
    format: Annotated[Literal["ndjson", "csv"], Field(description="Whole entries, or cells for a spreadsheet.")] = (
        "ndjson"
    )


@router.get("/entries", summary="Entries of the log that are found")
def find_entries(request: Request, query: Annotated[EntriesQuery, Query()]) -> Response:
    """Give a page of found entries, with how many there are; as NDJSON where Accept asks for it.

    All pages that Link leads through show the log as it was when the first one was asked for.
    """
    call = call_of(request)
    reader = call.reads("log")
    sought = _said(call, query)
    with asked(call.app, reader, sought) as found:
        page = found.page(query.limit, query.cursor or "")
        rows = [found_json(row) for row in page.found]
        whole = page_json(found, page, rows)
    persons, episodes = about(rows)
    call.looked("log.search", persons=persons, episodes=episodes, query=sought.said())
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if page.after:
        said = query.model_dump(mode="json", exclude_defaults=True) | {"cursor": page.after}
        headers = ((b"link", f'<{API}/entries?{urlencode(said, doseq=True)}>; rel="next"'.encode()),)
    if NDJSON in call.headers.get(b"accept", b""):
        return bytes_answer(b"".join(dumped(row) + b"\n" for row in rows), 200, NDJSON, headers)
    return json_answer({name: value for name, value in whole.items() if name != "after"}, headers=headers)


@router.get("/entries/{number}", summary="One entry as it lies in the log")
def give_entry(request: Request, number: Annotated[int, InPath(ge=0, lt=2**53)]) -> Response:
    """Give an entry's bytes with their hash, and whose it is; nothing that was sealed is shown."""
    call = call_of(request)
    call.reads("log")
    stored = next(call.app.store.entries(number, number + 1), None)
    if stored is None:
        raise Problem("not-found")
    if stored.ep is not None:
        call.sees(stored.ep)
    person = None if stored.person_ref == SITE_REF else stored.person_ref
    call.looked("read.log", persons=persons_in(call.app.store, stored), query={"entry": number})
    written = stored.entry.decode(errors="replace")
    return json_answer({"entry": number, "leaf": stored.leaf.hex(), "patient": person, "bytes": written})


@router.get("/export", summary="Everything that is found, in one file")
def export_entries(request: Request, query: Annotated[ExportQuery, Query()]) -> Response:
    """Give every found entry, as NDJSON or CSV; the header Stepcare-Manifest says what it is, in base64url JSON.

    The file is made whole before the first byte is sent: what comes is what its manifest says.
    """
    call = call_of(request)
    reader = call.reads("log")
    sought = _said(call, query)
    with asked(call.app, reader, sought) as found:
        said = {**sought.said(), "size": found.index.size}
        call.looked("log.export", persons=persons_of(found.index, found.wanted), query=said)
        file, written, count = _made(call, found, query.format)
        teams = None if reader.role in ALL_TEAMS else tuple(sorted(reader.teams))
        by = Exporter(actor=reader.id, role=reader.role.value, os_user=None, at=call.now(), teams=teams)
        manifest = dumped(manifest_of(found, by, call.service.published, [written], count))
    if len(manifest) > MOST_MANIFEST:
        file.close()
        raise Problem("invalid-input", "The query is too long for a manifest: ask with fewer values.")
    response = StreamingResponse(_chunks(file))
    response.raw_headers = [
        (b"content-type", written.media.encode()),
        (b"content-length", b"%d" % written.size),
        (b"content-disposition", f'attachment; filename="{written.name}"'.encode()),
        (b"stepcare-manifest", base64.urlsafe_b64encode(manifest)),
    ]
    return response


def _said(call: Call, query: Filters) -> Sought:
    """Give what is sought; an error leaves out what was said, as it does for a body."""
    sought = query.sought()
    call.said = [value for name, value in sought.said().items() if name != "sort" or value not in ORDERS]
    return sought


def _made(call: Call, found: Asked, form: str) -> tuple[IO[bytes], Written, int]:
    """Write the export into a file without a name, beside the vault, where nobody else may look."""
    try:
        file = TemporaryFile(dir=call.app.database.backend.vault.parent)  # noqa: SIM115 - closed when it is sent
        try:
            written, lines = write_lines(file, form, lines_of(call.app, found, form))
            file.seek(0)
        except BaseException:
            file.close()
            raise
    except OSError as error:
        raise Unavailable("The export could not be made: see to the space left beside the vault.") from error
    return file, written, lines - (form == "csv")  # its header is no entry


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk
