"""What the pages say is true: their commands run and print what is shown, their links lead somewhere.

A `console` block is a conversation: `$ ` a command, `> ` its next line, the rest what it prints (`...` stands for
anything). All blocks of a page share one shell and one folder. A command may fail only where `$ echo $?` follows.
A `yaml` block that begins with `# file: NAME` is that file, in the same folder. `make` is asked what it would do.
"""

import doctest
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import pairwise, product
from pathlib import Path
from pkgutil import walk_packages

import pytest

import engine
import stepcare
import storage
import workflows
from engine.errors import StepcareError
from engine.machine import sources_of, targets_of
from workflows.load import load_pack

ROOT = Path(__file__).parent.parent
PAGES = (
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "deploy/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
)
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
GROUP = re.compile(r"^ *subgraph (\w+)[^\n]*\n(.*?)^ *end$", re.MULTILINE | re.DOTALL)
ARROW = re.compile(r"^ *(\w+)(?:[\[(].*?)? (?:--|-\.) (T\d+) (?:-->|\.->) (\w+)", re.MULTILINE)
END = "\x1e"
LONGEST_DECISION = 10


def name(path: Path) -> str:
    """Give a page as the repository's readers write it."""
    return path.relative_to(ROOT).as_posix()


@cache
def blocks(page: Path) -> tuple[tuple[str, str], ...]:
    """Give a page's code blocks: language and text."""
    return tuple(FENCE.findall(page.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class Said:
    """One command of a conversation and what the page shows it to print."""

    command: str
    shown: str


def conversation(page: Path) -> Iterator[Said]:
    """Give every command of a page with its shown output, in order."""
    for language, text in blocks(page):
        if language == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                lines = part.splitlines()
                more = next((i for i, line in enumerate(lines) if i and not line.startswith("> ")), len(lines))
                command = "\n".join([lines[0], *(line[2:] for line in lines[1:more])])
                yield Said(re.sub(r"^make\b", f"make -n -C {ROOT}", command), "\n".join(lines[more:]))


def run(said: list[Said], folder: Path) -> list[tuple[str, int]]:
    """Run the commands in one shell; give what each printed and its exit code."""
    script = "".join(f"(exit ${{s:-0}})\n{one.command}\ns=$?; printf '{END}%s{END}' $s\n" for one in said)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("STEPCARE_")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "NO_COLOR": "1",
        "TERM": "dumb",
        "COLUMNS": "120",
    }
    ran = subprocess.run(  # noqa: S603 - our own pages
        ["bash", "-c", script],  # noqa: S607 - the shell of the reader
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    parts = ran.stdout.split(END)
    return [(printed, int(code)) for printed, code in zip(parts[::2], parts[1::2], strict=False)]


@pytest.mark.parametrize("page", [page for page in PAGES if list(conversation(page))], ids=name)
def test_a_page_shows_what_happens(page: Path, tmp_path: Path) -> None:
    """Every command on the page works, in order, and prints what the page shows."""
    for language, text in blocks(page):
        if language == "yaml" and (found := re.match(r"# file: (\S+)\n", text)):
            (tmp_path / found[1]).write_text(text, encoding="utf-8")
    said = list(conversation(page))
    checker = doctest.OutputChecker()

    results = run(said, tmp_path)

    assert len(results) == len(said)
    following = [*(after.command for _, after in pairwise(said)), ""]
    for one, (printed, code), after in zip(said, results, following, strict=True):
        assert code == 0 or after == "echo $?", f"$ {one.command}\n{printed}\nexit code {code}"
        as_shown = not one.shown.strip() or checker.check_output(
            f"{one.shown}\n", printed, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        )
        assert as_shown, f"$ {one.command}\nshown:\n{one.shown}\nprinted:\n{printed}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link within the repository names a file that is there and, after `#`, one of its headings."""
    broken = []
    for target, heading in LINK.findall(page.read_text(encoding="utf-8")):
        file = page.parent / target if target else page
        if not file.exists() or (heading and heading not in headings(file)):
            broken.append(f"{target}#{heading}")

    assert broken == []


def headings(page: Path) -> set[str]:
    """Give a page's headings as links name them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [page for page in PAGES if any(one == "json" for one, _ in blocks(page))], ids=name)
def test_json_on_a_page_is_json(page: Path) -> None:
    """A JSON block can be read by a program."""
    for language, text in blocks(page):
        if language == "json":
            json.loads(text)


def test_the_picture_of_the_pathway_is_true() -> None:
    """Every arrow in the README's picture is a transition of the shipped pack, between those states."""
    pathway = load_pack(ROOT / "workflows" / "mid_upper_back").pathway
    picture = next(text for language, text in blocks(ROOT / "README.md") if language == "mermaid")
    groups = {
        one: [end for arrow in ARROW.findall(inside) for end in arrow[::2]] for one, inside in GROUP.findall(picture)
    }
    arrows = ARROW.findall(picture)

    wrong = [
        f"{source} {key} {target}"
        for left, key, right in arrows
        for source, target in product(groups.get(left, [left]), groups.get(right, [right]))
        if source not in sources_of(pathway, pathway.transitions[key])
        or target not in targets_of(pathway, pathway.transitions[key])
    ]

    assert len(arrows) == picture.count("->")
    assert wrong == []


def test_decisions_are_short_and_dated() -> None:
    """A decision has a date and a title, and is told in ten lines: what, what not, why."""
    text = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    sections = text.split("\n## ")[1:]

    for section in sections:
        title, *body = section.strip().splitlines()
        assert re.match(r"\d{4}-\d\d-\d\d · \S", title)
        assert len([line for line in body if line]) <= LONGEST_DECISION, title
        assert any(line.startswith("*Why:*") for line in body), title


def errors(tree: type[StepcareError] = StepcareError) -> Mapping[str, int]:
    """Give every error's code and exit code."""
    found = {tree.code: tree.exit}
    for one in tree.__subclasses__():
        found |= errors(one)
    return found


def test_the_reference_lists_every_error_code() -> None:
    """Each error's code stands in the reference with its exit code, whichever module has it."""
    for room in (engine, workflows, storage, stepcare):
        for module in walk_packages(room.__path__, f"{room.__name__}."):
            if not module.name.endswith("__main__") and ".migrations" not in module.name:
                import_module(module.name)
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    listed = {code: int(number) for code, number in re.findall(r"^\| `([a-z-]+)` \| (\d) \|", text, re.MULTILINE)}

    assert {code: number for code, number in errors().items() if listed.get(code) != number} == {}


def parts(heading: str, page: str = "reference.md") -> set[str]:
    """Give what a page of the reference names in the first column of the first table under a heading."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    table = re.findall(r"(?:^\|.*\n)+", text.split(f"\n## {heading}\n")[1], re.MULTILINE)[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    return {part for row in rows for part in re.findall(r"`(\w+)`", row)}


RARE = {"problem", "code", "unmet"}  # parts that are absent where nothing went wrong
ASK = "stepcare --data clinic --output json"


def test_the_reference_names_every_part_that_programs_read(tmp_path: Path) -> None:
    """What `play`, `why`, `verify`, `replay` and `demo` answer has the parts the reference names, and no others."""
    (story,) = (text for language, text in blocks(ROOT / "docs" / "tutorial.md") if text.startswith("# file: story"))
    (tmp_path / "story.yaml").write_text(story, encoding="utf-8")
    commands = [
        "stepcare play story.yaml --keep clinic --output json",
        "stepcare --data clinic user add xavi --role auditor",
        f"{ASK} --as xavi episode why e1",
        f"{ASK} --as xavi audit verify",
        f"{ASK} --as xavi audit replay",
        "stepcare --data demo --output json demo --episodes 2 --days 5 --no-serve",
    ]

    results = run([Said(f"{command} 2>>said", "") for command in commands], tmp_path)
    printed = [text for text, _ in results]

    assert [code for _, code in results] == [0] * len(commands), (tmp_path / "said").read_text(encoding="utf-8")
    answers, why, verify, replay, demo = (json.loads(text) for text in (printed[0], *printed[2:]))
    assert {part for answer in answers for part in answer} | RARE == parts("The answer to a command")
    assert {part for option in why["options"] for part in option} == parts("What may happen next")
    assert set(verify) == parts("Verify")
    assert set(replay) == parts("Replay")
    assert set(demo) == parts("The summary", "reference-demo.md")
