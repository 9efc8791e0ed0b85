"""`audit verify` looks at the database, at what is published, and at what was kept elsewhere."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.verifier.logs import Pen, checkpoint, publish

Asked = Callable[..., Any]
Run = Callable[..., Result]


@pytest.fixture
def log(site: Path, episode: str) -> list[bytes]:
    """Give the site's entries: there is an episode."""
    with closing(sqlite3.connect(site / "stepcare.db")) as db:
        return [entry for (entry,) in db.execute("SELECT entry FROM audit_entry ORDER BY idx")]


@pytest.fixture
def pen(site: Path) -> Pen:
    """Give the log's key."""
    with closing(sqlite3.connect(site / "stepcare.db")) as db:
        return Pen(name=db.execute("SELECT origin FROM audit_head").fetchone()[0])


@pytest.fixture
def published(site: Path, log: list[bytes], pen: Pen) -> Path:
    """Publish the log where the settings say."""
    return publish(site / "published", log, pen, origin=pen.name)


def test_nothing_published_is_said(asked: Asked, episode: str) -> None:
    """Without a sealer the database is verified, and what is missing stands among what was not checked."""
    found = asked("audit", "verify")

    assert (found["verdict"], found["published"]) == ("verified", [])
    assert any("stepcare sealer" in one for one in found["not_checked"])
    assert found["reads"]["verdict"] == "verified"


def test_what_is_published_is_verified_too(asked: Asked, published: Path, pen: Pen) -> None:
    """Its tiles and its signature, and the database has the root that its checkpoint says."""
    found = asked("audit", "verify", "--vkey", str(pen.key))

    assert found["verdict"] == "verified"
    assert [one["outcome"] for one in found["published"]] == ["verified"]
    assert found["published"][0]["checked"]["signatures"] == 1
    assert found["checked"]["checkpoints"] == 1
    assert found["published"][0]["root"] == found["root"]


def test_an_entry_changed_in_what_is_published_is_tampering(run: Run, published: Path) -> None:
    """Though the database is fine; the answer says so of both."""
    bundle = next((published / "tile" / "entries" / "000.p").iterdir())
    bundle.write_bytes(bundle.read_bytes().replace(b"accepted", b"refused!", 1))

    result = run("audit", "verify", "--without-keys")

    assert result.exit_code == 6
    assert "✗ Tampered: the database by itself is fine" in result.stdout
    assert "do not have the hash that is in its tile" in result.stdout


def test_a_database_put_back_behind_what_was_kept_is_tampering(
    asked: Asked, tmp_path: Path, log: list[bytes], pen: Pen
) -> None:
    """A checkpoint kept elsewhere speaks of more than there is: the end was cut off, or an old backup was put back."""
    kept = tmp_path / "kept"
    kept.write_bytes(checkpoint([*log, b"later"], pen, origin=pen.name))

    found = asked("audit", "verify", "--checkpoint", str(kept), exit_code=6)

    assert found["verdict"] == "tampered"
    assert [(one["what"], one["entry"]) for one in found["faults"]] == [("checkpoint", len(log))]


def test_kept_checkpoints_the_log_goes_on_from_are_counted(
    asked: Asked, tmp_path: Path, log: list[bytes], pen: Pen
) -> None:
    """Each of them; then nobody needs to be told that none was given."""
    words = ["audit", "verify", "--vkey", str(pen.key)]
    for size in range(1, len(log) + 1):
        (tmp_path / str(size)).write_bytes(checkpoint(log[:size], pen, origin=pen.name))
        words += ["--checkpoint", str(tmp_path / str(size))]

    found = asked(*words)

    assert found["checked"]["checkpoints"] == len(log)
    assert not any("written anew: compare" in one for one in found["not_checked"])


def test_a_published_log_of_another_history_is_tampering(asked: Asked, site: Path, log: list[bytes], pen: Pen) -> None:
    """Well made and well signed, but not what the database holds."""
    publish(site / "published", log[:-1], pen, origin=pen.name)
    (site / "published" / "checkpoint").write_bytes(checkpoint([*log[:-2], log[-1]], pen, origin=pen.name))

    found = asked("audit", "verify", exit_code=6)

    assert found["verdict"] == "tampered"
    assert any(one["what"] == "checkpoint" for one in found["faults"])


def test_a_folder_that_is_named_must_be_there(run: Run, episode: str, tmp_path: Path) -> None:
    """Who names a published log wants it looked at."""
    result = run("audit", "verify", "--published", str(tmp_path / "nowhere"))

    assert (result.exit_code, "nowhere" in result.stderr) == (3, True)


def test_a_kept_checkpoint_that_is_none_is_unverifiable(run: Run, episode: str, tmp_path: Path) -> None:
    """It cannot be compared, so nothing is said."""
    (tmp_path / "kept").write_text("not a checkpoint")

    result = run("audit", "verify", "--checkpoint", str(tmp_path / "kept"))

    assert (result.exit_code, "cannot be read" in result.stderr) == (7, True)
