"""What the worker's commands do: work until told to stop, work once, lift the guard after a restore."""

import signal
import threading
from collections import Counter

from engine.model import Json
from stepcare.app import App, CorrectedClock, open_app
from stepcare.desk.opened import opened, settings_of
from stepcare.options import Options
from stepcare.render import Column, emit_rows, emit_thing, note
from stepcare.worker.restored import ReplayGuard
from stepcare.worker.run import Worker
from stepcare.worker.setup import Asked, worker_of, working
from storage.pump import Pump
from storage.pump_figures import backlog

SIGNALS = (signal.SIGTERM, signal.SIGINT)
NOTHING = "Nothing was due."
COLUMNS = (Column(key="what", title="WHAT"), Column(key="count", title="COUNT", right=True))


def work_on(options: Options, asked: Asked) -> None:
    """Work until SIGTERM or Ctrl-C; what was begun is finished."""
    settings = settings_of(options)
    stop = threading.Event()
    for number in SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    with (
        open_app(settings.database, CorrectedClock(), settings.vault_directory) as app,
        working(app, settings, asked) as worker,
    ):
        note(f"Worker {worker.id}: firing and delivering; stop with Ctrl-C.")
        stop.wait()


def work_once(options: Options, asked: Asked) -> None:
    """Do all that is due now, and say what became of it; in a dry run, only how much that is."""
    settings = settings_of(options)
    with open_app(settings.database, CorrectedClock(), settings.vault_directory) as app:
        counts = _waiting(app) if options.dry_run else _worked(worker_of(app, settings, asked))
        rows: list[dict[str, Json]] = [{"what": name, "count": counts[name]} for name in sorted(counts)]
        emit_rows(options.output, rows, COLUMNS, NOTHING)


def _worked(worker: Worker) -> Counter[str]:
    try:
        return worker.once()
    finally:
        worker.close()


def _waiting(app: App) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in backlog(app.database, app.clock()):
        found[f"{one.table}_due"] += one.count
    return found


def lift_guard(options: Options) -> None:
    """Let messages go again that were held after a restore; those that ended as unknown stay so."""
    with opened(options) as desk:
        guard = ReplayGuard(desk.app, Pump(desk.app.database, "desk"))
        lifted = guard.lift(desk.app.clock())
        said = "✓ Lifted: messages go out again." if lifted else "The guard was not up."
        emit_thing(options.output, {"lifted": lifted}, lambda: [said])
