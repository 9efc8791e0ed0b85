"""What the checks of the seed trace are written with: a world at a place, and what a decision must have said.

Every check is given a pathway and builds everything from it, so that it can be given one that lacks something.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache
from types import MappingProxyType

from engine.compiled import Compiled
from engine.conditions import check_yes_no, compile_condition, parse
from engine.decision import Decision, Put, RuleResult
from engine.derive import chronicity
from engine.model import Deviation, DueItem, Json, Level, Outcome
from engine.pathway import Pathway, Rule
from engine.time import local_day
from engine.view import Pending, View
from tests.worlds import START, ZONE, World, compiled, shipped
from tests.worlds_pathway import ONSET, episode_in

Check = Callable[[Pathway], None]
Settings = Json | tuple[str, ...]
ACUTE, CHRONIC = START, START - timedelta(days=200)


# Sections that no condition sees: without one entry of theirs, everything else is compiled as it was.
UNSEEN = ("rules", "sources", "cards", "tracks", "reports")


class _Same:
    """A pathway and its settings as a key of the cache: the pathway by identity."""

    def __init__(self, pathway: Pathway, settings: Mapping[str, Settings]) -> None:
        self.pathway = pathway
        self.settings = dict(settings)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.pathway is self.pathway and other.settings == self.settings

    def __hash__(self) -> int:
        return hash((id(self.pathway), tuple(sorted(self.settings))))


def _compiled(key: _Same) -> Compiled:
    if key.pathway is shipped():
        return _whole(key)
    if almost_shipped(key.pathway):
        return _lacking_rules(key)
    return _other(key)


@lru_cache(maxsize=256)
def _whole(key: _Same) -> Compiled:
    return compiled(key.pathway, **{name: _plain(value) for name, value in key.settings.items()})


@lru_cache(maxsize=32)
def _other(key: _Same) -> Compiled:
    return compiled(key.pathway, **{name: _plain(value) for name, value in key.settings.items()})


@lru_cache(maxsize=32)
def _lacking_rules(key: _Same) -> Compiled:
    return lacking_rules(_whole(_Same(shipped(), key.settings)), key.pathway)


def _plain(value: Settings) -> Json:
    return list[Json](value) if isinstance(value, tuple) else value


def almost_shipped(pathway: Pathway) -> bool:
    """Say whether a pathway is the shipped one but for what no condition sees, and rules that are switched off."""
    whole = shipped()
    same = all(getattr(pathway, name) is getattr(whole, name) for name in Pathway.model_fields if name not in UNSEEN)
    pairs = zip(pathway.rules, whole.rules, strict=False)
    return same and all(one is other or (one.id == other.id and not one.enabled) for one, other in pairs)


def lacking_rules(whole: Compiled, pathway: Pathway) -> Compiled:
    """Compile a pathway from the shipped one by leaving out the rules that it has switched off."""
    off = {rule.id for rule in pathway.rules if not rule.enabled}
    rules = {
        binding: kept
        for binding, bound in whole.rules.items()
        if (kept := tuple(one for one in bound if one.rule.id not in off))
    }
    return replace(whole, pathway=pathway, rules=rules, soft=whole.soft - off)


def compiled_of(pathway: Pathway, **settings: Settings) -> Compiled:
    """Compile a pathway with a site's settings, once."""
    return _compiled(_Same(pathway, settings))


def at(
    pathway: Pathway, place: str, *, onset: date = ONSET, settings: Mapping[str, Settings] = MappingProxyType({})
) -> World:
    """Give a world of this pathway, under a site's settings, whose episode stands at a place of the happy path."""
    return episode_in(place, compiled_of(pathway, **settings), onset=onset)


def rules_of(pathway: Pathway) -> dict[str, Rule]:
    """Give the pathway's rules that are switched on, by their id."""
    return {rule.id: rule for rule in pathway.rules if rule.enabled}


# --- what a decision said ---------------------------------------------------------------------------------------------


def said(decision: Decision, rule: str) -> RuleResult:
    """Give a rule's answer; it must have been asked."""
    found = next((one for one in decision.rules if one.id == rule), None)
    asked = ", ".join(one.id for one in decision.rules)
    assert found is not None, f"{rule} was not asked ({decision.outcome} {decision.problem}; asked: {asked})"
    return found


def stops(decision: Decision, level: Level, *rules: str) -> None:
    """Say that exactly these rules stopped the command, each at this level, with what to do about it."""
    why = f"{decision.outcome} {decision.problem}, failed: {decision.failed}"
    assert set(decision.failed) == set(rules), why
    wanted = {Level.HS2: Outcome.NEEDS_SIGN_OFF, Level.FORM: Outcome.INVALID}.get(level, Outcome.REFUSED)
    assert decision.outcome is wanted, why
    for rule in rules:
        answer = said(decision, rule)
        assert answer.level is level, f"{rule} stops at {answer.level}"
        assert answer.remedy, f"{rule} does not say what to do"


def blocks(decision: Decision, *rules: str) -> None:
    """Say that the command did not go through, these rules being among those that stopped it."""
    assert decision.outcome in (Outcome.REFUSED, Outcome.NEEDS_SIGN_OFF, Outcome.INVALID), "it went through"
    missing = set(rules) - set(decision.failed)
    assert not missing, f"{sorted(missing)} did not stop it; failed: {decision.failed} {decision.problem}"


def impossible(decision: Decision, rule: str) -> None:
    """Say that an answer was not taken at all, and that this rule says why."""
    assert decision.outcome is Outcome.INVALID, f"{decision.outcome}"
    assert said(decision, rule).level is Level.FORM, "it is no form error"


def fine(decision: Decision) -> Decision:
    """Say that the command went through."""
    failed = [(rule.id, rule.message) for rule in decision.rules if rule.id in decision.failed]
    assert decision.outcome is Outcome.ACCEPTED, f"{decision.outcome}: {decision.problem} {failed}"
    return decision


def hints(decision: Decision, rule: str) -> None:
    """Say that a rule was shown and stopped nothing."""
    assert said(decision, rule).level is Level.INFO, f"{rule} does more than show itself"
    assert rule in fine(decision).prompts, f"{rule} was not shown"


def silent(decision: Decision, *rules: str) -> None:
    """Say that the command went through and none of these rules was shown."""
    assert not set(fine(decision).prompts) & set(rules), f"shown: {decision.prompts}"


def deviates(decision: Decision, *rules: str) -> None:
    """Say that what happened was kept, as a deviation from exactly these rules."""
    fine(decision)
    found = {
        event.item.rule for event in decision.events if isinstance(event, Put) and isinstance(event.item, Deviation)
    }
    assert found == set(rules), f"deviations: {sorted(found)}"


# --- what an episode shows ----------------------------------------------------------------------------------------------


def view(world: World) -> View:
    """See the episode now."""
    return View(world.compiled, world.episode, Pending(), world.now, world.now.date())


def value(world: World, name: str) -> object:
    """Give a fact, a definition or a table's answer as rules would see it now."""
    return view(world).value(name)


def shown(pathway: Pathway, card: str, world: World) -> bool:
    """Say whether a card is worth showing beside this episode; its sources must be in the registry."""
    assert card in pathway.cards, f"the card {card} is gone"
    one = pathway.cards[card]
    assert set(one.sources) <= set(pathway.sources), f"{card} cites what is not in the registry"
    if one.when is None:
        return True
    node = parse(one.when)
    check_yes_no(node, world.compiled.types)
    return compile_condition(node).evaluate(view(world)) is True


def owed(world: World, kind: str) -> list[DueItem]:
    """Give the open items of a kind, in the order in which they fall due."""
    found = [item for item in world.episode.due_items if item.kind == kind and item.status in ("open", "on_hold")]
    return sorted(found, key=lambda item: item.opens_at)


def due(world: World, kind: str) -> DueItem:
    """Give the one open item of a kind."""
    found = owed(world, kind)
    assert len(found) == 1, f"open items of {kind}: {[item.id for item in found]}"
    return found[0]


def window(item: DueItem) -> tuple[int, int]:
    """Give the days of the story on which an item opens and is last on time."""
    assert item.due_on is not None, f"{item.id} has no end"
    return (local_day(item.opens_at, ZONE) - START).days, (item.due_on - START).days


def treatment(world: World, kind: str) -> str:
    """Give the status of a treatment."""
    return view(world).component(kind)


def chronicity_on(pathway: Pathway, days: int, **settings: Settings) -> str | None:
    """Say what a problem is called so many days after its onset."""
    world = at(pathway, "intake", onset=START - timedelta(days=days), settings=settings)
    return chronicity(view(world))
