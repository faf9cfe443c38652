"""The opening of docs/protocol.md, written from that document alone, with only the standard library.

`vectors.py` prints the vectors; `vectors.py FILE` compares them with those in FILE.
"""

import base64
import hashlib
import hmac
import re
import struct
import sys


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def lp(part):
    return struct.pack(">Q", len(part)) + part


def name(text, size):
    return text.encode().ljust(size, b"\0")


def hello(role, instance, nonce, offered, required, limits, service):
    limits = struct.pack(">IIQIIIII", *limits) + bytes(28)
    return (bytes([role]) + bytes(7) + instance + nonce + struct.pack(">QQ", offered, required)
            + limits + name(service, 64) + bytes(56))


def vector(secret, key_id, transport, binding, client, server):
    prk = mac(b"kaa-rpc/1 secret", secret)
    client_label, server_label = b"kaa-rpc/1 client proof", b"kaa-rpc/1 server proof"
    client_key = mac(prk, client_label + b"\1")
    server_key = mac(prk, server_label + b"\1")

    magic = b"\xc1kaa-rpc"
    preamble = magic + bytes([1, 1, 1, transport]) + bytes(4) + name(key_id, 32) + bytes(16)
    answer = magic + bytes([2, 1, 1, 1]) + bytes(4)
    client_hello, server_hello = hello(1, *client), hello(2, *server)
    messages = [preamble, answer, server_hello, client_hello]
    transcript = hashlib.sha256(b"".join(map(lp, messages))).digest()

    channel = bytes([transport]) + lp(binding)
    client_proof = mac(client_key, lp(client_label) + lp(transcript) + channel)
    server_proof = mac(server_key, lp(server_label) + lp(transcript) + channel + lp(client_proof))
    session = [b"kaa-rpc/1 session", transcript, client_proof, server_proof]
    return {
        "secret": secret,
        "secret file": b"kaa-secret-1 " + base64.b64encode(secret) + b"\n",
        "prk": prk,
        "client proof key": client_key,
        "server proof key": server_key,
        "binding data": binding,
        "preamble": preamble,
        "answer": answer,
        "server hello": server_hello,
        "client hello": client_hello,
        "transcript hash": transcript,
        "client proof": client_proof,
        "server proof": server_proof,
        "session": hashlib.sha256(b"".join(map(lp, session))).digest(),
    }


def counted(first, count):
    return bytes(range(first, first + count))


DEFAULT_LIMITS = (16 << 20, 1024, 64 << 20, 1 << 18, 64, 32, 256, 2 << 20)

VECTORS = [
    vector(
        counted(0x00, 32), "", 1, b"",
        client=(counted(0x20, 16), counted(0x30, 32), 0, 0, DEFAULT_LIMITS, ""),
        server=(counted(0x50, 16), counted(0x60, 32), 0, 0, DEFAULT_LIMITS, ""),
    ),
    vector(
        counted(0x80, 16), "screen-1", 5, b"a channel of its own",
        client=(counted(0xa0, 16), counted(0xb0, 32), 0b0111, 0b0001,
                (1 << 16, 1, 1 << 16, 1 << 10, 8, 1, 1, 1 << 16), "media.player"),
        server=(counted(0xd0, 16), counted(0xe0, 32), 0b1011, 0b0010,
                (1 << 30, 1 << 20, 1 << 40, 1 << 30, 64, 1024, 1 << 16, 1 << 30), "media.player"),
    ),
]


def text(vectors):
    for number, values in enumerate(vectors, 1):
        yield f"### Vector {number}"
        yield ""
        yield "```text"
        for key, value in values.items():
            lines = [value[at:at + 32].hex() for at in range(0, len(value), 32)]
            yield f"{key}:"
            yield from (f"  {line}" for line in lines)
        yield "```"
        yield ""


printed = "\n".join(text(VECTORS)).strip()
if len(sys.argv) == 1:
    print(printed)
else:
    with open(sys.argv[1], encoding="utf-8") as file:
        document = file.read()
    found = re.search(r"### Vector 1\n.*?(?=\n## |\Z)", document, re.S)
    if not found or found.group().strip() != printed:
        sys.exit(f"the vectors of {sys.argv[1]} are not those that its text gives; it should have:\n{printed}")
