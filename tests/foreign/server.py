"""`server.py SOCKET SECRET-FILE`: a server of the `Lab` of tests/typed/types.kidl, in Python.

Its output has a line for each connection that opened, ended or was refused.
"""

import os
import socket
import sys
import threading

import kaa
from kaa_calls import Context
from kaa_frames import Failure
from kaa_items import Input
from kaa_opening import Limits, OpeningError, read_secret


def same(value):
    return value


def filled(
    flag=True,
    text="usual",
    names=[],
    shape="point",
    wait={"secs": 1, "nanos": 0},
    maybe=None,
    thing=None,
):
    return [flag, text, names, shape, wait, maybe, thing]


def rest(first, *more, separator=", ", **named):
    words = [first, *map(str, more), *(f"{name}={value}" for name, value in sorted(named.items()))]
    return separator.join(words)


def fail(how):
    name, value = (how, {}) if isinstance(how, str) else next(iter(how.items()))
    message = {"counted": "{count} of {of}"}.get(name, "it is plain").format(**value)
    raise Failure("declared", message, name="typed.Failure", value=how)


def fault(text, panic=False):
    if panic:
        raise Failure("panic", text)
    try:
        raise KeyError("the cause")
    except KeyError as error:
        raise ValueError(text) from error


def tell(what, *arguments):
    Context.get().connection.oneway("told", what, *arguments)


def forever():
    # Not calls: those would have what is left of this one's time.
    print("started", flush=True)
    try:
        Context.get().wait()
    except Failure as failure:
        print(f"stopped: {failure.kind}", flush=True)
        raise


def token(token):
    """Asks back what is even."""
    if token % 2 == 0:
        return Context.get().connection.call("token", token)
    return token ^ 1


def scan(to, fails):
    yield from range(to)
    if fails:
        raise ValueError("in the end")
    return to


def total(numbers: Input):
    return sum(numbers)


def sizes(blobs: Input):
    size = 0
    for blob in blobs:
        size += len(blob)
        yield blob
    return size


def add(left: Input, right: Input):
    for numbers in zip(left, right):
        yield sum(numbers)
    return "added"


def first(numbers: Input):
    number = next(iter(numbers))
    numbers.stop()
    return number


def along():
    """Passes on what came along, and tells what came back with that."""
    context = Context.get()
    call = context.connection.start("along", metadata={**context.metadata(), "from": "python"})
    result = call.wait()
    context.answer_metadata("told", (call.metadata or {}).get("told", "nothing"))
    context.answer_metadata("empty", "")
    return result


class Notes:
    """Tells the sum of what was noted on its connection, once that is enough."""

    def __init__(self):
        self.lock, self.numbers = threading.Lock(), []

    def note(self, text, *args, loud=False):
        with self.lock:
            self.numbers += args
            if len(self.numbers) == 2000:
                tell(f"{sum(self.numbers)} in 2000")


def functions():
    notes = Notes()
    echo = (
        "scalars", "containers", "defaults", "tree", "keywords", "shape", "level", "any", "bytes",
    )  # fmt: skip
    return {
        **{name: same for name in echo},
        "nothing": lambda: None,
        "maybe": lambda value=None: value,
        "integers": lambda a, b, c, d, e, f, g, h: [a, b, c, d, e, f, g, h],
        "floats": lambda x, y: [x, y],
        "times": lambda at, length: [at, length],
        "filled": filled,
        "rest": rest,
        "anything": lambda *args, **kwargs: [args, kwargs],
        "fail": fail,
        "fault": fault,
        "run.forever": forever,
        "run.slow": forever,
        "run.note": notes.note,
        "items.scan": scan,
        "items.total": total,
        "items.sizes": sizes,
        "items.add": add,
        "items.first": first,
        "items.none": lambda numbers: None,
        "along": along,
        "token": token,
        "leave": lambda: Context.get().connection.goodbye(),
    }


def serve(connection):
    print(f"opened {connection.session.hex()[:16]}", flush=True)
    print(f"ended {connection.wait(60)}", flush=True)


def main(path, secret_file):
    secrets = {"": read_secret(secret_file)}
    limits = Limits(max_calls=16, max_stream_items=2)
    instance = os.urandom(16)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)
        while True:
            try:
                connection = kaa.accept(listener, secrets, instance, functions(), limits=limits)
            except OpeningError as error:
                print(f"refused: {error}", flush=True)
                continue
            threading.Thread(target=serve, args=(connection,), daemon=True).start()


main(*sys.argv[1:])
