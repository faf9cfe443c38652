"""A call while it is one: at its caller, and at its callee."""

import struct
import threading
import time

from kaa_frames import CREDIT, GRANT, CallFailed, Failure, metadata_of
from kaa_items import Receiver, Sender
from kaa_values import pack


class Lost(Exception):
    """The connection ended before the call did. `run` says whether the call may have run."""

    def __init__(self, reason, run):
        super().__init__(reason)
        self.run = run


class NoRoom(Exception):
    """The window is full, and waiting for it could wait for this very function."""


class Outgoing:
    """A call of this end, until the other has ended it."""

    def __init__(self, connection, id, number, cost, name, deadline, streams, wants_items):
        self.connection, self.id, self.number, self.cost = connection, id, number, cost
        self.name, self.deadline = name, deadline
        self.written = self.cancelled = False
        self.ended = threading.Event()
        self.value = self.error = None
        self.metadata = None  # Of its answer, if some came.
        self.outputs = [Sender(connection.peer) for _ in range(streams)]
        self.yields = Receiver(connection.own, CREDIT, struct.pack(">I", id))
        self.wants_items = wants_items

    def __iter__(self):
        """What the call yields. Its result is had with `wait`."""
        return self

    def __next__(self):
        return self.connection.next_yield(self)

    def end(self, value=None, error=None):
        if not self.ended.is_set():
            self.value, self.error = value, error
            self.ended.set()

    def cancel(self):
        self.connection.cancel(self)

    def wait(self):
        left = None if self.deadline is None else max(0, self.deadline - time.monotonic())
        if not self.ended.wait(left):
            self.cancel()
            self.end(error=CallFailed("timed_out", "its time is over", name=self.name))
        if self.error:
            raise self.error
        return self.value


class Context:
    """A call of the other end while its function runs here."""

    current = threading.local()

    def __init__(self, connection, depth, deadline, id=None, streams=0, metadata=b""):
        self.connection, self.depth, self.deadline = connection, depth, deadline
        self.stopped = threading.Event()
        self.told, self.answer = metadata, {}
        self.id, self.ended, self.inputs = id, False, []
        if id is not None:
            prefixes = (struct.pack(">IB", id, number) for number in range(streams))
            self.inputs = [Receiver(connection.own, GRANT, prefix) for prefix in prefixes]
            self.output = Sender(connection.peer)

    @classmethod
    def get(cls):
        return getattr(cls.current, "context", None)

    def metadata(self):
        told = metadata_of(self.told)
        if told is None:
            raise Failure("bad_arguments", "metadata that are no map of texts")
        return told

    def answer_metadata(self, key, value):
        """Goes with the outcome of the function, whatever that is."""
        self.answer[key] = value
        assert metadata_of(pack(self.answer)) is not None

    def left(self):
        return None if self.deadline is None else max(0, self.deadline - time.monotonic())

    def wait(self):
        """Until the caller cancels, the time is over or the connection ends."""
        if self.stopped.wait(self.left()):
            raise Failure("cancelled")
        raise Failure("timed_out", "its time is over")
