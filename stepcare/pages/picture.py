"""A pathway as a picture: where an episode was, is, and may go next. graphlay finds the places; the drawing is ours."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import graphlay

from engine.model import Episode
from engine.pathway import Pathway

WIDTH, HEIGHT, LETTER = 150, 38, 7.0  # of a box, and of a letter in it, in the picture's own units
MARGIN = 8
GROUPS = ("open", "closed", "any", "return_to")


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A state: its middle, its width, its words, and its standing (done, current, next, or empty)."""

    x: float
    y: float
    width: float
    title: str
    standing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An arrow: its corners as SVG has them, and its standing (done, next, or empty)."""

    points: str
    standing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A drawing: its box as SVG has it, the states, the arrows, and the same in words."""

    view_box: str
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    said: tuple[tuple[str, str], ...]


def drawn(pathway: Pathway, sha256: str, episode: Episode | None, possible: frozenset[str]) -> Picture:
    """Draw a pathway; `possible` are the states that are open to the episode now.

    Of the ends only those are drawn that are near: where the episode is or has been.
    """
    been = [stay.state for stay in episode.stays] if episode else []
    ends = frozenset(been) if episode else frozenset(pathway.states)
    _, positions, lines, view_box = _laid_out(sha256, _shape(pathway, ends))
    current = episode.state if episode else ""
    steps = set(pairwise(been))

    def standing(state: str) -> str:
        return "current" if state == current else "next" if state in possible else "done" if state in been else ""

    def along(ends: tuple[str, str]) -> str:
        return "done" if ends in steps else "next" if ends[0] == current and ends[1] in possible else ""

    boxes = tuple(
        Box(
            x=x,
            y=y,
            width=_width(pathway.states[name].title),
            title=pathway.states[name].title,
            standing=standing(name),
        )
        for name, (x, y) in positions
    )
    words = {"current": "now here", "next": "possible next", "done": "has been here", "": ""}
    said = tuple((one.title, words[one.standing]) for one in boxes if one.standing)
    return Picture(
        view_box=view_box,
        boxes=boxes,
        lines=tuple(Line(points=points, standing=along(ends)) for ends, points in lines),
        said=said,
    )


_Shape = tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]
_Laid = tuple[str, tuple[tuple[str, tuple[float, float]], ...], tuple[tuple[tuple[str, str], str], ...], str]


def _shape(pathway: Pathway, ends: frozenset[str]) -> _Shape:
    states = tuple(
        (name, one.title)
        for name, one in pathway.states.items()
        if one.kind in ("open", "active") or (one.kind == "closed" and name in ends)
    )
    there = {name for name, _ in states}
    return states, tuple(dict.fromkeys(pair for pair in _edges(pathway) if there.issuperset(pair)))


def _edges(pathway: Pathway) -> Iterator[tuple[str, str]]:
    """Give the arrows between single states; what leads from everywhere would hide the few that matter."""
    for one in pathway.transitions.values():
        for source in one.source:
            for target in one.target:
                named = source not in GROUPS and target not in GROUPS
                if (
                    named
                    and source != target
                    and "void" not in (pathway.states[source].kind, pathway.states[target].kind)
                ):
                    yield source, target


@cache
def _laid_out(sha256: str, shape: _Shape) -> _Laid:
    """Lay a pathway out; a published one never changes, so it is done once."""
    states, edges = shape
    graph = graphlay.Graph()
    order = {name: place for place, (name, _) in enumerate(states)}
    for name, title in states:
        graph.node(name, width=_width(title), height=HEIGHT)
    for source, target in edges:
        # Every arrow is laid out downwards, so that the pack's own order is the ladder's; one that leads back is turned.
        graph.edge(*sorted((source, target), key=order.__getitem__))
    found = graphlay.layout(
        graph, preset="process_map", options={"spacing": {"layer_gap": 40.0, "node_gap": 26.0, "dummy_gap": 14.0}}
    ).to_dict()
    low, high = found["bounds"]["min"], found["bounds"]["max"]
    left, top = low["x"] - MARGIN, low["y"] - MARGIN
    view_box = f"{left:.0f} {top:.0f} {high['x'] - left + MARGIN:.0f} {high['y'] - top + MARGIN:.0f}"
    positions = tuple(
        (name, (round(node["center"]["x"], 1), round(node["center"]["y"], 1)))
        for (name, _), node in zip(states, found["nodes"], strict=True)
    )
    lines = tuple(
        (ends, " ".join(f"{point['x']:.1f},{point['y']:.1f}" for point in edge["points"]))
        for ends, edge in zip(edges, found["edges"], strict=True)
    )
    return sha256, positions, lines, view_box


def _width(title: str) -> float:
    return max(WIDTH, len(title) * LETTER + 20)
