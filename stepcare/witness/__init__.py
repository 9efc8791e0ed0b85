"""Witnesses: others who have seen the log, so that it cannot be shown differently to different people.

`policy` reads whom we believe, `client` asks one witness, `collect` all of them at once, `state` says how far the log
is sealed and witnessed. Whoever seals calls, for each signed checkpoint,

    collected = collect(note, prove, policy, Manner(now=now), sealer_folder)

publishes `collected.note`, and then `keep_witnessed(published, collected.note, policy, now)`. None of it raises for
what a witness does or does not do.
"""
