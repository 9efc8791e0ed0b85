"""Unusual strings that are planted where people's data belongs, and looked for where none may be left."""

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

NAME = "Zwölfbäumchen Quaxmeier-9c4f"
EMAIL = "quaxmeier.7d21@kanarienhof.example"
TELEPHONE = "+49-5550-731-9942-77"
TEXT = "Überweisung Dr. Hüttenkäse-b83e, Praxis am Quittenweg"
NOTE = "wollte wegen des Schäferhunds «Brösel-5f0a» nicht kommen"
TEAM = "kanarien-5b1d"
ALL = {"name": NAME, "email": EMAIL, "telephone": TELEPHONE, "text": TEXT, "note": NOTE, "team": TEAM}


def forms(text: str) -> Iterator[bytes]:
    """Give the bytes in which a text could lie somewhere."""
    for word in (text, text.lower(), text.upper()):
        yield word.encode()
    yield text.encode("latin-1")
    plain = text.encode()
    yield text.encode("utf-16-le")
    yield text.encode("utf-16-be")
    yield json.dumps(text).strip('"').encode()
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    for shift in range(3):  # base64 of the same bytes differs by where they begin
        yield base64.b64encode(b"\0" * shift + plain)[4 if shift else 0 : -4]
        yield base64.urlsafe_b64encode(b"\0" * shift + plain)[4 if shift else 0 : -4]


def found_in(data: bytes, canaries: Iterable[str]) -> set[str]:
    """Give the canaries that lie in these bytes, in any form."""
    return {name for name in canaries if any(form in data for form in forms(ALL[name]))}


def files(*places: Path) -> dict[str, bytes]:
    """Give these files, and every file under these places, with their bytes."""
    every = [file for place in places for file in ([place] if place.is_file() else sorted(place.rglob("*")))]
    return {str(file): file.read_bytes() for file in every if file.is_file()}
