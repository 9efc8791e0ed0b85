"""Commands over HTTP: decided by the same door, explained in full, kept once."""

from typing import Any

import pytest

from tests.web.conftest import CALLED, REGISTRATION, House

STEP_UP = {"kind": "move", "values": {"transition": "step_up"}}
LEAVE = {"kind": "move", "values": {"transition": "start_assessment"}}


def test_an_accepted_command_is_200_with_the_decision_and_the_new_version(house: House, episode: str) -> None:
    """The answer is the whole decision; ETag is the version the episode has now."""
    found = house.command("ann", episode, CALLED)

    assert found.status_code == 200
    assert found.headers["etag"] == '"2"'
    assert found.json()["outcome"] == "accepted"
    assert found.json()["entry"] > 0


def test_a_refusal_by_a_rule_is_422_and_an_entry(house: House, episode: str) -> None:
    """The body is the decision as a problem: failed rules with words, remedies and sources; it stands in the log."""
    found = house.command("ravi", episode, STEP_UP)

    body = found.json()
    assert found.status_code == 422
    assert found.headers["content-type"] == "application/problem+json"
    assert (body["code"], body["type"]) == ("refused-by-rules", "/problems/refused-by-rules")
    assert (body["outcome"], body["failed"]) == ("refused", ["PATH-01"])
    (rule,) = (one for one in body["rules"] if one["id"] == "PATH-01")
    assert rule["message"]
    assert rule["remedy"]
    assert rule["sources"]
    assert house.get("aziz", f"/api/v1/log/{body['entry']}").json()["outcome"] == "refused"
    assert found.headers["etag"] == '"2"'


def test_a_refusal_by_role_is_403_and_an_entry(house: House, episode: str) -> None:
    """A coordinator starts no treatment: the role table says so, in the same shape as every refusal."""
    found = house.command("ann", episode, {"kind": "start", "values": {"form": "self_care"}})

    body = found.json()
    assert found.status_code == 403
    assert (body["code"], body["failed"]) == ("refused", ["ROLE-01"])
    assert house.get("aziz", f"/api/v1/log/{body['entry']}").json()["failed"] == ["ROLE-01"]


def test_a_command_of_another_team_learns_nothing_of_the_episode(house: House, episode: str) -> None:
    """Refused with an entry, but without state, version or picture; a stated version tells nothing either."""
    found = house.command("otto", episode, CALLED)
    guessed = house.command("otto", episode, CALLED, If_Match='"77"')

    body = found.json()
    assert found.status_code == 403
    assert not {"state", "state_before", "derived", "due_items"} & set(body)
    assert "etag" not in found.headers
    assert guessed.status_code == 403
    assert "etag" not in guessed.headers


def test_a_concern_from_outside_is_kept_and_shows_nothing(house: House, episode: str) -> None:
    """Whoever raises a concern without belonging to the care team is told that it was taken, not how the person is."""
    concern = {"kind": "move", "values": {"transition": "raise_concern", "why": "seen at the pharmacy"}}

    found = house.command("olga", episode, concern)

    body = found.json()
    assert found.status_code in (200, 400, 422), body
    assert not {"state", "derived", "due_items", "messages"} & set(body)


def test_what_waits_for_a_second_person_is_202(house: House) -> None:
    """A safety number takes two people: the wish is kept as a request, and another one's yes carries it out."""
    asked = house.post("olga", "/api/v1/site/commands", set_parameter("observe_min", 20))
    request = asked.json()["request"]["id"]
    own = house.post("olga", "/api/v1/site/commands", sign_off(request))
    other = house.post("lena", "/api/v1/site/commands", sign_off(request))

    assert (asked.status_code, asked.json()["outcome"]) == (202, "needs_sign_off")
    assert (own.status_code, own.json()["failed"]) == (422, ["SIGN-02"])
    assert (other.status_code, other.json()["outcome"]) == (200, "accepted")
    assert house.app.store.site().parameters["observe_min"] == 20


def set_parameter(name: str, value: Any) -> dict[str, Any]:
    """Ask for a number of the site."""
    return {"kind": "set_parameter", "values": {"name": name, "value": value}}


def sign_off(request: str) -> dict[str, Any]:
    """Say yes."""
    return {"kind": "sign_off", "of": request, "values": {"answer": "yes"}}


def test_answers_that_cannot_be_are_400_and_keep_nothing(house: House, episode: str) -> None:
    """A form that is not filled in right leaves no entry and no new version; what is missing is said."""
    found = house.command("ann", episode, {"kind": "contact", "values": {"result": "reached"}})

    assert (found.status_code, found.json()["code"]) == (400, "invalid-answers")
    assert found.json()["entry"] is None
    assert "channel is missing" in found.json()["detail"]
    assert house.get("ann", f"/api/v1/episodes/{episode}").headers["etag"] == '"1"'


def test_a_preview_keeps_nothing(house: House, episode: str) -> None:
    """The same body, the same answer, and the episode stays where it was."""
    found = house.post("ann", f"/api/v1/episodes/{episode}/preview", CALLED)
    refused = house.post("ravi", f"/api/v1/episodes/{episode}/preview", STEP_UP)

    assert (found.status_code, found.json()["entry"]) == (200, None)
    assert (refused.status_code, refused.json()["entry"]) == (422, None)
    assert house.get("ann", f"/api/v1/episodes/{episode}").json()["version"] == 1


def test_overrides_pass_a_soft_stop_with_a_coded_reason(house: House) -> None:
    """A second open episode of the same region is a soft stop: refused as it stands, accepted with its reason."""
    first = house.register()
    person = house.get("ann", f"/api/v1/episodes/{first}").json()["person"]
    again = {"patient": person, "values": REGISTRATION}

    refused = house.post("ann", "/api/v1/episodes", again)
    wrong = house.post("ann", "/api/v1/episodes", {**again, "overrides": [override("because")]})
    passed = house.post("ann", "/api/v1/episodes", {**again, "overrides": [override("other", "two sides, two causes")]})

    assert (refused.status_code, refused.json()["failed"]) == (422, ["DUP-01"])
    assert "etag" not in refused.headers
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid-answers")
    assert "because" not in wrong.text
    assert passed.status_code == 201, passed.text


def override(reason: str, text: str = "") -> dict[str, str]:
    """Pass the soft stop of a second open episode."""
    return {"rule": "DUP-01", "reason": reason, "text": text}


# --- versions -----------------------------------------------------------------------------------------------------


def test_a_command_states_the_version_it_was_decided_on(house: House, episode: str) -> None:
    """Without If-Match 428; with the current version 200; with an old one 412 and the current ETag."""
    path = f"/api/v1/episodes/{episode}/commands"

    without = house.post("ann", path, CALLED)
    current = house.post("ann", path, CALLED, If_Match='"1"')
    stale = house.post("ann", path, CALLED, If_Match='"1"')

    assert (without.status_code, without.json()["code"]) == (428, "precondition-required")
    assert current.status_code == 200
    assert (stale.status_code, stale.json()["code"]) == (412, "stale-episode")
    assert stale.headers["etag"] == '"2"'
    assert stale.json()["current"] == 2


@pytest.mark.parametrize(
    ("tag", "status"), [('W/"1"', 412), ('"abc"', 412), ('"01"', 412), ("1", 400), ('"1", "2"', 400), ("", 400)]
)
def test_only_our_strong_tags_match(house: House, episode: str, tag: str, status: int) -> None:
    """A weak or foreign tag matches nothing (RFC 9110, 13.1.1); what is no tag cannot be read."""
    assert house.command("ann", episode, CALLED, If_Match=tag).status_code == status


# --- keys ---------------------------------------------------------------------------------------------------------


def test_the_same_key_and_wish_is_done_once(house: House, episode: str) -> None:
    """The second sending gets the first answer, marked as replayed, although the version it states is old by now."""
    first = house.command("ann", episode, CALLED, If_Match='"1"', Idempotency_Key="once")
    again = house.command("ann", episode, CALLED, If_Match='"1"', Idempotency_Key="once")

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert again.json() == {**first.json(), "repeated": True}
    assert len(house.app.store.entries_of(episode)) == 2


def test_a_refusal_is_replayed_with_every_clause(house: House, episode: str) -> None:
    """It explains itself the second time as it did the first."""
    first = house.command("ravi", episode, STEP_UP, Idempotency_Key="no")
    again = house.command("ravi", episode, STEP_UP, Idempotency_Key="no")

    assert (first.status_code, again.status_code) == (422, 422)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == {**first.json(), "instance": again.json()["instance"], "repeated": True}


def test_a_registration_is_replayed_with_the_work_it_made(house: House) -> None:
    """What was new then is told as new again, although it has been there since."""
    body = {"person": {"name": "Alva Ludens"}, "values": REGISTRATION}

    first = house.post("ann", "/api/v1/episodes", body, Idempotency_Key="work")
    house.command("ann", first.json()["episode"], CALLED)
    again = house.post("ann", "/api/v1/episodes", body, Idempotency_Key="work")

    assert first.json()["due_items"]["created"]
    assert again.json() == {**first.json(), "repeated": True}
    assert again.headers["etag"] == '"2"'


def test_the_same_key_for_another_wish_is_422(house: House, episode: str) -> None:
    """A key stands for one wish; nothing is kept for the other."""
    house.command("ann", episode, CALLED, Idempotency_Key="mine")
    other = house.command("ann", episode, LEAVE, Idempotency_Key="mine")
    someone = house.command("ravi", episode, LEAVE, Idempotency_Key="mine")

    assert (other.status_code, other.json()["code"]) == (422, "key-reused")
    assert someone.json().get("code") != "key-reused"  # a key belongs to its actor
    assert "idempotency-replayed" not in someone.headers


def test_a_key_is_owed_where_no_version_protects(house: House, episode: str) -> None:
    """With If-Match: * and for a registration a repetition would be done twice; with a version it meets 412."""
    path = f"/api/v1/episodes/{episode}/commands"
    body = {"person": {"name": "Alva Ludens"}, "values": REGISTRATION}

    anything = house.ask("ann", "POST", path, CALLED, If_Match="*")
    registering = house.ask("ann", "POST", "/api/v1/episodes", body)
    versioned = house.ask("ann", "POST", path, CALLED, If_Match='"1"')

    assert (anything.status_code, anything.json()["code"]) == (400, "key-required")
    assert (registering.status_code, registering.json()["code"]) == (400, "key-required")
    assert versioned.status_code == 200


@pytest.mark.parametrize("key", ["", "x" * 129, "schlüssel".encode("latin-1").decode("latin-1")])
def test_a_key_is_printable_and_short(house: House, episode: str, key: str) -> None:
    """1 to 128 printable ASCII characters, because it stands in the log for ever."""
    headers = [
        (b"authorization", f"Bearer {house.token('ann')}".encode()),
        (b"if-match", b"*"),
        (b"idempotency-key", key.encode("latin-1")),
    ]

    found = house.client.post(f"/api/v1/episodes/{episode}/commands", json=CALLED, headers=headers)

    assert (found.status_code, found.json()["code"]) == (400, "invalid-input")


# --- registering --------------------------------------------------------------------------------------------------


def test_a_registration_is_201_with_its_place(house: House) -> None:
    """Location leads to the new episode."""
    body = {"person": {"name": "Alva Ludens", "born": "1970-05-04"}, "values": REGISTRATION}

    found = house.post("ann", "/api/v1/episodes", body)
    there = house.get("ann", found.headers["location"])

    assert (found.status_code, found.headers["etag"]) == (201, '"1"')
    assert (there.status_code, there.json()["episode"]) == (200, found.json()["episode"])


def test_a_name_goes_to_the_vault_and_nowhere_else(house: House) -> None:
    """No answer holds it, and neither does any entry."""
    body = {
        "person": {"name": "Quenby Canary", "contacts": {"email": "q@canary.example"}, "language": "de"},
        "values": REGISTRATION,
    }

    found = house.post("ann", "/api/v1/episodes", body)

    person = house.get("ann", found.headers["location"]).json()["person"]
    assert "anary" not in found.text
    assert "anary" not in house.get("ann", found.headers["location"]).text
    assert "anary" not in house.get("aziz", f"/api/v1/log/{found.json()['entry']}").text
    assert house.app.vault.details(person).name == "Quenby Canary"
    assert house.app.vault.details(person).contacts == {"email": "q@canary.example"}


def test_a_repeated_registration_makes_no_second_person(house: House) -> None:
    """The references are made here, so the second sending gets those of the first; another name is another wish."""
    body = {"person": {"name": "Alva Ludens"}, "values": REGISTRATION}

    first = house.post("ann", "/api/v1/episodes", body, Idempotency_Key="r1")
    again = house.post("ann", "/api/v1/episodes", body, Idempotency_Key="r1")
    other = house.post("ann", "/api/v1/episodes", {**body, "person": {"name": "Somebody Else"}}, Idempotency_Key="r1")

    assert again.status_code == 201
    assert again.json()["episode"] == first.json()["episode"]
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "key-reused")


def test_who_may_not_register_leaves_no_name_behind(house: House) -> None:
    """Refused with an entry of the site's; nobody is added to the vault, nobody looked up there."""
    stranger = {"person": {"name": "Never Kept"}, "values": REGISTRATION}
    known = {"patient": "p-0000000000A", "values": REGISTRATION}

    new = house.post("aziz", "/api/v1/episodes", stranger)
    guess = house.post("aziz", "/api/v1/episodes", known)

    assert (new.status_code, new.json()["failed"]) == (403, ["ROLE-01"])
    assert (guess.status_code, guess.json()["failed"]) == (403, ["ROLE-01"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"values": REGISTRATION}, 400),
        ({"patient": "p-0000000000A", "person": {"name": "A"}, "values": REGISTRATION}, 400),
        ({"patient": "p-0000000000A", "values": REGISTRATION}, 404),
        ({"patient": "site", "values": REGISTRATION}, 404),
        ({"person": {"name": "  "}, "values": REGISTRATION}, 400),
        ({"person": {"name": "A", "born": "1870-01-01"}, "values": REGISTRATION}, 400),
        ({"person": {"name": "A", "born": "yesterday"}, "values": REGISTRATION}, 400),
        ({"person": {"name": "A", "contacts": {"pigeon": "x"}}, "values": REGISTRATION}, 400),
        ({"person": {"name": "A"}, "values": {**REGISTRATION, "patient": "p-1"}}, 400),
        ({"person": {"name": "A"}, "pathway": "elsewhere", "values": REGISTRATION}, 404),
        ({"person": {"name": "A\ud800"}, "values": REGISTRATION}, 400),
        ({"person": {"name": "A"}, "team": "other", "values": REGISTRATION}, 400),
    ],
)
def test_a_registration_names_exactly_one_person(house: House, body: dict[str, Any], status: int) -> None:
    """Somebody known here, or somebody new with what can be true of a person; on a pathway that is published."""
    import json  # noqa: PLC0415 - the client's own encoder refuses half a character

    headers = {
        "Authorization": f"Bearer {house.token('ann')}",
        "Content-Type": "application/json",
        "Idempotency-Key": f"b{hash(str(body))}",
    }

    found = house.client.post("/api/v1/episodes", content=json.dumps(body), headers=headers)

    assert found.status_code == status, found.text
    assert found.headers["content-type"] == "application/problem+json"
