"""Handing out proofs: of one entry, or of one episode whole, as a folder that needs nothing of ours."""

from pathlib import Path

from engine.audit import check_envelope
from engine.census import Census
from engine.errors import InvalidInput, NotFound
from engine.model import Json
from stepcare.desk.accesses import episode_typed
from stepcare.desk.looking import looked, seen_by
from stepcare.desk.opened import Desk, opened, reader_of
from stepcare.options import Options
from stepcare.publish.bundle import Counted, Files, Given, entry_bundle, episode_bundle, given, write_bundle
from stepcare.publish.folder import Folder
from stepcare.render import emit_thing, note
from stepcare.settings import Settings
from stepcare.verifier.note import Key
from stepcare.verifier.outcome import NotVerified
from storage.database import SITE_REF
from storage.ledger import StoredEntry
from storage.published import ends_at, last_census
from storage.sight import team_of

NO_KEY = "The log's public key could not be read here, so the bundle has none: hand it over another way, as you should."


def prove(options: Options, entry: int | None, episode: str | None, out: Path | None) -> None:
    """Write a proof bundle of an entry, or of an episode, into a new folder."""
    if (entry is None) == (episode is None):
        raise InvalidInput("A proof is of one entry or of one episode: give its number, or --episode REF.")
    with opened(options) as desk:
        reader_of(desk, "log")
        log = _given(desk.settings)
        if episode is not None:
            files, row = _episode(desk, log, episode)
        else:
            files, row = _entry(desk, log, entry or 0)
    where = out or Path(f"proof-{row.get('episode') or entry}")
    if not options.dry_run:
        write_bundle(where, files)
    row |= {"folder": str(where), "size": log.stated.size, "origin": log.stated.checkpoint.origin}
    emit_thing(options.output, row, lambda: [f"✓ {row['proves']}: {where} (checkpoint of {row['size']} entries)"])
    note(f"README.txt in {where} says how to check it without us." if log.keys else NO_KEY)


def _given(settings: Settings) -> Given:
    own = settings.sealer_folder
    try:
        keys = tuple(Key.parse(line) for line in (own / "vkey").read_text(encoding="utf-8").splitlines())
    except (OSError, NotVerified):
        keys = ()
    try:
        policy = (own / "policy").read_bytes()
    except OSError:
        policy = None
    return given(Folder(settings.published_folder), keys, policy)


def _entry(desk: Desk, log: Given, index: int) -> tuple[Files, dict[str, Json]]:
    stored = next(desk.app.store.entries(index, index + 1), None)
    if stored is None:
        raise NotFound(what="entry", name=str(index), remedy="the log begins at 0; `stepcare audit show` lists it")
    _look(desk, [stored])
    return _bundle(desk, log, index), {"proves": f"Entry {index} is in the log", "entry": index}


def _episode(desk: Desk, log: Given, typed: str) -> tuple[Files, dict[str, Json]]:
    episode = episode_typed(desk, typed)
    stored = desk.app.store.entries_of(episode)
    if not stored:
        raise NotFound(what="episode", name=episode, remedy="`stepcare episode list` shows those there are")
    _look(desk, stored)
    sealed = [one.idx for one in stored if one.idx < log.stated.size]
    counted = _counted(desk, log)
    files = episode_bundle(log, episode, {index: _bundle(desk, log, index) for index in sealed}, counted)
    row: dict[str, Json] = {
        "proves": f"Episode {episode} has these {len(sealed)} entries in the log",
        "episode": episode,
        "entries": list[Json](sealed),
        "not_sealed": len(stored) - len(sealed),
        "census": counted.index if counted else None,
    }
    if len(stored) != len(sealed):
        note(f"{len(stored) - len(sealed)} entries are not sealed yet and not in the bundle: `stepcare sealer once`.")
    return files, row


def _bundle(desk: Desk, log: Given, index: int) -> Files:
    found = entry_bundle(log, index, None)
    pathway = check_envelope(found["entry.json"]).pathway
    return found if pathway is None else {**found, "pathway.json": desk.app.store.pack(pathway)}


def _counted(desk: Desk, log: Given) -> Counted | None:
    """Give the last sealed census, with every episode's end at that size."""
    found = last_census(desk.app.database, log.stated.size)
    if found is None:
        return None
    index, words = found
    size, count, root = words.split(" ")
    census = Census(size=int(size), count=int(count), root=root)
    return Counted(index=index, census=census, ends=ends_at(desk.app.database, census.size))


def _look(desk: Desk, entries: list[StoredEntry]) -> None:
    """Note who has it proved; refuse what is another care team's."""
    episode = entries[0].ep
    if episode is not None:
        seen_by(desk, episode, team_of(desk.app.database, episode))
    persons = sorted({one.person_ref for one in entries if one.person_ref and one.person_ref != SITE_REF})
    looked(desk, what="log.proof", persons=persons, episodes=[episode] if episode else [], query={
        "entry": entries[0].idx, "count": len(entries)})  # fmt: skip
