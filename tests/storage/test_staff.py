"""The register of colleagues: who may act, and where they hear of their work."""

from dataclasses import replace

import pytest

from engine.audit import canonical
from engine.errors import NotFound
from engine.model import Role
from storage.database import Database
from storage.staff import STAFF, Colleague, Staff

ANN = Colleague(
    id="ann",
    roles=(Role.COORDINATOR,),
    name="Ann Canary",
    contacts={"email": "ann@clinic.example", "sms": "+49 170 0000000"},
    channels=("sms", "email"),
)


def test_a_colleague_keeps_their_own_addresses_and_order(database: Database) -> None:
    """What they want to hear by comes first; changing it is saying it anew."""
    staff = Staff(database)
    assert staff.add(ANN)
    assert not staff.add(ANN)

    assert staff.add(replace(ANN, channels=("email",)))

    found = staff.find("ann")
    assert (found.contacts, found.channels) == (ANN.contacts, ("email",))


def test_an_address_is_never_shown_by_accident(database: Database) -> None:
    """Names and addresses are not part of how a colleague is printed, nor of an error."""
    Staff(database).add(ANN)

    with pytest.raises(NotFound) as error:
        Staff(database).find("lena")

    for said in (repr(ANN), str(error.value)):
        assert "Canary" not in said
        assert "example" not in said
        assert "170" not in said


def test_a_register_from_before_addresses_is_read(database: Database) -> None:
    """It says who may act; nobody has an address in it yet."""
    staff = Staff(database)
    with staff._open() as connection:
        old = {"ann": {"name": "Ann", "roles": ["coordinator"], "teams": ["main"]}}
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (STAFF, canonical(old)))

    assert staff.find("ann") == Colleague(id="ann", roles=(Role.COORDINATOR,), name="Ann")
