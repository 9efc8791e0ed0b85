"""Somebody at a browser: cookies kept, forms filled in as they stand on the page, redirects followed by hand."""

import html
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx

from storage.passwords import Passwords
from tests.web.conftest import House

PASSWORD = "a horse walks over the hill"  # noqa: S105 - of people who do not exist
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        """Keep what people read."""
        self.found.append(data)


def words_of(page: httpx.Response) -> str:
    """Give a page's text, its blanks made one."""
    parser = _Words()
    parser.feed(page.text)
    return " ".join(" ".join(parser.found).split())


def hidden_of(page: httpx.Response) -> dict[str, str]:
    """Give what a page's forms carry along."""
    return {name: html.unescape(value) for name, value in HIDDEN.findall(page.text)}


@dataclass(slots=True)
class Browser:
    """One browser at one house."""

    house: House
    cookies: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """Send a request with the cookies, and keep those that come back."""
        headers = {**sent.pop("headers", {})}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        self.house.client.forget()
        found = self.house.client.request(method, path, headers=headers, **sent)
        for name, value in found.cookies.items():
            self.cookies[name] = value
        return found

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Open a page."""
        return self.send("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str, form: dict[str, Any], **headers: str) -> httpx.Response:
        """Send a form."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("POST", path, data=form, headers=named)

    def fill(self, page: httpx.Response, path: str, **typed: Any) -> httpx.Response:
        """Send the form of a page with what was typed into it."""
        return self.post(path, {**hidden_of(page), **typed})

    def sign_in(self, who: str, role: str = "") -> httpx.Response:
        """Sign in with the password everybody has here."""
        Passwords(self.house.app.database).keep(who, PASSWORD)
        return self.post("/sign-in", {"who": who, "password": PASSWORD, "role": role})


def signed_in(house: House, who: str, role: str = "") -> Browser:
    """Give the browser of somebody who is signed in."""
    browser = Browser(house)
    assert browser.sign_in(who, role).status_code == 303
    return browser
