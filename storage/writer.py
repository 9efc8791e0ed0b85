"""The writer: the queue in which decisions wait for the commit they share; how it works stands in `queue.py`."""

from engine.service import Applied
from storage.prepare import Prepared
from storage.queue import MOST, Queue, WriterStats

__all__ = ["MOST", "Writer", "WriterStats"]


class Writer(Queue[Prepared, Applied]):
    """The decisions' queue of one process. Threads share it."""
