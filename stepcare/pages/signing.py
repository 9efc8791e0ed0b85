"""Signing in and out. In a demonstration one click is enough, because everybody in it is invented."""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from engine.errors import NotFound
from engine.model import Role
from stepcare.pages.edge import COOKIE
from stepcare.pages.visit import Visit, see_other, visit_of
from stepcare.web.problem import Problem
from storage.passwords import Passwords
from storage.sessions import LONGEST, begin, end
from storage.staff import Colleague, Staff

HOME = "/worklist"
# One sentence for every reason: whoever tries names learns nothing from it.
WRONG = "Name and password do not fit together, or this name has been tried too often. Check both, or wait a quarter of an hour."


def show_sign_in(request: Request) -> Response:
    """Ask who it is."""
    visit = visit_of(request)
    if visit.signed is not None:
        return see_other(HOME)
    return _asked(visit, back=_ours(request.query_params.get("back", "")))


def sign_in(request: Request) -> Response:
    """Begin a session for whoever proved who they are, as one of the roles they hold."""
    visit = visit_of(request)
    back, who = _ours(visit.field("back")), visit.field("who")[:80]
    colleague = _chosen(visit, who) if visit.service.demonstration else _proved(visit, who)
    if colleague is None:
        return _asked(visit, back=back, wrong=True, who=who)
    role = _role(colleague, visit.field("role"))
    secret = begin(visit.app.database, colleague.id, role, visit.now(), visit.service.random)
    response = see_other(back)
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(LONGEST.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=visit.is_secure(request.url.scheme),
    )
    return response


def sign_out(request: Request) -> Response:
    """End the session, on the server too."""
    visit = visit_of(request)
    if visit.signed is not None:
        end(visit.app.database, visit.signed.session, visit.now())
    response = see_other("/sign-in")
    response.delete_cookie(COOKIE)
    return response


def _asked(visit: Visit, *, back: str, wrong: bool = False, who: str = "") -> Response:
    people = sorted(Staff(visit.app.database).all().values(), key=lambda one: (one.roles[:1], one.id))
    shown = people if visit.service.demonstration else []
    status, said = (401, WRONG) if wrong else (200, "")
    return visit.page("sign_in.html", "Sign in", status=status, people=shown, back=back, wrong=said, typed=who)


def _chosen(visit: Visit, who: str) -> Colleague | None:
    try:
        return Staff(visit.app.database).find(who)
    except NotFound:
        return None


def _proved(visit: Visit, who: str) -> Colleague | None:
    """Give the colleague whose password was typed. The same work is done for names that are not here."""
    allowed = visit.service.tries.may_try(who)
    fits = Passwords(visit.app.database).fits(who, visit.field("password")[:200])
    if not (allowed and fits):
        return None
    visit.service.tries.forget(who)
    return _chosen(visit, who)


def _role(colleague: Colleague, typed: str) -> Role:
    if not typed and colleague.roles:
        return colleague.roles[0]
    if typed not in colleague.roles:
        raise Problem("refused", "This role is not held: sign in with one that is.")
    return Role(typed)


def _ours(back: str) -> str:
    """Give where to go on, if it is a page of ours."""
    parts = urlsplit(back)
    inside = back.startswith("/") and not back.startswith(("//", "/\\")) and not parts.netloc and back.isprintable()
    return back if inside and not back.startswith("/sign-") else HOME
