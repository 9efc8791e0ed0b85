"""Who looked at whom, what was opened by breaking the glass, and everything on one person."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from engine.audit import instant
from engine.errors import InvalidInput, NotFound, Unavailable
from engine.model import Json
from stepcare.desk.doing import find_episode
from stepcare.desk.looking import looked
from stepcare.desk.opened import Desk, actor_of, opened, os_user, reader_of
from stepcare.glass import Found, Need, break_glass, opening_json, review, words_of
from stepcare.noting import TYPES, Reader
from stepcare.options import Options
from stepcare.registering import known_person
from stepcare.render import Column, emit_rows, emit_thing, note
from stepcare.subject import files_of, looked_json, subject_of
from stepcare.typed import moment_from
from storage.access_read import MOST, AccessFilter, noted, openings
from storage.refs import check_ref
from storage.sight import whose

Row = dict[str, Json]
NOBODY = "Nobody looked, as far as this was asked."
NOTHING_OPENED = "Nothing waits for review."


def _minute(value: Json) -> str:
    return str(value or "")[:16].replace("T", " ")


LOOKED = (
    Column(key="number", title="READ", right=True),
    Column(key="at", title="AT", say=_minute),
    Column(key="actor", title="BY"),
    Column(key="role", title="ROLE"),
    Column(key="type", title="WHAT"),
    Column(key="purpose", title="PURPOSE"),
    Column(key="persons", title="PERSONS"),
    Column(key="episodes", title="EPISODES"),
    Column(key="reason", title="REASON"),
    Column(key="opening", title="OPENED BY", right=True),
)
OPENINGS = (
    Column(key="number", title="OPENING", right=True),
    Column(key="at", title="AT", say=_minute),
    Column(key="until", title="UNTIL", say=_minute),
    Column(key="actor", title="BY"),
    Column(key="role", title="ROLE"),
    Column(key="episode", title="EPISODE", whole=True),
    Column(key="reason", title="REASON"),
    Column(key="text", title="IN THEIR WORDS"),
    Column(key="reads", title="READS", right=True),
    Column(key="finding", title="FINDING"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What was asked of `audit access`; None: not asked."""

    episode: str | None = None
    person: str | None = None
    actor: str | None = None
    what: str | None = None
    opening: int | None = None
    since: str | None = None
    until: str | None = None
    before: int | None = None
    limit: int = 100


def show_access(options: Options, sought: Sought) -> None:
    """List reads, the latest first; asking is noted too, before it is answered."""
    with opened(options) as desk:
        reader_of(desk, "access")
        if sought.episode is not None and sought.person is not None:
            raise InvalidInput("Ask about a person or about an episode: keep one of them.")
        if sought.what is not None and sought.what not in TYPES:
            raise InvalidInput(f"There is no type of reads {sought.what[:40]!r}: {', '.join(TYPES)}.")
        episode = episode_typed(desk, sought.episode) if sought.episode is not None else None
        person = _person(desk, sought.person) if sought.person is not None else None
        wanted = AccessFilter(
            ref=episode or person,
            actor=sought.actor,
            what=sought.what,
            opening=sought.opening,
            since=moment_from(sought.since),
            until=moment_from(sought.until),
            before=sought.before,
        )
        names = ("actor", "what", "opening", "since", "until", "before", "limit")
        looked(
            desk,
            what="log.access",
            persons=[person] if person else [],
            episodes=[episode] if episode else [],
            query={name: getattr(sought, name) for name in names},
        )
        found = list(_paged(desk, wanted, sought.limit))
        emit_rows(options.output, found, LOOKED, NOBODY)


def _person(desk: Desk, typed: str) -> str:
    """Give a person's reference; who looked at somebody who was erased can still be asked."""
    try:
        return known_person(desk.app, typed)
    except NotFound:
        return check_ref(typed)


def episode_typed(desk: Desk, typed: str) -> str:
    """Give an episode's reference, however it was typed, without opening it: its person may have been erased."""
    try:
        whose(desk.app.database, typed)
    except NotFound:
        if not typed.lower().startswith("e-"):
            raise
        typed = check_ref(typed)
        whose(desk.app.database, typed)
    return typed


def _paged(desk: Desk, wanted: AccessFilter, limit: int) -> Iterator[Row]:
    left, before = limit, wanted.before
    while left > 0:
        size = min(left, MOST)
        page = noted(desk.app.database, replace(wanted, before=before, limit=size))
        yield from map(looked_json, page)
        if len(page) < size:
            return
        left, before = left - size, page[-1].idx


# --- breaking the glass ---------------------------------------------------------------------------------------------


def open_glass(options: Options, typed: str, need: Need) -> None:
    """Open an episode of another care team for a stated time."""
    with opened(options) as desk:
        actor_of(desk)
        episode = find_episode(desk, typed)
        made = break_glass(desk.app, _reader(desk), episode.id, need)
        until = instant(made.until)
        row: Row = {"opening": made.number, "episode": episode.id, "reason": need.reason, "until": until}
        said = f"Episode {episode.id} is open to you for reading until {until[:16]}Z: opening {made.number}."
        owed = "Every read is noted with that number, and the privacy officer will look at it."
        emit_thing(options.output, row, lambda: (said, owed))


def show_reviews(options: Options, *, everything: bool) -> None:
    """List the openings that wait for review, or every one."""
    with opened(options) as desk:
        reader_of(desk, "reviews")
        found = [one for one in openings(desk.app.database) if everything or one.review is None]
        looked(
            desk,
            what="break_glass.queue",
            persons=[one.person for one in found],
            episodes=[one.episode for one in found],
        )
        emit_rows(options.output, [opening_json(desk.app, one) for one in found], OPENINGS, NOTHING_OPENED)


def review_opening(options: Options, number: int, finding: str, text: str) -> None:
    """Keep what the privacy officer found of an opening."""
    with opened(options) as desk:
        reader_of(desk, "reviews")
        actor_of(desk)
        entry = review(desk.app, _reader(desk), number, Found(finding=finding, text=text)).number
        row: Row = {"opening": number, "finding": finding, "number": entry}
        emit_thing(options.output, row, lambda: [f"Opening {number} is reviewed: {finding} (read {entry})."])
        if not words_of(desk.app, entry):
            note("The person was erased: the finding is kept, your words are not.")


def _reader(desk: Desk) -> Reader:
    return Reader(actor=desk.seat.actor, via=f"cli:{os_user()}", request=desk.app.make_id())


# --- everything on one person -----------------------------------------------------------------------------------------


def export_subject(options: Options, typed: str, out: Path) -> None:
    """Write everything on one person into a folder that is not there yet; nothing of it where anything goes wrong."""
    with opened(options) as desk:
        reader_of(desk, "subject")
        actor = actor_of(desk)
        person = _person(desk, typed)
        desk.app.store.require_not_erased(person)  # who was erased is no longer in the vault: say that they were
        known_person(desk.app, person)
        if out.exists() or out.is_symlink() or not out.parent.is_dir():
            raise InvalidInput(f"{out} is there already, or has no folder to be in: name one that is not there yet.")
        # Noted first, so that it is in its own list of who looked.
        looked(desk, what="subject.export", persons=[person])
        files = files_of(subject_of(desk.app, person), actor.id)
        _write_all(files, out)
        row: Row = {"person": person, "folder": str(out), "files": list[Json](list(files))}
        emit_thing(options.output, row, lambda: [f"Everything on {person} is in {out}: {', '.join(files)}."])
        note("It names the person: hand it to them, and delete it here.")


def _write_all(files: dict[str, bytes], out: Path) -> None:
    try:
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            for name, data in files.items():
                with os.fdopen(os.open(made / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
            made.rename(out)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    except OSError as error:
        raise Unavailable(
            f"{out} could not be written ({error.strerror}): nothing is there. See to its disk."
        ) from error
