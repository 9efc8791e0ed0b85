"""The page about the API is true: every route, every problem, every limit stands on it."""

import re
from pathlib import Path

from stepcare.web import edge
from stepcare.web.problem import CODES
from tests.web.conftest import House
from tests.web.test_access import BY_ADDRESS, MAY, OPEN

PAGE = (Path(__file__).parent.parent.parent / "docs" / "api.md").read_text(encoding="utf-8")


def test_the_page_lists_every_route_and_no_other() -> None:
    """Each with its method, as the application has them."""
    listed = {tuple(found) for found in re.findall(r"^\| `(GET|POST) ([^`]+)` \|", PAGE, re.MULTILINE)}

    assert {one for one in listed if one[1] not in BY_ADDRESS} == set(MAY) | {("GET", path) for path in OPEN}
    assert {path for _, path in listed} >= BY_ADDRESS


def test_the_page_lists_every_problem_with_its_status() -> None:
    """The codes are the contract."""
    listed = {code: int(status) for code, status in re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", PAGE, re.MULTILINE)}

    assert listed == {code: status for code, (status, _, _) in CODES.items()}


def test_the_page_states_the_limits() -> None:
    """As they are in force."""
    assert f"{edge.MOST_BODY // 1024} kB" in PAGE
    assert f"{edge.MOST_HEADERS} headers or {edge.MOST_HEADER_BYTES // 1024} kB" in PAGE
    assert f"within {edge.BODY_SECONDS:.0f} seconds" in PAGE


def test_the_description_has_what_the_page_has(house: House) -> None:
    """OpenAPI and page name the same routes."""
    found = house.get("ann", "/api/v1/openapi.json").json()["paths"]

    told = {(method.upper(), path) for path, methods in found.items() for method in methods if path not in BY_ADDRESS}
    assert told == set(MAY) | {("GET", path) for path in OPEN}
