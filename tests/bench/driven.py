"""Driving a system from the other end of a pipe: an order comes in as one line of JSON, what was measured goes out.

Ours and the peers are driven by these same lines, each in a process of its own. Standard library only: the peers have
an environment of their own.
"""

import gc
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

Act = Callable[[], object]
Order = dict[str, Any]
MOST_ERRORS = 3  # kinds of errors that are told


def settle() -> None:
    """Settle a peer in as our own processes do (`stepcare.app.settle`): what helps us is not kept from it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def drive(prepare: Callable[[Order], list[Act]]) -> None:
    """Follow orders until there are no more. `prepare` makes one act for each caller, before any time is taken."""
    say({"ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        acts = prepare(order)
        say({"prepared": True})
        sys.stdin.readline()  # all processes begin together
        say(measured(acts, float(order["seconds"])))


def measured(acts: list[Act], seconds: float) -> dict[str, Any]:
    """Do every act over and over, each in a thread of its own, for so many seconds."""
    callers = [_Caller(act) for act in acts]
    start = threading.Barrier(len(callers) + 1)
    threads = [threading.Thread(target=one.run, args=(start, seconds)) for one in callers]
    for thread in threads:
        thread.start()
    start.wait()
    began, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.join()
    return {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "served": [len(one.times) for one in callers],
        "times": sorted(took for one in callers for took in one.times),
        "errors": dict(sum((one.errors for one in callers), Counter[str]()).most_common(MOST_ERRORS)),
    }


class _Caller:
    """One who asks again as soon as there is an answer."""

    def __init__(self, act: Act) -> None:
        self._act = act
        self.times: list[float] = []
        self.errors: Counter[str] = Counter()

    def run(self, start: threading.Barrier, seconds: float) -> None:
        start.wait()
        now = time.perf_counter()
        end = now + seconds
        while now < end:
            try:
                self._act()
            except Exception as error:  # noqa: BLE001 - counted and told: a figure with errors is no figure
                self.errors[f"{type(error).__name__}: {error}"[:200]] += 1
                now = time.perf_counter()
                continue
            after = time.perf_counter()
            self.times.append(after - now)
            now = after


def say(found: dict[str, Any]) -> None:
    """Put a line out."""
    sys.stdout.write(f"{json.dumps(found)}\n")
    sys.stdout.flush()
