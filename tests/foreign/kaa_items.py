"""Items of docs/protocol.md: what calls yield, and the streams that come with them."""

import inspect
import struct
import threading
from collections import deque

from kaa_frames import (
    CREDIT,
    END,
    GRANT,
    ITEM,
    STOP,
    YIELD,
    CallFailed,
    Failure,
    Violation,
    fields,
    frame,
    whole,
)
from kaa_values import BadArguments, Malformed, pack, unpack

# No items are added while so many frames wait to be written.
CROWD = 16


class Sender:
    """The sending end of a stream: what was sent and not given back."""

    def __init__(self, receiver):
        self.receiver = receiver
        self.items = self.bytes = 0
        self.over = self.stopped = False

    def fits(self, cost):
        limits = self.receiver
        items, bytes = self.items + 1, self.bytes + cost
        return items <= limits.max_stream_items and bytes <= limits.max_stream_bytes

    def take(self, cost):
        self.items += 1
        self.bytes += cost

    def given_back(self, items, bytes):
        left_items, left_bytes = self.items - items, self.bytes - bytes
        torn = bool(left_items) != bool(left_bytes)
        if not items or left_items < 0 or left_bytes < 0 or torn or self.stopped:
            raise Violation(f"{items} items of {bytes} bytes given back")
        self.items, self.bytes = left_items, left_bytes


class Receiver:
    """The receiving end of a stream. `kind` and `prefix` begin the frames that give back."""

    def __init__(self, own, kind, prefix):
        self.own, self.kind, self.prefix = own, kind, prefix
        self.items, self.bytes = own.max_stream_items, own.max_stream_bytes  # There is room for.
        self.owed_items = self.owed_bytes = 0  # Taken, and not given back.
        self.told = 0  # Items that were given back in frames that are not written yet.
        self.held = deque()
        self.over = self.stopped = self.broken = False

    def receive(self, payload, cost):
        self.items -= 1
        self.bytes -= cost
        if self.items < 0 or self.bytes < 0:
            raise Violation("items without room")
        self.held.append((payload, cost))

    def expected(self):
        """How many frames may come after the final one was queued."""
        return 0 if self.over else self.items + self.told + 1

    def is_due(self):
        half = (self.own.max_stream_items + 1) // 2, (self.own.max_stream_bytes + 1) // 2
        return self.owed_items >= half[0] or self.owed_bytes >= half[1]

    def give_back(self):
        """What makes the frame at the moment it is written, which gives room."""
        items, bytes = self.owed_items, self.owed_bytes
        self.owed_items = self.owed_bytes = 0
        self.told += items

        def write():
            self.items += items
            self.bytes += bytes
            self.told -= items
            return frame(self.kind, self.prefix + struct.pack(">IQ", items, bytes))

        return write


class Stream:
    """An argument for a parameter that is a stream: the items of `source`."""

    def __init__(self, source):
        self.source = source


class Input:
    """A stream that came with a call: iterate over it. Marks parameters as annotation."""

    def __init__(self, connection, context, number):
        self.connection, self.context, self.number = connection, context, number
        self.side = context.inputs[number]

    def __iter__(self):
        while True:
            with self.connection.changed:
                self.connection.changed.wait_for(self.is_ready)
                if not self.side.held:
                    return self.finish()
                payload = self.connection.take_item(self.side, not self.context.ended)
            yield unpack(payload, **self.connection.scan())

    def is_ready(self):
        gone = self.context.stopped.is_set() or self.connection.ended
        return self.side.held or self.side.over or gone

    def finish(self):
        if not self.side.over:
            raise Failure("cancelled")
        if self.side.broken:
            raise Failure("fault", "the stream broke off")

    def stop(self):
        """No more of it is wanted."""
        with self.connection.changed:
            self.side.held.clear()
            if not (self.side.over or self.side.stopped or self.context.ended):
                self.side.stopped = True
                self.connection.put(lambda: frame(STOP, self.side.prefix))


def numbered(positional, named):
    """Puts numbers in place of streams; gives the arguments, and the streams in their order."""
    streams = []

    def number(value):
        if not isinstance(value, Stream):
            return value
        streams.append(value)
        return len(streams) - 1

    positional = [number(value) for value in positional]
    named = {name: number(value) for name, value in named.items()}
    return positional, named, streams


def inputs(connection, context, function, positional, named):
    """Puts streams in place of numbers, for the parameters that are streams."""
    bound, seen = inspect.signature(function).bind(*positional, **named), set()
    for name, parameter in bound.signature.parameters.items():
        if parameter.annotation is not Input or name not in bound.arguments:
            continue
        number = bound.arguments[name]
        good = type(number) is int and 0 <= number < len(context.inputs) and number not in seen
        if not good:
            raise BadArguments(f"{number} is no stream of this call", name, "a stream", "another")
        seen.add(number)
        bound.arguments[name] = Input(connection, context, number)
    return bound.args, bound.kwargs


class Items:
    """The part of a connection that has to do with items."""

    def scan(self):
        return {"max_items": self.own.max_items, "max_nesting": self.own.max_nesting}

    def is_live(self, call):
        return self.calls.get(call.id) is call and not call.cancelled and not self.ended

    def take_item(self, side, speaks):
        """The next one that is held; gives back what is due, if this end still `speaks`."""
        payload, cost = side.held.popleft()
        side.owed_items += 1
        side.owed_bytes += cost
        if speaks and side.is_due() and not side.over and not side.stopped:
            self.put(side.give_back())
        return payload

    # Calls of this end.

    def feed(self, call, number, source):
        """Sends the items of a stream that goes with a call, in a thread of its own."""
        side, prefix = call.outputs[number], struct.pack(">IB", call.id, number)
        try:
            for value in source:
                payload = pack(value)
                if not self.send_item(call, side, ITEM, prefix + payload):
                    return
            broken = 0
        except Exception:
            broken = 1
        with self.changed:
            if self.is_live(call) and not side.over:
                side.over = True
                self.put(lambda: frame(END, prefix + bytes([broken])))

    def send_item(self, call, side, kind, body):
        cost = 1 + len(body)
        if cost > min(self.peer.max_stream_bytes // 2, self.peer.max_frame):
            raise ValueError(f"an item of {cost} bytes")

        def over():
            return side.over or not self.is_live(call)

        with self.changed:
            self.changed.wait_for(lambda: over() or self.has_room(side, cost))
            if over():
                return False
            side.take(cost)
            self.put(lambda: frame(kind, body))
            return True

    def has_room(self, side, cost):
        return side.fits(cost) and len(self.output) < CROWD

    def next_yield(self, call):
        """The next item that the call yields; raises `StopIteration` after the last."""
        with self.changed:
            side = call.yields
            self.changed.wait_for(lambda: side.held or call.ended.is_set())
            if not side.held:
                raise StopIteration
            payload = self.take_item(side, self.is_live(call))
        try:
            return unpack(payload, **self.scan())
        except Malformed as error:
            call.cancel()
            call.end(error=CallFailed("fault", f"an item that is none: {error}"))
            raise call.error from None

    def yielded(self, id, payload, cost):
        call = self.live_call(id)
        call.yields.receive(payload, cost)
        if call.cancelled:
            call.yields.held.clear()
        elif not call.wants_items:
            self.take_item(call.yields, True)

    def output_of(self, id, stream):
        outputs = self.live_call(id).outputs
        if stream >= len(outputs) or outputs[stream].stopped:
            raise Violation(f"stream {stream} of call {id} is not there")
        return outputs[stream]

    # Calls of the other end.

    def give(self, context, value):
        """Yields an item of the call that runs in this thread."""
        body = struct.pack(">I", context.id) + pack(value)
        cost = 1 + len(body)
        if cost > min(self.peer.max_stream_bytes // 2, self.peer.max_frame):
            raise ValueError(f"an item of {cost} bytes")
        stopped = context.stopped.is_set
        with self.changed:
            side, left = context.output, context.left()
            ready = self.changed.wait_for(lambda: stopped() or self.has_room(side, cost), left)
            if stopped():
                raise Failure("cancelled")
            if not ready:
                raise Failure("timed_out", "its time is over")
            side.take(cost)
            self.put(lambda: frame(YIELD, body))

    def spoken_of(self, id):
        """The call that runs with this id, or what may come for one that has ended."""
        if id not in self.cancellable:
            raise Violation(f"a word of {id}, which was cancelled or never came")
        context = self.running[id][0] if id in self.running else None
        return context if context and not context.ended else None

    def input_of(self, id, stream):
        context = self.spoken_of(id)
        if context:
            if stream >= len(context.inputs) or context.inputs[stream].over:
                raise Violation(f"stream {stream} of {id} is not there")
            return context.inputs[stream]
        self.strays[id][0] -= 1
        if self.strays[id][0] < 0:
            raise Violation(f"more of the streams of {id} than had room")
        return None

    def credited(self, id, items, bytes):
        context = self.spoken_of(id)
        if context:
            return context.output.given_back(items, bytes)
        self.strays[id][1] -= items
        if not items or self.strays[id][1] < 0:
            raise Violation(f"more credit for {id} than it had yielded")
        return None

    def end_items(self, context):
        """The final frame is queued next: what may still come."""
        context.ended = True
        items = sum(side.expected() for side in context.inputs)
        self.strays[context.id] = [items, context.output.items]

    def handle_items(self, kind, body, cost):
        """Whether it was a frame that has to do with items."""
        if kind == YIELD:
            (id,) = fields(">I", body)
            self.yielded(id, body[4:], cost)
        elif kind == CREDIT:
            self.credited(*whole(">IIQ", body))
        elif kind == ITEM:
            id, stream = fields(">IB", body)
            side = self.input_of(id, stream)
            if side:
                side.receive(body[5:], cost)
                if side.stopped:
                    side.held.clear()
        elif kind == END:
            id, stream, broken = whole(">IBB", body)
            if broken > 1:
                raise Violation("an end that is neither complete nor broken off")
            side = self.input_of(id, stream)
            if side:
                side.over, side.broken = True, bool(broken)
        elif kind == GRANT:
            id, stream, items, bytes = whole(">IBIQ", body)
            self.output_of(id, stream).given_back(items, bytes)
        elif kind == STOP:
            side = self.output_of(*whole(">IB", body))
            side.over = side.stopped = True
        else:
            return False
        return True

    def start_feeding(self, call, streams):
        for number, stream in enumerate(streams):
            arguments = call, number, stream.source
            threading.Thread(target=self.feed, args=arguments, daemon=True).start()
