"""The door keeps its own promise: what is published is proved, and is the very bytes its hash names."""

import hashlib
from pathlib import Path

import pytest

from engine.errors import BadPack, InvalidInput
from engine.model import Actor, Command, Kind, Role
from stepcare.app import VirtualClock, temporary_app
from tests.worlds import PACK, utc
from workflows.load import load_pack, pack_bytes

OTTO = Actor(id="otto", role=Role.PATHWAY_OWNER)


def test_an_unproved_pack_is_not_published_whoever_asks(tmp_path: Path) -> None:
    """A table without its last row leaves patients without an answer: the door refuses it, not only the command line."""
    whole = load_pack(PACK).pathway
    table = whole.tables["recommendation"]
    holed = whole.model_copy(
        update={"tables": {**whole.tables, "recommendation": table.model_copy(update={"rows": table.rows[:-1]})}}
    )
    data = pack_bytes(holed)
    values = {"pathway": holed.id, "hash": hashlib.sha256(data).hexdigest()}
    command = Command(id="p1", kind=Kind.PUBLISH, actor=OTTO, values=values)

    with temporary_app(VirtualClock(utc(2026, 3, 2)), "Europe/Berlin", str(tmp_path)) as app:
        with pytest.raises(BadPack, match="no answer"):
            app.engine.publish(command, holed, data)
        with pytest.raises(InvalidInput, match="bytes"):
            app.engine.publish(command, whole, b"{}")
        with pytest.raises(InvalidInput, match="proved pack"):
            app.engine.handle(command)

        assert app.engine.store.site().pathways == {}
