"""A call while it is one: at its caller, and at its callee."""

import threading
import time

from kaa_frames import CallFailed, Failure


class Lost(Exception):
    """The connection ended before the call did. `run` says whether the call may have run."""

    def __init__(self, reason, run):
        super().__init__(reason)
        self.run = run


class NoRoom(Exception):
    """The window is full, and waiting for it could wait for this very function."""


class Outgoing:
    """A call of this end, until the other has ended it."""

    def __init__(self, connection, id, number, cost, name, deadline):
        self.connection, self.id, self.number, self.cost = connection, id, number, cost
        self.name, self.deadline = name, deadline
        self.written = self.cancelled = False
        self.ended = threading.Event()
        self.value = self.error = None

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

    def __init__(self, connection, depth, deadline):
        self.connection, self.depth, self.deadline = connection, depth, deadline
        self.stopped = threading.Event()

    @classmethod
    def get(cls):
        return getattr(cls.current, "context", None)

    def wait(self):
        """Until the caller cancels, the time is over or the connection ends."""
        left = None if self.deadline is None else max(0, self.deadline - time.monotonic())
        if self.stopped.wait(left):
            raise Failure("cancelled")
        raise Failure("timed_out", "its time is over")
