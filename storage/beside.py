"""What stands beside one entry: its neighbours in its chain, and the salts its sections are committed under."""

import json

from sqlalchemy import bindparam, select

from engine.audit import commit
from engine.decision import Decision
from storage import statements as sql
from storage.database import Database
from storage.ledger import StoredEntry, commitments_in, sections_again
from storage.prepare import texts_in
from storage.seal import Place, open_salted
from storage.tables import TABLES, compiled

ENTRY = TABLES["audit_entry"]
IN_CHAIN = compiled(select(ENTRY.c.idx).where(ENTRY.c.ep == bindparam("ep"), ENTRY.c.epn == bindparam("epn")))
IN_SITE = compiled(select(ENTRY.c.idx).where(ENTRY.c.ep.is_(None), ENTRY.c.epn == bindparam("epn")))


def neighbours(database: Database, chain: str | None, number: int) -> tuple[int | None, int | None]:
    """Give the indexes of the entries before and after this number of a chain (None: the site's); None at its ends."""
    found = []
    with database.reading() as connection:
        for epn in (number - 1, number + 1):
            asked = {"epn": epn} if chain is None else {"ep": chain, "epn": epn}
            row = connection.execute(IN_SITE if chain is None else IN_CHAIN, asked).fetchone()
            found.append(None if row is None else int(row[0]))
    return found[0], found[1]


def length(database: Database) -> int:
    """Give how many entries the log has."""
    found = database.look(sql.HEAD_NOW, {})
    return int(found[0]) if found else 0


def unlike(database: Database, stored: StoredEntry, decision: Decision) -> tuple[str, ...]:
    """Name the sections of an entry to which a decision that was made again does not give the same commitment.

    Each is made anew from the decision and committed to with the salt that is sealed with the old one; empty: all are
    the same, so the entry commits to exactly this decision. Raises what the vault says of the person's key, and
    VerificationFailed where the sealed part is not what the entry commits to.
    """
    person, commitments = stored.person_ref or "", commitments_in(stored.entry)
    place = Place(origin=database.origin, entry=stored.id)
    salted = open_salted(stored.blob or b"", commitments, database.vault.key(person), place)
    texts = salted["text"][1]
    again = sections_again(
        decision, person, _texts(database, decision.pathway), texts if isinstance(texts, list) else []
    )
    return tuple(name for name, (salt, _) in salted.items() if commit(salt, name, again.get(name)) != commitments[name])


def _texts(database: Database, pathway: str) -> frozenset[str]:
    found = database.look(sql.PACK, {"sha256": pathway})
    return texts_in(json.loads(found[0])) if found is not None else frozenset()
