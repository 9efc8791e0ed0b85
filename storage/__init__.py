"""Episodes, ledger, due work and outbox: one database, one commit; the vault beside it."""
