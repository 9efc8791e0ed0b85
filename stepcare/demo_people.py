"""Who is in the demonstration: invented colleagues and invented people. Nobody here exists, and every name says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from engine.model import Actor, Role
from storage.staff import Colleague
from storage.vault import Details

GIVEN = (
    *("Alva", "Bela", "Cleo", "Dara", "Enno", "Fina", "Gero", "Hede", "Ivo", "Juna", "Kaja", "Levi", "Mina", "Nils"),
    *("Orla", "Pelle", "Quint", "Runa", "Sanna", "Timo", "Ulla", "Vito", "Wanja", "Xenia", "Yara", "Zeno"),
)
FAMILY = ("Beispielsen", "Erfunden", "Exemplar", "Fictiva", "Imaginova", "Inventado", "Mustermoor", "Samplewright")
REGIONS = ("upper_back", "upper_back", "upper_back", "mid_back", "mid_back")
PROBLEMS = ("both", "both", "trigger_points", "back_pain")
ACTIVITIES = (
    *(
        "carrying shopping",
        "desk work",
        "driving",
        "gardening",
        "hanging up washing",
        "lifting a child",
        "making music",
    ),
    *("reaching overhead", "sleeping through", "swimming", "vacuuming", "walking the dog"),
)
MUSCLES = ("rhomboids", "trapezius_middle", "trapezius_lower", "levator_scapulae", "erector_spinae", "infraspinatus")
CHANNELS = ("email", "email", "sms", "telephone", "letter")


def random_of(*seed: object) -> Random:
    """Give the dice of one part of the story, the same for the same seed; no part throws another's."""
    return Random(":".join(map(str, seed)))  # noqa: S311 - a story is told again by it; no secret, key or id is made so


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Who answers for the episodes of one care team; `second` is the other assessor, who signs off."""

    name: str
    coordinator: Actor
    assessor: Actor
    second: Actor
    proceduralist: Actor
    lead: Actor


def _actor(who: str, role: Role, *teams: str) -> Actor:
    return Actor(id=who, role=role, teams=frozenset(teams or BOTH))


BOTH = ("main", "north")
ANN = _actor("ann", Role.COORDINATOR, "main")
BO = _actor("bo", Role.COORDINATOR, "main")
NINA = _actor("nina", Role.COORDINATOR, "north")
RAVI = _actor("ravi", Role.ASSESSOR, "main")
NOOR = _actor("noor", Role.ASSESSOR, "north")
MIRA = _actor("mira", Role.ASSESSOR)
PIA = _actor("pia", Role.PROCEDURALIST)
LENA = _actor("lena", Role.LEAD)
OWEN = _actor("owen", Role.PATHWAY_OWNER)
AZIZ = _actor("aziz", Role.AUDITOR)
ADA = _actor("ada", Role.ADMINISTRATOR)
PRIYA = _actor("priya", Role.PRIVACY_OFFICER)
OLGA = _actor("olga", Role.OUTSIDER)

MAIN = Team(name="main", coordinator=ANN, assessor=RAVI, second=MIRA, proceduralist=PIA, lead=LENA)
NORTH = Team(name="north", coordinator=NINA, assessor=NOOR, second=MIRA, proceduralist=PIA, lead=LENA)
EVERYBODY = (ANN, BO, NINA, RAVI, NOOR, MIRA, PIA, LENA, OWEN, AZIZ, ADA, PRIYA, OLGA)


def colleagues() -> tuple[Colleague, ...]:
    """Give everybody who acts, as the register of colleagues keeps them."""
    return tuple(
        Colleague(id=one.id, roles=(one.role,), teams=tuple(sorted(one.teams)), name=f"{one.id.title()} Beispielsen")
        for one in EVERYBODY
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Invented:
    """One invented person, as they come to the door.

    `onset` None: they cannot say when it began. `activities` are what they would like to do again.
    """

    name: str
    born: date
    language: str
    channel: str
    consents: bool
    region: str
    problem: str
    onset: date | None
    muscles: tuple[str, ...]
    activities: tuple[str, ...]
    weight: int
    team: Team
    contacts: Mapping[str, str] = field(default_factory=dict)

    def details(self) -> Details:
        """Give what the vault keeps of them."""
        return Details(name=self.name, born=self.born, contacts=self.contacts, language=self.language)


def invented(alias: str, rng: Random, today: date, north: int = 25) -> Invented:
    """Invent a person who comes on this day; `north` of a hundred live in the north."""
    given, family = rng.choice(GIVEN), rng.choice(FAMILY)
    age = rng.choices((rng.randint(19, 29), rng.randint(30, 64), rng.randint(65, 82)), (15, 70, 15))[0]
    began = rng.choices((rng.randint(5, 27), rng.randint(30, 83), rng.randint(90, 700)), (30, 35, 35))[0]
    unknown = rng.randrange(100) < 5
    return Invented(
        name=f"{given} {family}",
        born=date(today.year - age, rng.randint(1, 12), rng.randint(1, 28)),
        language=rng.choice(("de", "de", "en")),
        channel=rng.choice(CHANNELS),
        consents=rng.randrange(100) < 88,
        region=rng.choice(REGIONS),
        problem=rng.choice(PROBLEMS),
        onset=None if unknown else today - timedelta(days=began),
        muscles=tuple(rng.sample(MUSCLES, rng.randint(1, 3))),
        activities=tuple(rng.sample(ACTIVITIES, rng.randint(2, 3))),
        weight=rng.randint(52, 108),
        team=NORTH if rng.randrange(100) < north else MAIN,
        contacts={"email": f"{alias.lower()}@example.org"},
    )
