"""Legal hold, erasure by two people, disclosure of one section, census, and new keys: from the command line."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import stepcare.disclosure
from stepcare.disclosure import NotShown, check
from tests.stepcare.conftest import Run, ran
from tests.storage import canaries

PEOPLE = {"petra": ("privacy_officer", "lead"), "adam": ("administrator",)}


@pytest.fixture
def staffed(run: Run) -> Run:
    """Give a site that has a privacy officer (who is a lead, too) and an administrator."""
    for who, roles in PEOPLE.items():
        said = [word for role in roles for word in ("--role", role)]
        assert run("user", "add", who, *said).exit_code == 0
    return run


def told(*words: str, exits: int = 0) -> Any:
    """Run a command with JSON out, and give what it said."""
    result = ran(*words, "--output", "json")
    assert result.exit_code == exits, (result.stdout, result.stderr)
    return json.loads(result.stdout)


def somebody(run: Run, name: str, *more: str) -> tuple[str, str]:
    """Register somebody: (person, episode)."""
    answers = ("region=upper_back", "problem=back_pain", "onset=2026-01-12", *more)
    said = run("episode", "open", "--name", name, *answers, "--as", "ann")
    found = re.search(r"Episode (e-\w+) for person (p-\w+)", said.stderr)
    assert found, (said.stdout, said.stderr)
    return found[2], found[1]


def closed(run: Run, name: str, *more: str) -> tuple[str, str]:
    """Register somebody who declines at once: (person, episode)."""
    person, episode = somebody(run, name, *more)
    told("episode", "do", episode, "move", "transition=decline", "reason=cost", "risk_told=true", "--as", "ann")
    return person, episode


def erased(person: str) -> Any:
    """Erase somebody: petra asks, lena approves."""
    asked = told("audit", "erase", person, "--basis", "consent_withdrawn", "--as", "petra:privacy_officer", exits=4)
    return told("audit", "erase", "--approve", asked["id"], "--as", "lena:lead")


# --- erasing ------------------------------------------------------------------------------------------------------


def test_two_people_erase_somebody_and_no_trace_is_left_anywhere(staffed: Run, site: Path, tmp_path: Path) -> None:
    """Database, vault, journals, index, published tiles, later exports: no canary in any of them; the log verifies."""
    person, episode = closed(
        staffed, canaries.NAME, "--contact", f"email={canaries.EMAIL}", f"referrer={canaries.TEXT}"
    )
    _, others = somebody(staffed, "Somebody Else")
    assert staffed("sealer", "once", "--make-key").exit_code == 0
    staffed("audit", "search", "--patient", person, "--as", "aziz")
    known = b"".join(canaries.files(site).values())
    assert canaries.found_in(known, canaries.ALL) >= {"name", "email"}

    answer = erased(person)

    assert answer["outcome"] == "accepted"
    assert staffed("sealer", "once").exit_code == 0
    assert staffed("audit", "export", "--out", str(tmp_path / "export"), "--as", "aziz").exit_code == 0
    for file, data in canaries.files(site, tmp_path / "export").items():
        assert canaries.found_in(data, canaries.ALL) == set(), file
    said = told("audit", "verify", "--as", "aziz")
    assert said["verdict"] == "verified"
    assert [(one["person"], one["by_entry"]) for one in said["erased"]] == [(person, answer["entry"])]
    again = told("audit", "replay", "--as", "aziz")
    assert (again["verdict"], again["different"], again["lost"]) == ("verified", 0, [])
    assert [one["by_entry"] for one in again["erased"]] == [answer["entry"]]
    assert staffed("episode", "show", episode, "--as", "ann").exit_code != 0
    assert staffed("episode", "show", others, "--as", "ann").exit_code == 0


def test_what_erasing_destroys_is_shown_first_and_a_dry_run_keeps_nothing(staffed: Run) -> None:
    """Counts, never contents; nothing is asked for."""
    person, _ = closed(staffed, canaries.NAME)

    shown = staffed("audit", "erase", person, "--basis", "objection", "--dry-run", "--as", "petra:privacy_officer")

    assert "2 entries whose sealed parts are closed for ever" in shown.stderr
    assert canaries.found_in((shown.stdout + shown.stderr).encode(), canaries.ALL) == set()
    assert "Dry run" in shown.stderr
    assert staffed("audit", "erase", "--finish").stderr.strip().endswith("Nothing is left to be done.")


def test_the_one_who_asked_cannot_approve_in_another_role(staffed: Run) -> None:
    """Petra is privacy officer and lead; she is one person."""
    person, _ = closed(staffed, "Somebody")
    asked = told("audit", "erase", person, "--basis", "objection", "--as", "petra:privacy_officer", exits=4)

    alone = told("audit", "erase", "--approve", asked["id"], "--as", "petra:lead", exits=4)

    assert alone["failed"] == ["SIGN-02"]


def test_a_legal_hold_blocks_until_it_is_released(staffed: Run) -> None:
    """It is listed, it refuses by name, and the privacy officer releases it."""
    person, _ = closed(staffed, "Somebody")
    held = told(
        "audit", "hold", "add", person, "--reason", "litigation", "--matter", "7-o-12", "--as", "petra:privacy_officer"
    )

    blocked = told("audit", "erase", person, "--basis", "objection", "--as", "petra:privacy_officer", exits=4)
    listed = told("audit", "hold", "list", "--as", "petra:privacy_officer")
    told("audit", "hold", "release", person, "--as", "petra:privacy_officer")

    assert blocked["failed"] == ["ERASE-01"]
    assert [(one["person"], one["hold"], one["matter"]) for one in listed] == [(person, held["id"], "7-o-12")]
    assert told("audit", "hold", "list", "--as", "petra:privacy_officer") == []
    assert erased(person)["outcome"] == "accepted"


def test_an_unknown_request_or_basis_is_said_so(staffed: Run) -> None:
    """Mistyped: what there is instead, and nothing happens."""
    person, _ = closed(staffed, "Somebody")

    assert staffed("audit", "erase", "--approve", "none", "--as", "lena:lead").exit_code == 3
    assert staffed("audit", "erase", person, "--basis", "objektion", "--as", "petra:lead").exit_code == 2
    assert staffed("audit", "erase", "--as", "petra:lead").exit_code == 2


# --- disclosure ---------------------------------------------------------------------------------------------------


def disclosed(entry: int, section: str, to: Path) -> dict[str, Any]:
    """Disclose one section to a file and read it."""
    said = ran("audit", "disclose", str(entry), "--section", section, "--to", str(to), "--as", "aziz")
    assert said.exit_code == 0, said.stderr
    found: dict[str, Any] = json.loads(to.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("section", ["facts", "text", "reads", "subject"])
def test_one_section_is_shown_and_the_others_stay_closed(staffed: Run, tmp_path: Path, section: str) -> None:
    """It verifies with its salt, by a file that needs nothing of ours; the other sections are not in it."""
    person, _ = somebody(staffed, canaries.NAME, f"referrer={canaries.TEXT}")

    shown = disclosed(1, section, tmp_path / "shown.json")

    assert check(shown) == shown["value"]
    assert staffed("audit", "disclose", "--check", str(tmp_path / "shown.json")).exit_code == 0
    words = json.dumps(shown, ensure_ascii=False)
    assert (canaries.TEXT in words) == (section == "text")
    assert (person in words) == (section in ("subject", "facts"))
    alone = [sys.executable, "-I", "-S", stepcare.disclosure.__file__, str(tmp_path / "shown.json")]
    assert subprocess.run(alone, check=False, capture_output=True).returncode == 0  # noqa: S603 - our own file


def test_one_changed_byte_of_a_disclosure_is_refused(staffed: Run, tmp_path: Path) -> None:
    """Value, salt, section, entry, leaf or number: whatever is changed, the sum does not come out."""
    somebody(staffed, "Somebody", f"referrer={canaries.TEXT}")
    file = tmp_path / "shown.json"
    shown = disclosed(1, "text", file)
    changed = [
        {**shown, "value": [canaries.TEXT[:-1] + "x"]},
        {**shown, "value": []},
        {**shown, "salt": shown["salt"][:-1] + ("0" if shown["salt"][-1] != "0" else "1")},
        {**shown, "salt": ""},
        {**shown, "section": "reads"},
        {**shown, "section": "names"},
        {**shown, "entry": shown["entry"].replace("accepted", "refused.")},
        {**shown, "leaf": "0" * 64},
        {**shown, "index": 2},
        {**shown, "format": "stepcare/disclosure/9"},
        {key: one for key, one in shown.items() if key != "salt"},
    ]

    for one in changed:
        with pytest.raises(NotShown):
            check(one)
    file.write_text(json.dumps(changed[0]), encoding="utf-8")
    assert staffed("audit", "disclose", "--check", str(file)).exit_code == 6


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_disclosure_is_json_or_nothing(staffed: Run, tmp_path: Path, form: str) -> None:
    """Another form could not be checked, so it is refused with the remedy, and nothing is noted; a check speaks any form."""
    somebody(staffed, "Somebody")

    refused = staffed("audit", "disclose", "1", "--as", "aziz", "--output", form)

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert f"leave --output {form} away" in refused.stderr
    shown = json.loads(staffed("audit", "disclose", "1", "--as", "aziz").stdout)
    (tmp_path / "shown.json").write_text(json.dumps(shown), encoding="utf-8")
    checked = staffed("audit", "disclose", "--check", str(tmp_path / "shown.json"), "--output", form)
    assert checked.exit_code == 0
    assert checked.stdout.startswith("name,value" if form == "csv" else '{"entry": 1,')


def test_others_still_disclose_after_an_erasure(staffed: Run, tmp_path: Path) -> None:
    """The erased person's sections are closed for ever; everybody else's verify as before."""
    person, _ = closed(staffed, "Somebody")
    somebody(staffed, "Somebody Else", f"referrer={canaries.TEXT}")
    erased(person)

    shown = disclosed(3, "text", tmp_path / "shown.json")

    assert check(shown) == [canaries.TEXT]
    assert staffed("audit", "disclose", "1", "--as", "aziz").exit_code == 7


def test_nobody_discloses_unseen(staffed: Run) -> None:
    """Somebody must say who they are, in a role that may read the log."""
    somebody(staffed, "Somebody")

    assert staffed("audit", "disclose", "1").exit_code == 2
    assert staffed("audit", "disclose", "1", "--as", "ann").exit_code == 4


# --- census, retention, keys --------------------------------------------------------------------------------------


def test_a_census_says_size_count_and_root_in_the_clear(staffed: Run) -> None:
    """Whoever has only the published log can check it."""
    somebody(staffed, "Somebody")

    kept = told("audit", "census")

    found = told("audit", "verify", "--as", "aziz")
    assert kept["outcome"] == "accepted"
    assert found["verdict"] == "verified"
    export = ran("audit", "search", "--command", "census", "--as", "aziz", "--output", "json").stdout
    assert re.search(r"2 1 [0-9a-f]{64}", export)


def test_a_retention_run_is_shown_first(staffed: Run) -> None:
    """--dry-run only says what is due; a run is an entry, by somebody who may."""
    dry = staffed("audit", "retain", "--dry-run", "--as", "adam")
    done = told("audit", "retain", "--as", "adam")

    assert "idempotency_keys: 0 from before" in dry.stderr
    assert done["outcome"] == "accepted"
    assert staffed("audit", "retain", "--as", "ann").exit_code == 4


def test_a_new_vault_key_opens_everything_and_the_old_one_nothing(staffed: Run, site: Path) -> None:
    """Every data key is wrapped anew, with an entry; what was sealed before still opens."""
    _, episode = somebody(staffed, canaries.NAME)
    old = (site / "vault.key").read_bytes()

    told("audit", "rotate-vault-key", "--as", "adam")

    assert (site / "vault.key").read_bytes() != old
    assert not (site / "vault.key.next").exists()
    assert staffed("episode", "show", episode, "--as", "ann").exit_code == 0
    assert told("audit", "verify", "--as", "aziz")["verdict"] == "verified"
    (site / "vault.key").write_bytes(old)
    assert staffed("episode", "show", episode, "--as", "ann").exit_code == 7


@pytest.mark.parametrize("step", ["before the vault", "after the vault"])
def test_a_crash_while_the_vault_key_is_changed_loses_nothing(
    staffed: Run, site: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The new key is on the disk before it wraps anything; asking again finishes what was begun."""
    _, episode = somebody(staffed, canaries.NAME)

    class Killed(BaseException):
        """The process dies here."""

    def dying(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(*{
            "before the vault": ("storage.vault.Vault.rewrap", dying),
            "after the vault": ("pathlib.Path.replace", dying),
        }[step])  # fmt: skip
        with pytest.raises(Killed):
            ran("audit", "rotate-vault-key", "--as", "adam")
    assert staffed("audit", "rotate-vault-key", "--as", "adam").exit_code == 0

    assert not (site / "vault.key.next").exists()
    assert staffed("episode", "show", episode, "--as", "ann").exit_code == 0


def test_a_log_key_is_announced_by_two_people(staffed: Run) -> None:
    """The administrator asks, the lead agrees; then the entry says it in the clear."""
    vkey = "clinic.example/log+0b5a4d2e+AVrL3V0c8yLZLpk3VX7lBqYH5e1Q2k6ZQ0mC4sLq1XyT"
    asked = told("audit", "announce-key", vkey, "--size", "120", "--as", "adam", exits=4)

    agreed = told("audit", "announce-key", "--approve", asked["id"], "--as", "lena:lead")

    assert asked["failed"] == ["KEY-01"]
    assert agreed["outcome"] == "accepted"
    assert f"120 {vkey}" in ran("audit", "search", "--as", "aziz", "--output", "json").stdout
