"""What the environment may say, read once at the edge; what would be unsafe is refused, with the remedy."""

import os
import re
import stat
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from engine.errors import InvalidInput
from engine.time import zone

PREFIX = "STEPCARE_"
DEMONSTRATED = "demo.json"  # what a demonstration leaves beside its database
SECRETS = ("STEPCARE_VAULT_KEY",)  # read by the vault alone, never kept in settings
OTHERS = (*SECRETS, "STEPCARE_DEBUG")
Level = Literal["debug", "info", "warning", "error"]


def default_directory(environ: Mapping[str, str]) -> str:
    """Give where a person's own database lies when nothing else is said."""
    home = environ.get("XDG_DATA_HOME") or str(Path(environ.get("HOME") or "~").expanduser() / ".local" / "share")
    return str(Path(home) / "stepcare")


class Settings(BaseSettings):
    """Settings from `STEPCARE_…` variables.

    `database` is a directory, `sqlite:///DIRECTORY` or `postgresql://…`; empty: the person's own. `vault` is the
    directory of the vault where the database is PostgreSQL's. `published` is the folder of the published log, `sealer`
    the sealer's own, with the log's key. `actor` is who asks when `--as` is not given. `zone` is
    the site's when a new database is made. `pin`: each process that serves keeps to one core. `channels` is the file
    that says how messages are sent (empty: they are written down only). `worker`: whoever serves also does the due
    work. `demonstration`: one click signs in, because nobody in the database is real.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    database: str = ""
    vault: str = ""
    published: str = ""
    sealer: str = ""
    actor: str = ""
    zone: str = "Europe/Berlin"
    log_level: Level = "warning"
    log_format: Literal["console", "json"] = "console"
    pin: bool = True
    channels: str = ""
    worker: bool = True
    demonstration: bool = False

    @property
    def vault_directory(self) -> Path | None:
        """Give the directory of the vault, None where it lies beside the database."""
        return Path(self.vault) if self.vault else None

    @property
    def published_folder(self) -> Path:
        """Give the folder of the published log; InvalidInput where nothing says where it is."""
        return Path(self.published) if self.published else self._beside("published")

    @property
    def sealer_folder(self) -> Path:
        """Give the sealer's own folder; InvalidInput where nothing says where it is."""
        return Path(self.sealer) if self.sealer else self._beside("sealer")

    @property
    def channels_file(self) -> Path | None:
        """Give the file that says how messages are sent, None where there is none."""
        return Path(self.channels) if self.channels else None

    @property
    def messages_folder(self) -> Path | None:
        """Give the folder of the file of messages: the data directory or the vault's; None where there is neither."""
        if urlsplit(self.database).scheme in ("", "sqlite"):
            return Path(self.database.removeprefix("sqlite:///"))
        return self.vault_directory

    def _beside(self, name: str) -> Path:
        """Give a folder in the data directory: that of the database, or else that of the vault."""
        if urlsplit(self.database).scheme in ("", "sqlite"):
            return Path(self.database.removeprefix("sqlite:///")) / name
        if not self.vault:
            raise InvalidInput(f"The database is no directory: name the folder with {PREFIX}{name.upper()}.")
        return Path(self.vault) / name


def read_settings(environ: Mapping[str, str], database: str | None = None) -> Settings:
    """Read the settings; `database`, where given, wins. Raises InvalidInput for what is wrong or unsafe."""
    _refuse_unknown(environ)
    said = {"database": database} if database is not None else {}
    try:
        found = Settings(**said)  # type: ignore[arg-type]  # one field, given by name
    except ValidationError as error:
        raise InvalidInput(" ".join(_problem(one["loc"], one["msg"]) for one in error.errors())) from None
    zone(found.zone)
    where = found.database or default_directory(environ)
    if found.vault:
        checked_place(found.vault)
    return found.model_copy(update={"database": checked_place(where)})


def _problem(loc: tuple[int | str, ...], message: str) -> str:
    name = f"{PREFIX}{'_'.join(map(str, loc))}".upper()
    return f"The variable {name} cannot be used: {message[:1].lower()}{message[1:]}."


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    """A mistyped variable would silently mean the default: another database, or no key."""
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields] + list(OTHERS)
    for name in environ:
        if name.startswith(PREFIX) and name not in known:
            close = get_close_matches(name, known, 1)
            meant = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}."
            raise InvalidInput(f"There is no setting {name}: {meant}")


def sources(environ: Mapping[str, str], settings: Settings, *, given: bool) -> list[dict[str, str | None]]:
    """Say of every setting what it is and where that comes from; `given`: the database was named by an option."""
    found: list[dict[str, str | None]] = []
    for name, value in settings.model_dump().items():
        variable = f"{PREFIX}{name.upper()}"
        where = "environment" if variable in environ else "default"
        where = "option" if name == "database" and given else where
        shown = without_password(str(value)) if name == "database" else str(value)
        found.append({"name": name, "value": shown, "source": where, "variable": variable})
    for variable in SECRETS:
        there = variable in environ
        where, value = ("environment", "(set)") if there else ("default", "(the file vault.key beside the vault)")
        found.append({"name": variable.removeprefix(PREFIX).lower(), "value": value, "source": where})
    return found


def without_password(address: str) -> str:
    """Give an address as it may be shown."""
    hidden = re.sub(r"(?i)([?&]password=)[^&]*", r"\1…", address)
    password = urlsplit(address).password
    return hidden if password is None else hidden.replace(f":{password}@", ":…@", 1)


def checked_place(where: str) -> str:
    """Give the place of a database back, unless others could read or replace what lies there."""
    if not where.strip() or "\0" in where or where.strip() == ":memory:":
        raise InvalidInput(f"{where[:40]!r} is no place for a database: name a directory.")
    path = Path(where.rpartition("://")[2]) if "://" in where else Path(where)
    if "://" in where and not where.startswith("sqlite:"):
        return where  # the storage room says which kinds it knows
    if path.exists() and not path.is_dir():
        raise InvalidInput(f"{path} is a file: name the directory that holds the database.")
    if path.is_dir():
        _refuse_open(path)
    return where


def _refuse_open(directory: Path) -> None:
    mode = directory.stat().st_mode
    if mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
        raise InvalidInput(f"Others may write into {directory}: run chmod 700 {directory}.")
    for name in ("stepcare.db", "vault.db", "vault.key", "search.sqlite"):
        file = directory / name
        # The database holds pseudonyms only: the sealer, an OS user of its own, reads it through its group.
        others = 0o037 if name == "stepcare.db" else 0o077
        if file.is_file() and os.access(file, os.R_OK) and file.stat().st_mode & others:
            raise InvalidInput(f"Others than its owner may read {file}: run chmod 600 {file}.")
