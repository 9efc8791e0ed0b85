"""The attackers' table, with the attacks that pass: nobody shall think that a log proves itself.

Each attack is made on a log of 600 entries by somebody who has the files, and perhaps the log's key. Each is then looked
at with more and more in the auditor's hands: nothing, the log's public key, a checkpoint kept when the log had 300
entries, one kept at 600, and a policy with a witness (whose key the attacker never has).
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from stepcare.verifier.asked import Asked
from stepcare.verifier.check import check
from stepcare.verifier.kept import Kept, Trust
from stepcare.verifier.outcome import Outcome
from stepcare.verifier.policy import Policy
from tests.verifier.logs import (
    OTHER,
    PEN,
    WITNESSES,
    Entries,
    Pen,
    canonical,
    checkpoint,
    entries,
    leaf,
    publish,
    small,
)

WITNESS = WITNESSES[0]
POLICY = Policy.parse(f"log {PEN.key}\nwitness w {WITNESS.key}\nquorum w\n".encode())
PASS, TAMPERED, UNSURE = Outcome.VERIFIED, Outcome.TAMPERED, Outcome.UNVERIFIABLE


def rechained(log: Sequence[bytes]) -> Entries:
    """Give every entry its place and its predecessor again, as a careful attacker does."""
    found: Entries = []
    last: dict[str, tuple[int, str]] = {}
    for index, data in enumerate(log):
        entry = json.loads(data)
        number, previous = last.get(entry["ep"], (0, ""))
        entry |= {"idx": index, "epn": number}
        entry.pop("prev", None)
        if previous:
            entry["prev"] = previous
        again = canonical(entry)
        last[entry["ep"]] = (number + 1, leaf(again).hex())
        found.append(again)
    return found


def rewritten(log: Entries) -> Entries:
    """Change what entry 123 says, and nothing else."""
    return [*log[:123], log[123].replace(b'"accepted"', b'"refused"'), *log[124:]]


def deleted(log: Entries) -> Entries:
    """Take entry 123 out."""
    return log[:123] + log[124:]


def reordered(log: Entries) -> Entries:
    """Let entries 123 and 124 change places."""
    return [*log[:123], log[124], log[123], *log[125:]]


def back_dated(log: Entries) -> Entries:
    """Put an entry in that seems to be old."""
    return [*log[:123], log[122].replace(b'"019e726c', b'"019e726d'), *log[123:]]


def cut(log: Entries) -> Entries:
    """Take the last hundred away."""
    return log[:500]


@dataclass(frozen=True)
class Attack:
    """What is done, with what, and what each auditor then sees.

    `signs`: who signs the false checkpoint; None: the old one is left there. `careful`: the chains are made to fit.
    """

    does: Callable[[Entries], Entries]
    signs: Pen | None
    careful: bool
    bare: Outcome
    with_key: Outcome
    with_kept_300: Outcome
    with_kept_600: Outcome
    with_witness: Outcome


T, P, U = TAMPERED, PASS, UNSURE
ATTACKS = {
    # Without the log's key: a vkey is enough, and even without it the old checkpoint gives the change away.
    "rewritten, old checkpoint left": Attack(rewritten, None, True, T, T, T, T, T),
    "deleted, old checkpoint left": Attack(deleted, None, True, U, U, T, U, U),
    "cut, old checkpoint left": Attack(cut, None, True, U, U, U, U, U),
    "rewritten, signed with another key": Attack(rewritten, OTHER, True, P, U, T, T, U),
    "cut, signed with another key": Attack(cut, OTHER, True, P, U, U, T, U),
    # With the log's key, but careless: the entries' own numbers and chains give it away.
    "rewritten with key, chains left": Attack(rewritten, PEN, False, T, T, T, T, T),
    "deleted with key, chains left": Attack(deleted, PEN, False, T, T, T, T, T),
    "reordered with key, chains left": Attack(reordered, PEN, False, T, T, T, T, T),
    "back-dated with key, chains left": Attack(back_dated, PEN, False, T, T, T, T, T),
    # With the log's key, and careful: the log agrees with itself. Only what is kept elsewhere tells.
    "rewritten with key": Attack(rewritten, PEN, True, P, P, T, T, U),
    "deleted with key": Attack(deleted, PEN, True, P, P, T, T, U),
    "reordered with key": Attack(reordered, PEN, True, P, P, T, T, U),
    "back-dated with key": Attack(back_dated, PEN, True, P, P, T, T, U),
    # An earlier checkpoint knows nothing of the end.
    "cut with key": Attack(cut, PEN, True, P, P, P, T, U),
}


@pytest.fixture(scope="module")
def honest() -> Entries:
    """Give the log as it was."""
    return list(small())


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_who_sees_which_attack(attack: Attack, honest: Entries, tmp_path: Path) -> None:
    """The table above, cell by cell; a pass in it is a promise we do not make."""
    false = attack.does(honest)
    false = rechained(false) if attack.careful else false
    publish(tmp_path, false, *([attack.signs] if attack.signs else ()))
    if attack.signs is None:
        (tmp_path / "checkpoint").write_bytes(checkpoint(honest, PEN))

    assert looks(tmp_path, honest) == (
        attack.bare,
        attack.with_key,
        attack.with_kept_300,
        attack.with_kept_600,
        attack.with_witness,
    )


def looks(folder: Path, honest: Entries) -> tuple[Outcome, ...]:
    """Look at a published log with more and more in hand."""
    key = Trust(keys=(PEN.key,))
    kept = [Kept.parse(f"of {size}", checkpoint(honest[:size])) for size in (300, 600)]
    asked = (
        Asked(),
        Asked(trust=key),
        Asked(trust=key, kept=(kept[0],)),
        Asked(trust=key, kept=(kept[1],)),
        Asked(trust=Trust(policy=POLICY)),
    )
    return tuple(check(folder, one).outcome for one in asked)


def test_the_honest_log_passes_with_everything(honest: Entries, tmp_path: Path) -> None:
    """What is as it was written is verified, by everybody."""
    publish(tmp_path, honest, PEN, WITNESS, older=(1, 100, 257))

    assert looks(tmp_path, honest) == (PASS,) * 5


def test_a_stale_view_passes_until_something_later_was_kept(honest: Entries, tmp_path: Path) -> None:
    """The log as it was at 300, shown again: truly signed, truly witnessed; only a later checkpoint tells."""
    publish(tmp_path, honest[:300], PEN, WITNESS)

    assert looks(tmp_path, honest) == (PASS, PASS, PASS, TAMPERED, PASS)


def test_an_older_backup_that_went_on_is_a_fork(honest: Entries, tmp_path: Path) -> None:
    """Restored at 300 and grown again to 600 by other decisions: the kept checkpoint of 600 is of another log."""
    other = entries(600, e300={"outcome": "refused"})
    publish(tmp_path, other)

    report = check(tmp_path, Asked(kept=(Kept.parse("mine", checkpoint(honest)),)))

    assert other[:300] == honest[:300]
    assert report.outcome is TAMPERED
    assert "two logs" in report.findings[0].reason


def test_what_is_wrong_is_named_with_entry_id_and_reason(honest: Entries, tmp_path: Path) -> None:
    """The first bad entry: its number, its id, and what is wrong with it."""
    publish(tmp_path, rewritten(honest), PEN)

    first = check(tmp_path, Asked()).first

    assert first is not None
    # The entry itself is well made; the next one of its chain does not know it.
    assert first.index == 130
    assert first.id == json.loads(honest[130])["id"]
    assert "names another entry" in first.reason


def test_a_log_that_was_cut_names_where(honest: Entries, tmp_path: Path) -> None:
    """How long it was, and how long it is."""
    publish(tmp_path, cut(honest))

    report = check(tmp_path, Asked(kept=(Kept.parse("mine", checkpoint(honest)),)))

    assert report.first is not None
    assert report.first.index == 500
    assert "600" in report.first.reason


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/001", "checkpoint"])
def test_a_missing_file_is_never_passed_over(path: str, honest: Entries, tmp_path: Path) -> None:
    """A copy with a hole in it can be neither confirmed nor denied."""
    publish(tmp_path, honest)
    (tmp_path / path).unlink()

    assert check(tmp_path, Asked()).outcome is UNSURE


def test_an_empty_folder_and_an_empty_log_are_absent(tmp_path: Path) -> None:
    """No log is another answer than a good one."""
    assert check(tmp_path, Asked()).outcome is Outcome.ABSENT
    assert check(tmp_path / "nowhere", Asked()).outcome is Outcome.ABSENT
    assert check(publish(tmp_path / "log", []), Asked()).outcome is Outcome.ABSENT


def test_hashes_alone_do_not_look_at_entries_and_say_so(honest: Entries, tmp_path: Path) -> None:
    """Asked for the tree alone, a changed entry is not seen: the report names what was not checked."""
    publish(tmp_path, honest)
    shutil.rmtree(tmp_path / "tile" / "entries")

    report = check(tmp_path, Asked(hashes=True))

    assert report.outcome is PASS
    assert any("own bytes" in one for one in report.not_checked)


def test_a_partial_tile_may_be_gone_once_the_full_one_is_there(honest: Entries, tmp_path: Path) -> None:
    """A checkpoint of 300 with the tiles of 600 beside it, without the partial ones of 300."""
    publish(tmp_path, honest)
    (tmp_path / "checkpoint").write_bytes(checkpoint(honest[:300]))

    report = check(tmp_path, Asked(trust=Trust(keys=(PEN.key,))))

    assert report.outcome is UNSURE  # level 1 has no full tile yet, and its partial one of 300 is not there
    assert {one.reason.split(" is ")[0] for one in report.findings} == {"Tile 0 of level 1"}


def test_what_came_after_the_checkpoint_is_named_as_not_checked(honest: Entries, tmp_path: Path) -> None:
    """A sealer that died between tiles and checkpoint leaves files that no checkpoint speaks of."""
    publish(tmp_path, honest[:300])
    publish(tmp_path, honest)
    (tmp_path / "checkpoint").write_bytes(checkpoint(honest[:300]))

    report = check(tmp_path, Asked())

    assert report.outcome is PASS
    assert any("files that are no part" in one for one in report.not_checked)


@pytest.mark.parametrize("path", ["tile/0/000.p/100", "tile/entries/000.p/100", "tile/1/000.p/1"])
def test_what_an_earlier_checkpoint_showed_is_the_beginning_of_what_is_shown_now(
    path: str, honest: Entries, tmp_path: Path
) -> None:
    """Partial tiles that still lie there are compared, though no proof of today needs them."""
    publish(tmp_path, honest, older=(100, 300))
    file = tmp_path / path
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))

    report = check(tmp_path, Asked())

    assert report.outcome is TAMPERED
    assert "of an earlier checkpoint" in report.findings[0].reason
