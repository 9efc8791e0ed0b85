"""The nouns of an episode, and what may change them.

Everything is frozen plain data. Times are aware and in UTC; calendar days are days in the site's zone.
Recorded values stay in the JSON form their form gave them (decimals and dates as strings, never floats),
so that what is hashed, sealed, stored and replayed is one and the same thing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
Values = Mapping[str, Json]


class Role(StrEnum):
    """As what a person acts in one command."""

    COORDINATOR = "coordinator"
    ASSESSOR = "assessor"
    PROCEDURALIST = "proceduralist"
    LEAD = "lead"
    PATHWAY_OWNER = "pathway_owner"
    AUDITOR = "auditor"
    PRIVACY_OFFICER = "privacy_officer"
    ADMINISTRATOR = "administrator"
    SERVICE = "service"
    OUTSIDER = "outsider"


class Level(StrEnum):
    """How hard a rule stops: FORM invalid input, INFO shown, SS soft stop, HS2 a second person, HSx nobody."""

    FORM = "FORM"
    INFO = "INFO"
    SS = "SS"
    HS2 = "HS2"
    HSX = "HSx"


class Kind(StrEnum):
    """What a command asks for."""

    REGISTER = "register"
    RECORD = "record"
    MOVE = "move"
    PLAN = "plan"
    START = "start"
    STOP = "stop"
    CONTACT = "contact"
    ASSIGN = "assign"
    SNOOZE = "snooze"
    CORRECT = "correct"
    SIGN_OFF = "sign_off"
    PUBLISH = "publish"
    SET_PARAMETER = "set_parameter"
    FIRE = "fire"  # the worker's own: a timer's instant has come; people cannot command it
    DELIVER = "deliver"  # the worker's own: what became of a message
    RESEND = "resend"
    OPT_OUT = "opt_out"
    CLOCK = "clock_step"  # the worker's own: the clock was stepped
    ABSENCE = "absence"
    HOLD = "hold"
    RELEASE = "release"
    ERASE = "erase"
    DESTROYED = "destroyed"  # the worker's own: a person's data key is gone
    RETAIN = "retain"
    CENSUS = "census"
    LOG_KEY = "log_key"
    VAULT_KEY = "vault_key"


class Outcome(StrEnum):
    """What became of a command. Only INVALID leaves no entry."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NEEDS_SIGN_OFF = "needs_sign_off"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks, as what, and for which care teams.

    `id` is a pseudonym; sign-off compares persons by it. `teams` are the care teams the person belongs to.
    """

    id: str
    role: Role
    teams: frozenset[str] = frozenset({"main"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A soft stop passed with a coded reason; `text` is owed where the code is `other`."""

    rule: str
    reason: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What somebody wants, as data.

    `id` (unique, made at the edge) becomes the id of the entry and the stem of every id the decision makes.
    `episode` is None for what is decided for the whole site; `register` brings the new episode's id.
    `values` are the form's fields. `occurred_at` None: it happens now. `of` names a request or a plan.
    `version` None: decide on whatever is current. `key` is the actor's idempotency key. `via` says how it came in
    (`cli:` and the operating-system user); nothing is decided by it.
    """

    id: str
    kind: Kind
    actor: Actor
    episode: str | None = None
    values: Values = field(default_factory=dict)
    occurred_at: datetime | None = None
    overrides: tuple[Override, ...] = ()
    of: str | None = None
    key: str | None = None
    version: int | None = None
    via: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One filled-in form. Never changed: a correction supersedes it by another record.

    `stay` is the position in the episode's stays when it was recorded; `version` the episode version that
    recorded it (a read names both id and version).
    """

    id: str
    form: str
    values: Values
    occurred_at: datetime
    recorded_at: datetime
    by: str
    episode: str
    stay: int
    version: int
    superseded_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A time in one state.

    `clock` is the day from which the state's windows count: the start of therapy where it was stated, else the
    day of entry. `record` is what was recorded with the move. A return from hold continues the stay it
    interrupted: `resumed` names that stay's position (the first of the chain).
    """

    state: str
    since: datetime
    clock: date
    transition: str
    record: str | None = None
    until: datetime | None = None
    resumed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """A component of care: something planned, running, over, or not given and why.

    status: planned | active | done | stopped | declined | unavailable | contraindicated.
    `record` holds its values as last stated.
    """

    id: str
    kind: str
    status: str
    since: datetime
    record: str
    stay: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A red flag raised on this episode, and when it was cleared (None: still open)."""

    id: str
    item: str
    urgency: str
    opened_at: datetime
    record: str
    cleared_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DueItem:
    """Work a person owes.

    The window is [opens_at, due_at): at `due_at` it is overdue. `due_on` is the last day that is on time, as
    people say it. `fired` counts the rungs of its ladder that have passed.
    status: open | on_hold (windows stand still) | done | cancelled.
    `opens_after` and `due_after` are the offsets it was armed with (ISO 8601), kept when parameters change.
    """

    id: str
    kind: str
    occurrence: str
    title: str
    anchor: datetime
    opens_after: str
    due_after: str
    opens_at: datetime
    due_at: datetime | None
    due_on: date | None
    owner_role: Role
    status: str = "open"
    owner: str | None = None
    rung: int = 0
    fired: int = 0
    snoozed_until: datetime | None = None
    closed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """An instant the worker acts on. It belongs to a due item (or, without one, to the episode).

    `at` in UTC is what is compared; `local` is the wall time it came from, so that a changed time-zone rule can
    resolve it anew. state: armed | fired | cancelled | stale | expired.
    """

    id: str
    kind: str
    occurrence: str
    due_item: str | None
    at: datetime
    local: str
    zone: str
    armed_on: int
    expires_at: datetime | None = None
    state: str = "armed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One outbox row. `id` is its idempotency key. Texts hold no clinical detail.

    status: queued | cancelled | suppressed | expired | accepted | delivered | failed | unknown | dead. `reason` says in
    a code why it ended so (`engine/deliver.py` lists them). category: visit (to the person, by their consent) | work
    (to staff). `follows` names the message it stands in for, on another channel or sent again. `reference` is the
    receiver's own name for it, None where none was given.
    """

    id: str
    template: str
    language: str
    recipient: str
    channel: str
    due_item: str | None
    not_before: datetime
    expires_at: datetime | None = None
    status: str = "queued"
    category: str = "visit"
    reason: str = ""
    follows: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A wish that waits for a second person.

    `hash` covers command, fields, facts read, rules, pack and parameters; never the time.
    status: open | approved | refused | void | expired.
    """

    id: str
    command: Command
    hash: str
    rules: tuple[str, ...]
    roles: tuple[Role, ...]
    opened_at: datetime
    expires_at: datetime
    status: str = "open"
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """What happened against a rule. `reason` None: still owed."""

    id: str
    rule: str
    record: str
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What counts per person over all episodes: doses, sessions, allergies, open emergencies, open episodes.

    `records` are the valid records of the forms marked `person`. `episodes` maps each episode to
    (region, state kind). `emergencies` are open emergency flags, as `episode/flag`.
    `deceased` are the episodes closed by the person's death. The version rises with every entry that changes
    what is kept here.
    """

    id: str
    version: int = 0
    records: tuple[Record, ...] = ()
    episodes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    emergencies: tuple[str, ...] = ()
    deceased: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One person's course of care for one problem, as folded from its entries.

    `version` is the number of its entries (0: not registered yet). `return_to` is a stack of (state, stay
    position). `relied` says, per record, which of this episode's decisions (by version after) used it.
    """

    id: str
    person: Person
    pathway: str = ""
    zone: str = "UTC"
    language: str = "en"
    team: str = "main"
    owner: str | None = None
    version: int = 0
    plan_version: int = 0
    state: str = ""
    return_to: tuple[tuple[str, int], ...] = ()
    stays: tuple[Stay, ...] = ()
    records: tuple[Record, ...] = ()
    treatments: tuple[Treatment, ...] = ()
    flags: tuple[Flag, ...] = ()
    due_items: tuple[DueItem, ...] = ()
    timers: tuple[Timer, ...] = ()
    messages: tuple[Message, ...] = ()
    requests: tuple[Request, ...] = ()
    deviations: tuple[Deviation, ...] = ()
    relied: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A legal hold: while it lasts nothing about the person is erased. `matter` is a code, never a sentence."""

    id: str
    person: str
    reason: str
    matter: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """A person was erased by this entry (`id` is the entry's). `destroyed` None: their data key is not yet gone."""

    id: str
    person: str
    basis: str
    at: datetime
    destroyed: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKey:
    """A public key of the log, as it is written in a C2SP verifier key, and the size from which it signs."""

    vkey: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Somebody is away from one instant until another, which is the first they are back; `cover` hears in their stead.

    `who` and `cover` are pseudonyms.
    """

    id: str
    who: str
    cover: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What counts for the whole organisation: pathways, parameters, legal holds, erasures, keys of the log, absences.

    `pathways` maps a pathway's id to the hash new episodes run on; `parameters` the values set here, by name.
    `holds` are those in force; `erasures` are for ever.
    """

    version: int = 0
    zone: str = "Europe/Berlin"
    pathways: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Json] = field(default_factory=dict)
    requests: tuple[Request, ...] = ()
    holds: tuple[Hold, ...] = ()
    erasures: tuple[Erasure, ...] = ()
    log_keys: tuple[LogKey, ...] = ()
    absences: tuple[Absence, ...] = ()
