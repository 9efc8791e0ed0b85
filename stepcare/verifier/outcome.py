"""What checking can come to, in four words, and the three errors that say the last three of them."""

from enum import StrEnum


class Outcome(StrEnum):
    """The one answer, with its exit code.

    verified: everything looked at is as it was written. tampered: something is not. unverifiable: something can be
    neither confirmed nor denied (an unknown format, a missing key or file). absent: there is no log here.
    """

    VERIFIED = "verified"
    TAMPERED = "tampered"
    UNVERIFIABLE = "unverifiable"
    ABSENT = "absent"

    @property
    def exit(self) -> int:
        """Give the exit code of the answer."""
        return {Outcome.VERIFIED: 0, Outcome.ABSENT: 3, Outcome.TAMPERED: 6, Outcome.UNVERIFIABLE: 7}[self]


class NotVerified(Exception):
    """Checking came to something else than verified; the message says what, where, why, and what to do now."""

    outcome: Outcome


class Tampered(NotVerified):
    """It is not what was written."""

    outcome = Outcome.TAMPERED


class Unverifiable(NotVerified):
    """It can be neither confirmed nor denied: a format is unknown, or a key or a part is missing."""

    outcome = Outcome.UNVERIFIABLE


class Absent(NotVerified):
    """There is no log here."""

    outcome = Outcome.ABSENT
