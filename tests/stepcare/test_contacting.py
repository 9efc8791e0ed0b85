"""Messages, noes and absences through the real door: kept, folded back, verified and decided the same again."""

from datetime import time, timedelta
from pathlib import Path

from engine.absence import covered_by
from engine.model import Actor, Command, Kind, Outcome, Role, Values
from engine.service import Answer
from stepcare.app import App, VirtualClock, temporary_app, wall_clock
from stepcare.log import configure_log
from stepcare.play import OWNER
from stepcare.publishing import proved_pack, publish
from storage.vault import Details
from tests.properties.test_random_commands import Real, log_faults
from tests.worlds import ANN, LENA, WORKER, ZONE, World
from tests.worlds_pathway import assess, enter_step1, on, register, start_assessment


def at_the_site(app: App, id_: str, by: Actor, kind: Kind, values: Values) -> Answer:
    """Ask for something that is about the whole site."""
    return app.engine.handle(Command(id=id_, kind=kind, actor=by, values=values))


def test_what_became_of_messages_is_in_the_log(tmp_path: Path) -> None:
    """A failed reminder, a STOP, one sent again; who is away, a step of the clock: each is an entry that verifies."""
    configure_log("warning", "console", wall_clock)
    clock = VirtualClock(World().now)
    with temporary_app(clock, ZONE, str(tmp_path)) as app:
        publish(app, proved_pack("mid_upper_back"), OWNER, "publish")
        app.vault.add_person("p1", Details(name="Alva Ludens"), clock())
        world = Real()
        world.app, world.clock = app, clock
        for step in (register, start_assessment, assess, enter_step1):
            step(world)
        world.record("contact_preferences", ANN, channels=["sms", "email"])
        world.day(21, time(9, 0))

        def told(place: int, result: str) -> str:
            message = [one for one in world.episode.messages if one.recipient == "patient"][place]
            values: Values = {"message": message.id, "result": result, "reason": "bad_number"}
            assert world.do(WORKER, Kind.DELIVER, dict(values)).outcome is Outcome.ACCEPTED
            return message.id

        told(-1, "failed")
        assert world.do(WORKER, Kind.OPT_OUT, {"channel": "sms", "how": "stop_reply"}).outcome is Outcome.ACCEPTED
        dead = told(-1, "dead")
        assert world.do(ANN, Kind.RESEND, {"message": dead}).outcome is Outcome.ACCEPTED
        away = at_the_site(
            app, "a1", LENA, Kind.ABSENCE, {"who": "ann", "cover": "bo", "from": on(22), "until": on(30)}
        )
        step_ = at_the_site(app, "a2", WORKER, Kind.CLOCK, {"seconds": 90, "direction": "back"})
        clock.forward_to(clock() + timedelta(days=3))
        site, found = app.store.site(), app.store.episode(world.episode.id)
        faults = [*log_faults(app)]

    assert (away.entry is not None, step_.entry is not None) == (True, True)
    assert covered_by(site, "ann", clock()) == "bo"
    assert [(one.channel, one.status) for one in found.messages if one.recipient == "patient"] == [
        *(("sms", "failed"), ("email", "dead"), ("email", "queued")),
    ]
    assert found.messages == world.episode.messages
    assert faults == []


def test_a_job_is_refused_at_the_door(tmp_path: Path) -> None:
    """Behind the real door, too: a worker that asks for a move gets a refusal, which is an entry, and nothing moves."""
    configure_log("warning", "console", wall_clock)
    clock = VirtualClock(World().now)
    with temporary_app(clock, ZONE, str(tmp_path)) as app:
        publish(app, proved_pack("mid_upper_back"), OWNER, "publish")
        app.vault.add_person("p1", Details(name="Alva Ludens"), clock())
        world = Real()
        world.app, world.clock = app, clock
        register(world)

        decision = world.move("raise_concern", Actor(id="worker", role=Role.SERVICE), urgency="urgent")

        assert (decision.outcome, decision.failed) == (Outcome.REFUSED, ("ROLE-01",))
        assert app.store.episode(world.episode.id).state == "intake"
