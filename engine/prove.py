"""The proof of a pathway before it may be used: every condition sound, every table total, every state alive.

All findings come back at once, each with its place; a gap, an overlap or an illegal answer also with a patient it
would happen to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from engine.condition_parse import parse
from engine.condition_tree import ConditionError, Node, children, names_in
from engine.condition_types import check, check_yes_no
from engine.errors import Finding
from engine.facts import Type
from engine.pathway import Pathway
from engine.prove_pack import prove_pack
from engine.prove_references import prove_references
from engine.prove_states import prove_states, prove_timers
from engine.prove_tables import NO_MOVE, Question, prove_table

DEEPEST = 200  # levels of a condition with its definitions; deeper could exhaust the stack while deciding
LOOKUP = 4  # calls from a name to its definition's closure
Path = tuple[str | int, ...]


def prove_pathway(pathway: Pathway, names: Mapping[str, Type]) -> list[Finding]:
    """Prove a pathway; gives everything that stands against it, nothing when it may be used.

    `names` are the facts its conditions may use, without its definitions and tables.
    """
    named = _name_all(pathway, names)
    conditions = _Conditions(named=named, findings=[])
    for path, text in _conditions_of(pathway):
        conditions.read(path, text)
    return [
        *named.findings,
        *conditions.findings,
        *prove_references(pathway),
        *prove_states(pathway),
        *prove_timers(pathway),
        *prove_pack(pathway, named.types),
        *_tables(pathway, conditions),
    ]


def definition_types(pathway: Pathway, names: Mapping[str, Type]) -> dict[str, Type]:
    """Give the types of all names a condition may use: `names`, answer tables, and definitions in their order.

    Definitions that are wrong are left out; `prove_pathway` says what is wrong with them.
    """
    return _name_all(pathway, names).types


# --- definitions and answer tables -------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Named:
    """Definitions and answer tables by name. `broken` are those with findings, and all that lean on them."""

    types: dict[str, Type]
    nodes: dict[str, Node] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    depths: dict[str, int] = field(default_factory=dict)


def _name_all(pathway: Pathway, names: Mapping[str, Type]) -> _Named:
    answers = {name: table for name, table in pathway.tables.items() if table.kind == "answers"}
    named = _Named(types=dict(names))
    for name in dict.fromkeys((*pathway.definitions, *answers)):
        path = ("definitions" if name in pathway.definitions else "tables", name)
        if name in names or (name in pathway.definitions and name in answers):
            message = f"{name} is already the name of something else: choose another."
            named.findings.append(Finding(code="name-clash", message=message, path=path))
            named.broken.add(name)
    for name, table in answers.items():
        named.types[name] = Type(kind="code", options=table.values, known=True)
    parsed = {name: _parsed(one.means) for name, one in pathway.definitions.items()}
    leans_on = {
        **{name: names_in(node) if node else frozenset() for name, node in parsed.items()},
        **{
            name: frozenset().union(*(names_in(node) for row in table.rows if (node := _parsed(row.when))))
            for name, table in answers.items()
        },
    }
    # Sorted, so that the same pack always has the same findings.
    graph = {name: tuple(one for one in sorted(used) if one in leans_on) for name, used in leans_on.items()}
    for name in _in_order(pathway, graph, named):
        _name_one(name, pathway, graph, named)
    return named


def _parsed(text: str) -> Node | None:
    try:
        return parse(text)
    except ConditionError:
        return None


def _in_order(pathway: Pathway, graph: dict[str, tuple[str, ...]], named: _Named) -> Iterator[str]:
    """Give the names so that each comes after what it leans on; circles are found and left out."""
    while True:
        try:
            order = tuple(TopologicalSorter(graph).static_order())
        except CycleError as error:
            circle = _from_first(error.args[1][:-1], tuple(graph))
            message = f"these lean on each other in a circle: {' → '.join((*circle, circle[0]))}."
            path = ("definitions", circle[0], "means") if circle[0] in pathway.definitions else ("tables", circle[0])
            named.findings.append(Finding(code="cycle", message=message, path=path))
            named.broken |= set(circle)
            for one in circle:
                del graph[one]
            graph |= {one: tuple(name for name in used if name in graph) for one, used in graph.items()}
        else:
            yield from order
            return


def _from_first(circle: list[str], order: tuple[str, ...]) -> list[str]:
    """Write a circle as each leaning on the next, from the one the pack names first."""
    leaning = circle[::-1]
    start = leaning.index(min(leaning, key=order.index))
    return leaning[start:] + leaning[:start]


def _name_one(name: str, pathway: Pathway, graph: Mapping[str, tuple[str, ...]], named: _Named) -> None:
    """Check one definition or table, everything it leans on being checked already."""
    texts = [pathway.definitions[name].means] if name in pathway.definitions else []
    texts = texts or [row.when for row in pathway.tables[name].rows]
    path = ("definitions", name, "means") if name in pathway.definitions else ("tables", name)
    nodes = [node for text in texts if (node := _parsed(text))]
    below = max((named.depths.get(one, 0) for one in graph[name]), default=0)
    named.depths[name] = below + LOOKUP + max(map(_depth, nodes), default=0)
    if named.depths[name] > DEEPEST:
        message = f"{name} is nested more than {DEEPEST} deep with its definitions written out."
        named.findings.append(Finding(code="too-deep", message=message, path=path))
        named.broken.add(name)
    if name not in pathway.definitions:
        return
    if any(one in named.broken for one in names_in(nodes[0])) if nodes else False:
        named.broken.add(name)
    if name in named.broken:
        return
    try:
        node = parse(texts[0])
        named.types[name] = check(node, named.types)
        named.nodes[name] = node
    except ConditionError as error:
        named.findings += _as_findings(path, error)
        named.broken.add(name)


def _depth(node: Node) -> int:
    return 1 + max(map(_depth, children(node)), default=0)


# --- conditions --------------------------------------------------------------------------------------------------


def _conditions_of(pathway: Pathway) -> Iterator[tuple[Path, str]]:  # noqa: C901 - one loop for each section
    """Give every yes/no condition of a pack with its place."""
    for place, rule in enumerate(pathway.rules):
        if rule.when is not None:
            yield ("rules", place, "when"), rule.when
        yield ("rules", place, "requires"), rule.requires
    for name, table in pathway.tables.items():
        for place, row in enumerate(table.rows):
            yield ("tables", name, "rows", place, "when"), row.when
    for place, text in enumerate(pathway.never):
        yield ("never", place), text
    optional: list[tuple[Path, str | None]] = [(("response", "agrees"), pathway.response.agrees)]
    for name, policy in pathway.due.items():
        optional += [(("due", name, "when"), policy.when), (("due", name, "done_when"), policy.done_when)]
    for key, transition in pathway.transitions.items():
        if transition.second is not None:
            optional.append((("transitions", key, "second", "when"), transition.second.when))
    optional += [(("cards", name, "when"), card.when) for name, card in pathway.cards.items()]
    for path, maybe in optional:
        if maybe is not None:
            yield path, maybe


@dataclass(slots=True, kw_only=True)
class _Conditions:
    """Reads conditions and keeps those that are sound, by place."""

    named: _Named
    findings: list[Finding]
    sound: dict[Path, Node] = field(default_factory=dict)

    def read(self, path: Path, text: str) -> None:
        """Parse and check one yes/no condition; what leans on a broken definition is passed over."""
        try:
            node = parse(text)
            if not names_in(node) & self.named.broken:
                check_yes_no(node, self.named.types)
                self.sound[path] = node
        except ConditionError as error:
            self.findings += _as_findings(path, error)


def _as_findings(path: Path, error: ConditionError) -> list[Finding]:
    return [
        Finding(code=error.code, message=f"column {column}: {message}", path=path) for column, message in error.problems
    ]


# --- tables ------------------------------------------------------------------------------------------------------


def _tables(pathway: Pathway, conditions: _Conditions) -> Iterator[Finding]:
    never = tuple(node for path, node in conditions.sound.items() if path[0] == "never")
    for name, table in pathway.tables.items():
        yield from _answers(pathway, name)
        rows = tuple(conditions.sound.get(("tables", name, "rows", place, "when")) for place in range(len(table.rows)))
        if all(rows):
            question = Question(
                name=name,
                table=table,
                rows=tuple(row for row in rows if row),
                never=never,
                definitions=conditions.named.nodes,
                types=conditions.named.types,
            )
            yield from prove_table(pathway, question)


def _answers(pathway: Pathway, name: str) -> Iterator[Finding]:
    """Find answers that a table may not give, and those it never gives."""
    table = pathway.tables[name]
    moves = tuple(key for key, one in pathway.transitions.items() if one.name == name)
    allowed = (*moves, *NO_MOVE) if table.kind == "means" else table.values
    for place, row in enumerate(table.rows):
        if row.then not in allowed:
            message = f"{row.then!r} is no answer of {name}: it answers {', '.join(allowed)}."
            yield Finding(code="bad-answer", message=message, path=("tables", name, "rows", place, "then"))
    given = {row.then for row in table.rows}
    for value in moves if table.kind == "means" else table.values:
        if value not in given:
            message = f"{value} is never the answer of {name}: add a row for it, or remove it."
            yield Finding(code="unused-value", message=message, path=("tables", name))
