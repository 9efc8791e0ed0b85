"""Who is signed in: sessions of the pages. No entry speaks of them."""

from sqlalchemy import Index

from storage.columns import KEYED, KeyWords, MaybeWords, Room, Words


class SessionRow(Room, table=True):
    """One sign-in, by the hash of its secret. `ended_at` None: nobody ended it."""

    __tablename__ = "session"
    __table_args__ = (Index("session_actor", "actor"), Index("session_age", "made_at"), KEYED)
    secret_hash: KeyWords
    actor: Words
    role: Words
    made_at: Words
    seen_at: Words
    ended_at: MaybeWords
