"""An episode's past over HTTP: as it was recorded by then, and as it occurred."""

from stepcare.between import between_json
from stepcare.moment import moment_asked
from stepcare.past import past_of
from tests.web.conftest import CALLED, House


def test_an_episode_is_given_as_it_stood(own_house: House) -> None:
    """Before a call the picture has no call; the present one, with its version, is what it was without `as_of`."""
    episode = own_house.register()
    then = own_house.clock().isoformat().replace("+00:00", "Z")
    own_house.clock.forward(days=3)
    own_house.command("ann", episode, CALLED)

    stood = own_house.get("ann", f"/api/v1/episodes/{episode}?as_of={then}")
    now = own_house.get("ann", f"/api/v1/episodes/{episode}?as_of=now").json()
    plain = own_house.get("ann", f"/api/v1/episodes/{episode}")

    assert stood.status_code == 200
    assert (stood.json()["version"], now["version"]) == (1, 2)
    assert "etag" not in stood.headers  # nobody may decide on what was
    assert {**now, "as_of": None} == {**plain.json(), "as_of": None}


def test_what_occurred_is_marked_as_not_decided_anew(own_house: House) -> None:
    """A call of yesterday that is entered today had occurred by yesterday; nobody saw it then."""
    episode = own_house.register()
    own_house.clock.forward(days=3)
    called = own_house.clock().isoformat()
    own_house.clock.forward(days=1)
    own_house.command("ann", episode, {**CALLED, "occurred_at": called})
    day = called[:10]

    recorded = own_house.get("ann", f"/api/v1/episodes/{episode}?as_of={day}").json()
    occurred = own_house.get("ann", f"/api/v1/episodes/{episode}?as_of={day}&by=occurred").json()

    assert [one["form"] for one in recorded["records"]] == ["registration"]
    assert [one["form"] for one in occurred["records"]] == ["registration", "contact"]
    assert occurred["as_of"]["decided_anew"] is False


def test_a_moment_that_cannot_be_is_a_problem(own_house: House) -> None:
    """To come, not yet registered, no moment at all: each is a problem, none a fault of ours."""
    episode = own_house.register()

    answers = [
        own_house.get("ann", f"/api/v1/episodes/{episode}?as_of={said}").status_code
        for said in ("2030-01-01", "2020-01-01", "soon")
    ]
    wrong_way = own_house.get("ann", f"/api/v1/episodes/{episode}?as_of=now&by=chance").status_code

    assert answers == [400, 404, 400]
    assert wrong_way == 400


def test_a_moment_that_cannot_be_is_not_repeated(own_house: House) -> None:
    """Whatever was typed there, and however it was encoded, the problem does not say it again."""
    episode = own_house.register()

    for said in ("Max+Canaryman", "Max%20Canaryman", "%4dax%20Canaryman"):
        answer = own_house.get("ann", f"/api/v1/episodes/{episode}?by=recorded&as_of={said}")
        assert answer.status_code == 400
        assert "Canaryman" not in answer.text


def test_the_past_is_of_the_care_team_too(own_house: House) -> None:
    """Whoever may not see an episode does not see what it was either."""
    episode = own_house.register()

    assert (
        own_house.get("otto", f"/api/v1/episodes/{episode}?as_of=now").status_code
        == own_house.get("otto", f"/api/v1/episodes/{episode}").status_code
    )


def test_what_changed_between_two_moments_is_given(own_house: House) -> None:
    """Before the call and now: one entry passed, and one record came; the same as on the command line."""
    episode = own_house.register()
    day = own_house.clock().date().isoformat()
    own_house.clock.forward(days=3)
    own_house.command("ann", episode, CALLED)

    found = own_house.get("ann", f"/api/v1/episodes/{episode}/diff?from={day}&to=now")

    row = found.json()
    assert (found.status_code, row["episode"], row["from"]["asked"], row["to"]["asked"]) == (200, episode, day, "now")
    assert [one["entry"] for one in row["entries"]] == [own_house.app.store.entries_of(episode)[-1].idx]
    assert [one["form"] for one in row["records"]["added"]] == ["contact"]
    past = past_of(own_house.app, episode)
    asked = [moment_asked(one, own_house.app.database.zone, own_house.clock()) for one in (day, "now")]
    assert row == between_json(past, *asked)


def test_a_difference_that_cannot_be_is_a_problem(own_house: House) -> None:
    """The later moment first, one of the two only, one to come, none at all, or another care team's episode."""
    episode = own_house.register()
    path = f"/api/v1/episodes/{episode}/diff"

    answers = [
        own_house.get("ann", f"{path}?{said}")
        for said in ("from=now&to=2026-03-01", "from=now", "from=now&to=2030-01-01", "from=Canaryman&to=now", "by=x")
    ]

    assert {one.status_code for one in answers} == {400}
    assert answers[0].json()["detail"] == "from is after to: say the earlier moment first."
    assert answers[1].json()["errors"] == [{"field": "query.to", "expected": "it is missing"}]
    assert "Canaryman" not in answers[3].text
    assert own_house.get("otto", f"{path}?from=2026-03-01&to=now").status_code == 403
