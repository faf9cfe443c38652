"""Checks this implementation against the test vectors of the document that it was written from.

python3 vectors.py docs/protocol.md
"""

import re
import socket
import struct
import sys
import threading

import kaa
import kaa_opening as opening
from kaa_calls import Context
from kaa_frames import CALL, ITEM, PING, PONG, CallFailed, Failure, Head, frame
from kaa_items import Input
from kaa_opening import Limits
from kaa_values import BadArguments, Malformed, pack, pack_arguments, unpack, unpack_arguments


def section(text, title):
    level = title.split()[0]
    start = text.index(f"\n{title}\n")
    end = re.search(rf"\n#{{1,{len(level)}}} ", text[start + 2 :])
    return text[start : start + 2 + end.start() if end else None]


def rows(text):
    """The cells of the lines of its tables that have bytes in some cell."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and any(re.fullmatch(r"`([0-9a-f]{2} ?)+`", c) for c in cells):
            yield [code(c) if re.fullmatch(r"`([0-9a-f]{2} ?)+`", c) else c for c in cells]


def code(cell):
    return bytes.fromhex(cell.strip("`"))


def check_handshake(text):
    for block in section(text, "## Test vectors").split("\n### ")[1:]:
        found = re.findall(r"^(\S.*):\n((?:  [0-9a-f]+\n)*)", block, re.MULTILINE)
        vector = {name: bytes.fromhex(data) for name, data in found}
        secret = opening.parse_secret(vector["secret file"])
        keys = opening.derive(secret)
        names = "preamble", "answer", "server hello", "client hello"
        messages = [vector[name] for name in names]
        transcript = opening.Transcript(*messages, messages[0][11], vector["binding data"])
        for role, name in (1, "client hello"), (2, "server hello"):
            hello = opening.Hello.decode(vector[name])
            hello.limits.check()
            assert (hello.role, hello.encode()) == (role, vector[name]), name
        computed = {
            "secret": secret,
            "prk": keys.prk,
            "client proof key": keys.client,
            "server proof key": keys.server,
            "transcript hash": transcript.hash(),
            "client proof": transcript.client_proof(keys),
            "server proof": transcript.server_proof(keys),
            "session": transcript.session(keys),
        }
        for name, value in computed.items():
            assert vector[name] == value, name
        yield from computed


ANY = {"bool", "string", "bytes", "timestamp", "duration", "any", "f64", "f32", "u8?", "i8", "u64"}


def check_values(text):
    for type, data, verdict, _ in rows(section(text, "### Test vectors for values")):
        if verdict == "written" and type.strip("`") in ANY:
            assert pack(unpack(data)) == data, data.hex()
            yield data
        if verdict == "refused" and type == "`any`":
            refused(unpack, data)
            yield data


def check_arguments(text):
    text = section(text, "### Test vectors for arguments")
    good, bad = text.split("These are no arguments")
    for data, positional, named in rows(good):
        positional, named = (
            eval(positional),
            eval(named.replace("null", "None").replace("true", "True")),
        )
        assert unpack_arguments(data) == (positional, named)
        assert len(pack_arguments(positional, named)) <= len(data)
        yield data
    for data, _ in rows(bad):
        refused(unpack_arguments, data)
        yield data


def refused(function, data):
    try:
        value = function(data)
    except (Malformed, BadArguments):
        return
    raise AssertionError(f"{data.hex()} was read as {value}")


def pair(functions=None, peer=Limits(), **limits):
    """A connection, and the bare socket at its other end."""
    own, bare = socket.socketpair()
    opened = opening.Opened(own, Limits(**limits), peer, b"")
    return kaa.Connection(opened, functions), bare


def check_frames(text):
    good, bad = section(text, "### Test vectors for frames").split("These are violations")
    for kind, data, shown in rows(good):
        assert struct.unpack(">I", data[:4])[0] == len(data) - 4
        if kind in ("call", "oneway"):
            head = Head(data[9 if kind == "call" else 5 :])
            assert f"name {head.name}, arguments {head.arguments.hex(' ')}" in shown
            assert ("remaining" in shown) == (head.remaining is not None)
            assert (head.remaining is None) or f"remaining {head.remaining}" in shown
            assert ("streams" in shown) == (head.streams > 0)
            assert not head.streams or f"streams {head.streams}" in shown
            assert not head.depth or f"depth {head.depth}" in shown
            assert not head.metadata or f"metadata {head.metadata.hex(' ')}" in shown
        yield data
    for data, _ in rows(bad):
        connection, bare = pair()
        bare.sendall(data)
        assert bare.recv(1) == b""
        assert connection.wait().startswith("violation"), data.hex()
        bare.close()
        yield data


def check_failures(text):
    text = section(text, "### Test vectors for failures")
    for data, meaning in rows(text):
        failure = CallFailed.decode(data, Limits())
        shown = [f"kind {failure.kind}"]
        shown += [
            f"{key} {failure.details[key]}" for key in ("message", "name") if getattr(failure, key)
        ]
        shown += [f"value {pack(failure.value).hex(' ')}"] if failure.value else []
        shown += [f"cause {cause}" for cause in failure.causes]
        shown += [f"trace {line}" for line in failure.trace]
        shown += [
            f"{k} {getattr(failure, k)}"
            for k in ("parameter", "expected", "got")
            if getattr(failure, k)
        ]
        assert ", ".join(shown) == meaning, (shown, meaning)
        yield data
    for data in re.findall(r"`((?:[0-9a-f]{2} ?)+)`", text.split("without readable reason")[1]):
        assert CallFailed.decode(bytes.fromhex(data), Limits()).kind == "fault"
        yield data


def check_conversation(text):
    """This end is the server; g waits for the cancel, so that done has its place in the table."""
    cancelled = threading.Event()

    def f(one=None):
        if one:
            assert Context.get().stopped.wait(10)
            cancelled.set()
            assert released.wait(10)
            raise Failure("cancelled")
        released.set()
        assert said.wait(10)

    released, said = threading.Event(), threading.Event()
    functions = {"f": f, "g": lambda text: cancelled.wait(10)}
    connection, bare = pair(functions, max_calls=2)
    for sender, data, _ in rows(section(text, "### A conversation")):
        if sender == "→":
            if data[4] == CALL and data[-2:] == b"\x90\x80" and released.is_set():
                connection.goodbye()
                said.set()
                # Whether the refused call comes before or after the goodbye was read is the same.
            bare.sendall(data)
        else:
            got = bare.recv(len(data), socket.MSG_WAITALL)
            assert got == data, (got.hex(), data.hex())
        yield data
    assert bare.recv(1) == b""
    bare.close()
    assert connection.wait() == "orderly"


def check_conversation_with_items(text):
    """This end is the server."""

    def f(stream: Input):
        assert next(iter(stream)) == 10
        yield 20
        yield 21
        stream.stop()
        yield 22
        return 3

    limits = {"max_stream_items": 2, "max_stream_bytes": 1 << 16}
    connection, bare = pair({"f": f}, peer=Limits(**limits), **limits)
    for sender, data, _ in rows(section(text, "### A conversation with items")):
        if sender == "→":
            bare.sendall(data)
        else:
            got = bare.recv(len(data), socket.MSG_WAITALL)
            assert got == data, (got.hex(), data.hex())
        yield data
    # It has read and ignored the last ones, and lives on.
    bare.sendall(frame(PING, bytes(8)))
    assert bare.recv(100) == frame(PONG, bytes(8))
    # Now more for that call is a violation.
    bare.sendall(frame(ITEM, bytes(5) + b"\x0a"))
    assert connection.wait().startswith("violation")
    bare.close()


def main(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    checks = (
        check_handshake, check_values, check_arguments, check_frames, check_failures,
        check_conversation, check_conversation_with_items,
    )  # fmt: skip
    for check in checks:
        count = sum(1 for _ in check(text))
        assert count > 4, f"{check.__name__} found only {count} vectors"
        print(f"{check.__name__}: {count}")


main(sys.argv[1])
