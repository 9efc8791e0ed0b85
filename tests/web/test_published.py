"""The published log over HTTP: to auditors only, exactly the folder's files, and each look at entries is noted."""

from pathlib import Path

import pytest

from storage.access_read import AccessFilter, noted
from tests.web.conftest import House


def folder(house: House) -> Path:
    """Give the published folder."""
    found = house.web.service().published
    assert found is not None
    return found


def test_an_auditor_gets_every_published_file(house: House) -> None:
    """Whatever the sealer wrote comes back byte for byte; only the checkpoint is asked for anew each time."""
    names = [str(path.relative_to(folder(house))) for path in folder(house).rglob("*") if path.is_file()]
    assert len(names) >= 3
    for name in names:
        found = house.get("aziz", f"/log/{name}")
        kept = "no-store" if name == "checkpoint" else "private, max-age=31536000, immutable"

        assert (found.status_code, found.content) == (200, (folder(house) / name).read_bytes())
        assert found.headers.get_list("cache-control") == [kept]
        assert found.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("who", ["ann", "lena", "priya", "adam", "oscar"])
def test_nobody_else_does(house: House, who: str) -> None:
    """The tiles show every care team's entries at once: not even a lead or the privacy officer gets them."""
    assert house.get(who, "/log/checkpoint").status_code == 403
    assert house.get(None, "/log/checkpoint").status_code == 401


@pytest.mark.parametrize(
    "name",
    [
        *("", "checkpoint/", "checkpoint.p", "Checkpoint", "access/access/checkpoint", "access/checkpoint"),
        *(
            "tile/0/001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/64/000",
            "tile/0/0",
            "tile/0/1000",
        ),
        *("tile/0/x01/000", "tile/00/000", "tile/entries/.000.new", "tile/0/000.p"),
        *("../sealer/key", "%2e%2e/sealer/key", "tile/../../sealer/key", "tile/0/000.p/1/../../../../../stepcare.db"),
        *("/etc/passwd", "%2fetc%2fpasswd", "tile/0/000%00", "tile/0/000%0a"),
    ],
)
def test_nothing_else_is_served(house: House, name: str) -> None:
    """Names that are none, files that are not there, ways upwards: 404; what leads out of the log is no page either."""
    found = house.get("aziz", f"/log/{name}")

    if not found.request.url.path.startswith("/log/"):  # the client has gone upwards by itself
        assert (found.status_code, found.content) == (303, b"")
        assert found.headers["location"].startswith("/sign-in?back=")
        return
    assert found.status_code == 404
    assert found.json()["code"] == "not-found"


def test_looking_at_entries_is_noted_at_hashes_not(house: House) -> None:
    """Bundles and the checkpoint leave an entry in the log of reads; tiles of hashes show nothing of anybody."""

    def seen() -> int:
        return len(noted(house.app.database, AccessFilter(what="log.published")))

    before = seen()
    width = next((folder(house) / "tile/0/000.p").iterdir()).name
    house.get("aziz", f"/log/tile/0/000.p/{width}")
    assert seen() == before
    house.get("aziz", f"/log/tile/entries/000.p/{width}")
    assert seen() == before + 1
