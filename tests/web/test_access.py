"""Who may ask what: nothing without a token, nothing beyond its scope, nothing beyond the role and the care team."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from engine.model import Role
from stepcare.web.auth import MOST_REMEMBERED
from storage.staff import Colleague, Staff
from storage.tokens import Scope, revoke_token
from tests.web.conftest import CALLED, REGISTRATION, House

OPEN = {"/healthz", "/readyz"}
# The address is the secret (tests/feeds, tests/channels), or what comes is signed (tests/channels).
BY_ADDRESS = {"/feeds/{secret}.ics", "/u/{token}", "/hooks/receipts/{channel}"}
HOLDERS = {
    Role.COORDINATOR: "ann",
    Role.ASSESSOR: "ravi",
    Role.PROCEDURALIST: "pia",
    Role.LEAD: "lena",
    Role.PATHWAY_OWNER: "olga",
    Role.AUDITOR: "aziz",
    Role.PRIVACY_OFFICER: "priya",
    Role.ADMINISTRATOR: "adam",
    Role.SERVICE: "sam",
    Role.OUTSIDER: "oscar",
}
CARING = {Role.COORDINATOR, Role.ASSESSOR, Role.LEAD, Role.PROCEDURALIST}
READERS = CARING | {Role.AUDITOR}
AUDITING = {Role.AUDITOR, Role.LEAD, Role.PRIVACY_OFFICER}
EVERYBODY = set(Role)

# Written by hand from what was agreed about roles, not computed from the code: (method, route) → who may.
MAY: Mapping[tuple[str, str], set[Role]] = {
    ("GET", "/api/v1/episodes"): READERS,
    ("GET", "/api/v1/episodes/{episode}"): READERS,
    ("GET", "/api/v1/episodes/{episode}/options"): READERS,
    ("GET", "/api/v1/episodes/{episode}/timeline"): READERS,
    ("GET", "/api/v1/episodes/{episode}/diff"): READERS,
    ("POST", "/api/v1/episodes/{episode}/break-glass"): CARING,
    ("GET", "/api/v1/access/reviews"): {Role.PRIVACY_OFFICER},
    ("POST", "/api/v1/access/reviews/{opening}"): {Role.PRIVACY_OFFICER},
    ("GET", "/api/v1/due"): READERS,
    ("GET", "/api/v1/due/stats"): EVERYBODY - {Role.OUTSIDER},
    ("GET", "/api/v1/due/parked"): READERS,
    ("GET", "/api/v1/episodes/{episode}/due/explain"): READERS,
    ("POST", "/api/v1/episodes/{episode}/due/retry"): {Role.COORDINATOR, Role.ASSESSOR, Role.LEAD},
    ("GET", "/api/v1/pathways"): EVERYBODY - {Role.OUTSIDER},
    ("GET", "/api/v1/pathways/{pathway}"): EVERYBODY - {Role.OUTSIDER},
    ("GET", "/api/v1/log"): AUDITING,
    ("GET", "/api/v1/log/{number}"): AUDITING,
    ("GET", "/api/v1/audit/access"): {Role.AUDITOR, Role.PRIVACY_OFFICER},
    ("GET", "/api/v1/audit/entries"): AUDITING,
    ("GET", "/api/v1/audit/entries/{number}"): AUDITING,
    ("GET", "/api/v1/audit/export"): AUDITING,
    ("POST", "/api/v1/episodes"): {Role.COORDINATOR},  # the pathway narrows it: T1 is the coordinator's
    ("POST", "/api/v1/episodes/{episode}/commands"): CARING,
    ("POST", "/api/v1/episodes/{episode}/preview"): CARING,
    ("POST", "/api/v1/site/commands"): {Role.PATHWAY_OWNER},
    ("GET", "/log/{file}"): {Role.AUDITOR},
    ("GET", "/metrics"): EVERYBODY,
}
BODIES: Mapping[str, Any] = {
    "/api/v1/episodes": {"person": {"name": "Alva Ludens"}, "values": REGISTRATION},
    "/api/v1/episodes/{episode}/commands": CALLED,
    "/api/v1/episodes/{episode}/preview": CALLED,
    "/api/v1/episodes/{episode}/due/retry": {"id": "triage:s0@0"},
    "/api/v1/site/commands": {"kind": "set_parameter", "values": {"name": "response_percent", "value": 40}},
    "/api/v1/episodes/{episode}/break-glass": {"reason": "cover", "text": "Covering for Otto this week."},
    "/api/v1/access/reviews/{opening}": {"finding": "justified", "text": "Otto was away this week."},
}


def routes(house: House) -> list[tuple[str, str]]:
    """Give every route there is, with each of its methods."""
    found = [
        (method, str(getattr(route, "path", "")).replace(":path}", "}"))
        for route in house.web.routes.routes
        for method in sorted(getattr(route, "methods", None) or ())
        if method != "HEAD"
    ]
    assert len(found) > len(MAY)
    return [(method, path) for method, path in found if path not in OPEN | BY_ADDRESS]


def filled(path: str, episode: str) -> str:
    """Give a route with something that is there."""
    return (
        path.replace("{episode}", episode)
        .replace("{pathway}", "mid_upper_back")
        .replace("{number}", "0")
        .replace("{file}", "checkpoint")
        .replace("/diff", "/diff?from=2026-03-01&to=now")
    )


def asked_about(house: House, path: str, episode: str) -> str:
    """Give a route filled so that whoever may ask it can: what is opened in need is another care team's."""
    if "break-glass" not in path and "{opening}" not in path:
        return filled(path, episode)
    theirs = house.register("otto", team="other")
    if "{opening}" not in path:
        return filled(path, theirs)
    opened = house.post(
        "ann", f"/api/v1/episodes/{theirs}/break-glass", BODIES["/api/v1/episodes/{episode}/break-glass"]
    )
    return path.replace("{opening}", str(opened.json()["opening"]))


def test_every_route_is_shut_without_a_token(house: House, episode: str) -> None:
    """Walks every route of the application: 401 with a challenge, whatever it is, but for the two health checks."""
    for method, path in routes(house):
        found = house.ask(None, method, filled(path, episode).replace("{opening}", "0"), BODIES.get(path))

        assert (path, found.status_code) == (path, 401)
        assert found.headers["www-authenticate"].startswith("Bearer")
        assert found.json()["code"] == "unauthorized"
    assert [house.get(None, path).status_code for path in sorted(OPEN)] == [200, 200]


def test_what_is_not_there_is_shut_too(house: House) -> None:
    """Without a token nobody learns which paths exist."""
    assert house.get(None, "/api/v1/nothing").status_code == 401
    assert house.get(None, "/nothing").headers["location"] == "/sign-in?back=/nothing"
    assert house.get("ann", "/api/v1/nothing").status_code == 404


def test_the_table_of_rights_names_every_route(house: House) -> None:
    """A new route must be given its line here."""
    described = {"/api/v1/openapi.json"}

    there = {(method, path) for method, path in routes(house) if path not in described}

    assert there == set(MAY)


@pytest.mark.parametrize(("method", "path"), sorted(MAY), ids=str)
def test_each_role_may_what_was_agreed(house: House, episode: str, method: str, path: str) -> None:
    """Role by route: who is in the table is served, everybody else gets 403, whatever the route."""
    served, full = set(), asked_about(house, path, episode)
    for role, who in HOLDERS.items():
        send: Callable[..., Any] = house.get if method == "GET" else house.post
        body = () if method == "GET" else (BODIES[path],)
        headers = {"If_Match": "*"} if path.endswith("/commands") else {}
        status = send(who, full, *body, **headers).status_code
        assert status in (200, 201, 202, 403), (role, status)
        if status != 403:
            served.add(role)

    assert served == MAY[method, path]


# --- care teams ---------------------------------------------------------------------------------------------------


def test_an_episode_is_its_care_teams(house: House, episode: str) -> None:
    """A coordinator of another team sees neither it nor its work; an auditor sees all."""
    for path in ("", "/options", "/timeline"):
        assert house.get("otto", f"/api/v1/episodes/{episode}{path}").status_code == 403
        assert house.get("aziz", f"/api/v1/episodes/{episode}{path}").status_code == 200

    listed = house.get("otto", "/api/v1/episodes?limit=500").json()["items"]
    owed = house.get("otto", "/api/v1/due?limit=500").json()["items"]
    asked = house.get("otto", "/api/v1/episodes?limit=500&team=main").json()["items"]

    assert episode not in {one["id"] for one in listed}
    assert episode not in {one["episode"] for one in owed}
    assert asked == []


def test_a_lead_reads_the_log_of_their_own_team_and_the_site(house: House, episode: str) -> None:
    """Entries of other teams' episodes are left out of the list, and are 403 one by one."""
    entry = house.app.store.entries_of(episode)[0].idx

    mine = house.get("lena", f"/api/v1/log?first={entry}&limit=1").json()["items"]
    theirs = house.get("zoe", f"/api/v1/log?first={entry}&limit=1").json()["items"]
    site = house.get("zoe", "/api/v1/log?limit=1").json()["items"]

    assert [one["entry"] for one in mine] == [entry]
    assert theirs == []
    assert [one["type"] for one in site] == ["site.publish"]
    assert house.get("zoe", f"/api/v1/log/{entry}").status_code == 403
    assert house.get("aziz", f"/api/v1/log/{entry}").status_code == 200


# --- tokens -------------------------------------------------------------------------------------------------------


def auth(token: str) -> dict[str, str]:
    """Give the header."""
    return {"Authorization": token}


def test_a_wrong_token_is_told_nothing_but_that(house: House) -> None:
    """Malformed, unknown, of a wrong secret, revoked: one and the same answer."""
    good = house.token("ann")
    id_, _, secret = good.removeprefix("sc_").partition("_")
    revoked = house.token("ann", frozenset({Scope.READ}), days=7)
    revoke_token(house.app.database, revoked.split("_")[1], house.clock())
    tries = [
        "",
        "Bearer",
        "Basic YTpi",
        f"Bearer {good}x",
        f"Bearer sc_{'f' * 12}_{secret}",
        f"Bearer sc_{id_}_{'B' * 43}",
        f"Bearer {revoked}",
        f"Bearer {good.upper()}",
        "Bearer " + "x" * 5000,
    ]

    bodies = [house.ask(None, "GET", "/api/v1/episodes", None, **auth(one)) for one in tries]

    assert {one.status_code for one in bodies} == {401}
    assert {one.json()["detail"] for one in bodies} == {bodies[0].json()["detail"]}
    assert house.ask(None, "GET", "/api/v1/episodes", None, **auth(f"bearer {good}")).status_code == 200


def test_an_expired_token_says_so(own_house: House) -> None:
    """At its very instant it is over, also where it was verified a moment before."""
    token = own_house.token("ann", days=1)

    own_house.clock.forward(days=1, seconds=-1)
    before = own_house.ask(None, "GET", "/api/v1/episodes", None, **auth(f"Bearer {token}"))
    own_house.clock.forward(seconds=1)
    after = own_house.ask(None, "GET", "/api/v1/episodes", None, **auth(f"Bearer {token}"))

    assert before.status_code == 200
    assert (after.status_code, after.json()["code"]) == (401, "token-expired")


def test_a_revoked_token_ends_within_five_seconds(own_house: House) -> None:
    """What was verified is remembered for five seconds, not one more."""
    assert own_house.get("ann", "/api/v1/episodes").status_code == 200
    token = own_house.token("ann")
    revoke_token(own_house.app.database, token.split("_")[1], own_house.clock())

    own_house.clock.forward(seconds=5)
    still = own_house.get("ann", "/api/v1/episodes").status_code
    own_house.clock.forward(seconds=0.1)
    over = own_house.get("ann", "/api/v1/episodes").status_code

    assert (still, over) == (200, 401)


def test_what_a_colleague_is_now_is_what_counts(own_house: House) -> None:
    """A role that was taken away ends its tokens with 403; a care team that was left ends its episodes."""
    episode = own_house.register()
    assert own_house.get("ann", f"/api/v1/episodes/{episode}").status_code == 200

    Staff(own_house.app.database).add(Colleague(id="ann", roles=(Role.COORDINATOR,), teams=("other",)))
    own_house.clock.forward(seconds=6)
    moved = own_house.get("ann", f"/api/v1/episodes/{episode}")
    Staff(own_house.app.database).add(Colleague(id="ann", roles=(Role.ASSESSOR,), teams=("main",)))
    own_house.clock.forward(seconds=6)
    gone = own_house.get("ann", f"/api/v1/episodes/{episode}")

    assert (moved.status_code, moved.json()["code"]) == (403, "refused")
    assert (gone.status_code, gone.json()["code"]) == (403, "role-gone")


def test_a_token_acts_in_its_role_alone(house: House) -> None:
    """Lena is lead and assessor: the token of the assessor does not read the log."""
    assert house.get("lena:lead", "/api/v1/log").status_code == 200
    assert house.get("lena:assessor", "/api/v1/log").status_code == 403


@pytest.mark.parametrize("scope", list(Scope))
def test_a_scope_opens_its_own_and_nothing_else(house: House, episode: str, scope: Scope) -> None:
    """Reading, commanding and the figures are three things."""
    token = f"Bearer {house.token('ann', frozenset({scope}))}"
    path = f"/api/v1/episodes/{episode}"

    found = {
        Scope.READ: house.ask(None, "GET", path, None, **auth(token)),
        Scope.WRITE: house.ask(None, "POST", f"{path}/preview", CALLED, **auth(token)),
        Scope.METRICS: house.ask(None, "GET", "/metrics", None, **auth(token)),
    }

    assert {one: answer.status_code for one, answer in found.items()} == {
        one: 200 if one is scope else 403 for one in Scope
    }
    assert {answer.json()["code"] for one, answer in found.items() if one is not scope} == {"scope-missing"}


def test_what_is_remembered_is_bounded(own_house: House) -> None:
    """Many tokens do not fill the memory: it is emptied and begins again."""
    keeper = own_house.web.service().doorkeeper
    for number in range(MOST_REMEMBERED + 2):
        keeper._known[b"%d" % number] = keeper.look_up(f"Bearer {own_house.token('ann')}".encode()), 0.0

    assert len(keeper._known) <= MOST_REMEMBERED + 1


def test_openapi_says_of_each_route_what_it_needs(house: House) -> None:
    """Every operation but the open ones names the token, its body and the shape of its problems."""
    found = house.get("ann", "/api/v1/openapi.json").json()

    assert found["openapi"].startswith("3.1")
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            guarded = path not in OPEN | BY_ADDRESS
            assert ("security" in operation) is guarded, path
            assert ("401" in operation["responses"]) is guarded, path
            assert ("requestBody" in operation) is (method == "post"), path
            assert "application/problem+json" in operation["responses"]["500"]["content"]
    assert {"CommandBody", "RegisterBody", "SiteBody", "GlassBody", "ReviewBody", "Problem"} <= set(
        found["components"]["schemas"]
    )
