"""Whom an entry is about, for the log of reads; the command line and the API ask here."""

from engine.custody import custody_asked
from engine.errors import StepcareError
from storage.database import SITE_REF
from storage.ledger import StoredEntry
from storage.store import Store


def persons_in(store: Store, stored: StoredEntry) -> list[str]:
    """Give whom an entry is about; one of custody is sealed to the site, and names them in its sealed part."""
    if stored.person_ref != SITE_REF:
        return [] if stored.person_ref is None else [stored.person_ref]
    try:
        asked = custody_asked(store.site(), store.kept(stored.idx).decision.command)
    except (StepcareError, LookupError, TypeError, ValueError):
        return []  # it cannot be opened: it shows nobody
    person = None if asked is None else asked.values.get("person")
    return [person] if isinstance(person, str) else []
