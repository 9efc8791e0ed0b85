"""Publishing a pack: read whole, proved, and only then put in force."""

from pathlib import Path

from engine.errors import BadPack, Finding
from engine.model import Actor, Command, Kind
from engine.names import names
from engine.prove import prove_pathway
from engine.service import Answer
from stepcare.app import App
from workflows.load import Loaded, find_pack, load_pack


def findings_of(loaded: Loaded) -> tuple[Finding, ...]:
    """Prove a pack; gives what stands against it, each finding with its place. Nothing: it may be used."""
    return loaded.resolve(prove_pathway(loaded.pathway, names(loaded.pathway)))


def proved_pack(name: str, beside: Path | None = None) -> Loaded:
    """Read and prove a pack by its name or folder (looked for `beside` a file first).

    Raises BadPack with every finding, each with its place, and a counter-example patient for gaps and overlaps.
    """
    near = beside.parent / name if beside is not None else None
    loaded = load_pack(near if near is not None and near.is_dir() else find_pack(name))
    findings = findings_of(loaded)
    if findings:
        raise BadPack(findings)
    return loaded


def publish(app: App, loaded: Loaded, actor: Actor, command_id: str) -> Answer:
    """Put a proved pack in force for new episodes."""
    values = {"pathway": loaded.pathway.id, "hash": loaded.sha256}
    command = Command(id=command_id, kind=Kind.PUBLISH, actor=actor, values=values)
    return app.engine.publish(command, loaded.pathway, loaded.bytes)
