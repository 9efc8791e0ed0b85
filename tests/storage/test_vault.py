import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest

from engine.errors import Conflict, InvalidInput, NotFound, Unverifiable, VerificationFailed
from storage.vault import Details, KeyDestroyed, Vault
from storage.vault_key import LocalKey

# The vault's own SQLite: two copies of the library in one process do not see each other's locks.
try:
    from pysqlite3 import dbapi2 as sqlite3
except ImportError:
    import sqlite3

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ORIGIN = "clinic.example/stepcare"
ANNA = Details(
    name="Ánna Canary-Vögel", born=date(1980, 2, 29), contacts={"email": "anna@canary.example"}, language="de"
)
BEN = Details(name="Ben", contacts={})


class Counted:
    """Bytes that differ at every call, and are the same in every run."""

    def __init__(self) -> None:
        """Begin at the first call."""
        self.calls = count()

    def __call__(self, size: int) -> bytes:
        """Give the next bytes."""
        return sha256(str(next(self.calls)).encode()).digest()[:size]


def a_key(letter: bytes = b"k") -> LocalKey:
    """Make a key-encryption key of one letter."""
    return LocalKey(letter * 32, Counted())


def opened(path: Path, *, key: LocalKey | None = None, origin: str = ORIGIN, create: bool = False) -> Vault:
    """Open the vault as the product would."""
    return Vault.open(path, key or a_key(), origin=origin, random=Counted(), create=create)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Say where the vault lies."""
    return tmp_path / "vault.db"


@pytest.fixture
def vault(path: Path) -> Iterator[Vault]:
    """Make a new vault and close it afterwards."""
    made = opened(path, create=True)
    yield made
    made.close()


# --- opening ------------------------------------------------------------------------------------------------------


def test_a_missing_vault_is_refused_with_the_remedy(path: Path) -> None:
    """Without its vault a database's people are lost: say so, and never make an empty one in its place."""
    with pytest.raises(NotFound, match="restore it"):
        opened(path)

    assert not path.exists()


def test_people_are_added_together_and_each_alone(path: Path) -> None:
    """Several persons share a commit; one whose reference is taken is told, and the others are kept."""
    with closing(opened(path, create=True)) as vault:
        vault.add_person("p-1", ANNA, NOW)

        errors = vault.add_people([("p-1", BEN), ("p-1", ANNA), ("p-2", BEN)], NOW)

        assert [type(error) for error in errors] == [Conflict, type(None), type(None)]
        assert (vault.details("p-1"), vault.details("p-2")) == (ANNA, BEN)
        assert vault.key("p-2") != vault.key("p-1")


def test_nobody_is_added_with_one_who_cannot_be_kept(path: Path) -> None:
    """Details that cannot be kept are a slip of the program: then nobody is added."""
    with closing(opened(path, create=True)) as vault:
        with pytest.raises(InvalidInput):
            vault.add_people([("p-1", ANNA), ("p-2", Details(name=" "))], NOW)

        assert vault.names(["p-1", "p-2"]) == {}


def test_a_new_vault_is_its_owners_alone(vault: Vault, path: Path) -> None:
    """Names lie in it, so nobody else on the machine may read it."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_vault_keeps_its_people_over_a_restart(path: Path) -> None:
    """Closed and opened again, also with `create`, it is the same vault with the same keys."""
    with closing(opened(path, create=True)) as vault:
        vault.add_person("p-1", ANNA, NOW)
        key, identity = vault.key("p-1"), vault.id

    for create in (False, True):
        with closing(opened(path, create=create)) as vault:
            assert vault.key("p-1") == key
            assert vault.id == identity


def test_the_vault_of_another_database_is_refused(vault: Vault, path: Path) -> None:
    """A vault belongs to one database: with another it would hand out wrong names."""
    with pytest.raises(InvalidInput, match=r"belongs to the database clinic\.example/stepcare"):
        opened(path, origin="other.example/stepcare")


def test_a_vault_of_a_newer_version_is_refused(vault: Vault, path: Path) -> None:
    """What a newer program wrote is not touched by an older one."""
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE meta SET value = 99 WHERE name = 'schema_version'")

    with pytest.raises(Unverifiable, match="version 99"):
        opened(path)


def test_a_vault_opens_with_its_own_key_only(vault: Vault, path: Path) -> None:
    """A wrong key-encryption key is found when opening, not at the first patient."""
    with pytest.raises(Unverifiable, match="key-encryption key"):
        opened(path, key=a_key(b"x"))


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("content", ["text", "database", "nothing"])
def test_another_file_is_not_turned_into_a_vault(path: Path, content: str, *, create: bool) -> None:
    """Neither a text file nor the main database is taken for a vault, or written into."""
    if content == "text":
        path.write_text("These are not the pages you are looking for. " * 100)
    elif content == "database":
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute("CREATE TABLE meta (name TEXT, value TEXT)")
    else:
        path.touch()
        if create:  # a crash just after the file was made: carry on
            opened(path, create=True).close()
            return
    before = path.read_bytes()

    with pytest.raises(InvalidInput, match="not a vault"):
        opened(path, create=create)

    assert path.read_bytes() == before


def test_a_locked_vault_says_so(vault: Vault, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy vault is not called a broken one."""
    monkeypatch.setattr("storage.vault.BUSY_SECONDS", 0.01)
    vault.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA journal_mode = DELETE")
        raw.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            opened(path)


# --- people and keys ----------------------------------------------------------------------------------------------


def test_registering_the_same_person_again_changes_nothing(vault: Vault) -> None:
    """A command repeated after a crash finds the person and the key it made before."""
    vault.add_person("p-1", ANNA, NOW)
    key = vault.key("p-1")

    vault.add_person("p-1", ANNA, NOW)

    assert vault.key("p-1") == key
    assert vault.details("p-1") == ANNA


def test_a_reference_stands_for_one_person(vault: Vault) -> None:
    """Other details under a reference in use are refused, not merged."""
    vault.add_person("p-1", ANNA, NOW)

    with pytest.raises(Conflict, match="other details"):
        vault.add_person("p-1", BEN, NOW)

    assert vault.details("p-1") == ANNA


def test_every_person_has_a_key_of_their_own(vault: Vault) -> None:
    """One person's erasure must not close another's record."""
    vault.add_person("p-1", ANNA, NOW)
    vault.add_person("p-2", BEN, NOW)

    assert vault.key("p-1").secret != vault.key("p-2").secret
    assert vault.key("p-1").id != vault.key("p-2").id


def test_keys_are_wrapped_in_the_file(vault: Vault, path: Path) -> None:
    """Whoever has the file and not the key-encryption key has no data key."""
    vault.add_person("p-1", ANNA, NOW)
    secret = vault.key("p-1").secret
    vault.close()

    assert secret not in path.read_bytes()


def test_a_key_moved_to_another_person_is_refused(vault: Vault, path: Path) -> None:
    """A wrapped key is bound to its person; editing the file to swap two is found."""
    vault.add_person("p-1", ANNA, NOW)
    vault.add_person("p-2", BEN, NOW)
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(
            "UPDATE person SET wrapped_key = (SELECT wrapped_key FROM person WHERE ref = 'p-2') WHERE ref = 'p-1'"
        )

    with pytest.raises(VerificationFailed, match="altered"):
        vault.key("p-1")


def test_names_come_for_those_who_are_kept(vault: Vault) -> None:
    """A list asks for the names of its page; unknown references are left out."""
    vault.add_person("p-1", ANNA, NOW)
    vault.add_person("p-2", BEN, NOW)

    assert vault.names(["p-1", "p-2", "p-9"]) == {"p-1": ANNA.name, "p-2": BEN.name}
    assert vault.names([]) == {}


@pytest.mark.parametrize("ask", ["key", "details", "destroy"])
def test_an_unknown_person_is_not_found(vault: Vault, ask: str) -> None:
    """No key is made up for somebody nobody registered."""
    asked: Callable[[], object] = {
        "key": lambda: vault.key("p-9"),
        "details": lambda: vault.details("p-9"),
        "destroy": lambda: vault.destroy_key("p-9", NOW),
    }[ask]

    with pytest.raises(NotFound, match="'p-9'"):
        asked()


@pytest.mark.parametrize(
    "details",
    [
        Details(name="  "),
        Details(name="half \ud83d"),
        Details(name="N\x00"),
        Details(name="N", contacts={"email": "a\x00"}),
        Details(name="N", language="\udc00"),
    ],
)
def test_a_name_must_be_whole_text(vault: Vault, details: Details) -> None:
    """Empty names, half characters and NULs are refused before anything is written, and stay out of the message."""
    with pytest.raises(InvalidInput) as refusal:
        vault.add_person("p-1", details, NOW)

    assert "half \ud83d" not in str(refusal.value)
    assert vault.names(["p-1"]) == {}


def test_details_do_not_show_in_a_log(vault: Vault) -> None:
    """Printing the details of a person by mistake prints no name, birthday or address."""
    assert "Canary" not in repr(ANNA)
    assert "canary" not in repr(ANNA)
    assert "1980" not in repr(ANNA)


# --- erasure ------------------------------------------------------------------------------------------------------


def test_a_destroyed_key_is_gone(vault: Vault) -> None:
    """After erasure there is no key and no name; doing it again, and asking again, changes nothing."""
    vault.add_person("p-1", ANNA, NOW)
    vault.key("p-1")

    assert vault.destroy_key("p-1", NOW)
    assert vault.destroy_key("p-1", NOW)

    with pytest.raises(KeyDestroyed, match="2026-03-02") as refusal:
        vault.key("p-1")
    assert refusal.value.exit == 7
    assert vault.names(["p-1"]) == {}
    with pytest.raises(NotFound):
        vault.details("p-1")


def test_an_erased_reference_is_not_used_again(vault: Vault) -> None:
    """A new person never inherits an erased one's reference."""
    vault.add_person("p-1", ANNA, NOW)
    vault.destroy_key("p-1", NOW)

    with pytest.raises(Conflict, match="erased"):
        vault.add_person("p-1", ANNA, NOW)


def test_nothing_of_an_erased_person_is_left_in_the_files(vault: Vault, path: Path) -> None:
    """Neither in the vault's pages nor in the log beside it: name, address, birthday, wrapped key."""
    vault.add_person("p-1", ANNA, NOW)
    with closing(sqlite3.connect(path)) as raw:
        wrapped = raw.execute("SELECT wrapped_key FROM person").fetchone()[0]

    vault.destroy_key("p-1", NOW)

    for file in path.parent.iterdir():
        content = file.read_bytes()
        assert b"Canary" not in content
        assert b"canary" not in content
        assert b"1980-02-29" not in content
        assert wrapped not in content


def test_a_reader_may_hold_erasure_back(vault: Vault, path: Path) -> None:
    """While another process still reads the old pages the answer is no; when it has gone, the repeat says yes."""
    vault.add_person("p-1", ANNA, NOW)
    vault._connection.execute("PRAGMA busy_timeout = 10")
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM person").fetchone()

        assert not vault.destroy_key("p-1", NOW)

    assert vault.destroy_key("p-1", NOW)


def test_another_process_stops_using_a_destroyed_key(vault: Vault, path: Path) -> None:
    """A key in memory does not outlive its destruction elsewhere."""
    vault.add_person("p-1", ANNA, NOW)
    vault.key("p-1")

    with closing(opened(path)) as other:
        other.destroy_key("p-1", NOW)

    with pytest.raises(KeyDestroyed):
        vault.key("p-1")


def test_the_cache_of_keys_is_bounded(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that meets every patient does not keep every key."""
    monkeypatch.setattr("storage.vault.MOST_CACHED", 2)
    for number in range(5):
        vault.add_person(f"p-{number}", BEN, NOW)
        vault.key(f"p-{number}")

    assert len(vault._keys) <= 2


def test_threads_share_a_vault(vault: Vault) -> None:
    """Eight threads register and read at once; nobody gets another's key."""

    def one(number: int) -> bytes:
        vault.add_person(f"p-{number}", Details(name=f"Person {number}"), NOW)
        return vault.key(f"p-{number}").secret

    with ThreadPoolExecutor(8) as pool:
        secrets = list(pool.map(one, range(40)))

    assert len(set(secrets)) == 40
    assert [vault.key(f"p-{number}").secret for number in range(40)] == secrets


def test_a_failed_write_leaves_no_half(vault: Vault) -> None:
    """When a person cannot be written, nothing of them is, and the vault goes on."""
    with pytest.raises(InvalidInput):
        vault.add_person("p-1", ANNA, datetime(2026, 3, 2))  # noqa: DTZ001  a time without a zone is what is refused

    vault.add_person("p-1", ANNA, NOW)
    assert vault.details("p-1") == ANNA
