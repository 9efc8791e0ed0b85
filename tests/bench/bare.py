"""One process of ours that keeps no log: the arm beside which the log's price is measured.

It decides and explains, keeps the episode, the due work and the messages in the same commit, and seals the person's
own state. What it leaves out is the log alone: sealed sections, entry, head, tree, and the triggers that demand them.
"""

import sys
from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam
from sqlalchemy.dialects.sqlite import insert as upsert_into

import storage.prepare
import storage.store
from engine.model import Json, Site
from storage.commit import Commit, Ready
from storage.rows import Moment, episode_row
from storage.seal import DataKey, Place, Random, seal
from storage.tables import TABLES, compiled
from tests.bench.caller import main

EPISODE = TABLES["episode"]
_ADDED = upsert_into(EPISODE).values({one.name: bindparam(one.name) for one in EPISODE.columns})
PUT_EPISODE = compiled(
    _ADDED.on_conflict_do_update(
        index_elements=["id"],
        set_={one.name: _ADDED.excluded[one.name] for one in EPISODE.columns if not one.primary_key},
    )
)


class Bare(Commit):
    """The steps of one transaction, without the log."""

    def append(self, ready: Sequence[Ready]) -> list[int]:
        """Put the episodes' rows down, with nothing that says why."""
        (last,) = self._connection.execute("SELECT n - 1 FROM audit_head").fetchone()
        rows = []
        for one in ready:
            after, change = one.prepared.change.after, one.prepared.change
            if not isinstance(after, Site):
                moment = Moment(idx=last, at=change.decision.now, derived=change.decision.derived)
                rows.append(episode_row(after, change.person_after or after.person, moment, one.row))
        self._each(PUT_EPISODE, rows)
        return [last] * len(ready)


def _only_persons(
    sections: Mapping[str, Json], key: DataKey, place: Place, random: Random
) -> tuple[dict[str, str], bytes]:
    return seal(sections, key, place, random) if "person" in sections else ({}, b"")


if __name__ == "__main__":
    storage.store.Commit = Bare  # type: ignore[attr-defined]
    storage.prepare.seal = _only_persons  # type: ignore[attr-defined]
    storage.prepare.sections_of = lambda *_: {}  # type: ignore[attr-defined]
    main(*sys.argv[1:])
