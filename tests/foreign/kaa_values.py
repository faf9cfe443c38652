"""MessagePack as docs/protocol.md wants it: "Values and arguments (MessagePack)"."""

import inspect
import struct
from typing import NamedTuple


class Malformed(Exception):
    """A payload that breaks a rule of the chapter. The call fails, the connection stays."""


class BadArguments(Exception):
    """Arguments that a function does not accept."""

    def __init__(self, message, parameter="", expected="", got=""):
        super().__init__(message)
        self.details = {"parameter": parameter, "expected": expected, "got": got}


class Timestamp(NamedTuple):
    """Seconds since 1970, and nanoseconds that count forward from there."""

    seconds: int
    nanos: int


class F32(float):
    """A float of 32 bits: written as such, and what one is read as."""


class Pairs(list):
    """The entries of a map whose keys a dict would mix up, as 1 and True, or cannot hold."""


def duration(seconds):
    return {"secs": int(seconds), "nanos": round(seconds % 1 * 10**9)}


# Writing. A sender uses the shortest form.


def pack(value):
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return pack_int(value)
    if isinstance(value, F32):
        return struct.pack(">Bf", 0xCA, value)
    if isinstance(value, float):
        return struct.pack(">Bd", 0xCB, value)
    if isinstance(value, str):
        data = value.encode()
        return head(len(data), (0xA0, 31), (0xD9, 0xDA, 0xDB)) + data
    if isinstance(value, (bytes, bytearray)):
        return head(len(value), None, (0xC4, 0xC5, 0xC6)) + bytes(value)
    if isinstance(value, Timestamp):
        return pack_timestamp(value)
    if isinstance(value, (dict, Pairs)):
        entries = value.items() if isinstance(value, dict) else value
        body = b"".join(pack(key) + pack(item) for key, item in entries)
        return head(len(value), (0x80, 15), (None, 0xDE, 0xDF)) + body
    if isinstance(value, (list, tuple)):
        return head(len(value), (0x90, 15), (None, 0xDC, 0xDD)) + b"".join(map(pack, value))
    raise TypeError(f"{type(value).__name__} has no form in MessagePack")


def head(length, fix, codes):
    if fix and length <= fix[1]:
        return bytes([fix[0] | length])
    for code, form in zip(codes, (">BB", ">BH", ">BI")):
        if code is not None and length < 1 << 8 * (struct.calcsize(form) - 1):
            return struct.pack(form, code, length)
    raise ValueError("too long for MessagePack")


def pack_int(value):
    if -32 <= value <= 127:
        return struct.pack("b" if value < 0 else "B", value)
    forms = (0xCC, ">BB", 8), (0xCD, ">BH", 16), (0xCE, ">BI", 32), (0xCF, ">BQ", 64)
    if value < 0:
        forms = (0xD0, ">Bb", 7), (0xD1, ">Bh", 15), (0xD2, ">Bi", 31), (0xD3, ">Bq", 63)
    for code, form, bits in forms:
        if -(1 << bits) <= value < 1 << bits:
            return struct.pack(form, code, value)
    raise ValueError(f"{value} has more than 64 bits")


def pack_timestamp(at):
    if 0 <= at.seconds < 1 << 32 and at.nanos == 0:
        return struct.pack(">BBI", 0xD6, 0xFF, at.seconds)
    if 0 <= at.seconds < 1 << 34:
        return struct.pack(">BBQ", 0xD7, 0xFF, at.nanos << 34 | at.seconds)
    return struct.pack(">BBBIq", 0xC7, 12, 0xFF, at.nanos, at.seconds)


# Reading.

SCALARS = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
    0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
}  # fmt: skip
TEXTS = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}
BINARIES = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I"}
EXTENSIONS = {0xC7: ">B", 0xC8: ">H", 0xC9: ">I"}
ARRAYS = {0xDC: ">H", 0xDD: ">I"}
MAPS = {0xDE: ">H", 0xDF: ">I"}


class Reader:
    """Reads the values of one payload, and checks the six rules of "What is well-formed"."""

    def __init__(self, data, max_items=1 << 18, max_nesting=64):
        self.data, self.at = data, 0
        self.items, self.max_nesting = max_items, min(max_nesting, 64)
        self.claimed = 0  # Values that open arrays and maps still want.

    def take(self, length):
        if length > len(self.data) - self.at:
            raise Malformed("a byte is missing")
        self.at += length
        return self.data[self.at - length : self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def end(self):
        if self.at != len(self.data):
            raise Malformed("a byte follows the value")

    def begin(self, code_of_fix, forms, values_each):
        """The length of an array or a map, whose values must have room in what is left."""
        code = self.number("B")
        if code in forms:
            length = self.number(forms[code])
        elif code & 0xF0 == code_of_fix:
            length = code & 0x0F
        else:
            raise Malformed(f"{code:#x} begins something else")
        self.item()
        self.claimed += length * values_each
        if self.claimed > len(self.data) - self.at:
            raise Malformed("more values are claimed than there are bytes")
        return length

    def item(self):
        self.items -= 1
        if self.items < 0:
            raise Malformed("more items than the limit")

    def inner(self, nesting):
        self.claimed -= 1
        return self.value(nesting)

    def value(self, nesting=0):
        if self.at == len(self.data):
            raise Malformed("a value is missing")
        code = self.data[self.at]
        if code & 0xF0 == 0x90 or code in ARRAYS:
            length = self.begin(0x90, ARRAYS, 1)
            self.nest(nesting + 1)
            return [self.inner(nesting + 1) for _ in range(length)]
        if code & 0xF0 == 0x80 or code in MAPS:
            length = self.begin(0x80, MAPS, 2)
            self.nest(nesting + 1)
            return mapping([self.entry(nesting + 1) for _ in range(length)])
        self.item()
        return self.scalar(self.number("B"))

    def entry(self, nesting):
        """A key, what it is compared by, and its value."""
        start = self.at
        key = self.inner(nesting)
        form = self.data[start : self.at]
        if not isinstance(key, (list, dict, Pairs)):
            # Both sizes of floats are one type; the shortest form tells all other types apart.
            form = pack(float(key) if isinstance(key, F32) else key)
        return key, form, self.inner(nesting)

    def nest(self, nesting):
        if nesting > self.max_nesting:
            raise Malformed("nested too deeply")

    def scalar(self, code):
        if code <= 0x7F or code >= 0xE0:
            return code if code <= 0x7F else code - 0x100
        if code in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[code]
        if code in SCALARS:
            number = self.number(SCALARS[code])
            return F32(number) if code == 0xCA else number
        if 0xA0 <= code <= 0xBF or code in TEXTS:
            length = self.number(TEXTS[code]) if code in TEXTS else code & 0x1F
            try:
                return self.take(length).decode()
            except UnicodeDecodeError:
                raise Malformed("a text is not UTF-8") from None
        if code in BINARIES:
            return self.take(self.number(BINARIES[code]))
        if code in EXTENSIONS or 0xD4 <= code <= 0xD8:
            length = self.number(EXTENSIONS[code]) if code in EXTENSIONS else 1 << code - 0xD4
            return self.timestamp(length)
        raise Malformed("no value begins with 0xc1")

    def timestamp(self, length):
        if self.number("b") != -1 or length not in (4, 8, 12):
            raise Malformed("an extension that is no timestamp")
        if length == 4:
            return Timestamp(self.number(">I"), 0)
        if length == 8:
            both = self.number(">Q")
            at = Timestamp(both & (1 << 34) - 1, both >> 34)
        else:
            nanos = self.number(">I")
            at = Timestamp(self.number(">q"), nanos)
        if at.nanos >= 10**9:
            raise Malformed("a timestamp with a second of nanoseconds")
        return at


def mapping(entries):
    if len({form for _, form, _ in entries}) != len(entries):
        raise Malformed("a key twice")
    pairs = [(key, value) for key, _, value in entries]
    try:
        entries = dict(pairs)
    except TypeError:
        return Pairs(pairs)
    return entries if len(entries) == len(pairs) else Pairs(pairs)


def unpack(data, **limits):
    reader = Reader(data, **limits)
    value = reader.value()
    reader.end()
    return value


# Arguments.


def pack_arguments(positional, named):
    return pack(list(positional)) + pack(named)


def unpack_arguments(data, **limits):
    """The two values of a call; the array and the map around them do not nest."""
    reader = Reader(data, **limits)
    positional = [reader.inner(0) for _ in range(reader.begin(0x90, ARRAYS, 1))]
    named = {}
    for _ in range(reader.begin(0x80, MAPS, 2)):
        name = reader.inner(0)
        if not isinstance(name, str):
            raise Malformed("a name of an argument that is no string")
        if name in named:
            raise BadArguments(f"{name} is there twice", name)
        named[name] = reader.inner(0)
    reader.end()
    return positional, named


def bind(function, positional, named):
    """What to call `function` with, by the rules of "Arguments"."""
    positional, named = list(positional), dict(named)
    by_position, by_name, more = [], {}, {}
    kinds = inspect.Parameter
    for parameter in inspect.signature(function).parameters.values():
        name, default = parameter.name, parameter.default
        if parameter.kind == kinds.VAR_POSITIONAL:
            by_position += positional
            positional = []
            continue
        if parameter.kind == kinds.VAR_KEYWORD:
            more, named = named, {}
            continue
        if positional:
            if name in named:
                raise BadArguments(f"{name} is there by position and by name", name)
            value = positional.pop(0)
        else:
            value = named.pop(name, None if default is not kinds.empty else kinds.empty)
        if value is None and default is not kinds.empty:
            value = default
        if value is kinds.empty:
            raise BadArguments(f"{name} is missing", name, "a value", "nothing")
        if parameter.kind == kinds.KEYWORD_ONLY:
            by_name[name] = value
        else:
            by_position.append(value)
    if positional:
        raise BadArguments(f"{len(positional)} arguments too many")
    for name in named:
        raise BadArguments(f"there is no parameter {name}", name)
    return by_position, {**by_name, **more}
