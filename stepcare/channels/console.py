"""The console: says that a message went out, for a demonstration or a first look. Nobody is reached by it."""

import threading
from dataclasses import dataclass, field
from typing import TextIO

from stepcare.channels.port import OnUnknown, Parcel, Result, accepted, temporary


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """Writes one line a message to `stream`: its key and language, never its words or its address.

    `words`: the text follows, for demonstrations with invented people only.
    """

    stream: TextIO
    name: str = "console"
    words: bool = False
    on_unknown: OnUnknown = "resend"
    at_once: int = 1
    deadline: float = 10.0
    _alone: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def send(self, parcel: Parcel) -> Result:
        """Write the line."""
        said = f"message {parcel.key} ({parcel.language})\n"
        if self.words:
            said += "".join(f"    {line}\n" for line in (parcel.subject, *parcel.text.splitlines()))
        try:
            with self._alone:
                self.stream.write(said)
                self.stream.flush()
        except (OSError, ValueError):  # a terminal that went away; ValueError: closed, or it cannot write the letters
            return temporary("unreachable")
        return accepted("written")

    def ask(self, parcel: Parcel) -> Result | None:
        """Say nothing: what was written is not kept."""
        del parcel
        return None

    def close(self) -> None:
        """Leave the stream to whoever gave it."""
