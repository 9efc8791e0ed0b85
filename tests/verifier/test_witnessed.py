"""The file `witnessed` beside a published checkpoint: the latest that enough witnesses had seen, in the sealer's words."""

from pathlib import Path

import pytest

from stepcare.verifier.outcome import Outcome
from stepcare.verifier.report import Report
from tests.verifier.logs import (
    ORIGIN,
    OTHER,
    PEN,
    WITNESSES,
    Pen,
    canonical,
    checked,
    checkpoint,
    entries,
    note,
    publish,
    small,
    tree,
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Give a published log of 600 entries that witnesses last saw at 300."""
    publish(tmp_path / "log", small(), PEN)
    (tmp_path / "log/witnessed").write_bytes(checkpoint(small()[:300], PEN, WITNESSES[0]))
    return tmp_path / "log"


def words(report: Report) -> str:
    """Give all reasons."""
    return " ".join(one.reason for one in report.findings)


@pytest.mark.parametrize("size", [1, 256, 300, 600])
def test_what_witnesses_saw_is_part_of_the_log(size: int, log: Path) -> None:
    """It is read, held against the root at its size, and counted; no stray file, and no checkpoint kept elsewhere."""
    (log / "witnessed").write_bytes(checkpoint(small()[:size], PEN, WITNESSES[0]))

    report = checked(log)

    assert report.outcome is Outcome.VERIFIED
    assert report.checked["witnessed checkpoints"] == 1
    assert "kept checkpoints" not in report.checked
    assert not any("no part of a log" in one for one in report.not_checked)
    assert any("no checkpoint kept elsewhere" in one for one in report.not_checked)


def test_another_history_than_witnesses_saw_is_tampering(log: Path) -> None:
    """The log's first 300 entries are not those they cosigned."""
    (log / "witnessed").write_bytes(checkpoint(entries(300, e1={"outcome": "refused"}), PEN, WITNESSES[0]))

    report = checked(log)

    assert report.outcome is Outcome.TAMPERED
    assert "witnessed" in words(report)
    assert "written anew" in words(report)


@pytest.mark.parametrize("data", [b"", b"x", b"\xff", b"a\nb\nc\n\n\xe2\x80\x94 d e\n"])
def test_a_file_of_that_name_that_is_no_checkpoint_is_tampering(data: bytes, log: Path) -> None:
    """The sealer writes whole notes only."""
    (log / "witnessed").write_bytes(data)

    assert checked(log).outcome is Outcome.TAMPERED


def test_one_of_another_log_is_tampering(log: Path) -> None:
    """It was put there."""
    (log / "witnessed").write_bytes(checkpoint(small()[:300], PEN, origin="another.example/log"))

    assert checked(log).outcome is Outcome.TAMPERED


def test_one_that_goes_further_than_the_checkpoint_is_not_passed_over(log: Path) -> None:
    """A sealer at work writes it a moment before the checkpoint; or the checkpoint was put back to an older one."""
    (log / "witnessed").write_bytes(note(601, tree([bytes(32)]), PEN, WITNESSES[0]))

    report = checked(log)

    assert report.outcome is Outcome.UNVERIFIABLE
    assert "601" in words(report)


@pytest.mark.parametrize(
    ("pen", "outcome"), [(PEN, Outcome.VERIFIED), (OTHER, Outcome.UNVERIFIABLE)], ids=["ours", "not ours"]
)
def test_its_signature_is_looked_at(pen: Pen, outcome: Outcome, log: Path) -> None:
    """As that of the checkpoint."""
    (log / "witnessed").write_bytes(checkpoint(small()[:300], pen))

    assert checked(log).outcome is outcome


def test_a_signature_that_fails_is_tampering(log: Path) -> None:
    """Of a key that was given."""
    whole = checkpoint(small()[:300], PEN)
    (log / "witnessed").write_bytes(whole.replace(b"\n300\n", b"\n301\n"))

    assert checked(log).outcome is Outcome.TAMPERED


def test_the_log_of_reads_has_its_own(tmp_path: Path) -> None:
    """`access/witnessed` is that of the log in `access/`."""
    reads = [
        canonical({"v": "stepcare/access/1", "id": f"r{index}", "idx": index, "type": "read.log"}) for index in range(5)
    ]
    folder = publish(tmp_path / "log/access", reads, PEN, origin=f"{ORIGIN}/access")
    publish(tmp_path / "log", small())
    (folder / "witnessed").write_bytes(checkpoint(reads[:3], origin=f"{ORIGIN}/access"))

    assert checked(folder, keys=()).checked["witnessed checkpoints"] == 1
    assert checked(tmp_path / "log").outcome is Outcome.VERIFIED

    (folder / "witnessed").write_bytes(checkpoint(reads[1:4], origin=f"{ORIGIN}/access"))

    assert checked(folder, keys=()).outcome is Outcome.TAMPERED
