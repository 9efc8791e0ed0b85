"""From an instant that has come to a message that has gone."""

from datetime import timedelta

from tests.worker.clinic import DAY, MORNING, Clinic


def test_a_reminder_comes_due_fires_and_is_sent(any_clinic: Clinic) -> None:
    """A person in self-care is reminded of their visit, once, on the channel they chose, on time."""
    clinic = any_clinic
    episode = clinic.patient()
    worker = clinic.worker()

    clinic.go(MORNING + timedelta(days=27), worker)

    reminders = clinic.messages(episode, recipient="patient")
    assert [(one.status, one.channel, one.template) for one in reminders] == [
        ("accepted", "email", "visit_ahead"),
        ("accepted", "email", "visit_soon"),
    ]
    assert clinic.email.keys == [one.id for one in reminders]
    assert clinic.email.got[0][1].to == "p1@example.org"
    assert clinic.email.got[0][0] - MORNING > 20 * DAY
