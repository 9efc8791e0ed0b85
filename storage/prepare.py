"""What can be made ready before the write begins: sealed parts, rows, hashes. Done in the caller's own thread.

Nothing here depends on what others write meanwhile, so the time in which one process keeps the others waiting is spent
on nothing but writing.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from engine.audit import canonical
from engine.codec import to_json
from engine.errors import InvalidInput
from engine.model import DueItem, Json, Site
from engine.service import Change, parameters_hash
from storage import statements as sql
from storage.database import SITE_REF, Database
from storage.ledger import is_registered, sections_of
from storage.rows import TABLE_OF, Work, work_moved, work_put, work_row
from storage.seal import Place, Random, seal
from storage.tables import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """What a pathway's pack says here: the fields that hold people's own words, the priorities of due items."""

    texts: frozenset[str] = frozenset()
    priorities: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A change with everything that is sealed.

    `chain` None: the site's. `person_row` is the person's new state, None where it stays. `work` are rows by table.
    `sets` are (sha256, bytes) of parameter sets.
    """

    change: Change
    chain: str | None
    person: str
    key_id: str
    commitments: Mapping[str, str]
    blob: bytes
    person_row: Row | None
    work: Mapping[str, list[Row]]
    sets: tuple[tuple[str, bytes], ...]

    @property
    def steps(self) -> bool:
        """Say whether the entry moves what its chain is about; a refused registration moves nothing."""
        return isinstance(self.change.after, Site) or self.chain is not None


class Preparer:
    """Makes changes ready for one database. Threads may share it."""

    def __init__(self, database: Database, random: Random) -> None:
        """Seal with the keys of the database's vault; `random` salts."""
        self._database, self._random = database, random
        self._packs: dict[str, Pack] = {}
        self._lock = Lock()

    def __call__(self, change: Change) -> Prepared:
        """Seal what a change says. Raises what the vault says of the person's key; InvalidInput for wrong bytes."""
        before = change.before
        person = SITE_REF if isinstance(before, Site) else before.person.id
        chain = None if isinstance(before, Site) or not is_registered(change) else before.id
        key = self._database.vault.key(person)
        sections = sections_of(change, person, self._pack(change.decision.pathway).texts)
        place = Place(origin=self._database.origin, entry=change.command.id)
        commitments, blob = seal(sections, key, place, self._random)
        return Prepared(
            change=change,
            chain=chain,
            person=person,
            key_id=key.id,
            commitments=commitments,
            blob=blob,
            person_row=self._person_row(change) if chain is not None else None,
            work=self._work(change) if chain is not None else {},
            sets=tuple(_parameter_sets(change)),
        )

    def _person_row(self, change: Change) -> Row | None:
        before, after = change.person_before, change.person_after
        if after is None or (before is not None and after.version == before.version):
            return None
        key = self._database.vault.key(after.id)
        place = person_place(self._database.origin, after.id, after.version)
        commitments, blob = seal({"person": to_json(after)}, key, place, self._random)
        return {
            "ref": after.id,
            "version": after.version,
            "sealed": blob,
            "commitment": commitments["person"],
            "key_id": key.id,
        }

    def _work(self, change: Change) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        before, after = change.before, change.after
        if isinstance(before, Site) or isinstance(after, Site):
            return found
        work: list[Work] = work_put(change.decision.events)
        put = {item.id for item in work if isinstance(item, DueItem)}
        work += (item for item in work_moved(before, after) if item.id not in put)
        for item in work:
            row = work_row(after, item, self._pack(after.pathway).priorities)
            found.setdefault(TABLE_OF[type(item)], []).append(row)
        return found

    def _pack(self, pathway: str) -> Pack:
        """Give what a pathway's pack says here; it is asked once."""
        with self._lock:
            known = self._packs.get(pathway)
        if known is not None:
            return known
        found = self._database.look(sql.PACK, {"sha256": pathway})
        if found is None:
            return Pack()
        said = json.loads(found[0])
        pack = Pack(texts=texts_in(said), priorities=priorities_in(said))
        with self._lock:
            self._packs[pathway] = pack
        return pack


def priorities_in(pack: Mapping[str, Any]) -> dict[str, str]:
    """Give the priorities a pack gives to kinds of due items; normal is not said."""
    due = pack.get("due", {})
    return {kind: str(policy["priority"]) for kind, policy in due.items() if policy.get("priority")}


def texts_in(pack: Mapping[str, Any]) -> frozenset[str]:
    """Give the names of a pack's fields that hold people's own words."""
    return frozenset(name for form in pack.get("forms", {}).values() for name in _text_fields(form))


def _text_fields(form: dict[str, Any]) -> Iterator[str]:
    for name, asked in (form.get("fields") or {}).items():
        if asked.get("type") == "text":
            yield name
        yield from _text_fields(asked)


def person_place(origin: str, person: str, version: int) -> Place:
    """Give where a person's sealed state belongs: to no entry, but to one version of one person."""
    return Place(origin=origin, entry=f"person {person} {version}")


def _parameter_sets(change: Change) -> Iterator[tuple[str, bytes]]:
    for sha, data, _, _ in change.packs:
        _require_hash(sha, data, "pack")
    for sha, data in change.parameter_sets:
        _require_hash(sha, data, "parameter set")
        yield sha, data
    if isinstance(change.after, Site):
        values: dict[str, Json] = dict(change.after.parameters)
        yield parameters_hash(values), canonical(values)


def _require_hash(sha: str, data: bytes, what: str) -> None:
    if hashlib.sha256(data).hexdigest() != sha:
        raise InvalidInput(f"The {what} {sha} has other bytes than its name says: hash what is handed over.")
