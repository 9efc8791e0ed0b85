"""Errors as people and programs read them: on stderr, with the code, every finding, and what to do."""

import json
import sys
from collections.abc import Iterator, Sequence

from engine.errors import BadPack, BadScenario, Finding, StepcareError
from engine.model import Json
from stepcare.options import Output
from stepcare.render import note

DEBUG = "Set STEPCARE_DEBUG=1 to see where it happened, and report it."


def tell_problem(error: Exception, output: Output) -> None:
    """Write an error to stderr: as JSON where JSON was asked for, else in sentences."""
    if output in (Output.JSON, Output.NDJSON):
        sys.stderr.write(f"{json.dumps(problem_json(error))}\n")
        return
    for line in _lines(error):
        note(line)


def problem_json(error: Exception) -> dict[str, Json]:
    """Give an error as JSON: its code, its exit code, what it says, and every finding."""
    known = isinstance(error, StepcareError)
    found: dict[str, Json] = {
        "code": error.code if isinstance(error, StepcareError) else "internal",
        "exit": error.exit if isinstance(error, StepcareError) else 1,
        "detail": str(error) if known else _unexpected(error),
    }
    findings: Sequence[Finding] = getattr(error, "findings", ())  # of a pack, a scenario, a file of channels
    if findings:
        found["findings"] = [finding_json(one) for one in findings]
    return found


def finding_json(finding: Finding) -> dict[str, Json]:
    """Give a finding: its code, its place, what is wrong, and the patient it would happen to."""
    return {
        "code": finding.code,
        "message": finding.message,
        "file": finding.file or None,
        "line": finding.line or None,
        "column": finding.column or None,
        "path": list[Json](finding.path),
        "example": dict[str, Json](finding.example) if finding.example is not None else None,
    }


def finding_lines(finding: Finding) -> Iterator[str]:
    """Tell a finding, as editors read it."""
    yield f"{finding.place}: {finding.code}: {finding.message}"
    if finding.example:
        yield f"    for example: {', '.join(f'{name} = {value}' for name, value in finding.example.items())}"


def _lines(error: Exception) -> Iterator[str]:
    if isinstance(error, BadPack | BadScenario):
        for finding in error.findings:
            yield from finding_lines(finding)
        yield f"stepcare: {len(error.findings)} finding{'s' if len(error.findings) != 1 else ''} ({error.code})."
    elif isinstance(error, StepcareError):
        yield f"stepcare: {error} ({error.code})"
    else:
        yield f"stepcare: {_unexpected(error)}"


def _unexpected(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}: check the path, its rights and the space left."
    # The message of an error nobody foresaw may hold anything; only its kind is told.
    return f"Something went wrong inside ({type(error).__name__}). {DEBUG}"
