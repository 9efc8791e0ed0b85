"""Exporting the log on the command line: a folder that is there whole, or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from engine.errors import InvalidInput, Unavailable
from engine.model import Json
from stepcare.desk.looking import looked
from stepcare.desk.opened import Desk, opened, os_user, reader_of
from stepcare.desk.searching import searched
from stepcare.exports import Exporter, Written, lines_of, manifest_of, write_lines
from stepcare.options import Options
from stepcare.publish.durable import sync_folder
from stepcare.render import emit_thing, json_text, note
from stepcare.sight import ALL_TEAMS
from stepcare.sought import Asked, Sought, loosen_line
from storage.search import persons_of

MANIFEST = "manifest.json"


def export(options: Options, sought: Sought, out: Path, formats: tuple[str, ...]) -> None:
    """Write what is found into the folder `out`, with its manifest; the export is told to the log of reads."""
    with opened(options) as desk, searched(desk, sought) as found:
        require_free(out)
        by = _exporter(desk)
        count, more = found.count()
        if options.dry_run:
            note(f"Nothing was written: {'at least ' if more else ''}{count} entries would be in {out}.")
            return
        about = {**sought.said(), "size": found.index.size}
        looked(desk, what="log.export", persons=persons_of(found.index, found.wanted), query=about)
        manifest = write_export(desk, found, by, out, formats)
        emit_thing(options.output, manifest, lambda: _lines(out, manifest))
        if not count:
            note(loosen_line(found))


def require_free(out: Path) -> None:
    """Refuse a folder that is there already, or that nothing can be put into."""
    if out.exists() or out.is_symlink():
        raise InvalidInput(f"{out} is there already: name a folder that is not.")
    if not out.parent.is_dir():
        raise InvalidInput(f"There is no folder {out.parent} to put it into: make it, or name another.")


def write_export(desk: Desk, found: Asked, by: Exporter, out: Path, formats: tuple[str, ...]) -> dict[str, Json]:
    """Write files and manifest under another name, then give them theirs; gives the manifest.

    Whatever goes wrong before that, nothing is left: a folder of this name is a whole export.
    """
    try:
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            parts = [_on_disk(made / f"entries.{one}", one, lines_of(desk.app, found, one)) for one in formats]
            count = parts[0][1] - (formats[0] == "csv")  # its header is no entry
            files = [written for written, _ in parts]
            manifest = manifest_of(found, by, desk.settings.published_folder, files, count)
            (made / MANIFEST).write_text(f"{json_text(manifest)}\n", encoding="utf-8")
            with (made / MANIFEST).open("rb") as stream:
                os.fsync(stream.fileno())
            sync_folder(made)
            made.rename(out)
            sync_folder(out.parent)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    except OSError as error:
        raise Unavailable(
            f"{out} could not be written ({error.strerror}): nothing was kept. See to the space left."
        ) from error
    return manifest


def _on_disk(file: Path, form: str, lines: Iterator[bytes]) -> tuple[Written, int]:
    with file.open("xb") as stream:
        written = write_lines(stream, form, lines)
        os.fsync(stream.fileno())
    return written


def _exporter(desk: Desk) -> Exporter:
    reader = reader_of(desk, "log")
    limited = reader is not None and reader.role not in ALL_TEAMS
    return Exporter(
        actor=reader.id if reader else None,
        role=reader.role.value if reader else None,
        os_user=os_user(),
        at=desk.app.clock(),
        teams=tuple(sorted(reader.teams)) if reader is not None and limited else None,
    )


def _lines(out: Path, manifest: dict[str, Json]) -> Iterator[str]:
    files = manifest["files"]
    assert isinstance(files, list)  # noqa: S101 - as it was just made
    yield f"✓ {manifest['count']} entries in {out}"
    for one in files:
        assert isinstance(one, dict)  # noqa: S101
        yield f"  {one['name']}  {one['bytes']} bytes  sha256 {one['sha256']}"
    yield f"  {MANIFEST}  {'with' if manifest['checkpoint'] else 'without a'} checkpoint"
