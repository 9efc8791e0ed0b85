"""What stands in deploy/ fits the program it runs, as far as that can be seen without a container engine."""

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from configparser import RawConfigParser
from pathlib import Path, PurePosixPath
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL
from ruamel.yaml import YAML
from typer.testing import CliRunner

from stepcare.app import migrate_app, wall_clock
from stepcare.channels.configured import configured
from stepcare.cli import app as command_line
from stepcare.settings import read_settings
from tests.servers import Server, programs

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = DEPLOY / "compose"
UNITS = sorted(DEPLOY.glob("*.service"))
Service = dict[str, Any]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """Read the compose file."""
    found: dict[str, Any] = YAML(typ="safe").load(COMPOSE / "compose.yaml")
    return found


@pytest.fixture(scope="module")
def ours(compose: dict[str, Any]) -> dict[str, Service]:
    """Give the services that run the program."""
    return {name: one for name, one in compose["services"].items() if "stepcare" in one["image"]}


@pytest.fixture(scope="module")
def image() -> list[tuple[str, str]]:
    """Read the Containerfile's instructions of the image itself: what is copied from the first stage counts there."""
    text = re.sub(r"\\\n\s*", "", (COMPOSE / "Containerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def refused(words: list[str]) -> str:
    """Give why the command line would refuse these words, empty where it takes them."""
    result = CliRunner().invoke(command_line, [*words, "--help"], prog_name="stepcare")
    return "" if result.exit_code == 0 else result.output


def mounts(service: Service) -> dict[str, tuple[str, bool]]:
    """Give what is mounted where: the source, and whether it may be written."""
    parts = [one.split(":") for one in service.get("volumes", ())]
    return {part[1]: (part[0], part[2:] != ["ro"]) for part in parts}


def environment(service: Service) -> dict[str, str]:
    """Give a service's variables, each `${NAME:-usual}` as what is usual."""
    return {name: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value) for name, value in service.get("environment", {}).items()}


# --- the compose file -----------------------------------------------------------------------------------------------


def test_the_house_is_two_web_processes_three_workers_a_sealer_and_a_server(ours: dict[str, Service]) -> None:
    """What docs/operate.md calls a house with several workers is what the file starts."""
    assert set(ours) == {"migrate", "web", "worker", "sealer"}
    web, worker = ours["web"], ours["worker"]
    assert web["command"][web["command"].index("--workers") + 1] == "2"
    assert "--no-worker" in web["command"]
    assert worker["deploy"]["replicas"] == 3


def test_every_command_line_is_one_the_program_takes(ours: dict[str, Service]) -> None:
    """A word the program does not know would show at the first start only."""
    assert {name: why for name, one in ours.items() if (why := refused(one["command"]))} == {}
    assert refused(["serve", "--no-such-word"]), "this test would see it"


def test_every_variable_is_a_setting_with_a_value_it_takes(
    ours: dict[str, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program refuses variables it does not know, and so would not start."""
    for one in ours.values():
        for name in [name for name in os.environ if name.startswith("STEPCARE_")]:
            monkeypatch.delenv(name)
        for name, value in environment(one).items():
            monkeypatch.setenv(name, value)
        found = read_settings(os.environ)
        assert found.database.startswith("postgresql://")
        assert "@database/" in found.database


def test_nothing_here_is_a_demonstration() -> None:
    """One click must sign nobody in where people are real."""
    files = [one for one in DEPLOY.rglob("*") if one.is_file() and "secrets" not in one.parts]
    assert [one for one in files if "STEPCARE_DEMONSTRATION" in one.read_text()] == []


def test_whatever_is_mounted_is_declared_and_used(compose: dict[str, Any]) -> None:
    """Volumes, networks, secrets, configs: none is missing, none is left over, and every file of ours is there."""
    used: dict[str, set[str]] = {"volumes": set(), "networks": set(), "secrets": set(), "configs": set()}
    for one in compose["services"].values():
        used["volumes"] |= {source for source, _ in mounts(one).values() if not source.startswith(".")}
        used["networks"] |= set(one["networks"])
        used["secrets"] |= set(one.get("secrets", ()))
        used["configs"] |= {config["source"] for config in one.get("configs", ())}
    assert used == {kind: set(compose[kind]) for kind in used}
    assert all((COMPOSE / one["file"]).is_file() for one in compose["configs"].values())


def test_each_service_sees_the_folders_it_needs_and_no_others(ours: dict[str, Service]) -> None:
    """The vault is for those who serve and work, the log's key for the sealer, and only it publishes."""
    for name, one in ours.items():
        said, where = environment(one), mounts(one)
        for variable in ("STEPCARE_VAULT", "STEPCARE_SEALER", "STEPCARE_PUBLISHED"):
            assert variable not in said or said[variable] in where, (name, variable)
        assert ("/var/lib/stepcare-vault" in where) == (name != "sealer")
        assert ("/var/lib/stepcare-sealer" in where) == (name == "sealer")
        assert where["/srv/stepcare-log"][1] == (name == "sealer")


def test_nobody_is_root_or_may_change_their_own_program(ours: dict[str, Service]) -> None:
    """Whoever breaks in finds a file system that is read only, no right of root's, and no way to get one."""
    for one in ours.values():
        assert re.fullmatch(r"1000[12]:10001", one["user"])
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]
        assert len(one["tmpfs"]) == 1
    assert ours["sealer"]["user"] != ours["web"]["user"]


def test_only_the_web_is_reached_and_only_from_this_machine(compose: dict[str, Any]) -> None:
    """It speaks plain HTTP: the port is on loopback, it is the one that is listened on, and health is asked there."""
    services = compose["services"]
    assert [name for name, one in services.items() if "ports" in one] == ["web"]
    assert services["database"]["networks"] == ["inside"]
    assert compose["networks"]["inside"]["internal"] is True
    host, _, inside = str(services["web"]["ports"][0]).replace("${PORT:-8000}", "8000").split(":")
    words = services["web"]["command"]
    assert (host, inside) == ("127.0.0.1", words[words.index("--port") + 1])
    assert f":{inside}/readyz" in services["web"]["healthcheck"]["test"][-1]


def test_every_stop_lasts_as_long_as_it_may(compose: dict[str, Any]) -> None:
    """A stop finishes what was begun: 20 s for requests, the longest call of a channel for a worker."""
    seconds = {name: int(one.get("stop_grace_period", "10s")[:-1]) for name, one in compose["services"].items()}
    assert seconds["web"] > 20
    assert seconds["worker"] >= 60


def test_the_channels_of_the_compose_file_can_be_used() -> None:
    """As it comes nothing is sent: messages are named on the console."""
    assert list(configured(COMPOSE / "channels.yaml").channels) == ["console"]


def test_what_compose_itself_reads_is_no_setting_of_the_program() -> None:
    """Whoever exports a variable for the file goes on using `stepcare` in the same shell, which refuses strange ones."""
    assert set(re.findall(r"\$\{(\w+)", (COMPOSE / "compose.yaml").read_text())) == {"IMAGE", "PORT", "ZONE"}


# --- the image ------------------------------------------------------------------------------------------------------


def test_the_image_copies_what_there_is_and_runs_as_nobody(
    image: list[tuple[str, str]], ours: dict[str, Service]
) -> None:
    """Every file it takes is in the repository, its user is the compose file's, its folders are those of the volumes."""
    root = DEPLOY.parent
    copied = [rest.split() for word, rest in image if word == "COPY" and not rest.startswith("--from")]
    assert all((root / source).exists() for words in copied for source in words[:-1])
    project = tomllib.loads((root / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = {*wheel, *project["project"]["license-files"], project["project"].get("readme", "pyproject.toml")}
    assert needed <= {source for words in copied for source in words[:-1]}
    ignored = (COMPOSE / "Containerfile.dockerignore").read_text().split()
    assert {f"!{source}" for words in copied for source in words[:-1]} <= set(ignored)
    said = dict(image)
    assert said["USER"] == ours["web"]["user"]
    assert said["ENTRYPOINT"] == '["stepcare"]'
    made = re.findall(r"-o (\d+) -g (\d+) -m (\d+) (\S+)", said["RUN"])
    folders = {path: f"{user}:{group}" for user, group, _, path in made}
    assert folders["/var/lib/stepcare-vault"] == ours["web"]["user"]
    assert folders["/var/lib/stepcare-sealer"] == folders["/srv/stepcare-log"] == ours["sealer"]["user"]
    assert set(folders) == {path for one in ours.values() for path in mounts(one) if not path.startswith("/etc")}


# --- the secrets, for real --------------------------------------------------------------------------------------------


def test_the_secrets_are_made_and_let_each_role_in(server: Server, compose: dict[str, Any], tmp_path: Path) -> None:
    """On a real server: migrated by the superuser, the roles get their passwords from the files, as the services do."""
    if os.geteuid() != 0:
        pytest.skip("The script gives files to the containers' users: only root may.")
    script = COMPOSE / "make-secrets.sh"
    for _ in range(2):
        subprocess.run(["/bin/sh", script, tmp_path], check=True, capture_output=True)  # noqa: S603 - our own
    made = {one.name: one for one in (tmp_path / "secrets").iterdir() if one.is_file()}
    assert set(made) == {PurePosixPath(one["file"]).name for one in compose["secrets"].values()}
    assert {one.stat().st_mode & 0o777 for one in made.values()} == {0o600}

    with psycopg.connect(server.administrator_of("postgres"), autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE care"))
    migrate_app(server.administrator_of("care"), "Europe/Berlin", wall_clock, tmp_path / "vault")
    address = ["--host", str(server.directory), "--username", "administrator", "--dbname", "care"]
    words = [str(programs() / "psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", *address]
    subprocess.run(  # noqa: S603 - a found program
        [*words, f"--file={COMPOSE / 'passwords.sql'}"],
        check=True,
        env={**os.environ, "SECRETS": str(made["app"].parent)},
    )
    with psycopg.connect(server.administrator_of("care")) as connection:
        found = connection.execute("SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE 'care_%'").fetchall()
    assert {name for name, kept in found if str(kept).startswith("SCRAM-SHA-256$")} == {"care_app", "care_auditor"}
    roles = {one.read_text().split(":")[3] for name, one in made.items() if name != "superuser"}
    assert roles == {"postgres", "care_app", "care_auditor"}


# --- units ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_each_unit_starts_a_command_line_the_program_takes(unit: Path) -> None:
    """A unit that names a word the program does not know would fail at the first start."""
    read = RawConfigParser(strict=False)
    read.optionxform = str  # type: ignore[assignment, method-assign]  # as the parser's own manual says
    read.read(unit)
    program, *words = shlex.split(read["Service"]["ExecStart"])
    assert PurePosixPath(program).name == "stepcare"
    assert refused(words) == ""
    assert read["Service"]["User"] != "root"
    assert read["Service"]["NoNewPrivileges"] == "yes"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd on this machine")
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_systemd_has_nothing_to_say_about_a_unit(unit: Path, tmp_path: Path) -> None:
    """Every directive is known and well written; the program itself need not be installed here."""
    text = unit.read_text().replace("/opt/stepcare/bin/stepcare", "/bin/true")

    assert complaints(tmp_path / unit.name, text) == []
    assert complaints(tmp_path / unit.name, text.replace("ProtectHome=", "ProtectHouse=")), "this test would see it"


def complaints(path: Path, text: str) -> list[str]:
    """Give what systemd says about a unit with this text."""
    path.write_text(text)
    words = [str(shutil.which("systemd-analyze")), "verify", "--man=no", "--recursive-errors=no", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - a found program
    said = [line for line in done.stderr.splitlines() if path.name in line]
    return said or ([] if done.returncode == 0 else [done.stderr])
