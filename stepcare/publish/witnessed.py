"""Asking the witnesses of the sealer's policy; whatever they do, the checkpoint is published."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import structlog

from engine.errors import StepcareError
from stepcare.publish.seal import Prove, Witnessing
from stepcare.verifier.note import Note
from stepcare.verifier.outcome import NotVerified

log = structlog.get_logger("stepcare.sealer")


def witnessing(folder: Path, now: Callable[[], datetime]) -> Witnessing:
    """Ask who the file `policy` in the sealer's folder names; nobody where there is no such file."""

    def ask(note: Note, prove: Prove) -> Note:
        policy = folder / "policy"
        return _asked(note, prove, policy, int(now().timestamp())) if policy.exists() else note

    return ask


def keeping(folder: Path, now: Callable[[], datetime], published: Path) -> Callable[[Note], None]:
    """Keep the latest published checkpoint that met the policy beside it, so that an outage shows its age."""

    def keep(note: Note) -> None:
        policy = folder / "policy"
        if not policy.exists():
            return
        from stepcare.witness.policy import Policy  # noqa: PLC0415
        from stepcare.witness.state import keep_witnessed  # noqa: PLC0415

        try:
            keep_witnessed(published, note, Policy.parse(policy.read_bytes()), int(now().timestamp()))
        except (StepcareError, NotVerified, OSError) as error:
            log.error("witnessed, not kept", error=str(error))  # noqa: TRY400 - the checkpoint is published already

    return keep


def _asked(note: Note, prove: Prove, policy: Path, now: int) -> Note:
    # HTTP is loaded by those who have a policy only.
    from stepcare.witness.client import Manner  # noqa: PLC0415
    from stepcare.witness.collect import collect  # noqa: PLC0415
    from stepcare.witness.policy import Policy  # noqa: PLC0415

    try:
        found = collect(note, prove, Policy.parse(policy.read_bytes()), Manner(now=now), policy.parent)
    except (StepcareError, NotVerified, OSError) as error:
        # A mistyped policy must not stop the log: it is told, and the checkpoint stands unwitnessed.
        log.error("not witnessed", error=str(error))  # noqa: TRY400 - a trace would say less
        return note
    for one in found.answers:
        if one.signature is None:
            (log.error if one.is_evidence else log.warning)("not witnessed", outcome=one.said.value, error=one.detail)
    return found.note
