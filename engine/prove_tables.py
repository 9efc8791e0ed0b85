"""The proof of a decision table: every patient gets exactly one answer, or a finding shows who does not.

The search halves the space of patients on one question at a time until each part is settled: one row is true and
no other can be, or it is a finding. Parts that a `never` condition excludes are left out. Which row comes first
never matters.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from engine.condition_tree import Node
from engine.errors import Finding
from engine.facts import Type
from engine.machine import sources_of, targets_of
from engine.pathway import Pathway, Table
from engine.prove_cells import TRUE, Cells, Formula, Variable
from engine.prove_formula import Extent, Space

MOST_PARTS = 10**6
MOST_GAPS = 5  # of one table; the rest are mostly the same patient again
MOST_NODES = 20_000  # of one table's conditions with all definitions written out
NO_MOVE = ("ask", "none")
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be proved: a table's parsed rows, and what they may refer to.

    `never` holds the patients who cannot be. `most` bounds the search.
    """

    name: str
    table: Table
    rows: tuple[Node, ...]
    never: tuple[Node, ...]
    definitions: Mapping[str, Node]
    types: Mapping[str, Type]
    most: int = MOST_PARTS


def prove_table(pathway: Pathway, question: Question) -> list[Finding]:
    """Prove one table total, without overlap and, if it names transitions, legal; gives what stands against it."""
    extent = Extent(definitions=question.definitions)
    found = [extent.of(row) for row in question.rows]
    never = _touching(question.never, frozenset().union(*(one[2] for one in found)), extent)
    if sum(one[0] for one in (*found, *map(extent.of, never))) > MOST_NODES:
        return [_unproved(question, "its definitions, written out, are too long")]
    space = Space(types=question.types, definitions=question.definitions)
    rows = tuple(space.formula(row) for row in question.rows)
    excluded = tuple(space.formula(one) for one in never)
    aimed = frozenset(row for row, one in enumerate(found) if "move.to" in one[2])
    legal = _Legal.of(pathway, space, aimed) if question.table.kind == "means" else None
    start = space.settle()
    search = _Search(
        question=question, variables=tuple(space.variables.values()), rows=rows, never=excluded, legal=legal
    )
    return search.run(start)


def _touching(never: tuple[Node, ...], facts: frozenset[str], extent: Extent) -> tuple[Node, ...]:
    """Choose the `never` conditions that say something of these facts, directly or by way of each other.

    One about other facts can only exclude everybody or nobody; it would but clutter the examples.
    """
    chosen: tuple[Node, ...] = ()
    while True:
        more = tuple(one for one in never if extent.of(one)[2] & facts)
        if more == chosen:
            return chosen
        chosen = more
        facts = facts.union(*(extent.of(one)[2] for one in chosen))


def _unproved(question: Question, why: str) -> Finding:
    message = f"{question.name} is not proved: {why}. Use fewer or simpler questions, or split the table."
    return Finding(code="not-proved", message=message, path=("tables", question.name, "rows"))


@dataclass(slots=True, kw_only=True)
class _Search:
    """One table's proof while it runs."""

    question: Question
    variables: tuple[Variable, ...]
    rows: tuple[Formula, ...]
    never: tuple[Formula, ...]
    legal: "_Legal | None"
    findings: list[Finding] = field(default_factory=list)
    gaps: int = 0
    seen: set[object] = field(default_factory=set)
    matched: set[int] = field(default_factory=set)

    def run(self, start: Cells) -> list[Finding]:
        """Search all patients; a part waits with the rows that may still be true in it."""
        waiting: list[tuple[Cells, tuple[int, ...]]] = [(start, tuple(range(len(self.rows))))]
        parts = 0
        while waiting:
            parts += 1
            if parts > self.question.most:
                return [*self.findings, _unproved(self.question, f"{self.question.most} cases are not enough")]
            cells, alive = waiting.pop()
            left = [(row, self.rows[row].left(cells)) for row in alive]
            alive = tuple(row for row, answers in left if answers & TRUE)
            true = tuple(row for row, answers in left if answers == TRUE)
            split_on = self._open(cells, alive, true)
            if split_on is not None:
                waiting += [(part, alive) for part in _halves(cells, split_on)]
        self._unused()
        return self.findings

    def _open(self, cells: Cells, alive: tuple[int, ...], true: tuple[int, ...]) -> Formula | None:
        """Give the formula to split on, None when this part is settled (its finding, if any, is then noted)."""
        if any(one.left(cells) == TRUE for one in self.never):
            return None
        if len(true) < 2:
            undecided = next((row for row in alive if row not in true), None)
            if undecided is not None:
                return self.rows[undecided]
        wrong = list(self._wrong(cells, true))
        if wrong:
            # Before it counts, the patient must be possible: not perhaps one of those who never are.
            doubtful = next((one for one in self.never if one.left(cells) & TRUE), None)
            if doubtful is not None:
                return doubtful
        self.matched |= set(true)
        for one in wrong:
            self._note(one)
        return None

    def _wrong(self, cells: Cells, true: tuple[int, ...]) -> Iterator["_Wrong"]:
        name = self.question.name
        if not true:
            message = f"{name} has no answer for this patient: add a row, or say in `never` why there is none."
            yield _Wrong(key=cells, code="gap", message=message, where=(), cells=cells)
        for place, one in enumerate(true):
            for other in true[place + 1 :]:
                answers = f"{self._then(one)} and {self._then(other)}"
                message = f"{name} has two answers for this patient, rows {one + 1} and {other + 1} ({answers})."
                yield _Wrong(key=(one, other), code="overlap", message=message, where=(other, "when"), cells=cells)
        if len(true) == 1 and self.legal is not None:
            row = true[0]
            for state, target in self.legal.broken(row, self._then(row), cells):
                way = f"from {state}" if target is None else f"from {state} to {target}"
                yield _Wrong(
                    key=(row, state) if target is None else (row,),
                    code="illegal-answer",
                    message=f"{name} answers {self._then(row)} {way}, which that transition does not permit.",
                    where=(row, "then"),
                    cells=self.legal.narrowed(cells, state, target),
                )

    def _note(self, wrong: "_Wrong") -> None:
        gap = wrong.code == "gap"
        if wrong.key in self.seen or (gap and self.gaps == MOST_GAPS):
            return
        self.seen.add(wrong.key)
        self.gaps += gap
        example = {one.label: one.shown(wrong.cells[one.index]) for one in self.variables}
        path = ("tables", self.question.name, "rows", *wrong.where)
        self.findings.append(Finding(code=wrong.code, message=wrong.message, path=path, example=example))

    def _then(self, row: int) -> str:
        return self.question.table.rows[row].then

    def _unused(self) -> None:
        if any(finding.code == "overlap" for finding in self.findings):
            return  # where two rows are true the search stops looking for a third
        for row in range(len(self.rows)):
            if row not in self.matched:
                message = f"row {row + 1} of {self.question.name} can never be the answer: remove or correct it."
                path = ("tables", self.question.name, "rows", row, "when")
                self.findings.append(Finding(code="dead-row", message=message, path=path))


def _halves(cells: Cells, formula: Formula) -> Iterator[Cells]:
    """Divide a part on the first open question of a formula, by its answers."""
    test = formula.split(cells)
    if test is None:  # cannot be: a formula whose questions are all settled is settled
        raise AssertionError(formula)
    place = test.variable.index
    for mask in test.masks:
        if cells[place] & mask:
            yield (*cells[:place], cells[place] & mask, *cells[place + 1 :])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wrong:
    """Something wrong in a part of the search, before it is known whether such a patient can be."""

    key: object
    code: str
    message: str
    where: Path
    cells: Cells


@dataclass(frozen=True, slots=True, kw_only=True)
class _Legal:
    """What the machine permits: for each transition the states it may start from and lead to.

    Only the rows `aimed` at a target by their own condition answer for it; elsewhere the machine has the last word.
    """

    state: Variable
    target: Variable
    edges: Mapping[str, tuple[frozenset[str], frozenset[str]]]
    aimed: frozenset[int]

    @classmethod
    def of(cls, pathway: Pathway, space: Space, aimed: frozenset[int]) -> "_Legal":
        """Read the pathway's transitions."""
        edges = {
            key: (frozenset(sources_of(pathway, one)), frozenset(targets_of(pathway, one)))
            for key, one in pathway.transitions.items()
        }
        return cls(state=space.fact("state"), target=space.fact("move.to"), edges=edges, aimed=aimed)

    def broken(self, row: int, then: str, cells: Cells) -> Iterator[tuple[str, str | None]]:
        """Give each state, or state and target, that an answer does not fit."""
        if then not in self.edges:
            return
        sources, targets = self.edges[then]
        for state in _values(self.state, cells):
            if state not in sources:
                yield str(state), None
                continue
            for target in _values(self.target, cells) if row in self.aimed else ():
                if target is not None and target not in targets:
                    yield str(state), str(target)

    def narrowed(self, cells: Cells, state: str, target: str | None) -> Cells:
        """Give the cells of just this state and target."""
        found = list(cells)
        found[self.state.index] = 1 << self.state.cells.index(state)
        if target is not None:
            found[self.target.index] = 1 << self.target.cells.index(target)
        return tuple(found)


def _values(variable: Variable, cells: Cells) -> Sequence[object]:
    return [value for place, value in enumerate(variable.cells) if cells[variable.index] >> place & 1]
