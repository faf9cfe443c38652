"""The secret and the opening of docs/protocol.md: from "The secret" to "Limits"."""

import base64
import hashlib
import hmac
import os
import socket
import stat
import struct
import time
from typing import NamedTuple

MAGIC = b"\xc1kaa-rpc"
CLIENT, SERVER = 1, 2
UNIX, INHERITED = 1, 4
VERSION = 1
NAME_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class OpeningError(Exception):
    """Why a connection did not open. The end that meets it closes without sending anything."""


class SecretError(Exception):
    """Why a file has no secret. Never shows a part of it."""


# The secret.


def read_secret(path):
    with open(path, "rb") as file:
        found = os.fstat(file.fileno())
        if found.st_uid not in (os.geteuid(), 0):
            raise SecretError(f"{path} is another user's")
        if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SecretError(f"others can read {path}; run: chmod 600 {path}")
        return parse_secret(file.read(4096))


def parse_secret(text):
    word, space, encoded = text.rstrip(b" \t\n\f\r").partition(b" ")
    if word != b"kaa-secret-1" or not space:
        raise SecretError("the file does not begin with `kaa-secret-1 `")
    try:
        secret = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise SecretError("what follows `kaa-secret-1 ` is not Base64") from None
    # The decoder looks away from unused bits; writing it again does not.
    if base64.b64encode(secret) != encoded:
        raise SecretError("what follows `kaa-secret-1 ` is not the Base64 of anything")
    if not 16 <= len(secret) <= 1024:
        raise SecretError("a secret has 16 to 1024 bytes")
    return secret


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


class Keys(NamedTuple):
    prk: bytes
    client: bytes
    server: bytes


def derive(secret):
    prk = mac(b"kaa-rpc/1 secret", secret)
    client = mac(prk, b"kaa-rpc/1 client proof" + b"\x01")
    server = mac(prk, b"kaa-rpc/1 server proof" + b"\x01")
    return Keys(prk, client, server)


# The messages.


class Limits(NamedTuple):
    max_frame: int = 1 << 24
    max_calls: int = 1024
    max_request_bytes: int = 1 << 26
    max_items: int = 1 << 18
    max_nesting: int = 64
    max_depth: int = 32
    max_stream_items: int = 256
    max_stream_bytes: int = 1 << 21

    FORM = ">IIQIIIII28x"

    def check(self):
        ranges = {
            "max_frame": (65536, 1 << 30),
            "max_calls": (1, 1 << 20),
            "max_request_bytes": (self.max_frame, 1 << 40),
            "max_items": (1024, 1 << 30),
            "max_nesting": (8, 64),
            "max_depth": (1, 1024),
            "max_stream_items": (1, 1 << 16),
            "max_stream_bytes": (1 << 16, 1 << 30),
        }
        for name, (lowest, highest) in ranges.items():
            if not lowest <= getattr(self, name) <= highest:
                raise OpeningError(f"{name} is {getattr(self, name)}, not {lowest} to {highest}")


class Hello(NamedTuple):
    role: int
    instance: bytes
    nonce: bytes
    offered: int
    required: int
    limits: Limits
    service: str

    FORM = ">B7x16s32sQQ64s64s56x"

    def encode(self):
        limits = struct.pack(Limits.FORM, *self.limits)
        parts = self._replace(limits=limits, service=self.service.encode())
        return struct.pack(self.FORM, *parts)

    @classmethod
    def decode(cls, data):
        role, instance, nonce, offered, required, limits, service = struct.unpack(cls.FORM, data)
        limits = Limits(*struct.unpack(Limits.FORM, limits))
        return cls(role, instance, nonce, offered, required, limits, name_field(service))

    def check_peer(self, other):
        """The checks of the other end's hello, in their order."""
        if other.instance == self.instance:
            raise OpeningError("connected with itself")
        if other.role != 3 - self.role:
            raise OpeningError(f"role {other.role}")
        if self.service != other.service and self.service and other.service:
            raise OpeningError(f"service {other.service!r}, not {self.service!r}")
        if self.required & ~other.offered or other.required & ~self.offered:
            raise OpeningError("the features do not fit")
        other.limits.check()


def name_field(data):
    name = data.rstrip(b"\0")
    if not NAME_BYTES.issuperset(name):
        raise OpeningError("an impossible name")
    return name.decode()


def preamble(key_id, transport=UNIX):
    versions = VERSION, VERSION
    return struct.pack(">8sBBBB4x32s16x", MAGIC, CLIENT, *versions, transport, key_id.encode())


def answer(version):
    return struct.pack(">8sBBBB4x", MAGIC, SERVER, version, VERSION, VERSION)


def lp(data):
    return struct.pack(">Q", len(data)) + data


class Transcript(NamedTuple):
    """The four messages as they travelled, and all that is computed from them."""

    preamble: bytes
    answer: bytes
    server_hello: bytes
    client_hello: bytes
    transport: int = UNIX
    binding: bytes = b""

    def hash(self):
        return hashlib.sha256(b"".join(map(lp, self[:4]))).digest()

    def bound(self, label):
        channel = bytes([self.transport]) + lp(self.binding)
        return lp(label) + lp(self.hash()) + channel

    def client_proof(self, keys):
        return mac(keys.client, self.bound(b"kaa-rpc/1 client proof"))

    def server_proof(self, keys):
        data = self.bound(b"kaa-rpc/1 server proof") + lp(self.client_proof(keys))
        return mac(keys.server, data)

    def session(self, keys):
        proofs = lp(self.client_proof(keys)) + lp(self.server_proof(keys))
        data = lp(b"kaa-rpc/1 session") + lp(self.hash()) + proofs
        return hashlib.sha256(data).digest()


# The opening.


class Opened(NamedTuple):
    """A socket on which frames may be sent, and the limits of both ends."""

    socket: socket.socket
    own: Limits
    peer: Limits
    session: bytes


class Stream:
    """A socket until the deadline of the opening."""

    def __init__(self, socket, seconds):
        self.socket, self.deadline = socket, time.monotonic() + seconds

    def wait(self):
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise OpeningError("the opening took too long")
        self.socket.settimeout(left)

    def read(self, size, what):
        data = b""
        while len(data) < size:
            self.wait()
            try:
                part = self.socket.recv(size - len(data))
            except TimeoutError:
                raise OpeningError(f"no {what} came in time") from None
            except OSError:
                part = b""
            if not part:
                raise OpeningError(f"closed before {what}" if not data else f"closed within {what}")
            data += part
        return data

    def write(self, data):
        self.wait()
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise OpeningError(f"not written: {error}") from None

    def silence(self):
        # With a timeout, `recv` would wait for bytes before it looks at its flags.
        self.socket.setblocking(False)
        try:
            early = self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            early = b""
        raise OpeningError("bytes where there must be silence" if early else "closed")


def open_client(
    sock, secret, limits=Limits(), key_id="", service="", seconds=10, transport=UNIX
):
    try:
        stream = Stream(sock, seconds)
        return client_opening(stream, secret, limits, key_id, service, transport)
    except OpeningError:
        sock.close()
        raise


def client_opening(stream, secret, limits, key_id, service, transport):
    first = preamble(key_id, transport)
    stream.write(first)
    reply = stream.read(16, "the answer")
    magic, role, chosen, lowest, highest = struct.unpack(">8sBBBB4x", reply)
    if magic != MAGIC:
        raise OpeningError("the server does not speak Kaa RPC")
    if role != SERVER or not 1 <= lowest <= highest:
        raise OpeningError("an impossible answer")
    common = VERSION if lowest <= VERSION <= highest else 0
    if chosen != common or not common:
        raise OpeningError(f"no common version: the server has {lowest} to {highest}")
    theirs = stream.read(256, "the server hello")
    own = Hello(CLIENT, os.urandom(16), os.urandom(32), 0, 0, limits, service)
    peer = Hello.decode(theirs)
    own.check_peer(peer)
    stream.silence()
    ours = own.encode()
    transcript, keys = Transcript(first, reply, theirs, ours, transport), derive(secret)
    stream.write(ours + transcript.client_proof(keys))
    try:
        proof = stream.read(32, "the server proof")
    except OpeningError as error:
        if str(error) != "closed before the server proof":
            raise
        raise OpeningError("closed after our proof: another secret, or refused") from None
    if not hmac.compare_digest(proof, transcript.server_proof(keys)):
        raise OpeningError("the server does not have the secret")
    return Opened(stream.socket, limits, peer.limits, transcript.session(keys))


def take_inherited():
    """The channel that a host gave to this process, and its secret."""
    sock = socket.socket(fileno=os.dup(0))
    if sock.family != socket.AF_UNIX or sock.getsockname() or sock.getpeername():
        raise OpeningError("not started by a host")
    stream = Stream(sock, 10)
    if stream.read(8, "the magic") != b"\xc1kaa-key":
        raise OpeningError("not started by a host")
    secret = stream.read(32, "the secret")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return sock, secret


def open_server(sock, secrets, instance, limits=Limits(), service="", seconds=10):
    """`secrets` has a secret for each key id."""
    try:
        return server_opening(Stream(sock, seconds), secrets, instance, limits, service)
    except OpeningError:
        sock.close()
        raise


NOBODY = os.urandom(32)


def server_opening(stream, secrets, instance, limits, service):
    magic = stream.read(8, "the preamble")
    if magic != MAGIC:
        raise OpeningError("the client does not speak Kaa RPC")
    first = magic + stream.read(56, "the preamble")
    role, lowest, highest, transport, key_id = struct.unpack(">8xBBBB4x32s16x", first)
    if role != CLIENT or not 1 <= lowest <= highest:
        raise OpeningError("an impossible preamble")
    key_id = name_field(key_id)
    if not lowest <= VERSION <= highest:
        stream.write(answer(0))
        raise OpeningError(f"no common version: the client has {lowest} to {highest}")
    if transport != UNIX:
        raise OpeningError(f"transport {transport}, not {UNIX}")
    reply = answer(VERSION)
    own = Hello(SERVER, instance, os.urandom(32), 0, 0, limits, service)
    ours = own.encode()
    stream.write(reply + ours)
    theirs = stream.read(256, "the client hello")
    peer = Hello.decode(theirs)
    own.check_peer(peer)
    transcript = Transcript(first, reply, ours, theirs)
    keys = derive(secrets.get(key_id, NOBODY))
    proof = stream.read(32, "the client proof")
    if not hmac.compare_digest(proof, transcript.client_proof(keys)):
        raise OpeningError("wrong secret")
    stream.silence()
    stream.write(transcript.server_proof(keys))
    return Opened(stream.socket, limits, peer.limits, transcript.session(keys))
