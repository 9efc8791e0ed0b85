"""Check a proof bundle: a folder that proves one entry to somebody who has nothing else of ours."""

import hashlib
import json
import time
from pathlib import Path

from stepcare.verifier.entries import read_entry
from stepcare.verifier.episode import EPISODE, check_episode
from stepcare.verifier.given import keys_in
from stepcare.verifier.kept import NO_KEY, NO_POLICY, Kept, Trust
from stepcare.verifier.note import ED25519, verified_by
from stepcare.verifier.outcome import Absent, NotVerified, Tampered, Unverifiable
from stepcare.verifier.policy import Policy
from stepcare.verifier.proof import Proof, check
from stepcare.verifier.report import Report

ENTRY, PROOF, CHECKPOINT, VKEY, POLICY, PATHWAY = "entry.json", "proof", "checkpoint", "vkey", "policy", "pathway.json"
LARGEST = 20_000_000
OWN_KEY = "that the key is the log's: it came with the bundle. Compare it with one you got another way (--vkey)"
OWN_POLICY = "that the policy is yours: it came with the bundle. Give your own (--policy)"
ALONE = (
    "the rest of the log: the bundle proves one entry",
    "what is sealed inside the entry, and whether its decision follows from its facts",
)


def check_bundle(folder: Path, trust: Trust) -> tuple[Report, tuple[Kept, ...]]:
    """Check a bundle, of an entry or of an episode; gives its checkpoints, too, to hold a log against."""
    report = Report(what=str(folder))
    begin = time.perf_counter()
    kept: dict[bytes, Kept] = {}

    def prove(one: Path) -> bytes:
        return _prove(one, trust, report, kept)

    try:
        if not folder.is_dir():
            raise Absent("There is no proof bundle here: give its folder.")
        said = _read(folder, EPISODE, needed=False)
        if said:
            check_episode(folder, said, prove, report)
        else:
            prove(folder)
        report.anchored = all(verified_by(one.note, trust.all) for one in kept.values())
    except NotVerified as error:
        report.add(error)
    except OSError as error:
        report.add(Unverifiable(f"The bundle cannot be read ({error.strerror}): get it again."))
    for one in ALONE:
        report.skip(one)
    report.seconds = time.perf_counter() - begin
    return report, tuple(kept.values())


def _prove(folder: Path, trust: Trust, report: Report, kept: dict[bytes, Kept]) -> bytes:
    """Check the bundle of one entry, and give the entry's bytes."""
    entry, proof = _read(folder, ENTRY), Proof.parse(_read(folder, PROOF))
    found = kept.setdefault(proof.checkpoint, Kept.parse(f"of the bundle {folder.name}", proof.checkpoint))
    report.origin, report.entries, report.root = found.checkpoint.origin, found.checkpoint.size, found.checkpoint.root
    beside = _read(folder, CHECKPOINT, needed=False)
    if beside and beside != proof.checkpoint:
        raise Tampered("The bundle's checkpoint is another one than its proof's.")
    if len({one.checkpoint.origin for one in kept.values()}) > 1:
        raise Tampered("The bundle's entries are of several logs.")
    believed = _believed(folder, trust, report)
    if not believed.keys:
        raise Unverifiable("Nobody said which key is the log's, neither you (--vkey) nor the bundle.")
    check(proof, entry, believed.keys, believed.policy)
    report.count("entries")
    report.count("signatures")
    index = read_entry(entry)[3]
    if index != proof.index:
        raise Tampered(f"The entry says it is number {index}, the proof is of number {proof.index}.")
    _pathway(entry, _read(folder, PATHWAY, needed=False), report)
    return entry


def _believed(folder: Path, trust: Trust, report: Report) -> Trust:
    """Take what is given; where nothing is, what the bundle brings along, and say so."""
    keys, policy = tuple(key for key in trust.all if key.kind == ED25519), trust.policy
    if not keys:
        text = _read(folder, VKEY, needed=False)
        keys = keys_in(text) if text else ()
        report.skip(OWN_KEY if keys else NO_KEY)
    if policy is None:
        text = _read(folder, POLICY, needed=False)
        policy = Policy.parse(text) if text else None
        report.skip(OWN_POLICY if policy else NO_POLICY)
    return Trust(keys=keys, policy=policy)


def _pathway(entry: bytes, pathway: bytes, report: Report) -> None:
    """Hold the pathway that is in the bundle against the one the entry names."""
    named = json.loads(entry).get("pathway")
    if not pathway:
        if named:
            report.skip("the pathway the entry was decided on: it is not in the bundle")
    elif not named or hashlib.sha256(pathway).hexdigest() != named["sha256"]:
        raise Tampered("The pathway in the bundle is not the one the entry was decided on.")
    else:
        report.count("pathways")


def _read(folder: Path, name: str, *, needed: bool = True) -> bytes:
    """Read a file of the bundle; b"" where it is not there and not needed."""
    path = folder / name
    try:
        if path.stat().st_size > LARGEST:
            raise Unverifiable(f"{name} in the bundle is far too long.")
        return path.read_bytes()
    except FileNotFoundError:
        if needed:
            raise Unverifiable(f"The bundle has no file {name}: get it again, whole.") from None
        return b""
    except OSError as error:
        raise Unverifiable(f"{name} in the bundle cannot be read ({error.strerror}).") from None
