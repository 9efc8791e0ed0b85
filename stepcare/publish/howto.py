"""What stands in a proof bundle's README: how to check it without us."""

README = """\
This folder proves that one entry is in an audit log.

  log      {origin}
  entry    number {index}, counted from 0
  checked  against the checkpoint of {size} entries

What is here

  entry.json     the entry's bytes, exactly as they were hashed: do not reformat them
  proof          the proof (c2sp.org/tlog-proof@v1), with the signed checkpoint at its end
  checkpoint     the same checkpoint by itself (c2sp.org/tlog-checkpoint, a signed note)
  vkey           the log's public key. It is only convenient: believe the key you were given another way
  policy         whose cosignatures are asked for (c2sp.org/tlog-policy); missing: none
  pathway.json   the pathway the decision was made on; its SHA-256 stands in the entry

With a program

  Ours, which stands alone and works without a network:
    python -m stepcare.verifier --proof THIS_FOLDER --vkey KEY_YOU_WERE_GIVEN

  Somebody else's: every C2SP tlog-proof verifier takes the files proof and entry.json, such as torchwood (Go). With
  golang.org/x/mod: sumdb/note.Open(checkpoint, key), then sumdb/tlog.CheckRecord(hashes, size, root, index, leaf).

By hand

  1. The leaf is SHA-256 of one zero byte and the bytes of entry.json:
       (printf '\\000'; cat entry.json) | sha256sum
     It must be
       {leaf}
  2. Go from the leaf to the root with the hashes of the proof (base64, the leaf's sibling first):
{path}
     Begin with i = {index} and last = {size} - 1. For each hash: if i is odd, or i equals last, the new node is SHA-256 of
     a byte 1, the hash, the node; and if i was even, halve i and last until i is odd (or 0). Otherwise it is SHA-256 of a
     byte 1, the node, the hash. Then halve i and last (rounding down). At the end last is 0, and the node must be
       {root}
  3. That root, in base64, is the third line of the checkpoint; the first is the log's name, the second the size.
  4. Check the Ed25519 signature over those three lines, each with its line end. A signature line is the name, and in
     base64 four bytes of key id and 64 bytes of signature. The key is name+id+base64 of one byte 1 and 32 bytes; its id
     is the beginning of SHA-256 of the name, a line end, the byte 1 and the 32 bytes.
  5. A witness's line signs "cosignature/v1", "time T" and the same three lines; T stands in 8 bytes before its signature.

What it proves: the entry was in the log when the checkpoint was signed, and not one bit of it has changed since. It does
not prove that what the entry says was true, nor that nothing else happened; for that keep the checkpoint, and compare it
with a later one. The whole format is described in docs/audit-format.md of Stepcare.
"""

EPISODE_README = """\
This folder proves the history of one episode: {count} entries, none missing in between.

  log      {origin}, at {size} entries
  episode  {episode} (a pseudonym)

Each numbered folder proves one entry by itself; its README says how to check it. Then, in episode.json:

  1. Entry 0 has "epn": 0 and no "prev"; each later one counts on, and its "prev" is the leaf of the one before
     (SHA-256 of one zero byte and entry.json, in hex). So nothing is missing between the first and the last.
  2. That the last is the last is told by a census: an entry of the log (folder census) whose "trigger" says, with spaces
     between: size of the log, number of episodes, root. The root is of a tree like the log's over one leaf an episode,
     sorted: SHA-256 of one zero byte and ["EPISODE",NUMBER,"LEAF"], in exactly that form. "proof" in episode.json leads
     from this episode's leaf, at "place", to that root, by the same steps as in the READMEs.
  3. Entries after the census's size are not covered by it: the next census will be. Is "census" null, there is none yet
     that knows this episode, and the end is open.
"""
