"""Check a log: everything is computed anew from the bytes that lie there, and compared with what they claim."""

import time
from pathlib import Path

from stepcare.verifier.asked import Asked
from stepcare.verifier.database import DATABASE, opened
from stepcare.verifier.folder import Publication
from stepcare.verifier.outcome import Absent, NotVerified, Unverifiable
from stepcare.verifier.published import CHECKPOINT, Published
from stepcare.verifier.report import Report
from stepcare.verifier.rows import Rows

ALWAYS = (
    "whether all that happened was written down, and whether clocks were right",
    "what is sealed inside the entries, and whether each decision follows from its facts",
)


def check(path: Path, asked: Asked) -> Report:
    """Check what lies here: a published folder, a database file, or the directory of a database."""
    report = Report(what=str(path))
    begin = time.perf_counter()
    try:
        if not path.exists():
            raise Absent("There is nothing at this path.")
        if path.is_file():
            _database(path, asked, report)
        elif (path / DATABASE).is_file() and not (path / CHECKPOINT).exists():
            _database(path / DATABASE, asked, report)
        else:
            Publication(Published(path), asked, report).check()
    except NotVerified as error:
        report.add(error)
    except OSError as error:
        report.add(Unverifiable(f"It cannot be read ({error.strerror}): get a copy that can."))
    for one in ALWAYS:
        report.skip(one)
    report.seconds = time.perf_counter() - begin
    return report


def _database(path: Path, asked: Asked, report: Report) -> None:
    with opened(path) as database:
        Rows(database, asked, report).check()
