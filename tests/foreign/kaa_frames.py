"""Frames and failures of docs/protocol.md."""

import itertools
import struct
import traceback

from kaa_values import Malformed, pack, unpack

CALL, ONEWAY, RESULT, ERROR, YIELD, CREDIT = 1, 2, 3, 4, 5, 6
CANCEL, DONE, PING, PONG, GOODBYE = 7, 8, 9, 10, 11
ITEM, END, GRANT, STOP, METADATA = 12, 13, 14, 15, 16
MAX_METADATA = 8192
HAS_DEADLINE, HAS_METADATA, HAS_STREAMS = 1, 2, 4
KINDS = {
    "declared", "fault", "panic", "cancelled", "timed_out", "bad_arguments", "unknown_function",
    "refused", "too_deep", "too_large",
}  # fmt: skip
TEXTS = ("message", "name", "parameter", "expected", "got")


class Violation(Exception):
    """The other end broke the protocol."""


class Failure(Exception):
    """How a function fails; it raises one to choose the kind."""

    def __init__(self, kind, message="", **details):
        super().__init__(f"{kind}: {message}")
        self.kind, self.details = kind, {"message": message, **details}

    def __getattr__(self, key):
        return self.__dict__.get("details", {}).get(key, "")

    def encode(self):
        fields = {"kind": self.kind}
        for key, value in self.details.items():
            if key in TEXTS:
                value = cut(value)
            elif key in ("causes", "trace"):
                value = fitting([cut(line) for line in value[:32]])
            if value not in ("", []):
                fields[key] = value
        return pack(fields)

    @classmethod
    def of(cls, error):
        """What an exception that a function raised is to the caller."""
        causes, cause = [], error.__cause__ or error.__context__
        while cause and len(causes) < 32:
            causes.append(str(cause))
            cause = cause.__cause__ or cause.__context__
        frames = reversed(traceback.extract_tb(error.__traceback__))
        trace = [f"{frame.name} ({frame.filename}:{frame.lineno})" for frame in frames]
        name = type(error).__name__
        return cls("fault", str(error) or name, name=name, causes=causes, trace=trace)

    @classmethod
    def decode(cls, data, limits):
        try:
            fields = unpack(data, max_items=limits.max_items, max_nesting=limits.max_nesting)
        except Malformed:
            fields = None
        if not isinstance(fields, dict):
            return cls("fault", "")
        kind = fields.get("kind")
        details = {key: cut(fields[key]) for key in TEXTS if isinstance(fields.get(key), str)}
        for key in ("causes", "trace"):
            if isinstance(fields.get(key), list):
                lines = [cut(line) for line in fields[key] if isinstance(line, str)]
                details[key] = lines[:32]
        if "value" in fields:
            details["value"] = fields["value"]
        return cls(kind if isinstance(kind, str) and kind in KINDS else "fault", **details)


def cut(text):
    return text.encode()[:4096].decode(errors="ignore")


def fitting(lines):
    """Those at the beginning that have at most 16384 bytes together."""
    sizes = itertools.accumulate(len(line.encode()) for line in lines)
    return [line for line, size in zip(lines, sizes) if size <= 16384]


class CallFailed(Failure):
    """How a call of this end failed. In a function that made the call it is a fault like others."""


# Frames.


def frame(kind, body):
    return struct.pack(">IB", 1 + len(body), kind) + body


def encode_head(name, depth, remaining=None, streams=0, metadata=b""):
    """`remaining` in microseconds."""
    deadline = b"" if remaining is None else struct.pack(">Q", remaining)
    count = bytes([streams]) if streams else b""
    told = struct.pack(">I", len(metadata)) + metadata if metadata else b""
    flags = (HAS_DEADLINE if deadline else 0) | (HAS_STREAMS if count else 0)
    flags |= HAS_METADATA if told else 0
    return struct.pack(">BH", flags, depth) + deadline + told + count + bytes([len(name)]) + name


class Head:
    """The head of a call, and the arguments behind it."""

    def __init__(self, body):
        flags, self.depth = fields(">BH", body)
        body = body[3:]
        if flags & ~(HAS_DEADLINE | HAS_METADATA | HAS_STREAMS):
            raise Violation("unknown flags")
        self.remaining = None
        if flags & HAS_DEADLINE:
            (self.remaining,) = fields(">Q", body)
            body = body[8:]
        self.metadata = b""
        if flags & HAS_METADATA:
            self.metadata, body = prefixed(">I", body)
        self.streams = 0
        if flags & HAS_STREAMS:
            (self.streams,) = fields("B", body)
            body = body[1:]
        name, self.arguments = prefixed("B", body)
        try:
            self.name = name.decode()
        except UnicodeDecodeError:
            raise Violation("a name that is not UTF-8") from None
        if not name:
            raise Violation("an empty name")


def metadata_of(data):
    """The map, or `None` if it is none of texts, within its bounds."""
    try:
        told = unpack(data, max_items=1024, max_nesting=8) if data else {}
    except Malformed:
        return None
    sound = isinstance(told, dict) and len(told) <= 64 and len(data) <= MAX_METADATA
    texts = sound and all(isinstance(text, str) for pair in told.items() for text in pair)
    return told if texts and "" not in told else None


def fields(form, body):
    if len(body) < struct.calcsize(form):
        raise Violation("a body that is too short")
    return struct.unpack_from(form, body)


def prefixed(form, body):
    (length,) = fields(form, body)
    body = body[struct.calcsize(form) :]
    if length > len(body):
        raise Violation("a length beyond the frame")
    return body[:length], body[length:]


def whole(form, body):
    if len(body) != struct.calcsize(form):
        raise Violation("a body of another size")
    return struct.unpack(form, body)
