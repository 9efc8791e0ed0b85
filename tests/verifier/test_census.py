"""A census closes the ends of histories: what was cut off an episode's end shows, though every chain is whole."""

import json
from pathlib import Path
from typing import Any

import pytest

from stepcare.verifier.bundle import check_bundle
from stepcare.verifier.kept import Trust
from stepcare.verifier.outcome import Outcome
from stepcare.verifier.proof import Proof
from tests.verifier.logs import (
    HASH,
    PEN,
    TEMPLATE,
    Entries,
    canonical,
    checked,
    checkpoint,
    entries,
    inclusion,
    leaf,
    publish,
    tree,
)

ENDS = 7
SIZE = 50


def ends_of(log: Entries) -> list[tuple[str, int, str]]:
    """Give every episode's last entry, sorted."""
    found = {}
    for data in log:
        entry = json.loads(data)
        if "ep" in entry:
            found[entry["ep"]] = (entry["ep"], entry["epn"], leaf(data).hex())
    return sorted(found.values())


def leaves_of(log: Entries) -> list[bytes]:
    """Give the leaves of a census."""
    return [leaf(canonical(list(end))) for end in ends_of(log)]


def census(log: Entries, *, at: int | None = None, words: str | None = None, **more: Any) -> bytes:
    """Give the census entry that follows a log, taken when that had a size; `words`: what it says instead."""
    size = len(log) if at is None else at
    said = f"{size} {len(ends_of(log[:size]))} {tree(leaves_of(log[:size])).hex()}"
    entry = TEMPLATE | {"idx": len(log), "id": "census", "type": "site.census", "trigger": words or said} | more
    return canonical({key: value for key, value in entry.items() if key not in ("ep", "state")})


@pytest.mark.parametrize("at", [SIZE, SIZE - 1, SIZE - 13, 1])
def test_a_census_comes_out(at: int, tmp_path: Path) -> None:
    """Taken now or a little before its entry, the ends it counts are those of the log at its size."""
    log = entries(SIZE)
    publish(tmp_path, [*log, census(log, at=at)])

    report = checked(tmp_path)

    assert (report.outcome, report.checked["censuses"]) == (Outcome.VERIFIED, 1)
    assert any(f"since entry {at}, the last census" in one for one in report.not_checked)


def test_without_a_census_the_ends_are_not_checked(tmp_path: Path) -> None:
    """And that is said."""
    report = checked(publish(tmp_path, entries(SIZE)))

    assert any("no census was taken" in one for one in report.not_checked)


WRONG = {
    "another root": f"50 7 {HASH}",
    "another number of episodes": "",
    "a size to come": f"51 7 {HASH}",
    "no words": "nothing",
    "two words": "50 7",
    "capitals": f"50 7 {'A' * 64}",
    "a leading zero": f"050 7 {HASH}",
}


@pytest.mark.parametrize("words", WRONG.values(), ids=WRONG)
def test_a_census_that_does_not_come_out_is_tampering(words: str, tmp_path: Path) -> None:
    """Its root, its count, its size, its form."""
    log = entries(SIZE)
    words = words or f"50 8 {tree(leaves_of(log)).hex()}"

    report = checked(publish(tmp_path, [*log, census(log, words=words)]))

    assert report.outcome is Outcome.TAMPERED
    assert report.first is not None
    assert report.first.index == SIZE


def test_an_episodes_end_that_was_cut_off_shows_in_the_census(tmp_path: Path) -> None:
    """The last entry of an episode taken out, all numbers and chains made to fit: only the census tells."""
    log = entries(SIZE)
    honest = census(log)
    shorter = entries(SIZE - 1)
    entry = json.loads(honest) | {"idx": SIZE - 1}

    report = checked(
        publish(tmp_path, [*shorter, canonical(entry | {"trigger": entry["trigger"].replace("50", "49", 1)})])
    )

    assert report.outcome is Outcome.TAMPERED
    assert "last entries were removed" in report.findings[0].reason


def test_a_census_that_was_refused_counts_nothing(tmp_path: Path) -> None:
    """Somebody without the right asked for one."""
    log = entries(SIZE)

    report = checked(publish(tmp_path, [*log, census(log, words="census", outcome="refused")]))

    assert (report.outcome, report.checked.get("censuses")) == (Outcome.VERIFIED, None)


def test_a_census_after_an_entry_that_cannot_be_read_cannot_be_told(tmp_path: Path) -> None:
    """An unknown format hides whose entry it is."""
    log = entries(SIZE, e49={"v": "0123456789abcdef"})

    report = checked(publish(tmp_path, [*log, census(log)]))

    assert report.outcome is Outcome.UNVERIFIABLE


# --- an episode's bundle --------------------------------------------------------------------------------------------


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Give the bundle of a whole episode: its entries, and the census that knows its end."""
    log = entries(SIZE)
    whole = [*log, census(log)]
    mine = [(index, data) for index, data in enumerate(log) if json.loads(data)["ep"] == "e-00000003"]
    for name, index, data in [*((str(one[0]), *one) for one in mine), ("census", SIZE, whole[-1])]:
        hashes = tuple(inclusion(index, list(map(leaf, whole))))
        proof = Proof(index=index, hashes=hashes, checkpoint=checkpoint(whole))
        (tmp_path / name).mkdir()
        (tmp_path / name / "entry.json").write_bytes(data)
        (tmp_path / name / "proof").write_bytes(proof.bytes())
    place = [end[0] for end in ends_of(log)].index("e-00000003")
    proofs = [one.hex() for one in inclusion(place, leaves_of(log))]
    row = {"episode": "e-00000003", "entries": [{} for _ in mine], "census": {"place": place, "proof": proofs}}
    (tmp_path / "episode.json").write_text(json.dumps(row))
    return tmp_path


def outcome(folder: Path) -> Outcome:
    """Check a bundle with the log's key."""
    return check_bundle(folder, Trust(keys=(PEN.key,)))[0].outcome


def test_an_episodes_bundle_proves_that_nothing_is_missing(bundle: Path) -> None:
    """Each entry, the chain between them, and the end by the census."""
    report, kept = check_bundle(bundle, Trust(keys=(PEN.key,)))

    assert report.outcome is Outcome.VERIFIED
    assert (report.checked["chain links"], report.checked["censuses"], len(kept)) == (7, 1, 1)


@pytest.mark.parametrize("index", [3, 24, 45])
def test_an_entry_left_out_of_the_bundle_shows(index: int, bundle: Path) -> None:
    """The first, one between, and the last: the last by the census alone."""
    for file in (bundle / str(index)).iterdir():
        file.unlink()
    (bundle / str(index)).rmdir()
    row = json.loads((bundle / "episode.json").read_text())
    (bundle / "episode.json").write_text(json.dumps(row | {"entries": row["entries"][1:]}))

    assert outcome(bundle) is Outcome.TAMPERED
    (bundle / "episode.json").write_text(json.dumps(row | {"entries": row["entries"][1:], "census": None}))
    assert outcome(bundle) is (Outcome.VERIFIED if index == 45 else Outcome.TAMPERED)


@pytest.mark.parametrize(
    "change",
    [
        {"episode": "e-00000004"},
        {"entries": []},
        {"census": {"place": 4, "proof": []}},
        {"census": {"place": 3, "proof": [HASH]}},
    ],
)
def test_a_bundle_that_says_something_else_is_tampering(change: dict[str, Any], bundle: Path) -> None:
    """Another episode, another list, another place in the census, another proof."""
    row = json.loads((bundle / "episode.json").read_text())
    (bundle / "episode.json").write_text(json.dumps(row | change))

    assert outcome(bundle) is Outcome.TAMPERED


@pytest.mark.parametrize(
    "said", ["[]", "{}", '{"episode": 1, "entries": [], "census": null}', "{", '{"census": {"place": "x"}}']
)
def test_a_list_that_cannot_be_read_is_unverifiable(said: str, bundle: Path) -> None:
    """Then nobody knows what the bundle claims."""
    (bundle / "episode.json").write_text(said)

    assert outcome(bundle) is Outcome.UNVERIFIABLE
