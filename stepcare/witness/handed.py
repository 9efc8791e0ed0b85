"""A checkpoint as it is handed to somebody else to keep: a page to print, a letter to send. Nothing is read or sent here."""

from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from string import Template

from engine.errors import InvalidInput, StepcareError
from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import Key, Note

MOST_IN_QR = 1200  # bytes that a printed code of this size still lets a telephone read
QR_NOTE = "The code holds the checkpoint below, to the letter."
QR_SHORT = "The code holds the checkpoint with the log's own signature; those of witnesses stand below only."


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """A checkpoint and when it was published and is handed over. `key` None: the log's key could not be read here."""

    note: Note
    published_at: datetime
    handed_at: datetime
    key: Key | None

    @property
    def checkpoint(self) -> Checkpoint:
        """Give what it states."""
        return Checkpoint.parse(self.note.text)

    @property
    def text(self) -> str:
        """Give it as it is published, to the letter."""
        return self.note.bytes().decode()

    @property
    def in_qr(self) -> str:
        """Give what the printed code holds: all of it, or the log's own signature alone where all is too much."""
        if len(self.note.bytes()) <= MOST_IN_QR:
            return self.text
        own = [one for one in self.note.signatures if one.name == self.checkpoint.origin]
        return Note(text=self.note.text, signatures=tuple(own)).bytes().decode()


# --- a letter -----------------------------------------------------------------------------------------------------


def letter(handed: Handed, sender: str, to: str) -> bytes:
    """Write an e-mail message (RFC 5322) with the checkpoint attached; raises InvalidInput for an address that is none."""
    checkpoint = handed.checkpoint
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"] = _address(sender), _address(to)
    made["Date"] = handed.handed_at
    # The same checkpoint handed to the same person is the same letter, so that a second sending is seen to be one.
    made["Message-ID"] = f"<checkpoint.{checkpoint.size}.{checkpoint.root.hex()[:32]}@{_domain(sender)}>"
    made["Subject"] = f"Checkpoint of audit log {checkpoint.origin}: {checkpoint.size} entries"
    made["X-Unsent"] = "1"  # mail programs open it as a draft
    made.set_content(_letter_text(handed))
    # As octets: mail servers wrap and rewrite text, and every letter counts.
    made.add_attachment(
        handed.note.bytes(),
        maintype="application",
        subtype="octet-stream",
        filename=f"checkpoint-{checkpoint.size}.txt",
    )
    return made.as_bytes()


def _letter_text(handed: Handed) -> str:
    checkpoint = handed.checkpoint
    key = f"\nThe log's key, to compare with the one you were given:\n{handed.key}\n" if handed.key else ""
    return (
        f"This is a checkpoint of the audit log {checkpoint.origin}: {checkpoint.size} entries, published "
        f"{_at(handed.published_at)}.\nIts root is {checkpoint.root.hex()}.\n\n"
        "Please keep the attached file where the people who run the log cannot reach it, and keep the older ones too. "
        "It holds no patient data.\n\n"
        "With it you can later show whether the log was changed, with a copy of the published log:\n\n"
        f"  {command_line(f'checkpoint-{checkpoint.size}.txt')}\n\n"
        "Verified (exit 0): everything up to this checkpoint is in the log, unchanged and in its order.\n"
        "Tampered (exit 6): it is not the log you have seen. Keep both, and tell your auditor.\n"
        f"{key}"
    )


def _address(text: str) -> Address:
    try:
        found = Address(addr_spec=text)
    except (MessageError, ValueError, IndexError):
        found = None
    if found is None or not found.domain or not text.isprintable():
        raise InvalidInput(f"{text[:80]!r} is no e-mail address: write name@domain.")
    return found


def _domain(address: str) -> str:
    return address.rpartition("@")[2]


def command_line(file: str) -> str:
    """Give the command that checks a kept checkpoint, without us."""
    return f"python -m stepcare.verifier LOG --vkey KEY --checkpoint {file}"


# --- a page -------------------------------------------------------------------------------------------------------

PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Checkpoint of $origin, $size entries</title>
<style>
  @page { size: A4; margin: 14mm 16mm; }
  * { box-sizing: border-box; }
  body { margin: 0 auto; max-width: 46rem; padding: 1.2rem; background: #fff; color: #111;
         font: 16px/1.45 "Liberation Sans", Arial, Helvetica, sans-serif; }
  h1 { font-size: 1.5rem; line-height: 1.2; margin: 0 0 .3rem; }
  h2 { font-size: 1.05rem; margin: 1.1rem 0 .3rem; }
  p, ol { margin: .3rem 0; } ol { padding-left: 1.4rem; } li { margin: .2rem 0; }
  .facts { display: flex; flex-wrap: wrap; gap: 1rem 1.5rem; align-items: flex-start; margin: .9rem 0; }
  dl { flex: 1 1 15rem; margin: 0; min-width: 0; }
  dt { font-size: .8rem; color: #555; margin-top: .5rem; } dt:first-child { margin-top: 0; }
  dd { margin: 0; overflow-wrap: anywhere; } .size { font-size: 1.4rem; font-weight: bold; }
  figure { flex: 0 1 15.5rem; margin: 0; } figure svg { display: block; width: 100%; height: auto; }
  figcaption { font-size: .8rem; color: #555; }
  pre, code { font: .8rem/1.4 "Liberation Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace; }
  pre { border: 1px solid #999; padding: .5rem .7rem; margin: .4rem 0; white-space: pre-wrap; word-break: break-all; }
  pre span { display: block; min-height: 1.4em; padding-left: 1.6em; text-indent: -1.6em; } /* one line, however broken */
  .hand { display: flex; flex-wrap: wrap; gap: .8rem 1.5rem; margin-top: 1.6rem; }
  .hand span { flex: 1 1 12rem; border-top: 1px solid #111; padding-top: .2rem; font-size: .8rem; color: #555; }
  @media print { html { font-size: 9.5pt; } body { max-width: none; padding: 0; font-size: 1rem; }
                 h2 { break-after: avoid; margin-top: .8rem; } pre, figure, .hand { break-inside: avoid; }
                 figure { flex-basis: 58mm; } }
</style>
</head>
<body>
<h1>Checkpoint of an audit log</h1>
<p>Keep this page away from the people who run the log. It holds no patient data. With it you can show, years later,
whether anything up to this point was changed, removed or slipped in.</p>
<div class="facts">
<dl>
<dt>Log</dt><dd>$origin</dd>
<dt>Entries</dt><dd class="size">$size</dd>
<dt>Root</dt><dd><code>$root</code></dd>
<dt>Published</dt><dd>$published</dd>
<dt>Printed</dt><dd>$printed</dd>
<dt>Signed by</dt><dd>$signers</dd>
$key</dl>
<figure>$qr<figcaption>$about_qr</figcaption></figure>
</div>
<h2>The checkpoint, to the letter</h2>
<pre>$lines</pre>
<h2>How to keep it</h2>
<ol>
<li>Sign below, and lock it away where the log's operator has no key: a safe, a notary, another house.</li>
<li>Keep the older pages too. Each proves the log up to its own number of entries.</li>
<li>Keep the log's key as you were given it on the first day, apart from this page.</li>
</ol>
<h2>How to check it later</h2>
<ol>
<li>Scan the code and save its text as <code>kept.txt</code>; typed by hand, every letter and line end
counts, and what is indented above belongs to the line before it.</li>
<li>Ask for a copy of the published log, a folder, here <code>LOG</code>, and run:
<pre>$command</pre></li>
<li><strong>Verified</strong> (exit 0): all $size entries are there, unchanged and in their order.
<strong>Tampered</strong> (exit 6): it is not the log you have seen. Keep both, and tell your auditor.</li>
</ol>
<div class="hand"><span>Received by</span><span>Date</span><span>Signature</span></div>
</body>
</html>
""")


def page(handed: Handed) -> str:
    """Write a page to print: one sheet of A4, whole in itself."""
    checkpoint = handed.checkpoint
    whole = handed.in_qr == handed.text
    key = f"<dt>Key of the log, to compare</dt><dd><code>{escape(str(handed.key))}</code></dd>\n" if handed.key else ""
    names = dict.fromkeys(one.name for one in handed.note.signatures)
    return PAGE.substitute(
        origin=escape(checkpoint.origin),
        size=checkpoint.size,
        root=_grouped(checkpoint.root.hex()),
        published=_at(handed.published_at),
        printed=_at(handed.handed_at),
        signers="<br>".join(map(escape, names)) or "nobody",
        key=key,
        qr=qr_svg(handed.in_qr),
        about_qr=QR_NOTE if whole else QR_SHORT,
        lines="".join(f"<span>{escape(one)}</span>" for one in handed.text.rstrip("\n").split("\n")),
        command=escape(command_line("kept.txt")),
    )


def qr_svg(text: str) -> str:
    """Draw a QR code as SVG; raises StepcareError where the library that draws it is missing."""
    try:
        import segno  # noqa: PLC0415 - only who prints pays for it
    except ImportError:
        raise StepcareError("Drawing the code needs the package `segno`: install it, or hand over a file.") from None
    code = segno.make_qr(text, error="m", mode="byte", encoding="utf-8", boost_error=False)
    return code.svg_inline(scale=4, border=4, omitsize=True, title="The checkpoint as a QR code")


def _grouped(text: str) -> str:
    """Part a long number into eights, as people compare it."""
    return " ".join(text[i : i + 8] for i in range(0, len(text), 8))


def _at(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"
