"""A pathway drawn for people: Mermaid for documents, a ladder for the terminal.

Both are read off the pack alone. Groups (`open`, `closed`, `any`) stay groups: drawn out, they would be a hundred
lines that hide the few which matter.
"""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.pathway import Pathway, Transition

WIDTH = 100
BEGIN = "[*]"
GROUPS = {"open": "any open state", "closed": "any closed state", "any": "any state"}
RETURN = "where it came from"
# Words that Mermaid reads as its own where a state's id may stand; pack names are lower case, so `S_` is free.
RESERVED = frozenset({"state", "note", "class", "style", "direction", "end", "default", "scale", "hide", "as", "click"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What to highlight: the state an episode is in, and the transitions (by id) that are open to it now."""

    state: str
    possible: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Move:
    """One arrow: a transition from a state, a group or the beginning, to what the pack says."""

    id: str
    title: str
    source: str
    targets: tuple[str, ...]


# --- Mermaid ------------------------------------------------------------------------------------------------------


def mermaid(pathway: Pathway, standing: Standing | None = None) -> str:
    """Draw a pathway as a Mermaid state diagram; every title is escaped, so a pack cannot add to the drawing."""
    moves = tuple(_moves(pathway))
    lines = ["stateDiagram-v2", "    direction TB", f"    %% {_escaped(_heading(pathway))}"]
    used = {name for move in moves for name in (move.source, *move.targets)} - set(pathway.states) - {BEGIN}
    lines += [
        f'    state "{_escaped(_name(pathway, name))}" as {_id(pathway, name)}'
        for name in (*pathway.states, *sorted(used))
    ]
    arrows: dict[tuple[str, str], list[str]] = {}
    for move in moves:
        for target in move.targets:
            ends = (_id(pathway, move.source), _id(pathway, target))
            arrows.setdefault(ends, []).append(f"{move.id} {move.title}")
    lines += [f"    {a} --> {b} : {_escaped(', '.join(labels))}" for (a, b), labels in arrows.items()]
    lines += [f"    {_id(pathway, name)} --> [*]" for name, state in pathway.states.items() if state.kind == "void"]
    if pathway.initial in pathway.states:
        lines.append(f"    note right of {_id(pathway, pathway.initial)} : {_escaped(pathway.label)}")
    lines += _mermaid_highlight(pathway, moves, standing) if standing else ()
    return "\n".join(lines) + "\n"


def _mermaid_highlight(pathway: Pathway, moves: Iterable[_Move], standing: Standing) -> Iterator[str]:
    # Line widths, not colours: they survive print, dark pages and colour-blind eyes.
    if standing.state in pathway.states:
        yield "    classDef here font-weight:bold,stroke-width:4px"
        yield f"    class {_id(pathway, standing.state)} here"
    here = [move for move in moves if move.id in standing.possible and _leaves(pathway, move, standing.state)]
    reached = {name for move in here for name in move.targets} - {standing.state}
    if reached:
        yield "    classDef possible stroke-width:2px,stroke-dasharray:4"
        yield f"    class {','.join(sorted(_id(pathway, name) for name in reached))} possible"


def _id(pathway: Pathway, name: str) -> str:
    if name == BEGIN:
        return name
    if name in pathway.states:
        return f"S_{name}" if name in RESERVED else name
    return name.upper()


def _escaped(text: str) -> str:
    """Write everything but letters, digits and harmless signs as Mermaid's numbered entities."""
    return "".join(char if char.isalnum() or char in " .,-()/'+" else f"#{ord(char)};" for char in _line(text))


# --- the ladder ---------------------------------------------------------------------------------------------------


def ladder(pathway: Pathway, standing: Standing | None = None) -> str:
    """Draw a pathway as text of at most 100 columns: the steps as rungs, what is beside them, and the ways out."""
    moves = tuple(_moves(pathway))
    steps = sorted((name for name, state in pathway.states.items() if state.step), key=lambda n: -_step(pathway, n))
    beside = [name for name, state in pathway.states.items() if not state.step and state.kind in ("open", "active")]
    closed = [name for name, state in pathway.states.items() if state.kind in ("closed", "void")]
    lines = [*_wrapped("", _heading(pathway)), *_wrapped("", pathway.label)]
    lines += _section("BEGIN", _arrows(pathway, moves, BEGIN, standing))
    lines += _section("STEPS", (line for name in steps for line in _rung(pathway, moves, name, standing)))
    lines += _section("BESIDE THE STEPS", (line for name in beside for line in _side(pathway, moves, name, standing)))
    lines += _section("FROM ANY OPEN STATE", _arrows(pathway, moves, "open", standing))
    lines += _section("CLOSED", (line for name in closed for line in _side(pathway, moves, name, standing)))
    lines += _section("FROM ANY CLOSED STATE", _arrows(pathway, moves, "closed", standing))
    lines += _section("FROM ANY STATE", _arrows(pathway, moves, "any", standing))
    legend = "▲ step up   ▼ step down   ↻ again   → other"
    if standing:
        legend += "   ● here   * open now"
    return "\n".join([*lines, "", legend]) + "\n"


def _section(title: str, lines: Iterable[str]) -> list[str]:
    body = list(lines)
    return ["", title, *body] if body else []


def _rung(pathway: Pathway, moves: tuple[_Move, ...], name: str, standing: Standing | None) -> Iterator[str]:
    lead = f"  {_dot(name, standing)} {pathway.states[name].step} ╞══ "
    yield from _wrapped(lead, _named(pathway, name), "      │   ")
    yield from _arrows(pathway, moves, name, standing, "      │ ")


def _side(pathway: Pathway, moves: tuple[_Move, ...], name: str, standing: Standing | None) -> Iterator[str]:
    yield from _wrapped(f"  {_dot(name, standing)} ", _named(pathway, name))
    yield from _arrows(pathway, moves, name, standing)


def _arrows(
    pathway: Pathway, moves: tuple[_Move, ...], source: str, standing: Standing | None, edge: str = "      "
) -> Iterator[str]:
    """Write a line for each move from a state or group; `*` marks those open to the episode from there."""
    for move in moves:
        if move.source != source:
            continue
        taken = standing is not None and move.id in standing.possible and _leaves(pathway, move, standing.state)
        lead = f"{edge}{'*' if taken else ' '} {_sign(pathway, move)} "
        targets = "; ".join(_name(pathway, name) for name in move.targets)
        yield from _wrapped(lead, f"{move.id} {move.title}: to {targets}", edge)


def _dot(name: str, standing: Standing | None) -> str:
    return "●" if standing and standing.state == name else "○"


def _named(pathway: Pathway, name: str) -> str:
    return f"{pathway.states[name].title} ({name})"


def _sign(pathway: Pathway, move: _Move) -> str:
    if move.targets == (move.source,):
        return "↻"
    here, there = _step(pathway, move.source), {_step(pathway, name) for name in move.targets}
    if not here or 0 in there:
        return "→"
    return "▲" if min(there) > here else "▼" if max(there) < here else "→"


def _wrapped(lead: str, text: str, edge: str = "") -> list[str]:
    """Break a line at 100 columns; what goes over stands under the text, not under its sign."""
    under = edge + " " * (len(lead) - len(edge))
    return textwrap.wrap(_line(text), WIDTH, initial_indent=lead, subsequent_indent=under) or []


# --- both ---------------------------------------------------------------------------------------------------------


def _moves(pathway: Pathway) -> Iterator[_Move]:
    """Give every transition once for each place it starts from, in the pack's order."""
    for key, transition in pathway.transitions.items():
        for source in transition.source or (BEGIN,):
            targets = _targets(pathway, transition, source)
            if targets:
                yield _Move(key, _line(transition.title), source, targets)


def _targets(pathway: Pathway, transition: Transition, source: str) -> tuple[str, ...]:
    """Give where a transition leads from one of its sources.

    One that names several steps on both ends (*step down* from 4, 3, 2 to 3, 2, 1) goes the way most of its pairs
    go: 2 to 3 is legal for the machine and refused by the rules, and would only mislead in a picture.
    """
    targets = transition.target
    pairs = [(_step(pathway, a), _step(pathway, b)) for a in transition.source for b in targets]
    if len(targets) == 1 or len(transition.source) == 1 or not all(a and b for a, b in pairs):
        return targets
    ups, downs = sum(b > a for a, b in pairs), sum(b < a for a, b in pairs)
    here = _step(pathway, source)
    return tuple(name for name in targets if ups == downs or (_step(pathway, name) - here) * (ups - downs) > 0)


def _leaves(pathway: Pathway, move: _Move, state: str) -> bool:
    kind = pathway.states[state].kind if state in pathway.states else ""
    kinds = {"open": ("open", "active"), "closed": ("closed",), "any": ("open", "active", "closed")}
    return move.source == state or (move.source not in pathway.states and kind in kinds.get(move.source, ()))


def _step(pathway: Pathway, name: str) -> int:
    return (pathway.states[name].step or 0) if name in pathway.states else 0


def _name(pathway: Pathway, name: str) -> str:
    if name not in pathway.states:
        return GROUPS.get(name, RETURN)
    state, title = pathway.states[name], _line(pathway.states[name].title)
    return title if state.step is None or str(state.step) in title else f"{state.step} {title}"


def _heading(pathway: Pathway) -> str:
    return f"{pathway.title}, version {pathway.version} ({pathway.status})"


def _line(text: str) -> str:
    """Keep a text on one line, and a terminal from reading orders in it."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
