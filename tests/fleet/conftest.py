"""A server that flushes what it commits, and the pathway, proved once."""

from collections.abc import Iterator

import pytest

from stepcare.publishing import proved_pack
from tests.servers import Server
from workflows.load import Loaded


@pytest.fixture(scope="session")
def pack() -> Loaded:
    """Read and prove the shipped pathway once."""
    return proved_pack("mid_upper_back")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Give a server that can be crashed."""
    server = Server()
    yield server
    server.stop()
