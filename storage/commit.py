"""One commit: everything several decisions change, in the one order that is safe.

packs and parameter sets → due items, timers, messages (in id order) → persons → idempotency keys → the log's head →
for each decision: the row laid out, its entry (whose trigger makes the row so), its sealed part → the frontier, once.

Whoever dies anywhere in between has written nothing: it is one transaction, and nothing is acknowledged before COMMIT.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine.audit import canonical, instant
from engine.codec import to_json
from engine.decision import Recorded
from engine.errors import Conflict, InvalidInput, KeyReused, StaleEpisode, VerificationFailed
from engine.merkle import Frontier, leaf_hash
from engine.model import Episode, Json, Kind, Site
from engine.service import Applied, Change, parameters_hash
from storage import statements as sql
from storage.database import SITE_REF, Connection, rows
from storage.ledger import Link, envelope_of, is_registered, sections_of
from storage.rows import TABLE_OF, Moment, episode_row, work_put, work_row
from storage.seal import DataKey, Place, Random, seal
from storage.tables import Row
from storage.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A change that may be kept: what it was checked against, and where its entry goes.

    `chain` None: the site's. `row` is the episode's list row before, None for a new one.
    """

    change: Change
    key: DataKey
    person: str
    chain: str | None
    number: int
    previous: bytes | None
    version: int
    row: Row | None = None
    corrects: int | None = None

    @property
    def steps(self) -> bool:
        """Say whether the entry moves what its chain is about; a refused registration moves nothing."""
        return isinstance(self.change.after, Site) or self.chain is not None


class Commit:
    """The steps of one transaction, on the writer's connection."""

    def __init__(self, connection: Connection, vault: Vault, origin: str, random: Random) -> None:
        """Write to `connection`, where a transaction is open."""
        self._connection, self._vault, self._origin, self._random = connection, vault, origin, random

    # --- 1. may it be kept? -----------------------------------------------------------------------------------

    def check(self, change: Change) -> Ready | Applied:
        """Give what is needed to keep a change, or the entry its key already stands for.

        StaleEpisode when the episode, its person or the site has moved on since it was decided; KeyReused for a key
        that stands for another request; Conflict for a command that is in the log already.
        """
        known = self._remembered(change)
        if known is not None:
            return known
        taken = self._one(sql.IDX_OF, id=change.command.id)
        if taken is not None:
            raise Conflict(f"Command {change.command.id} is in the log already (entry {taken[0]}): make a new id.")
        if isinstance(change.before, Site):
            return self._ready_for_site(change, change.before)
        return self._ready_for_episode(change, change.before)

    def _remembered(self, change: Change) -> Applied | None:
        key = change.command.key
        found = self._one(sql.KEY_OF, actor=change.command.actor.id, key=key) if key is not None else None
        if key is None or found is None:
            return None
        if found[1] != change.request_hash:
            raise KeyReused(key=key, entry=found[0])
        return Applied(index=found[0])

    def _ready_for_site(self, change: Change, before: Site) -> Ready:
        found = self._one(sql.SITE_NOW)
        current = found[0] if found else 0
        if current != before.version:
            raise StaleEpisode(episode=SITE_REF, seen=before.version, current=current)
        number, previous = self._site_chain()
        return Ready(
            change=change,
            key=self._vault.key(SITE_REF),
            person=SITE_REF,
            chain=None,
            number=number,
            previous=previous,
            version=current,
        )

    def _site_chain(self) -> tuple[int, bytes | None]:
        last = self._one(sql.SITE_CHAIN_END)
        return (last[0] + 1, last[1]) if last else (0, None)

    def _ready_for_episode(self, change: Change, before: Episode) -> Ready:
        found = rows(self._connection.execute(sql.EPISODE_WITH_LEAF, {"id": before.id}))
        row = found[0] if found else None
        current = row["version"] if row else 0
        if current != before.version:
            raise StaleEpisode(episode=before.id, seen=before.version, current=current)
        self._require_same_person(before)
        chain: str | None = before.id
        number, previous = current, row.pop("leaf") if row else None
        if not is_registered(change):
            chain = None
            number, previous = self._site_chain()
            site = self._one(sql.SITE_NOW)
            current = site[0] if site else 0
        return Ready(
            change=change,
            key=self._vault.key(before.person.id),
            person=before.person.id,
            chain=chain,
            number=number,
            previous=previous,
            version=current,
            row=row,
            corrects=self._corrected(change),
        )

    def _require_same_person(self, before: Episode) -> None:
        """Refuse what was decided on a person who has changed: doses may have been given in another episode.

        The person is part of the episode as it was decided on, so it is the episode that is stale.
        """
        found = self._one(sql.PERSON_VERSION, ref=before.person.id)
        current = found[0] if found else 0
        if current != before.person.version:
            raise StaleEpisode(episode=before.id, seen=before.person.version, current=current)

    def _corrected(self, change: Change) -> int | None:
        if change.command.kind is not Kind.CORRECT:
            return None
        for event in change.decision.events:
            if isinstance(event, Recorded) and event.supersedes:
                found = self._one(sql.IDX_OF, id=event.supersedes)
                return found[0] if found else None
        return None

    # --- 2. everything that is not the log ----------------------------------------------------------------------

    def write_around(self, ready: Sequence[Ready]) -> None:
        """Write packs, parameter sets, due work, persons and keys of all changes, each kind in id order."""
        for one in ready:
            self._packs(one.change)
            self._parameter_sets(one.change)
        for table, found in _work(ready).items():
            if found:
                self._connection.executemany(sql.PUT_WORK[table], found)
        for one in sorted(ready, key=lambda one: one.person):
            self._person(one)
        for one in sorted(ready, key=lambda one: (one.change.command.actor.id, one.change.command.key or "")):
            self._key(one.change)

    def _packs(self, change: Change) -> None:
        for sha, data, pathway, label in change.packs:
            _require_hash(sha, data, "pack")
            if self._one(sql.PACK, sha256=sha) is None:
                self._run(sql.ADD_PACK, sha256=sha, pathway_id=pathway, label=label, bytes=data)

    def _parameter_sets(self, change: Change) -> None:
        sets = list(change.parameter_sets)
        if isinstance(change.after, Site):
            values: dict[str, Json] = dict(change.after.parameters)
            sets.append((parameters_hash(values), canonical(values)))
        for sha, data in sets:
            _require_hash(sha, data, "parameter set")
            if self._one(sql.PARAMETERS, sha256=sha) is None:
                self._run(sql.ADD_PARAMETERS, sha256=sha, bytes=data)

    def _person(self, one: Ready) -> None:
        before, after = one.change.person_before, one.change.person_after
        if after is None or not one.steps or (before is not None and after.version == before.version):
            return
        sections = {"person": to_json(after)}
        commitments, blob = seal(sections, one.key, person_place(self._origin, after.id, after.version), self._random)
        row = {"version": after.version, "sealed": blob, "commitment": commitments["person"], "key_id": one.key.id}
        if after.version == 1:
            self._run(sql.ADD_PERSON, ref=after.id, **row)
        else:
            self._run(sql.STEP_PERSON, ref_=after.id, **row)

    def _key(self, change: Change) -> None:
        command = change.command
        if command.key is not None:
            self._run(
                sql.ADD_KEY,
                actor=command.actor.id,
                key=command.key,
                entry=command.id,
                request_hash=change.request_hash,
                created_at=instant(change.decision.now),
            )

    # --- 3. the log -----------------------------------------------------------------------------------------------

    def append(self, ready: Sequence[Ready], texts: "Texts") -> list[int]:
        """Append the entries in the order given; gives their indexes."""
        n, rooted, nodes = self._connection.execute(sql.HEAD_NOW).fetchone()
        if rooted != n:
            raise VerificationFailed(f"The log has {n} entries, its tree {rooted}: run `stepcare audit verify`.")
        frontier = Frontier.from_bytes(rooted, nodes)
        leaves = [self._entry(one, n + position, texts) for position, one in enumerate(ready)]
        grown = frontier.extend(leaves)
        self._run(sql.ROOT_HEAD, rooted=n + len(leaves), frontier=grown.to_bytes())
        return list(range(n, n + len(leaves)))

    def _entry(self, one: Ready, index: int, texts: "Texts") -> bytes:
        change = one.change
        sections = sections_of(change, one.person, texts.of(self._connection, change.decision.pathway))
        commitments, blob = seal(sections, one.key, Place(origin=self._origin, entry=change.command.id), self._random)
        envelope = envelope_of(change, self._link(one, index), commitments)
        data = envelope.to_bytes()
        leaf = leaf_hash(data)
        self._lay_out(one, index)
        self._run(sql.ADD_ENTRY, idx=index, id=envelope.id, ep=one.chain, epn=one.number, leaf=leaf, entry=data)
        self._run(sql.ADD_SEALED, idx=index, blob=blob, key_id=one.key.id, person_ref=one.person)
        return leaf

    def _link(self, one: Ready, index: int) -> Link:
        before = one.change.before
        parameters = one.change.decision.parameters
        if not parameters and isinstance(before, Site):
            parameters = parameters_hash(before.parameters)
        return Link(
            index=index,
            chain=one.chain,
            number=one.number,
            previous=one.previous,
            before=one.version,
            after=one.version + 1 if one.steps else one.version,
            parameters=parameters,
            corrects=one.corrects,
        )

    def _lay_out(self, one: Ready, index: int) -> None:
        after, decision = one.change.after, one.change.decision
        if isinstance(after, Site):
            body = canonical(to_json(after)).decode()
            self._run(sql.LAY_SITE, id=1, version=after.version, last_idx=index, body=body)
        elif one.steps:
            person = one.change.person_after or after.person
            moment = Moment(idx=index, at=decision.now, derived=decision.derived)
            self._connection.execute(sql.LAY_EPISODE, episode_row(after, person, moment, one.row))

    # --- the driver -----------------------------------------------------------------------------------------------

    def _one(self, statement: str, **values: Any) -> Any:
        return self._connection.execute(statement, values).fetchone()

    def _run(self, statement: str, **values: Any) -> None:
        self._connection.execute(statement, values)


class Texts:
    """Which fields of a pathway hold people's own words; asked of its pack once."""

    def __init__(self) -> None:
        """Know none yet."""
        self._known: dict[str, frozenset[str]] = {}

    def of(self, connection: Connection, pathway: str) -> frozenset[str]:
        """Give the names of a pathway's text fields; none for a pack that is not here."""
        if pathway not in self._known:
            found = connection.execute(sql.PACK, {"sha256": pathway}).fetchone()
            if found is None:
                return frozenset()
            forms = json.loads(found[0]).get("forms", {})
            self._known[pathway] = frozenset(name for form in forms.values() for name in _text_fields(form))
        return self._known[pathway]


def _text_fields(form: dict[str, Any]) -> Iterator[str]:
    for name, field in (form.get("fields") or {}).items():
        if field.get("type") == "text":
            yield name
        yield from _text_fields(field)


def person_place(origin: str, person: str, version: int) -> Place:
    """Give where a person's sealed state belongs: to no entry, but to one version of one person."""
    return Place(origin=origin, entry=f"person {person} {version}")


def _work(ready: Iterable[Ready]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {table: [] for table in TABLE_OF.values()}
    for one in ready:
        if one.chain is not None:
            for item in work_put(one.change.decision.events):
                found[TABLE_OF[type(item)]].append(work_row(one.chain, item))
    for some in found.values():
        some.sort(key=lambda row: (row["episode_id"], row["id"]))
    return found


def _require_hash(sha: str, data: bytes, what: str) -> None:
    if hashlib.sha256(data).hexdigest() != sha:
        raise InvalidInput(f"The {what} {sha} has other bytes than its name says: hash what is handed over.")
