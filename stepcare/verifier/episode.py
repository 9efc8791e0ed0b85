"""Check the bundle of a whole episode: each entry is proved, the chain has no hole, and a census closes its end."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stepcare.verifier.census import Census, census_leaf
from stepcare.verifier.entries import Entry, read_entry
from stepcare.verifier.outcome import Tampered, Unverifiable
from stepcare.verifier.report import Report
from stepcare.verifier.tree import HASH, leaf_hash, verify_inclusion

EPISODE, CENSUS, ENTRY = "episode.json", "census", "entry.json"
OPEN_END = "whether the last entry is the episode's last: no census knows the episode yet"
MOST = 100_000


def check_episode(folder: Path, said: bytes, prove: Callable[[Path], bytes], report: Report) -> None:
    """Check it; `prove` checks one entry's bundle and gives the entry's bytes. Tampered, or Unverifiable."""
    row = _read(said)
    numbers = sorted(int(one.name) for one in folder.iterdir() if one.name.isascii() and one.name.isdigit())
    if not numbers or len(numbers) > MOST or len(numbers) != len(row["entries"]):
        raise Tampered("The bundle's list of entries is not what is in it.")
    found = [prove(folder / str(number)) for number in numbers]
    entries = [read_entry(data) for data in found]
    episode = entries[0][0]
    before: bytes | None = None
    for number, (data, entry) in enumerate(zip(found, entries, strict=True)):
        if episode is None or (entry[0], entry[1], entry[4]) != (episode, number, before):
            raise Tampered(f"Entry {entry[3]} is not number {number} of the episode: one was removed or put in.")
        before = leaf_hash(data)
    if episode is None or episode.decode() != row["episode"]:
        raise Tampered("The bundle is of another episode than it says.")
    report.count("chain links", len(found))
    if row["census"] is None:
        report.skip(OPEN_END)
    else:
        _close(prove(folder / CENSUS), row["census"], found, entries, report)


def _close(data: bytes, said: dict[str, Any], found: Sequence[bytes], entries: Sequence[Entry], report: Report) -> None:
    """Hold the chain against the census."""
    census = Census.of(data)
    episode = (entries[0][0] or b"").decode()
    known = [entry for entry in entries if census is not None and entry[3] < census.size]
    if census is None or read_entry(data)[5] != b"site.census" or not known:
        raise Tampered("The bundle's census is none, or does not know the episode.")
    last = len(known) - 1
    leaf = census_leaf(episode, last, leaf_hash(found[last]))
    verify_inclusion(said["place"], census.count, leaf, [bytes.fromhex(one) for one in said["proof"]], census.root)
    report.count("censuses")
    report.skip(f"whether the episode went on after the census, taken when the log had {census.size} entries")


def _read(said: bytes) -> dict[str, Any]:
    """Read the bundle's own words, of which only the proof in the census is used."""
    try:
        row = json.loads(said)
        fine = isinstance(row["entries"], list) and isinstance(row["episode"], str) and _is_census(row["census"])
    except (ValueError, LookupError, TypeError, RecursionError):
        fine = False
    if not fine:
        raise Unverifiable(f"{EPISODE} in the bundle cannot be read: get the bundle again, whole.")
    return row  # type: ignore[no-any-return]  # what was looked at


def _is_census(said: Any) -> bool:
    if said is None:
        return True
    proof = [bytes.fromhex(one) for one in said["proof"]]
    return type(said["place"]) is int and len(proof) < HASH * 8 and all(len(one) == HASH for one in proof)
