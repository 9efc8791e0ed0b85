"""What checking found: the outcome, the first bad entry and the reason, and what was not checked."""

from dataclasses import dataclass, field

from stepcare.verifier.outcome import NotVerified, Outcome

MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it should be. `index` and `id`: of the entry; None: it is about the log as a whole."""

    outcome: Outcome
    reason: str
    index: int | None = None
    id: str | None = None


@dataclass(slots=True, kw_only=True)
class Report:
    """Filled while checking. `origin` and `root` None: not known. `seconds`: how long it took.

    `anchored`: something that whoever holds the files did not give spoke for them, a key or a kept checkpoint; while it
    is false, `lacks` says what did not.
    """

    what: str
    origin: str | None = None
    entries: int = 0
    root: bytes | None = None
    checked: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    more: int = 0
    anchored: bool = False
    lacks: str = "nobody's key or kept checkpoint was given"
    not_checked: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, error: NotVerified, index: int | None = None, id_: str | None = None) -> None:
        """Add a finding; after the first hundred of an outcome they are only counted."""
        if sum(one.outcome is error.outcome for one in self.findings) < MOST:
            self.findings.append(Finding(outcome=error.outcome, reason=str(error), index=index, id=id_))
        else:
            self.more += 1

    def count(self, what: str, number: int = 1) -> None:
        """Count something that was checked."""
        self.checked[what] = self.checked.get(what, 0) + number

    def skip(self, what: str) -> None:
        """Name something that was not checked."""
        if what not in self.not_checked:
            self.not_checked.append(what)

    @property
    def outcome(self) -> Outcome:
        """Give the outcome: the gravest of the findings, tampered before unverifiable before absent."""
        found = {one.outcome for one in self.findings}
        for grave in (Outcome.TAMPERED, Outcome.UNVERIFIABLE, Outcome.ABSENT):
            if grave in found:
                return grave
        return Outcome.VERIFIED

    @property
    def first(self) -> Finding | None:
        """Give the finding with the lowest entry of the gravest kind; None: there is none."""
        grave = [one for one in self.findings if one.outcome is self.outcome]
        return min(grave, key=lambda one: (one.index is None, one.index or 0), default=None)
