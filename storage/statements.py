"""The statements of the decision path, made once from the tables and run on the driver's own connection."""

from sqlalchemy import ColumnElement, bindparam, func, insert, literal_column, select, update
from sqlalchemy.dialects.sqlite import insert as upsert_into

from storage.rows import UNVOUCHED
from storage.tables import TABLES, compiled

ENTRY, SEALED, EPISODE = TABLES["audit_entry"], TABLES["audit_sealed"], TABLES["episode"]
HEAD, PERSON, SITE = TABLES["audit_head"], TABLES["person_state"], TABLES["site_state"]
KEY, TIMER = TABLES["idempotency"], TABLES["timer"]


# Constants stand in the text itself: a partial index is used only where its condition is said in the same words.
ONE: ColumnElement[int] = literal_column("1")
ARMED: ColumnElement[str] = literal_column("'armed'")


def _insert(table: str) -> str:
    return compiled(insert(TABLES[table]).values({one.name: bindparam(one.name) for one in TABLES[table].columns}))


def _upsert(table: str) -> str:
    """Add a row or make it as given; the worker's own columns stay as they are."""
    ours = [one for one in TABLES[table].columns if one.name not in UNVOUCHED]
    adding = upsert_into(TABLES[table]).values({one.name: bindparam(one.name) for one in ours})
    changed = {one.name: adding.excluded[one.name] for one in ours if not one.primary_key}
    return compiled(adding.on_conflict_do_update(index_elements=list(TABLES[table].primary_key), set_=changed))


# --- writing ------------------------------------------------------------------------------------------------------

ADD_PACK, ADD_PARAMETERS = _insert("pack"), _insert("parameter_set")
ADD_PERSON, ADD_KEY = _insert("person_state"), _insert("idempotency")
LAY_EPISODE, LAY_SITE = _insert("episode_next"), _insert("site_next")
ADD_ENTRY, ADD_SEALED = _insert("audit_entry"), _insert("audit_sealed")
PUT_WORK = {table: _upsert(table) for table in ("due_item", "timer", "message")}
STEP_PERSON = compiled(
    update(PERSON)
    .where(PERSON.c.ref == bindparam("ref_"))
    .values({name: bindparam(name) for name in ("version", "sealed", "commitment", "key_id")})
)
ROOT_HEAD = compiled(
    update(HEAD).where(HEAD.c.id == ONE).values(rooted=bindparam("rooted"), frontier=bindparam("frontier"))
)

# --- reading ------------------------------------------------------------------------------------------------------

HEAD_NOW = compiled(select(HEAD.c.n, HEAD.c.rooted, HEAD.c.frontier).where(HEAD.c.id == ONE))
KEY_OF = compiled(
    select(ENTRY.c.idx, KEY.c.request_hash)
    .join(ENTRY, ENTRY.c.id == KEY.c.entry)
    .where(KEY.c.actor == bindparam("actor"), KEY.c.key == bindparam("key"))
)
IDX_OF = compiled(select(ENTRY.c.idx).where(ENTRY.c.id == bindparam("id")))
EPISODE_WITH_LEAF = compiled(
    select(*EPISODE.columns, ENTRY.c.leaf)
    .join(ENTRY, ENTRY.c.idx == EPISODE.c.last_idx)
    .where(EPISODE.c.id == bindparam("id"))
)
EPISODE_AT = compiled(select(EPISODE.c.version, EPISODE.c.person_ref).where(EPISODE.c.id == bindparam("id")))
PERSON_VERSION = compiled(select(PERSON.c.version).where(PERSON.c.ref == bindparam("ref")))
PERSON_ROW = compiled(
    select(PERSON.c.version, PERSON.c.sealed, PERSON.c.commitment).where(PERSON.c.ref == bindparam("ref"))
)
SITE_NOW = compiled(select(SITE.c.version, SITE.c.body).where(SITE.c.id == ONE))
SITE_CHAIN_END = compiled(select(ENTRY.c.epn, ENTRY.c.leaf).where(ENTRY.c.ep.is_(None)).order_by(ENTRY.c.epn.desc()))
PACK = compiled(select(TABLES["pack"].c.bytes).where(TABLES["pack"].c.sha256 == bindparam("sha256")))
PARAMETERS = compiled(
    select(TABLES["parameter_set"].c.bytes).where(TABLES["parameter_set"].c.sha256 == bindparam("sha256"))
)
_STORED = select(*ENTRY.columns, SEALED.c.blob, SEALED.c.key_id, SEALED.c.person_ref).outerjoin(
    SEALED, SEALED.c.idx == ENTRY.c.idx
)
EPISODE_ENTRIES = compiled(
    _STORED.where(ENTRY.c.ep == bindparam("ep"), ENTRY.c.epn >= bindparam("first")).order_by(ENTRY.c.epn)
)
ENTRIES = compiled(
    _STORED.where(ENTRY.c.idx >= bindparam("first"), ENTRY.c.idx < bindparam("end")).order_by(ENTRY.c.idx)
)
ENTRY_COUNT = compiled(select(func.count()).select_from(ENTRY))
_DUE_TIMERS = compiled(
    select(TIMER.c.episode_id, TIMER.c.id)
    .where(TIMER.c.state == ARMED, TIMER.c.at <= bindparam("now"))
    .order_by(TIMER.c.at, TIMER.c.episode_id, TIMER.c.id)
)
DUE_TIMERS = f"{_DUE_TIMERS} LIMIT :most"
FORGET_KEYS = compiled(KEY.delete().where(KEY.c.created_at < bindparam("before")))
