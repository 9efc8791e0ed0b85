"""`make shots`: every page as a picture, wide and on a telephone, into var/shots."""

import re
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.served import CHROMIUM, PAGES, browsing, episode_of, serving, visiting

WHERE = Path("var/shots")
WIDTHS = (1280, 320)


def shoot(browser: Browser, site: str, width: int) -> int:
    """Take every page at one width; gives how many."""
    with visiting(browser, site, width=width) as page:
        episode = episode_of(page)
        for name in PAGES:
            page.goto(site + name.replace("/{}", episode))
            said = re.sub(r"[^a-z0-9]+", "-", name.replace("{}", "episode")).strip("-")
            page.screenshot(path=str(WHERE / f"{said}-{width}.png"), full_page=True)
    return len(PAGES)


def main() -> int:
    """Serve a demonstration and take its pictures."""
    if CHROMIUM is None:
        sys.stderr.write("There is no chromium here: install it (Debian: apt-get install chromium).\n")
        return 1
    shutil.rmtree(WHERE, ignore_errors=True)
    WHERE.mkdir(parents=True)
    with serving(Path("var/shots-demo")) as site, browsing() as browser:
        taken = sum(shoot(browser, site, width) for width in WIDTHS)
    sys.stdout.write(f"{taken} pictures in {WHERE}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
