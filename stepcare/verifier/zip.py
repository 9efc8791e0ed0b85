"""`python -m stepcare.verifier.zip OUT`: the verifier as one file, for Python 3.11 or newer with `cryptography`.

It is run as `python OUT FOLDER|DATABASE …`, with the same options and exits as `python -m stepcare.verifier`. The same
sources give the same bytes, on whatever system and whenever: an auditor can compare the file with one they made
themselves. What is inside is text: `unzip -p OUT 'stepcare/verifier/*'` shows it.
"""

import sys
import zipfile
from pathlib import Path

HOME = Path(__file__).parent
SHEBANG = b"#!/usr/bin/env python3\n"
START = (
    "import sys\n\nfrom stepcare.verifier.__main__ import main\n\n"
    "try:\n    sys.exit(main())\nexcept KeyboardInterrupt:\n    sys.exit(130)\n"
)
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


def write_zip(out: Path) -> None:
    """Write the file."""
    files = {f"stepcare/verifier/{path.name}": path.read_text(encoding="utf-8") for path in sorted(HOME.glob("*.py"))}
    files |= {"__main__.py": START, "stepcare/__init__.py": ""}
    with out.open("wb") as stream:
        stream.write(SHEBANG)
        with zipfile.ZipFile(stream, "w") as archive:
            for name, text in sorted(files.items()):
                member = zipfile.ZipInfo(name, _LONG_AGO)
                member.create_system = _UNIX  # else the bytes would tell where they were made
                archive.writestr(member, text)
    out.chmod(0o755)


def main(arguments: list[str]) -> int:
    """Write the file that is named."""
    if len(arguments) != 1:
        sys.stderr.write("Usage: python -m stepcare.verifier.zip OUT\n")
        return 2
    write_zip(Path(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
