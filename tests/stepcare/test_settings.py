"""Settings: from the environment, checked once, and never unsafe in silence."""

from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from typer.testing import Result

from engine.errors import InvalidInput
from stepcare.app import VirtualClock, id_source, wall_clock
from stepcare.log import configure_log, redacted
from stepcare.settings import checked_place, default_directory, read_settings

Run = Callable[..., Result]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Take every setting of ours out of the environment."""
    for name in ("DATABASE", "ACTOR", "ZONE", "LOG_LEVEL", "LOG_FORMAT", "VAULT_KEY", "DEBUG", "PUBLISHED", "SEALER"):
        monkeypatch.delenv(f"STEPCARE_{name}", raising=False)
    return monkeypatch


def test_without_settings_the_data_is_ones_own(alone: pytest.MonkeyPatch) -> None:
    """Nothing said: a directory under the person's own data, never the current one."""
    assert default_directory({"HOME": "/home/ann"}) == "/home/ann/.local/share/stepcare"
    assert default_directory({"HOME": "/home/ann", "XDG_DATA_HOME": "/data"}) == "/data/stepcare"


def test_an_option_wins_over_the_environment(alone: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`--data` is nearer than STEPCARE_DATABASE, which is nearer than the default."""
    alone.setenv("STEPCARE_DATABASE", str(tmp_path / "environment"))

    assert read_settings({}, None).database == str(tmp_path / "environment")
    assert read_settings({}, str(tmp_path / "option")).database == str(tmp_path / "option")


def test_a_mistyped_setting_is_refused(alone: pytest.MonkeyPatch) -> None:
    """STEPCARE_DATABSE would silently mean another database: refused, with what was meant."""
    with pytest.raises(InvalidInput, match="did you mean STEPCARE_DATABASE"):
        read_settings({"STEPCARE_DATABSE": "x"}, None)


@pytest.mark.parametrize(
    ("name", "value"), [("LOG_LEVEL", "loud"), ("LOG_FORMAT", "xml"), ("ZONE", "Mars/Olympus")], ids=str
)
def test_an_impossible_setting_is_refused(alone: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A level, form or time zone that does not exist stops the program before it does anything."""
    alone.setenv(f"STEPCARE_{name}", value)

    with pytest.raises(InvalidInput):
        read_settings({}, None)


@pytest.mark.parametrize("where", ["", "  ", ":memory:", "a\0b"], ids=repr)
def test_a_database_has_a_place(where: str) -> None:
    """No place, and a place that vanishes with the process, are refused."""
    with pytest.raises(InvalidInput):
        checked_place(where)


def test_others_may_not_write_into_the_data_directory(tmp_path: Path) -> None:
    """A directory that others can write into lets them replace the database: refused, with the chmod."""
    tmp_path.chmod(0o777)

    with pytest.raises(InvalidInput, match="chmod 700"):
        checked_place(str(tmp_path))


@pytest.mark.parametrize("name", ["stepcare.db", "vault.db", "vault.key"])
def test_others_may_not_read_the_data(tmp_path: Path, name: str) -> None:
    """A database, vault or key that others can read is refused, with the chmod."""
    (tmp_path / name).touch(mode=0o644)
    (tmp_path / name).chmod(0o644)

    with pytest.raises(InvalidInput, match="chmod 600"):
        checked_place(str(tmp_path))


def test_the_sealers_group_may_read_the_database_and_not_the_vault(tmp_path: Path) -> None:
    """The sealer runs as an OS user of its own: a group may read the database, and neither write it nor read the vault."""
    for name in ("stepcare.db", "vault.db"):
        (tmp_path / name).touch(mode=0o600)
    (tmp_path / "stepcare.db").chmod(0o640)
    assert checked_place(str(tmp_path)) == str(tmp_path)

    for name, mode in (("stepcare.db", 0o660), ("vault.db", 0o640)):
        (tmp_path / name).chmod(mode)
        with pytest.raises(InvalidInput, match="run chmod 600"):
            checked_place(str(tmp_path))
        (tmp_path / name).chmod(0o600)


def test_published_and_sealer_lie_beside_the_data(alone: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The folders of the published log and of the sealer are in the data directory unless they are named."""
    found = read_settings({}, str(tmp_path / "data"))
    assert (found.published_folder, found.sealer_folder) == (tmp_path / "data/published", tmp_path / "data/sealer")

    alone.setenv("STEPCARE_PUBLISHED", str(tmp_path / "elsewhere"))
    assert read_settings({}, f"sqlite:///{tmp_path}").published_folder == tmp_path / "elsewhere"
    with pytest.raises(InvalidInput, match="STEPCARE_SEALER"):
        _ = read_settings({}, "postgresql://db.example/care").sealer_folder


def test_a_file_is_no_data_directory(tmp_path: Path) -> None:
    """The database's file itself is not what `--data` names."""
    file = tmp_path / "stepcare.db"
    file.touch()

    with pytest.raises(InvalidInput, match="name the directory"):
        checked_place(str(file))


def test_config_shows_where_settings_come_from_and_no_secret(
    alone: pytest.MonkeyPatch, bare: Run, tmp_path: Path
) -> None:
    """`config show --source` names option, environment or default; the key is only said to be set."""
    alone.setenv("STEPCARE_VAULT_KEY", "c2VjcmV0")
    alone.setenv("STEPCARE_ZONE", "Europe/Vienna")

    shown = bare("config", "show", "--source", "--data", str(tmp_path)).stdout

    assert "option" in shown
    assert "environment" in shown
    assert "c2VjcmV0" not in shown


# --- the log, the clock, the ids ----------------------------------------------------------------------------------


def test_the_log_holds_only_what_is_on_the_list() -> None:
    """Whatever a line of code hands over, names and answers do not reach the log."""
    kept = redacted(None, "info", {"event": "decided", "entry": 3, "name": "Alva", "values": {"nprs": 7}})

    assert kept == {"event": "decided", "entry": 3, "hidden": ["name", "values"]}


def test_the_log_goes_to_stderr_as_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines below the level are not written; JSON lines are one object each, on stderr."""
    configure_log("warning", "json", wall_clock)
    log = structlog.get_logger("stepcare")

    log.info("decided", entry=1)
    log.warning("decided", entry=2, text="Alva")

    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert '"entry": 2' in err
    assert "Alva" not in err
    structlog.reset_defaults()


def test_ids_sort_as_they_were_made() -> None:
    """An id is a UUID of version 7: its first 48 bits are the time."""
    clock = VirtualClock(wall_clock())
    make = id_source(clock, lambda size: b"\xff" * size)

    first = make()
    clock.forward_to(clock().replace(year=clock().year + 1))
    second = make()

    assert first < second
    assert (first[14], first[19]) == ("7", "b")


def test_a_story_never_goes_back_in_time() -> None:
    """The virtual clock only goes forward."""
    clock = VirtualClock(wall_clock())

    with pytest.raises(InvalidInput, match="cannot go back"):
        clock.forward_to(clock().replace(year=clock().year - 1))
