"""The statements of the decision path, made once from the tables and run on the driver's own connection."""

import json

from sqlalchemy import ColumnElement, bindparam, func, insert, literal_column, select, text, update
from sqlalchemy.dialects.sqlite import insert as upsert_into

from storage.connection import Words
from storage.rows import PICTURED, UNVOUCHED
from storage.schema_delivery import counted
from storage.tables import TABLES, WAITING, compiled

ENTRY, SEALED, EPISODE = TABLES["audit_entry"], TABLES["audit_sealed"], TABLES["episode"]
HEAD, PERSON, SITE = TABLES["audit_head"], TABLES["person_state"], TABLES["site_state"]
KEY, TIMER, ERASURE = TABLES["idempotency"], TABLES["timer"], TABLES["erasure"]

DUE_CHANNEL = "stepcare_due"  # where a PostgreSQL server's processes hear that something is due soon

# Constants stand in the text itself: a partial index is used only where its condition is said in the same words.
ONE: ColumnElement[int] = literal_column("1")
NONE: ColumnElement[int] = literal_column("0")


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

# What is current about one command, in one statement: the versions of site, episode and person, and what its key
# stands for. Whoever remembers these versions need read nothing more.
LOOK = compiled(
    select(
        select(SITE.c.version).where(SITE.c.id == ONE).scalar_subquery(),
        select(EPISODE.c.version).where(EPISODE.c.id == bindparam("id")).scalar_subquery(),
        select(PERSON.c.version)
        .join(EPISODE, EPISODE.c.person_ref == PERSON.c.ref)
        .where(EPISODE.c.id == bindparam("id"))
        .scalar_subquery(),
        select(KEY.c.entry).where(KEY.c.actor == bindparam("actor"), KEY.c.key == bindparam("key")).scalar_subquery(),
        select(ERASURE.c.person_ref)
        .join(EPISODE, EPISODE.c.person_ref == ERASURE.c.person_ref)
        .where(EPISODE.c.id == bindparam("id"))
        .scalar_subquery(),
    )
)
HEAD_NOW = compiled(select(HEAD.c.n, HEAD.c.rooted, HEAD.c.frontier).where(HEAD.c.id == ONE))
KEY_OF = compiled(
    select(ENTRY.c.idx, KEY.c.request_hash)
    .join(ENTRY, ENTRY.c.id == KEY.c.entry)
    .where(KEY.c.actor == bindparam("actor"), KEY.c.key == bindparam("key"))
)
IDX_OF = compiled(select(ENTRY.c.idx).where(ENTRY.c.id == bindparam("id")))
ENTRY_OF = compiled(select(ENTRY.c.idx, ENTRY.c.entry).where(ENTRY.c.id == bindparam("id")))
EPISODE_AT = compiled(select(EPISODE.c.version, EPISODE.c.person_ref).where(EPISODE.c.id == bindparam("id")))
PERSON_ROW = compiled(
    select(PERSON.c.version, PERSON.c.sealed, PERSON.c.commitment).where(PERSON.c.ref == bindparam("ref"))
)
SITE_NOW = compiled(select(SITE.c.version, SITE.c.body).where(SITE.c.id == ONE))
_SITE_CHAIN_END = compiled(select(ENTRY.c.epn, ENTRY.c.leaf).where(ENTRY.c.ep.is_(None)).order_by(ENTRY.c.epn.desc()))
SITE_CHAIN_END = f"{_SITE_CHAIN_END} LIMIT 1"
PACK = compiled(select(TABLES["pack"].c.bytes).where(TABLES["pack"].c.sha256 == bindparam("sha256")))
PARAMETERS = compiled(
    select(TABLES["parameter_set"].c.bytes).where(TABLES["parameter_set"].c.sha256 == bindparam("sha256"))
)
_STORED = select(*ENTRY.columns, SEALED.c.blob, SEALED.c.key_id, SEALED.c.person_ref).outerjoin(
    SEALED, SEALED.c.idx == ENTRY.c.idx
)
EPISODE_ENTRIES = compiled(
    _STORED.where(
        ENTRY.c.ep == bindparam("ep"),
        ENTRY.c.epn >= bindparam("first"),
        ENTRY.c.idx >= NONE,
        ENTRY.c.idx < select(HEAD.c.n).where(HEAD.c.id == ONE).scalar_subquery(),
    ).order_by(ENTRY.c.epn)
)
ENTRIES = compiled(
    _STORED.where(ENTRY.c.idx >= bindparam("first"), ENTRY.c.idx < bindparam("end")).order_by(ENTRY.c.idx)
)
ENTRIES_ABOUT = compiled(
    select(*ENTRY.columns, SEALED.c.blob, SEALED.c.key_id, SEALED.c.person_ref)
    .join(SEALED, SEALED.c.idx == ENTRY.c.idx)
    .where(SEALED.c.person_ref == bindparam("person"), SEALED.c.idx >= NONE, SEALED.c.idx < bindparam("end"))
    .order_by(SEALED.c.idx)
)
ENTRY_COUNT = compiled(select(func.count()).select_from(ENTRY))
_DUE_TIMERS = compiled(
    select(TIMER.c.episode_id, TIMER.c.id)
    .where(text(WAITING["timer"]), TIMER.c.at <= bindparam("now"))
    .order_by(TIMER.c.at, TIMER.c.episode_id, TIMER.c.id)
)
DUE_TIMERS = f"{_DUE_TIMERS} LIMIT :most"
ADD_ERASURE = _insert("erasure")
END_ERASURE = compiled(
    update(ERASURE).where(ERASURE.c.person_ref == bindparam("person")).values(destroyed=bindparam("destroyed"))
)
ERASURE_OF = compiled(
    select(ERASURE.c.entry, ERASURE.c.at, ERASURE.c.destroyed).where(ERASURE.c.person_ref == bindparam("person"))
)
TO_DESTROY = compiled(select(ERASURE.c.person_ref).where(ERASURE.c.destroyed.is_(None)).order_by(ERASURE.c.person_ref))
ERASED = compiled(select(ERASURE.c.person_ref, ERASURE.c.entry).order_by(ERASURE.c.person_ref))
_ERASED_BY = select(ERASURE.c.person_ref, ENTRY.c.idx).join(ENTRY, ENTRY.c.id == ERASURE.c.entry)
ERASED_BY, IS_ERASED = compiled(_ERASED_BY), compiled(_ERASED_BY.where(ERASURE.c.person_ref == bindparam("person")))
OLD_KEYS = compiled(select(func.count()).select_from(KEY).where(KEY.c.created_at < bindparam("before")))
# Every episode's last entry as of a size of the log, for a census.
ENDS = compiled(
    select(ENTRY.c.ep, func.max(ENTRY.c.epn))
    .where(ENTRY.c.ep.is_not(None), ENTRY.c.idx < bindparam("size"))
    .group_by(ENTRY.c.ep)
)
FORGET_KEYS = compiled(KEY.delete().where(KEY.c.created_at < bindparam("before")))


# --- what the two kinds of database say differently --------------------------------------------------------------------

_LEAF = select(ENTRY.c.leaf).where(ENTRY.c.idx == EPISODE.c.last_idx).scalar_subquery().label("leaf")
# What a commit needs of an episode's row: its version, what an entry without a picture keeps, and its last leaf.
STOOD = ("id", "version", "opened_at", *PICTURED, "leaf")
_EPISODES = select(*(EPISODE.c[name] for name in STOOD[:-1]), _LEAF)
_PERSONS = select(
    PERSON.c.ref,
    PERSON.c.version,
    select(ENTRY.c.idx)
    .join(ERASURE, ERASURE.c.entry == ENTRY.c.id)
    .where(ERASURE.c.person_ref == PERSON.c.ref)
    .scalar_subquery()
    .label("erased"),
)
_THEIR_EPISODES = compiled(
    select(EPISODE.c.id).where(EPISODE.c.person_ref == bindparam("person")).order_by(EPISODE.c.id)
)
_IN_JSON, _IN_ARRAY = "{} IN (SELECT value FROM json_each(:ids))", "{} = ANY(:ids)"

# One process writes at a time, so nothing else need be locked.
SQLITE = Words(
    begin="BEGIN IMMEDIATE",
    begin_reading="BEGIN",
    has_version="SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'",
    many=json.dumps,
    episodes=compiled(_EPISODES.where(text(_IN_JSON.format("episode.id")))),
    persons=compiled(_PERSONS.where(text(_IN_JSON.format("person_state.ref")))),
    site=SITE_NOW,
    head=HEAD_NOW,
    their_episodes=_THEIR_EPISODES,
    old_tries=counted(":before"),
    hint="",
)
# Rows are locked in the order of their keys, so that no two processes wait for each other. An episode that was changed
# while its lock was waited for comes with its new version but without its leaf: whoever decided on it is stale anyway.
POSTGRESQL = Words(
    begin="BEGIN ISOLATION LEVEL READ COMMITTED",
    begin_reading="BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    has_version="SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL",
    many=list,
    episodes=compiled(_EPISODES.where(text(_IN_ARRAY.format("episode.id"))).order_by(EPISODE.c.id)) + " FOR UPDATE",
    persons=compiled(_PERSONS.where(text(_IN_ARRAY.format("person_state.ref"))).order_by(PERSON.c.ref))
    + " FOR UPDATE OF person_state",
    site=f"{SITE_NOW} FOR UPDATE",
    head=f"{HEAD_NOW} FOR UPDATE",
    their_episodes=f"{_THEIR_EPISODES} FOR UPDATE",
    old_tries=counted(":before", server=True),
    hint=f"SELECT pg_notify('{DUE_CHANNEL}', :at)",
)
