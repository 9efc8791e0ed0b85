"""`make bench`: measure on this machine, print, and keep the figures in docs/performance.md.

`python -m tests.bench SECTION…` measures only these, prints, and keeps nothing: ratios of different runs do not belong on
one page. BENCH_EPISODES is how many episodes are loaded (1,000,000; 0 leaves that part out).
"""

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from stepcare.app import wall_clock
from stepcare.log import configure_log
from tests.bench.auditing import beside_no_log
from tests.bench.beside import beside_others
from tests.bench.counts import PAGE, alone
from tests.bench.durable import on_a_server, on_one_file
from tests.bench.figures import Section, judged, left_out, missed
from tests.bench.firing import fire_and_deliver
from tests.bench.lateness import how_late
from tests.bench.million import at_size
from tests.bench.over_http import over_http
from tests.bench.sealing import seal_and_prove
from tests.bench.sites import Start
from tests.bench.verifying import verify_fast
from tests.bench.waiting import among_a_million
from tests.bench.writing import people_beside
from tests.servers import Server

MARK = "<!-- measured: everything below is written by make bench -->"
EPISODES = "BENCH_EPISODES"
MANY = 1_000_000

Part = Callable[[Start, Path], Section]
PARTS: dict[str, Part] = {
    "deciding": lambda _, __: alone(),
    "sqlite": lambda _, folder: on_one_file(folder),
    "postgres": on_a_server,
    "log": beside_no_log,
    "sealing": lambda _, folder: seal_and_prove(folder),
    "verifying": lambda _, folder: verify_fast(folder),
    "peers": beside_others,
    "http": over_http,
    "firing": fire_and_deliver,
    "lateness": how_late,
    "waiting": among_a_million,
    "writing": people_beside,
    "million": lambda _, folder: at_size(folder, int(os.environ.get(EPISODES) or MANY)),
}

GROUPS = {"durable": ["sqlite", "postgres"], "due": ["firing", "lateness", "waiting", "writing"]}


def processor() -> str:
    """Name the processor, as the machine does."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def load() -> str:
    """Say how busy the machine is."""
    return ", ".join(f"{one:.1f}" for one in os.getloadavg())


def machine(before: str) -> str:
    """Say on what was measured, and how busy it was before and after."""
    return (
        f"{processor()}, {os.cpu_count()} cores (load {before} before, {load()} after), {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}."
    )


def measured(names: list[str]) -> list[Section]:
    """Measure these parts, each in a folder of its own, and print each as it comes."""
    found = []
    start = cache(Server)  # one that flushes: what is measured is durable
    try:
        for name in names:
            begin = time.perf_counter()
            sys.stderr.write(f"bench: measuring {name} ...\n")
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                section = PARTS[name](start, Path(folder))
            found.append(section)
            sys.stdout.write(f"{section.text}\n")
            sys.stderr.write(f"bench: {name} took {time.perf_counter() - begin:.0f} s\n")
            sys.stdout.flush()
    finally:
        if start.cache_info().currsize:
            start().stop()
    return found


def main(asked: list[str]) -> None:
    """Measure, print, and keep it where everything was measured."""
    asked = [name for one in asked for name in GROUPS.get(one, [one])]
    unknown = [name for name in asked if name not in PARTS]
    if unknown:
        raise SystemExit(f"There is no part {unknown[0]!r}: there is {', '.join([*PARTS, *GROUPS])}.")
    configure_log("warning", "console", wall_clock)
    before = load()
    names = asked or [name for name in PARTS if name != "million" or os.environ.get(EPISODES) != "0"]
    sections = measured(names)
    below = missed(sections)
    verdict = f"{judged(sections) - len(below)} of {judged(sections)} floors were held."
    if below:
        verdict = f"{verdict[:-1]}; below: {'; '.join(below)}."
    absent = left_out(sections)
    if absent:
        verdict += f" Not measured: {'; '.join(absent)}."
    if not asked:
        text = "\n".join([machine(before), "", *(one.text for one in sections), verdict, ""])
        head = PAGE.read_text(encoding="utf-8").partition(MARK)[0].rstrip()
        PAGE.write_text(f"{head}\n\n{MARK}\n\n{text}", encoding="utf-8")
    sys.stdout.write(f"{machine(before)}\n{verdict}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
