"""The store as it looks while people come in many at a time: whoever is registered goes to the vault just before.

Each is decided once, on nothing but what is asked; then those whose registration is to be kept are added to the vault
in one commit, and their decisions to the log in the next. Who is refused leaves no name behind.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from engine.closing import Closing
from engine.decision import Decision
from engine.errors import Refused
from engine.model import Command, Episode, Outcome, Person, Site
from engine.service import Applied, Change, Seen
from storage.store import Store
from storage.vault import Details


class NotRegistered(Refused):
    """Somebody new was refused by a rule: nothing is kept yet, as there is nobody to seal it for."""

    def __init__(self, decision: Decision) -> None:
        """Keep the decision."""
        self.decision = decision
        super().__init__(f"Not registered: {', '.join(decision.failed)}.")


class Newcomers:
    """A store for one who registers; not for several threads."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        """Stand in front of `store`."""
        self._store, self._clock = store, clock
        self._coming: Mapping[str, Details] = {}
        self._here: set[str] = set()

    def expect(self, people: Mapping[str, Details]) -> None:
        """Say who comes next, by reference."""
        self._coming = people
        self._here = set(self._store.database.vault.names(people))

    def person(self, person: str) -> Person:
        """Give a person as they are now; somebody expected who is not here yet has nothing behind them."""
        if person in self._coming and person not in self._here:
            return Person(id=person)
        return self._store.person(person)

    def apply(self, changes: Sequence[Change]) -> Sequence[Applied]:
        """Keep decisions as the store does. `error` is NotRegistered for those that are refused."""
        done: dict[int, Applied] = {}
        kept: dict[int, Change] = {}
        for position, change in enumerate(changes):
            if change.decision.outcome is Outcome.ACCEPTED or _ref_of(change) not in self._coming:
                kept[position] = change
            else:
                done[position] = Applied(index=None, error=NotRegistered(change.decision))
        # If we die after this, their keys wait unused until the same is asked again.
        new = {position: _ref_of(one) for position, one in kept.items() if _ref_of(one) in self._coming}
        errors = self._store.database.vault.add_people(
            [(ref, self._coming[ref]) for ref in new.values()], self._clock()
        )
        for position, error in zip(new, errors, strict=True):
            if error is not None:
                done[position] = Applied(index=None, error=error)
                del kept[position]
        self._here.update(_ref_of(one) for one in kept.values())
        done.update(zip(kept, self._store.apply(list(kept.values())), strict=True))
        return [done[position] for position in range(len(changes))]

    # --- as it is -----------------------------------------------------------------------------------------------------

    def look(self, command: Command) -> Seen:
        """Give what a command is about as it is now."""
        return self._store.look(command)

    def site(self) -> Site:
        """Give the site as it is now."""
        return self._store.site()

    def episode(self, episode: str) -> Episode:
        """Give an episode as it is now; raises NotFound."""
        return self._store.episode(episode)

    def closing(self, person: str) -> Closing:
        """Give the entries about a person so far."""
        return self._store.closing(person)

    def pack(self, sha256: str) -> bytes:
        """Give the bytes of a published pack; raises NotFound."""
        return self._store.pack(sha256)

    def decision(self, index: int) -> Decision:
        """Give the decision an entry keeps; raises NotFound."""
        return self._store.decision(index)

    def due_timers(self, now: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Give (episode, timer) of armed timers whose instant has come, the earliest first."""
        return self._store.due_timers(now, limit)


def _ref_of(change: Change) -> str:
    return change.before.person.id if isinstance(change.before, Episode) else ""
