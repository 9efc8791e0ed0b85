"""Secrets of channels: read from files of their owner's alone, or from the environment; never from the settings' file."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

LARGEST = 4096  # bytes


class NoSecret(Exception):
    """A secret cannot be had; the message says why, and never what it is."""


def secret_of(file: str, environment: str, environ: Mapping[str, str], beside: Path) -> str:
    """Read a secret named by one of `file` (relative to the folder `beside`) and `environment`; raises NoSecret."""
    if bool(file) == bool(environment):
        raise NoSecret("name either a file or a variable of the environment")
    found = _in_file(beside / file) if file else environ.get(environment, "")
    if not found.strip():
        raise NoSecret(f"the {'file' if file else 'variable'} {file or environment} is empty or not there")
    return found.strip()


def _in_file(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NoSecret(f"{path} cannot be read ({error.strerror})") from None
    with os.fdopen(descriptor, "rb") as stream:
        # Asked of the open file, not of the name: nobody can swap the two in between.
        if os.fstat(descriptor).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise NoSecret(f"others than its owner may read {path}: run chmod 600 on it, and consider a new secret")
        try:
            return stream.read(LARGEST).decode()
        except (OSError, UnicodeDecodeError):
            raise NoSecret(f"{path} holds no text") from None
