"""A demonstration that is served, and somebody at a real browser: for tests and for pictures."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
SECONDS = 120
# Whoever may see most, and the pages they see; `{}` is an episode.
WHO = "lena"
PAGES = (
    *("/worklist", "/worklist?view=mine&ahead=30", "/caseload", "/{}", "/{}/do/record/reassessment", "/pathway"),
    *("/{}/do/record/red_flag_screen", "/{}/do/contact/contact", "/{}/do/assign/owner", "/log-book", "/log-book/3"),
    *("/{}/messages", "/due-work", "/find"),
    "/nowhere",
)


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """Serve a demonstration; gives its address."""
    words = ["--data", str(data), "demo", "--episodes", "14", "--days", "120", "--port", "0"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STEPCARE_")}
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "stepcare", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stderr is not None
    try:
        said = ""
        for said in process.stderr:
            if said.startswith("stepcare: serving on "):
                break
        yield re.findall(r"http://[\d.:]+", said)[0]
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()


@contextmanager
def browsing() -> Iterator[Browser]:
    """Start a browser that asks nobody but us."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield started
        started.close()


@contextmanager
def visiting(
    browser: Browser, site: str, who: str = WHO, *, width: int = 1280, script: bool = True, sees_in: bool = False
) -> Iterator[Page]:
    """Sign somebody in; `sees_in`: a checker may look into the page despite its policy. Nothing may be said on the console."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, java_script_enabled=script, bypass_csp=sees_in
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{site}/sign-in")
    page.click(f"button[value={who}]")
    yield page
    context.close()
    assert [one for one in said if "status of 4" not in one] == []  # a refused form is said there by the browser itself


def episode_of(page: Page) -> str:
    """Give the address of the first episode of the worklist, without its host."""
    page.click("tbody th a >> nth=0")
    return re.sub(r"^https?://[^/]+|#.*$", "", page.url)
