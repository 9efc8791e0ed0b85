"""`python -m stepcare.verifier FOLDER|DATABASE`: check a log without us."""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from stepcare.verifier.asked import Asked
from stepcare.verifier.bundle import check_bundle
from stepcare.verifier.check import check
from stepcare.verifier.given import kept_in, trust_in
from stepcare.verifier.outcome import NotVerified
from stepcare.verifier.report import Report
from stepcare.verifier.say import as_json, lines

EPILOG = "Exit: 0 verified, 6 tampered, 7 unverifiable, 3 absent, 2 wrong usage. Nothing is written, nobody is asked."
OFTEN = 0.1


def main(arguments: Sequence[str] | None = None) -> int:
    """Check what is asked for, print, and give the exit code."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # both are text
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.path is None and asked.proof is None:
        parser.error("give a published folder, a database, or a proof bundle (--proof)")
    reports = _reports(asked)
    if asked.json:
        found = [as_json(one) for one in reports]
        _print(json.dumps(found[0] if len(found) == 1 else found, ensure_ascii=False, indent=2) + "\n")
    else:
        _print("".join(f"{line}\n" for one in reports for line in lines(one)))
    return max((one.outcome for one in reports), key=lambda one: (6, 7, 3, 0).index(one.exit) * -1).exit


def _print(text: str) -> None:
    """Print; who reads it may go away before its end (`… | head`), which changes nothing about the outcome."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more when it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stepcare-verifier", description="Check an audit log.", epilog=EPILOG)
    parser.add_argument(
        "path", nargs="?", type=Path, metavar="FOLDER|DATABASE", help="the published log, or stepcare.db"
    )
    parser.add_argument("--vkey", action="append", default=[], metavar="FILE|TEXT", help="a key of the log; repeatable")
    parser.add_argument(
        "--checkpoint", action="append", default=[], type=Path, metavar="KEPT", help="kept elsewhere; repeatable"
    )
    parser.add_argument("--policy", type=Path, metavar="FILE", help="which witnesses must have seen the checkpoint")
    parser.add_argument("--proof", type=Path, metavar="BUNDLE", help="the folder of a proof bundle")
    parser.add_argument("--hashes", action="store_true", help="the tree alone, from the hashes that are kept")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _reports(asked: argparse.Namespace) -> list[Report]:
    """Check the bundle, the log, or both; then the log must agree with the bundle's checkpoint, too."""
    try:
        trust, kept = trust_in(asked.vkey, asked.policy), kept_in(asked.checkpoint)
    except NotVerified as error:
        report = Report(what=str(asked.path or asked.proof))
        report.add(error)
        report.skip("everything: what it was to be held against cannot be used")
        return [report]
    reports = []
    if asked.proof is not None:
        report, shown = check_bundle(asked.proof, trust)
        reports.append(report)
        kept += shown
    if asked.path is not None:
        progress = _Progress(sys.stderr)
        wish = Asked(trust=trust, kept=kept, hashes=asked.hashes, progress=progress.tell)
        reports.append(check(asked.path, wish))
        progress.end()
    return reports


class _Progress:
    """Says how far it is, on a terminal only."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._shown, self._last = stream, stream.isatty(), 0.0

    def tell(self, done: int, of: int) -> None:
        """Say it, now and then."""
        now = time.monotonic()
        if self._shown and (now - self._last > OFTEN or done == of):
            self._last = now
            self._stream.write(f"\rchecking: {done:,} of {of:,}")
            self._stream.flush()

    def end(self) -> None:
        """Clear the line."""
        if self._last:
            self._stream.write("\r\033[K")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
