"""Kaa RPC in Python, written from docs/protocol.md alone: calls, windows and closing.

A thread reads, another writes, and each call that comes runs in one of its own. So reading waits
neither for a function nor for the other end to read.
"""

import difflib
import inspect
import itertools
import socket
import struct
import threading
import time
from collections import deque

from kaa_calls import Context, Lost, NoRoom, Outgoing
from kaa_frames import (
    CALL,
    CANCEL,
    DONE,
    ERROR,
    GOODBYE,
    METADATA,
    ONEWAY,
    PING,
    PONG,
    RESULT,
    MAX_METADATA,
    CallFailed,
    Failure,
    Head,
    Violation,
    encode_head,
    fields,
    frame,
    metadata_of,
    whole,
)
from kaa_items import CROWD, Items, inputs, numbered
from kaa_opening import INHERITED, open_client, open_server, take_inherited
from kaa_values import (
    BadArguments,
    Malformed,
    bind,
    pack,
    pack_arguments,
    unpack,
    unpack_arguments,
)

MAX_PINGS = 16


class Connection(Items):
    """One end of an open connection. Functions are called as `functions[name]` says."""

    def __init__(self, opened, functions=None):
        self.socket, self.session = opened.socket, opened.session
        self.own, self.peer = opened.own, opened.peer
        self.functions = functions or {}
        self.changed = threading.Condition()
        self.ended = None  # "orderly", or why the connection is lost.
        self.output = deque()  # What makes a frame at the moment it is written.
        self.pong, self.asked = None, 0
        self.pings, self.tokens = deque(), itertools.count(1)
        # Calls of this end.
        self.calls, self.spent, self.queued = {}, 0, 0
        self.oneways = 0  # In flight.
        self.oneway_calls = self.oneway_bytes = 0  # Written, not yet done.
        # Calls of the other end.
        self.cancellable = set()  # Ids of calls that were not cancelled yet, ended ones among them.
        self.strays = {}  # By id: what may still come for a call that has ended.
        self.running, self.taken_calls, self.taken_bytes = {}, 0, 0
        self.done_calls = self.done_bytes = 0
        self.oneways_running = self.accepted = 0
        self.said = self.heard = None  # The numbers of the goodbyes.
        self.socket.settimeout(None)
        self.threads = [
            threading.Thread(target=run, daemon=True) for run in (self.read, self.write)
        ]
        for thread in self.threads:
            thread.start()

    # What a user does.

    def call(self, name, /, *positional, **named):
        return self.start(name, positional, named).wait()

    def start(self, name, positional=(), named=None, timeout=None, metadata=None):
        return self.send(name, positional, named or {}, timeout, oneway=False, metadata=metadata)

    def items(self, name, /, *positional, **named):
        """A call whose items are wanted: iterate over it."""
        return self.send(name, positional, named, None, oneway=False, wants_items=True)

    def oneway(self, name, /, *positional, **named):
        self.send(name, positional, named, None, oneway=True)

    def ping(self, seconds=10):
        with self.changed:
            self.until(lambda: len(self.pings) < MAX_PINGS, seconds)
            token = next(self.tokens)
            self.pings.append(token)
            self.put(lambda: frame(PING, struct.pack(">Q", token)))
            self.until(lambda: token not in self.pings, seconds)

    def goodbye(self):
        with self.changed:
            self.part()

    def close(self, seconds=10):
        """Says goodbye and waits; gives how the connection ended."""
        self.goodbye()
        return self.wait(seconds)

    def wait(self, seconds=10):
        with self.changed:
            self.changed.wait_for(lambda: self.ended, seconds)
            self.ended = self.ended or "not parted in time"
        self.socket.close()
        return self.ended

    def until(self, condition, seconds=None):
        self.changed.wait_for(lambda: condition() or self.ended, seconds)
        if self.ended:
            raise Lost(self.ended, run=False)
        if not condition():
            raise TimeoutError

    # Calls of this end.

    def send(
        self, name, positional, named, timeout, oneway, wants_items=False, metadata=None
    ):
        told = pack(metadata) if metadata else b""
        if metadata_of(told) is None:
            raise CallFailed("too_large", "not sent: metadata out of their bounds")
        context = Context.get()
        depth = context.depth + 1 if context else 0
        if depth > self.peer.max_depth:
            raise CallFailed("too_deep", "not sent")
        deadline = None if timeout is None else time.monotonic() + timeout
        if context and context.deadline is not None:
            deadline = min(context.deadline, deadline or context.deadline)
        positional, named, streams = numbered(positional, named)
        count = len(streams)
        arguments, encoded = pack_arguments(positional, named), name.encode()
        head = encode_head(encoded, depth, None if deadline is None else 0, count, told)
        length = 1 + (0 if oneway else 4) + len(head) + len(arguments)
        cost = length + count * self.peer.max_stream_bytes
        if length > self.peer.max_frame or cost > self.peer.max_request_bytes:
            raise CallFailed("too_large", "not sent")

        def body():
            left = None if deadline is None else max(0, int((deadline - time.monotonic()) * 1e6))
            return encode_head(encoded, depth, left, count, told) + arguments

        with self.changed:
            self.room(cost, context)
            self.spent += cost
            self.queued += 1
            if oneway:
                self.oneways += 1
                self.put(lambda: self.write_oneway(body(), cost))
                return None
            id = next(id for id in itertools.count() if id not in self.calls)
            call = Outgoing(self, id, self.queued, cost, name, deadline, count, wants_items)
            self.calls[id] = call
            self.put(lambda: self.write_call(call, body()))
        self.start_feeding(call, streams)
        return call

    def write_call(self, call, body):
        call.written = True
        return frame(CALL, struct.pack(">I", call.id) + body)

    def write_oneway(self, body, cost):
        self.oneway_calls += 1
        self.oneway_bytes += cost
        return frame(ONEWAY, body)

    def room(self, cost, context):
        def fits():
            return self.said is not None or (
                len(self.calls) + self.oneways < self.peer.max_calls
                and self.spent + cost <= self.peer.max_request_bytes
            )

        if context and context.connection is self and not fits():
            raise NoRoom
        self.until(fits)
        if self.said is not None:
            raise Lost("this end makes no more calls", run=False)

    def cancel(self, call):
        with self.changed:
            if self.calls.get(call.id) is call and not call.cancelled and not self.ended:
                call.cancelled = True
                call.yields.held.clear()
                self.put(lambda: frame(CANCEL, struct.pack(">I", call.id)))

    # Writing. A frame counts as written when its writing begins: the other end may answer to it
    # before this end's threads have taken note that its last byte is gone.

    def put(self, make):
        self.output.append(make)
        self.changed.notify_all()

    def next_frame(self):
        if self.pong is not None:
            token, self.pong, self.asked = self.pong, None, 0
            return frame(PONG, struct.pack(">Q", token))
        if self.output:
            if len(self.output) == CROWD:
                self.changed.notify_all()
            return self.output.popleft()()
        if self.done_calls:
            counts = self.done_calls, self.done_bytes
            self.taken_calls -= self.done_calls
            self.taken_bytes -= self.done_bytes
            self.done_calls = self.done_bytes = 0
            return frame(DONE, struct.pack(">IQ", *counts))
        return None

    def parted(self):
        nothing_own = not self.calls and not self.oneways
        nothing_else = not self.running and not self.oneways_running
        return self.said is not None and self.heard is not None and nothing_own and nothing_else

    def write(self):
        while True:
            with self.changed:
                data = self.next_frame()
                while data is None and not self.ended and not self.parted():
                    self.changed.wait()
                    data = self.next_frame()
                if self.ended:
                    return
            try:
                if data is None:
                    return self.half_close(socket.SHUT_WR)
                self.socket.sendall(data)
            except OSError:
                # The other end may have parted and closed: what has come is read before all ends.
                return self.half_close(socket.SHUT_RD)

    # Reading.

    def read(self):
        try:
            while True:
                (length,) = struct.unpack(">I", self.take(4))
                if not 1 <= length <= self.own.max_frame:
                    raise Violation(f"a frame of {length} bytes")
                data = self.take(length)
                with self.changed:
                    self.handle(data[0], data[1:], length)
                    self.changed.notify_all()
        except (EOFError, OSError) as error:
            self.lose(f"the stream ended: {error}")
        except Violation as error:
            self.lose(f"violation: {error}")

    def take(self, length):
        data = bytearray()
        while len(data) < length:
            part = self.socket.recv(min(length - len(data), 1 << 16))
            if not part:
                raise EOFError("by the other end")
            data += part
        return bytes(data)

    def lose(self, reason):
        with self.changed:
            if not self.ended:
                self.ended = "orderly" if self.parted() else reason
            for call in self.calls.values():
                call.end(error=Lost(self.ended, run=call.written))
            for context, _ in self.running.values():
                context.stopped.set()
                for side in context.inputs:
                    side.broken, side.over = side.broken or not side.over, True
            self.calls = {}
            self.changed.notify_all()
        self.half_close(socket.SHUT_RDWR)

    def half_close(self, direction):
        try:
            self.socket.shutdown(direction)
        except OSError:
            pass  # The other end was faster.

    def handle(self, kind, body, cost):
        if kind == CALL:
            (id,) = fields(">I", body)
            self.incoming(id, Head(body[4:]), cost)
        elif kind == ONEWAY:
            self.incoming(None, Head(body), cost)
        elif kind in (RESULT, ERROR):
            (id,) = fields(">I", body)
            self.final(kind, id, body[4:])
        elif kind == METADATA:
            (id,) = fields(">I", body)
            self.told(id, body[4:])
        elif kind == CANCEL:
            (id,) = whole(">I", body)
            if id not in self.cancellable:
                raise Violation(f"a cancel of {id}, which goes with no call")
            self.cancellable.discard(id)
            if id in self.running:
                self.running[id][0].stopped.set()
        elif kind == DONE:
            self.done(*whole(">IQ", body))
        elif kind == PING:
            (self.pong,) = whole(">Q", body)
            self.asked += 1
            if self.asked > MAX_PINGS:
                raise Violation("too many pings without a pong")
        elif kind == PONG:
            self.answered(*whole(">Q", body))
        elif kind == GOODBYE:
            self.bid(*whole(">Q", body))
        elif not self.handle_items(kind, body, cost):
            raise Violation(f"a frame of kind {kind}")

    def live_call(self, id):
        call = self.calls.get(id)
        if not call or not call.written:
            raise Violation(f"an answer to call {id}, which is not live")
        return call

    def told(self, id, data):
        call = self.live_call(id)
        if call.metadata is not None:
            raise Violation(f"metadata of call {id} for the second time")
        if len(data) > MAX_METADATA:
            raise Violation(f"{len(data)} bytes of metadata")
        call.metadata = metadata_of(data) or {}

    def final(self, kind, id, payload):
        call = self.live_call(id)
        del self.calls[id]
        self.spent -= call.cost
        if kind == ERROR:
            return call.end(error=CallFailed.decode(payload, self.own))
        try:
            call.end(unpack(payload, **self.scan()))
        except Malformed as error:
            call.end(error=CallFailed("fault", f"a result that is none: {error}"))

    def done(self, calls, bytes):
        left_calls, left_bytes = self.oneway_calls - calls, self.oneway_bytes - bytes
        if not calls or left_calls < 0 or left_bytes < 0 or bool(left_calls) != bool(left_bytes):
            raise Violation(f"done for {calls} calls and {bytes} bytes")
        self.oneway_calls, self.oneway_bytes = left_calls, left_bytes
        self.spent -= bytes
        self.oneways -= calls

    def answered(self, token):
        if token not in self.pings:
            raise Violation("a pong without its ping")
        while self.pings.popleft() != token:
            pass

    def bid(self, accepted):
        if self.heard is not None:
            raise Violation("a second goodbye")
        if accepted > self.queued:
            raise Violation("a goodbye that counts more calls than there were")
        self.heard = accepted
        for call in [call for call in self.calls.values() if call.number > accepted]:
            del self.calls[call.id]
            self.spent -= call.cost
            call.end(error=Lost("the other end said goodbye", run=False))
        self.part()

    def part(self):
        if self.said is None and not self.ended:
            self.said = accepted = self.accepted
            self.put(lambda: frame(GOODBYE, struct.pack(">Q", accepted)))

    # Calls of the other end.

    def incoming(self, id, head, cost):
        if self.heard is not None:
            raise Violation("a call after goodbye")
        if id is not None and (id in self.running or id >= self.own.max_calls):
            raise Violation(f"a call with id {id}")
        if id is None and head.streams:
            raise Violation("a oneway call with streams")
        cost += head.streams * self.own.max_stream_bytes
        refused = self.said is not None
        if id is not None:
            self.cancellable.add(id)
            self.strays[id] = [head.streams * (self.own.max_stream_items + 1), 0]
        if refused and id is not None:
            return
        self.taken_calls += 1
        self.taken_bytes += cost
        if self.taken_calls > self.own.max_calls:
            raise Violation("more calls than max_calls")
        if self.taken_bytes > self.own.max_request_bytes:
            raise Violation("more bytes than max_request_bytes")
        if refused:
            return self.finish_oneway(cost)
        self.accepted += 1
        deadline = None
        if head.remaining is not None and head.remaining < 10**15:
            deadline = time.monotonic() + head.remaining / 1e6
        context = Context(self, head.depth, deadline, id, head.streams, head.metadata)
        if id is None:
            self.oneways_running += 1
        else:
            self.running[id] = (context, cost)
        threading.Thread(target=self.run, args=(context, id, head, cost), daemon=True).start()

    def finish_oneway(self, cost):
        self.done_calls += 1
        self.done_bytes += cost
        self.changed.notify_all()

    def run(self, context, id, head, cost):
        Context.current.context = context
        try:
            kind, payload = RESULT, pack(self.apply(context, head))
        except Exception as error:
            own = isinstance(error, Failure) and not isinstance(error, CallFailed)
            kind, payload = ERROR, (error if own else Failure.of(error)).encode()
        if 5 + len(payload) > self.peer.max_frame:
            kind, payload = ERROR, Failure("too_large", f"{len(payload)} bytes").encode()
        with self.changed:
            if id is None:
                self.oneways_running -= 1
                return self.finish_oneway(cost)
            self.end_items(context)
            self.put(lambda: self.write_final(kind, id, payload, cost, context.answer))

    def write_final(self, kind, id, payload, cost, told):
        del self.running[id]
        self.taken_calls -= 1
        self.taken_bytes -= cost
        prefix = struct.pack(">I", id)
        before = frame(METADATA, prefix + pack(told)) if told else b""
        return before + frame(kind, prefix + payload)

    def own_functions(self):
        """Those of the chapter "Introspection"."""
        return {"kaa.ping": lambda value=None: value, "kaa.describe": self.describe}

    def describe(self, names=(), brief=False):
        for name, function in self.functions.items():
            if names and name not in names:
                continue
            item = {"name": name}
            if not brief:
                # Nobody knows the types of a function of Python.
                item["result"] = "any"
                item["parameters"] = parameters(function)
            yield {"function": item}

    def apply(self, context, head):
        function = self.functions.get(head.name) or self.own_functions().get(head.name)
        if not function:
            close = difflib.get_close_matches(head.name, self.functions, 1)
            raise Failure("unknown_function", f"no function {head.name}", name="".join(close))
        if head.depth > self.own.max_depth:
            raise Failure("too_deep", f"depth {head.depth}")
        if head.remaining == 0:
            raise Failure("timed_out", name=head.name)
        try:
            positional, named = unpack_arguments(head.arguments, **self.scan())
            positional, named = bind(function, positional, named)
            positional, named = inputs(self, context, function, positional, named)
        except Malformed as error:
            raise Failure("bad_arguments", str(error)) from None
        except BadArguments as error:
            raise Failure("bad_arguments", str(error), **error.details) from None
        if not inspect.isgeneratorfunction(function):
            return function(*positional, **named)
        return self.give_all(context, function(*positional, **named))

    def give_all(self, context, generator):
        """Yields what it yields; gives its result."""
        try:
            while True:
                self.give(context, next(generator))
        except StopIteration as end:
            return end.value
        finally:
            generator.close()


def parameters(function):
    """As a description has them."""
    described = []
    for parameter in inspect.signature(function).parameters.values():
        item = {"name": parameter.name, "type": "any"}
        if parameter.kind == parameter.VAR_POSITIONAL:
            item["kind"] = "rest"
        elif parameter.kind == parameter.VAR_KEYWORD:
            item["kind"] = "kwargs"
        elif parameter.default is not parameter.empty:
            item |= {"kind": "optional", "default": "null"}
        described.append(item)
    return described


# Sockets.


def connect(path, secret, functions=None, **options):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    return Connection(open_client(sock, secret, **options), functions)


def accept(listener, secrets, instance, functions=None, **options):
    sock, _ = listener.accept()
    return Connection(open_server(sock, secrets, instance, **options), functions)


def connect_inherited(functions=None, **options):
    sock, secret = take_inherited()
    return Connection(open_client(sock, secret, transport=INHERITED, **options), functions)
