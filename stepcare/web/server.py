"""Running the service: sockets, processes, signals, and a stop that loses nothing.

Each process opens the database for itself; SQLite and PostgreSQL both take several. On SIGTERM or SIGINT a process
takes no new connections, finishes the requests in flight (for a bounded time), closes the database after what was
handed to the writer is written, and exits 0.
"""

import logging
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from multiprocessing import current_process
from pathlib import Path
from time import monotonic
from types import FrameType
from urllib.parse import urlsplit

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from engine.errors import Conflict, InvalidInput, StepcareError
from stepcare.app import App, CorrectedClock, open_app, settle, wall_clock
from stepcare.channels.configured import configured
from stepcare.log import configure_log
from stepcare.settings import DEMONSTRATED, Settings, read_settings
from stepcare.web.api import Web
from stepcare.web.wire import BoundedProtocol
from stepcare.worker.setup import working
from storage.sqlite import Files

BACKLOG = 1024
STOP_SECONDS = 20  # for requests in flight; a commit takes milliseconds
IDLE_SECONDS = 30
NOT_STARTED = "The service could not start: see the lines above."
FACTORY = "stepcare.web.server:web"
SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen: a path for a unix socket, else host and port."""

    host: str
    port: int
    uds: Path | None

    @property
    def said(self) -> str:
        """Give it as people read it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"unix:{self.uds}" if self.uds is not None else f"http://{host}:{self.port}"


def service_settings(database: str | None = None) -> Settings:
    """Read the settings; a service logs each request as JSON unless it is told otherwise."""
    found = read_settings(os.environ, database)
    said = found.model_fields_set
    usual = {"log_level": "info", "log_format": "json"}
    return found.model_copy(update={name: value for name, value in usual.items() if name not in said})


def serve(address: Address, database: str | None, workers: int, *, worker: bool = True) -> None:
    """Serve until a signal says stop; `worker` False: whatever the settings say, somebody else does the due work.

    Raises Conflict for an address that is taken, and whatever opening raises.
    """
    settings = service_settings(database)
    _require_invented(settings)
    if not worker:
        os.environ["STEPCARE_WORKER"] = "false"
    _open_log(settings)
    configured(settings.channels_file, place=settings.messages_folder)
    with opens(settings)():
        pass  # what is missing or wrong is said before anything listens, and once, not by each worker
    listening = listen(address)
    try:
        where = address if address.uds is not None else _as_bound(address, listening)
        sys.stderr.write(
            f"stepcare: serving on {where.said}, {workers} process{'es' if workers > 1 else ''}; stop with Ctrl-C.\n"
        )
        sys.stderr.flush()
        _run(settings, listening, workers)
    finally:
        listening.close()
        if address.uds is not None:
            address.uds.unlink(missing_ok=True)


def _require_invented(settings: Settings) -> None:
    """Refuse to let anybody in by a click where the people may be real."""
    embedded = urlsplit(settings.database).scheme in ("", "sqlite")
    if settings.demonstration and not (embedded and (Files.of(settings.database).directory / DEMONSTRATED).is_file()):
        raise InvalidInput(
            f"STEPCARE_DEMONSTRATION lets anybody in, and no demonstration made {settings.database}: unset it, and give "
            "colleagues passwords with `stepcare user password`."
        )


def opens(settings: Settings) -> Callable[[], AbstractContextManager[App]]:
    """Give what opens the database of these settings."""
    return lambda: open_app(settings.database, CorrectedClock(), settings.vault_directory)


def web() -> Web:
    """Make the application of one process, from the environment; workers call this for themselves."""
    settings = service_settings()
    _open_log(settings)
    return Web(
        opens(settings),
        random=os.urandom,
        monotonic=monotonic,
        started=lambda: settle(_number(settings)),
        published=settings.published_folder,
        demonstration=settings.demonstration,
        channels=configured(settings.channels_file, place=settings.messages_folder),
        beside=(lambda app: working(app, settings)) if settings.worker else None,
    )


def _number(settings: Settings) -> int | None:
    """Count this process among those that serve together, from 0; None where it may wander over the cores."""
    told = current_process().name.rpartition("-")[2]  # SpawnProcess-2
    return (int(told) - 1 if told.isdigit() else 0) if settings.pin else None


def _run(settings: Settings, listening: socket.socket, workers: int) -> None:
    # Workers are started afresh and read the environment: what the command line said must stand there.
    os.environ["STEPCARE_DATABASE"] = settings.database
    config = uvicorn.Config(
        FACTORY,
        factory=True,
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    if workers > 1:
        parent = Multiprocess(config, sockets=[listening])
        parent.run()
        if any(one.exitcode == STARTUP_FAILURE for one in parent.processes):
            raise StepcareError(NOT_STARTED)
        return
    # The server raises the signal again once it has stopped; here that has done its work.
    for one in SIGNALS:
        signal.signal(one, _done)
    server = uvicorn.Server(config)
    try:
        server.run(sockets=[listening])
    except SystemExit as stopped:
        raise StepcareError(NOT_STARTED) from stopped


def _done(_: int, __: FrameType | None) -> None:
    """Do nothing more: the stop is complete."""


# --- where it listens ---------------------------------------------------------------------------------------------


def listen(address: Address) -> socket.socket:
    """Take an address; raises Conflict where another program has it, InvalidInput for one that is none."""
    if address.uds is not None:
        return _listen_at(address.uds)
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, OverflowError, UnicodeError):
        raise InvalidInput(f"{address.host[:80]!r} is no address to listen on: name one of this machine's.") from None
    family, kind, protocol, _, place = found[0]
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(place)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise Conflict(
            f"Nothing can listen on {address.said} ({error.strerror}): stop what is there, or choose another --port."
        ) from None
    return listening


def _listen_at(path: Path) -> socket.socket:
    _free(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117)  # for its owner and group from the first moment on
    try:
        listening.bind(str(path))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise Conflict(f"Nothing can listen on {path} ({error.strerror}): name another path by --uds.") from None
    finally:
        os.umask(before)
    return listening


def _free(path: Path) -> None:
    """Take away a socket that nobody listens on any more, and nothing else."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise Conflict(f"{path} is there and is no socket: name another path by --uds.")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            try:
                other.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
                return
        raise Conflict(f"Another program listens on {path}: stop it, or name another path by --uds.")


def _as_bound(address: Address, listening: socket.socket) -> Address:
    """Give the address with the port that was found for port 0."""
    return Address(host=address.host, port=listening.getsockname()[1], uds=None)


# --- what the server itself has to say ----------------------------------------------------------------------------


class _Line(logging.Handler):
    """Writes the server's own warnings as ours: the sentence without what was filled into it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        structlog.get_logger("stepcare.web").warning("server", code=str(record.msg).strip(), error=kind)


def _open_log(settings: Settings) -> None:
    configure_log(settings.log_level, settings.log_format, wall_clock)
    logger = logging.getLogger("uvicorn")
    logger.handlers, logger.propagate = [_Line(logging.WARNING)], False
    logger.setLevel(logging.WARNING)
