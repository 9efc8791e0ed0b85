"""What columns are made of: the types both databases share, and the metadata that holds our tables."""

from typing import Annotated, Any

from sqlalchemy import BigInteger, ForeignKeyConstraint, Integer, LargeBinary, MetaData, Text, text
from sqlalchemy.dialects import postgresql
from sqlmodel import Field, SQLModel

TEXT: Any = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
NUMBER: Any = Integer().with_variant(BigInteger(), "postgresql")

Words = Annotated[str, Field(sa_type=TEXT)]
MaybeWords = Annotated[str | None, Field(default=None, sa_type=TEXT)]
KeyWords = Annotated[str, Field(primary_key=True, sa_type=TEXT)]
Number = Annotated[int, Field(sa_type=NUMBER)]
MaybeNumber = Annotated[int | None, Field(default=None, sa_type=NUMBER)]
# Whoever adds a row says its number: no sequence gives one.
KeyNumber = Annotated[int, Field(primary_key=True, sa_type=NUMBER, sa_column_kwargs={"autoincrement": False})]
FromZero = Annotated[int, Field(sa_type=NUMBER, sa_column_kwargs={"server_default": text("0")})]
Blob = Annotated[bytes, Field(sa_type=LargeBinary)]

KEYED = {"sqlite_strict": True, "sqlite_with_rowid": False}
NUMBERED = {"sqlite_strict": True}


def refers(column: str, target: str) -> ForeignKeyConstraint:
    """Give a foreign key, checked at the end of a commit."""
    # Deferred, because a commit writes in id order and head last: the parent may come later in the same commit.
    return ForeignKeyConstraint([column], [target], deferrable=True, initially="DEFERRED")


def only_where(condition: str) -> dict[str, Any]:
    """Give the condition of a partial index, for both databases."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class Room(SQLModel):
    """Our own metadata: tables of other SQLModel users in the process are not ours to create."""

    metadata = MetaData()
