"""The pages in a real browser: a first day at work, nothing that shuts anybody out, and nothing that needs a script."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.served import CHROMIUM, PAGES, browsing, episode_of, serving, visiting

MOST_STEPS = 12
WIDTHS = (1280, 320)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: .ci/run installs it")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a demonstration; gives its address."""
    with serving(tmp_path_factory.mktemp("browser") / "demo") as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give a browser."""
    with browsing() as started:
        yield started


def test_a_first_day_from_the_worklist_to_the_log(browser: Browser, site: str) -> None:
    """Found, recorded, understood, kept and read in the log, in at most twelve steps, by somebody who was never here."""
    with visiting(browser, site) as page:
        steps = 1  # the click that signed in
        page.click("tbody tr:has-text('Reassess') th a >> nth=0")
        page.click("main a:has-text('Reassess') >> nth=0")
        page.fill("#nprs", "3")
        page.fill("#psfs-name-1", "desk work")
        page.fill("#psfs-score-1", "7")
        page.check("input[name=function_word][value=improved]")
        page.click("button[value=see]")
        steps += 7
        assert "The pathway recommends" in page.inner_text("main")
        page.click("button[value=keep]")
        page.click("#kept a")
        steps += 2
        assert "Decided again: the same" in page.inner_text("main")
        assert "Reassessment" in page.inner_text("main")
    assert steps <= MOST_STEPS


def test_the_same_day_without_a_script_and_by_keyboard_alone(browser: Browser, site: str) -> None:
    """Every page is complete as it comes; the first thing the tab key reaches leads past the frame."""
    with visiting(browser, site, script=False) as page:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.url.endswith("#maincontent")
        episode = episode_of(page)
        page.goto(f"{site}{episode}/do/contact/contact")
        page.locator("select, input[type=radio]").first.focus()
        page.check("input[name=channel][value=telephone]")
        page.check("input[name=result][value=reached]")
        page.locator("button[value=see]").focus()
        page.keyboard.press("Enter")
        page.locator("button[value=keep]").wait_for()
        page.locator("button[value=keep]").focus()
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("kept="))


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_shuts_anybody_out(browser: Browser, site: str, width: int) -> None:
    """Axe finds nothing on any page; nothing has to be scrolled sideways, not on the narrowest telephone either."""
    wrong: list[str] = []

    def look(page: Page, name: str) -> None:
        found = Axe().run(page).response["violations"]
        wrong.extend(f"{name}: {one['id']} {one['nodes'][0]['html'][:120]}" for one in found)
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            wrong.append(f"{name}: {wide} wide")

    with visiting(browser, site, width=width, sees_in=True) as page:
        episode = episode_of(page)
        for name in PAGES:
            page.goto(site + name.replace("/{}", episode))
            look(page, name)
        page.goto(f"{site}{episode}/do/record/reassessment")
        page.fill("#nprs", "11")
        page.click("button[value=see]")
        look(page, "a form with an error")
        page.fill("#nprs", "3")
        page.click("button[value=see]")
        look(page, "a decision")
    assert wrong == []


def test_a_page_prints_as_pages(browser: Browser, site: str, tmp_path: Path) -> None:
    """An episode fits on a few sheets, without the frame of the screen."""
    with visiting(browser, site) as page:
        page.goto(site + episode_of(page))
        path = tmp_path / "episode.pdf"
        page.pdf(path=str(path), format="A4")
        assert path.read_bytes().startswith(b"%PDF")
        page.emulate_media(media="print")
        assert not page.is_visible("header nav")
        assert page.is_visible("h1")
