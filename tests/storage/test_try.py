from tests.storage.acts import Acts
def test_try(lived: Acts) -> None:
    e = lived.store.episode("e1")
    assert e.version == 5
