"""What a retention run may take from the log of reads: only what is sealed already.

The sealer reads entries from where it stopped. One that was taken away before it was published would stop it for good,
and nobody could ever tell whether it had been there. So the run ends before the first read that is not sealed.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stepcare.app import App
from stepcare.custody import Run
from stepcare.publish.folder import Folder
from storage.access_runs import oldest_from
from storage.retention import old_reads

READS = "reads"
BELOW = "access"  # where the log of reads is published, below the published folder


def sealed_reads(published: Path | None) -> int:
    """Give how many reads the published checkpoint speaks of; 0 where nothing is published, or nobody says where."""
    stated = Folder(published / BELOW).checkpoint() if published is not None else None
    return stated.size if stated is not None else 0


def only_sealed(app: App, runs: Sequence[Run], published: Path | None) -> tuple[list[Run], int]:
    """Give the runs without the reads that are not sealed yet, and how many of the reads due stay for that."""
    held, found = 0, []
    oldest = oldest_from(app.database, sealed_reads(published))
    for run in runs:
        if run.rule.what != READS or oldest is None or oldest >= run.before:
            found.append(run)
            continue
        until, count = old_reads(app.database, oldest)
        held += run.count - count
        found.append(replace(run, before=until, count=count))
    return found, held
