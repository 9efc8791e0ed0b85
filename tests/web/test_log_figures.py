"""What an alarm reads of the log: how long it is, how far it is sealed and witnessed, and since when."""

import os
from pathlib import Path

from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import Note
from tests.web.conftest import House


def figures(house: House, log: str = "decisions") -> dict[str, float]:
    """Read the figures of one log, as Prometheus does."""
    lines = house.get("ann", "/metrics").text.splitlines()
    mine = [line for line in lines if line.startswith("stepcare_log_") and f'log="{log}"' in line]
    return {line.partition("{")[0].removeprefix("stepcare_log_"): float(line.rpartition(" ")[2]) for line in mine}


def folder(house: House) -> Path:
    """Give the published folder."""
    found = house.web.service().published
    assert found is not None
    return found


def sealed_at(house: House, ago: int) -> None:
    """Have both files of the published folder be so many seconds old."""
    at = house.clock().timestamp() - ago
    for name in ("checkpoint", "witnessed"):
        if (folder(house) / name).exists():
            os.utime(folder(house) / name, (at, at))


def test_how_far_the_log_is_sealed_is_counted(own_house: House) -> None:
    """The log may be longer than its checkpoint; the checkpoint has an age, which grows without a sealer."""
    note = Note.parse((folder(own_house) / "checkpoint").read_bytes())
    sealed_at(own_house, 40)

    found = figures(own_house)

    assert found["sealed_size"] == Checkpoint.parse(note.text).size
    assert found["size"] >= found["sealed_size"]
    assert found["sealed_age_seconds"] == 40
    assert "witnessed_size" not in found


def test_how_far_witnesses_have_seen_it_is_counted_once_they_have(own_house: House) -> None:
    """An outage is two figures that stand still while the others go on."""
    (folder(own_house) / "witnessed").write_bytes((folder(own_house) / "checkpoint").read_bytes())
    sealed_at(own_house, 7200)

    found = figures(own_house)

    assert (found["witnessed_size"], found["witnessed_age_seconds"]) == (found["sealed_size"], 7200)


def test_a_spoilt_checkpoint_has_no_figure(own_house: House) -> None:
    """An alarm on a missing figure is better than a figure nobody signed; the rest is told all the same."""
    (folder(own_house) / "checkpoint").write_bytes(b"\xff")

    found = figures(own_house)

    assert "sealed_size" not in found
    assert found["size"] > 0


def test_the_log_of_reads_has_figures_of_its_own(own_house: House) -> None:
    """It is another log, with another length."""
    assert "size" in figures(own_house, "access")
