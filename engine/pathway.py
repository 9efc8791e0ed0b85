"""A pathway pack as data: what a pathway owner may say, and nothing else.

These models are the schema (`Pathway.model_json_schema()`), the parsed pack and the stored bytes at once.
A *condition* is a string in the language of `conditions.py`; a *binding* says where a rule bites:

    register · record FORM · plan KIND · start KIND · stop KIND · contact · T8 (a transition) · invariant
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.model import Level, Role

Condition = Annotated[str, Field(min_length=1, max_length=2000)]
Binding = Annotated[str, Field(min_length=1, max_length=80)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
RuleId = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{0,5}(-[A-Z0-9]{1,8}){0,2}$")]
TransitionId = Annotated[str, Field(pattern=r"^T[0-9]{1,2}$")]
SeedId = Annotated[str, Field(pattern=r"^[SO][0-9]{1,2}$")]
Scalar = bool | int | str
SHORT = 300


class Model(BaseModel):
    """Frozen, and refusing what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class State(Model):
    """Where an episode can be. kind: open (not treating), active (a step or maintenance), closed, void."""

    title: str
    kind: Literal["open", "active", "closed", "void"]
    step: Literal[1, 2, 3, 4] | None = None
    paused: bool = False  # days here do not count towards windows (hold, further evaluation)
    silent: bool = False  # nobody is reminded of this person again (death); only looking back at what was done goes on
    meaning: str = ""


class Second(Model):
    """A second person's yes, always or when a condition holds."""

    rule: RuleId
    roles: tuple[Role, ...] = (Role.ASSESSOR, Role.LEAD)
    when: Condition | None = None


class Transition(Model):
    """One permitted change.

    `source` and `target` name states, or the groups `open` (every state that is not closed or void), `closed`
    and `any` (every state but void). `source` empty: a new episode. `target` may be `return_to`: where the
    episode came from. With several targets the command says `to`. `form`: what must be recorded with it.
    """

    name: Name
    title: str
    source: tuple[Name, ...] = ()
    target: tuple[Name, ...]
    roles: tuple[Role, ...]
    form: Name | None = None
    second: Second | None = None
    seed: tuple[SeedId, ...] = ()
    extension: bool = False
    step_change: bool = False  # starts a step anew: the windows count from `therapy_start` or the day it happens
    returns: bool = False  # pushes the present state on the return stack (hold, concern)


class Row(Model):
    """One line of a decision table: when all of it is true, this is the answer."""

    when: Condition
    then: str
    note: str = ""


class Table(Model):
    """A decision table, proved total and without overlap before it may be used.

    means: answers which transition (T-id, or `ask`) a command name stands for. answers: a value of `values`.
    """

    kind: Literal["means", "answers"]
    title: str
    values: tuple[Name, ...] = ()
    rows: tuple[Row, ...]


class Definition(Model):
    """A named predicate or number, used by its id in any condition."""

    title: str
    means: Condition
    sources: tuple[str, ...] = ()
    owner: str = ""
    seed: tuple[SeedId, ...] = ()


class LevelRange(Model):
    """A level that a site may set, within a range; the parameter holds it."""

    parameter: Name


class Rule(Model):
    """What must hold, with a level, a message, a remedy and a source.

    `when` false: the rule does not apply. `requires` true: satisfied. `on_unknown` says what an unknown answer
    is: refuse (as if false), ask (a soft stop: answer it, or pass with a coded reason), pass.
    Messages may hold `{fact}` placeholders.
    """

    id: RuleId
    on: tuple[Binding, ...] = Field(min_length=1)
    level: Level | LevelRange
    when: Condition | None = None
    requires: Condition
    on_unknown: Literal["refuse", "ask", "pass"] = "refuse"
    message: str = Field(max_length=600)
    remedy: str = Field(max_length=600)
    sources: tuple[str, ...]
    seed: tuple[SeedId, ...] = ()
    modality: Literal["must", "should", "may"] = "must"
    reasons: tuple[Name, ...] = ()  # empty: the pack's common override reasons
    approvers: tuple[Role, ...] = (Role.ASSESSOR, Role.LEAD)
    owner: str = "pathway owner"
    track: str | None = None
    conflict: str | None = None
    adverse_event: bool = False  # on a record: ask for an adverse event form as well
    enabled: bool = True


class FormField(Model):
    """One question.

    type: bool, int, decimal, code (one of options), codes (several; `ordered`: the first comes first), text, date,
    time (of day), zone (an IANA name), score (of an instrument), list (of `fields`), ref (to a record or treatment of
    this episode). `options_from` names a parameter of type codes. Absent means *not answered*, which is never `no`. `error` is the FORM rule id shown when wrong.
    """

    label: str
    type: Literal["bool", "int", "decimal", "code", "codes", "text", "date", "time", "zone", "score", "list", "ref"]
    required: bool = False
    unit: str | None = None
    low: int | str | None = None
    high: int | str | None = None
    options: tuple[str, ...] = ()
    options_from: Name | None = None
    instrument: Name | None = None
    fields: dict[Name, "FormField"] = {}
    at_most: int | None = None  # letters of a text, items of a list
    alone: str | None = None  # the option that excludes every other (`none`)
    ordered: bool = False
    refers_to: Name | None = None  # ref: the form or treatment kind meant
    error: RuleId | None = None
    remedy: str = ""
    seed: tuple[SeedId, ...] = ()


class Form(Model):
    """What can be recorded at once.

    `person`: counts per person, over all episodes. `roles` empty: as the command's role table says.
    `raises`: a red-flag screen (its present items raise). `closes`: the treatment kind this form ends as done.
    """

    title: str
    fields: dict[Name, FormField]
    roles: tuple[Role, ...] = ()
    person: bool = False
    raises: bool = False
    closes: Name | None = None
    seed: tuple[SeedId, ...] = ()


class TreatmentKind(Model):
    """A component of care that can be planned, started and stopped.

    kind: active or passive (for the balance of the two), support (education, heat…), drug, programme,
    procedure. `form`: what is stated at plan and start. `again`: the transition that planning it a second time
    in the same stay means. `content: none_in_seed` marks an option the requirements name without content.
    """

    title: str
    kind: Literal["active", "passive", "support", "drug", "programme", "procedure"]
    form: Name
    states: tuple[Name, ...] = ()  # empty: every active state
    again: TransitionId | None = None
    content: Literal["stated", "none_in_seed"] = "stated"
    seed: tuple[SeedId, ...] = ()
    extension: bool = False


class RedFlag(Model):
    """One item of the red-flag screen: how urgent, and what its presence means."""

    title: str
    urgency: Literal["emergency", "urgent", "routine"]
    on_present: Literal["raise", "rescreen", "weigh"]
    advice: str = ""
    sources: tuple[str, ...]


class Rung(Model):
    """A place on a due item's ladder.

    `at`: a duration parameter counted from `base` (opens, due). kind: remind (a message), escalate (a message,
    and the due item's rung rises), propose (a due item of `proposes` for a person to decide).
    `roll`: where it goes from a day on which nobody works (`calendar.py`); only calendar rungs have days.
    `catch_up`: what becomes of it when its instant was missed: late (acted on all the same), latest (only the newest
    of those missed that speak to the same people), skip (dropped, and the ladder goes on). `expires`: how late it
    is worth anything at all, a duration parameter; None: it never expires.
    """

    at: Name
    base: Literal["anchor", "opens", "due"] = "due"
    kind: Literal["remind", "escalate", "propose"]
    to: Literal["patient", "coordinator", "owner", "clinician", "lead", "pathway_owner"]
    template: Name | None = None
    proposes: Name | None = None
    repeat: Name | None = None  # duration parameter: fires again until the item is done
    roll: Literal["none", "following", "preceding", "modified_following"] = "none"
    catch_up: Literal["late", "latest", "skip"] = "latest"
    expires: Name | None = None


class DuePolicy(Model):
    """When work falls due, who owes it, what fulfils it, and who hears of it when.

    `each` says what makes one item:
      stay (each time in one of `states`) · treatment KIND (each one that is `statuses`) · flag ·
      record FORM · hold · crossing (of a chronicity border) · deviation · reason_owed · proposal · message · source
    `anchor`: `clock` (the stay's clock day), `since`, or a date field of the record or treatment.
    `opens` and `due` are duration parameters; `due` may be a field of the record (a date) as `field NAME`.
    `done_by`: bindings of commands that fulfil it (`record reassessment`, `T21`), when `done_when` holds.
    """

    title: str
    timer: Annotated[str, Field(pattern=r"^TM[0-9]{1,2}$")] | None = None
    each: str
    states: tuple[Name, ...] = ()
    statuses: tuple[Name, ...] = ()
    when: Condition | None = None
    anchor: str = "since"
    opens: str
    due: str
    owner: Role
    done_by: tuple[Binding, ...] = ()
    done_when: Condition | None = None
    repeats: bool = False  # stay: when one is done, the next begins
    pauses: bool = True  # days on hold or in evaluation do not count
    looks_back: bool = False  # it reviews what was done, so it goes on in a silent state
    calendar: bool = True  # whole days in the site's zone; False: exact instants
    priority: Literal["emergency", "urgent", "safety", "normal"] = "normal"
    ladder: tuple[Rung, ...] = ()
    seed: tuple[SeedId, ...] = ()
    extension: bool = False
    extrapolated: bool = False


class Instrument(Model):
    """What is measured with.

    scoring: single (one number), mean (of the items), sum, percent (sum / (item_high × answered)), score_only
    (a finished score is typed in). `items` None: any number of named activities. Every item must be answered.
    """

    title: str
    direction: Literal["higher_is_worse", "higher_is_better"]
    scoring: Literal["single", "mean", "sum", "percent", "score_only"]
    low: str
    high: str
    whole: bool = False
    items: int | None = None
    item_low: int | None = None
    item_high: int | None = None
    named_items: bool = False  # activities the person names; only the same activities compare
    measures: tuple[Literal["pain", "function", "composite", "anchor", "risk"], ...]
    regions: tuple[str, ...] = ()  # empty: any region
    version: str = "1"
    licence: str
    licence_status: Literal["free", "free_as_printed", "licence_needed", "not_verified"]
    mcid: str = ""
    sources: tuple[str, ...]
    parameters: tuple[Name, ...] = ()
    labels: dict[str, str] = {}  # words for single values (PGIC)


class Parameter(Model):
    """A number (or choice) a site may set.

    `default` None: unset. `when_unset`: ask, refuse, or none (the rules that need it do not apply; never for a
    safety parameter). Durations: `P14D` counts calendar days in the site's zone, `PT72H` exact hours. `dates` is a
    list of days. `low` and `high` bound numbers, durations and times of day; `at_least` the entries of a list.
    `assumption`: our reading where the requirements are silent.
    """

    title: str
    type: Literal["int", "decimal", "bool", "code", "codes", "duration", "time", "level", "text", "dates"]
    unit: str | None = None
    low: int | str | None = None
    high: int | str | None = None
    at_least: int = 0
    options: tuple[str, ...] = ()
    default: Scalar | tuple[str, ...] | None = None
    when_unset: Literal["ask", "refuse", "none"] = "ask"
    safety: bool = False
    who: tuple[Role, ...] = (Role.PATHWAY_OWNER,)
    sources: tuple[str, ...] = ()
    seed: tuple[SeedId, ...] = ()
    assumption: bool = False


class Source(Model):
    """Where a rule comes from, and how far to trust that."""

    citation: str
    url: str = ""
    seed_ref: int | None = None
    inferred: bool = False
    confidence: Literal["certain", "high", "likely", "unclear", "unknown", "stated"] = "stated"
    kind: Literal["guideline", "label", "trial", "review", "payer", "seed", "site_policy", "standard", "extension"]
    population: str = ""
    directness: Literal["direct", "indirect", "not_applicable"]
    strength: str = ""
    published: str = ""
    review_due: str = ""
    status: Literal["current", "superseded", "expired", "withdrawn", "disputed", "unknown"]
    superseded_by: str | None = None
    verified: Literal["full", "abstract", "secondary", "no"]
    note: str = ""
    conflicts: tuple[str, ...] = ()


class Conflict(Model):
    """A question on which sources disagree, and how this pack settles it."""

    question: str
    side_a: str
    side_b: str
    default: str
    rules: tuple[RuleId, ...] = ()
    parameter: Name | None = None
    who: str
    sources: tuple[str, ...]


class Card(Model):
    """Knowledge shown, never acted on."""

    title: str
    text: str
    seed: tuple[SeedId, ...] = ()
    when: Condition | None = None
    sources: tuple[str, ...]


class Wording(Model):
    """A message in the forms that a number asks for: one for each plural category of its language (CLDR).

    `other` is the form for every number without a form of its own, and for a text that counts nothing. `subject`
    empty: the first sentence is the subject.
    """

    subject: str = ""
    zero: str | None = None
    one: str | None = None
    two: str | None = None
    few: str | None = None
    many: str | None = None
    other: str


def forms_of(template: str | Wording) -> dict[str, str]:
    """Give a template's forms by plural category; plain text has one form, `other`."""
    if isinstance(template, str):
        return {"other": template}
    forms = ((name, getattr(template, name)) for name in ("zero", "one", "two", "few", "many", "other"))
    return {name: text for name, text in forms if text is not None}


class Track(Model):
    """What runs beside the state."""

    title: str
    kinds: tuple[Name, ...] = ()  # treatments that belong to it
    forms: tuple[Name, ...] = ()
    invariants: tuple[RuleId, ...] = ()
    due: tuple[Name, ...] = ()
    seed: tuple[SeedId, ...] = ()


class Trace(Model):
    """Where one seed statement or oddity lives in the pack, and the test that fails without it.

    `maps`: `rule ID`, `field FORM.NAME`, `state NAME`, `transition T8`, `due NAME`, `definition NAME`,
    `treatment KIND`, `instrument NAME`, `parameter NAME`, `source NAME`, `card NAME`, `table NAME`,
    `track NAME`, `report NAME`.
    """

    says: str  # in our own words
    maps: tuple[str, ...] = Field(min_length=1)
    test: str


class Response(Model):
    """How change is judged: by which instruments, and the parameters that hold the thresholds."""

    pain: tuple[Name, ...]  # instruments, the primary first
    function: tuple[Name, ...]
    rule: Name  # parameter: percent | points | either | both
    percent: Name
    points: Name
    substantial: Name
    worse: Name
    low_baseline: Name
    function_points: Name
    function_word: str  # field FORM.NAME that holds the clinician's word on function
    agrees: Condition


class Chronicity(Model):
    """The borders between acute, subacute and chronic, in days since onset, and where onset is recorded."""

    onset: str
    subacute_from: Name
    chronic_from: Name


class Pathway(Model):
    """One version of a care pathway. Its identity is the SHA-256 of its canonical JSON."""

    id: Name
    title: str
    version: str
    status: str
    label: str  # what every page that shows it must carry
    languages: tuple[str, ...]
    initial: Name
    notes: tuple[str, ...] = ()
    states: dict[Name, State]
    transitions: dict[TransitionId, Transition]
    tables: dict[Name, Table]
    definitions: dict[Name, Definition] = {}
    never: tuple[Condition, ...] = ()
    rules: tuple[Rule, ...]
    forms: dict[Name, Form]
    treatments: dict[Name, TreatmentKind]
    red_flags: dict[Name, RedFlag]
    due: dict[Name, DuePolicy]
    instruments: dict[Name, Instrument]
    parameters: dict[Name, Parameter]
    sources: dict[Name, Source]
    conflicts: dict[str, Conflict] = {}
    cards: dict[Name, Card] = {}
    tracks: dict[str, Track] = {}
    response: Response
    chronicity: Chronicity
    override_reasons: dict[Name, str]
    templates: dict[str, dict[Name, str | Wording]]  # language → template → text
    translations: dict[str, dict[str, str]] = {}  # language → "rule.ID.message" … → text
    reports: dict[Name, str] = {}
    seed_trace: dict[SeedId, Trace] = {}
