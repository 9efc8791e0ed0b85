"""Errors as the API says them: `application/problem+json` (RFC 9457), each with a code that stays.

The sentences stand here, in our own words: what a caller sent never comes back in an error, because it may be
about a person, and errors are logged, pasted and shown by programs we do not know.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from engine.errors import InvalidInput, StaleEpisode, StepcareError

Headers = tuple[tuple[bytes, bytes], ...]
MEDIA = b"application/problem+json"
BEARER: Headers = ((b"www-authenticate", b'Bearer realm="stepcare"'),)

# code → status, title, detail. The code is part of the contract; the sentences may be improved.
CODES: Mapping[str, tuple[int, str, str]] = {
    "invalid-input": (400, "The request cannot be read", "Correct it and send it again."),
    "invalid-answers": (400, "The answers cannot be what they claim to be", "Nothing was kept: correct them."),
    "key-required": (
        400,
        "An Idempotency-Key is needed",
        "Send 1 to 128 printable characters, new for each wish and the same for each sending of it.",
    ),
    "unauthorized": (401, "A valid token is needed", "Send Authorization: Bearer and a token that stands."),
    "token-expired": (401, "The token has expired", "Have a new one made: stepcare token add."),
    "refused": (403, "Not permitted", "Your role or your care team does not permit this."),
    "scope-missing": (403, "The token may not be used for this", "Use one that was made with the scope."),
    "role-gone": (403, "The role of this token is no longer held", "Have a token made for a role that is held."),
    "not-found": (404, "Not here", "There is nothing of that name here: look at the lists."),
    "method-not-allowed": (405, "No such method here", "Use one of the methods in Allow."),
    "request-timeout": (408, "The request took too long to arrive", "Send it again, in one go."),
    "conflict": (409, "The world has moved on", "Nothing was kept: read anew and try again."),
    "key-destroyed": (410, "The person was erased", "Their records cannot be opened any more."),
    "erased": (410, "The person was erased", "Nothing new is kept about them."),
    "stale-episode": (
        412,
        "The episode has changed",
        "Somebody changed it after you read it: read it again, look, and send the version in ETag.",
    ),
    "too-large": (413, "The body is too large", "No form asks more than 256 kB."),
    "unsupported-media-type": (415, "The body is not JSON", "Send application/json, in UTF-8."),
    "refused-by-rules": (422, "Refused by the pathway's rules", "Each failed rule says why, and what would help."),
    "key-reused": (422, "The key stands for another request", "Use a new Idempotency-Key for a new wish."),
    "precondition-required": (
        428,
        "The version you decided on is needed",
        'Send If-Match with the ETag of what you looked at, or If-Match: * for "whatever is current".',
    ),
    "headers-too-large": (431, "The headers are too large", "Send fewer and shorter ones."),
    "internal": (500, "Something went wrong inside", "Report it with the request id."),
    "verification-failed": (500, "What is stored is not what was written", "Run stepcare audit verify."),
    "unverifiable": (500, "It can be neither confirmed nor denied", "Run stepcare audit verify."),
    "unavailable": (503, "The database does not answer now", "Send it again later, with the same Idempotency-Key."),
    "busy": (503, "Too much at once", "Nothing was begun: send it again in a moment."),
    "not-ready": (503, "Not ready", "The service runs, but cannot do its work now."),
}
SPOKEN = ("bad-pack", "bad-scenario")  # other errors of the caller's data


class Problem(Exception):
    """An error on its way out. `more` are further members of the body."""

    def __init__(self, code: str, detail: str = "", *, headers: Headers = (), **more: Any) -> None:
        """Name the code; `detail` (our words only) replaces the usual sentence."""
        self.code, self.headers, self.more = code, headers, more
        self.status, self.title, usual = CODES[code]
        self.detail = detail or usual
        super().__init__(code)

    def body(self, request: str) -> bytes:
        """Give the body; `request` is the id of the request it answers."""
        return dumped(
            {
                "type": f"/problems/{self.code}",
                "title": self.title,
                "status": self.status,
                "detail": self.detail,
                "code": self.code,
                "instance": request,
                **self.more,
            }
        )


def problem_of(error: StepcareError) -> Problem:
    """Give an error of ours as a problem; its own sentence may hold what the caller typed, so it stays here."""
    if isinstance(error, StaleEpisode):
        return Problem("stale-episode", headers=((b"etag", etag(error.current)),), current=error.current)
    if isinstance(error, InvalidInput) or error.code in SPOKEN:
        return Problem("invalid-input")
    code = error.code if error.code in CODES else "internal"
    return Problem(code, headers=((b"retry-after", b"1"),) if code == "unavailable" else ())


def etag(version: int) -> bytes:
    """Give a version as a strong validator."""
    return b'"%d"' % version


def dumped(value: Any) -> bytes:
    """Give JSON bytes."""
    return orjson.dumps(value)
