"""`client.py SOCKET SECRET-FILE TASK`: a client of the `Lab` of tests/typed/types.kidl, in Python.

It exits with 0 if all that the task expects is so. What the test must know meanwhile is a line of
its output.
"""

import hashlib
import itertools
import struct
import sys

import kaa
from kaa_calls import Context, Lost
from kaa_frames import CANCEL, PONG, CallFailed, frame
from kaa_items import Stream
from kaa_opening import Limits, OpeningError, read_secret
from kaa_values import F32, Pairs, Timestamp, duration

SCALARS = {
    "flag": True, "a": -(2**7), "b": -(2**15), "c": -(2**31), "d": -(2**63),
    "e": 2**8 - 1, "f": 2**16 - 1, "g": 2**32 - 1, "h": 2**64 - 1,
    "x": F32(1.5), "y": -0.1, "text": "grün \0 \U0001f3b5", "blob": bytes(range(256)) * 300,
    "at": Timestamp(-1, 500_000_000), "length": duration(1.5), "thing": [None, {"k": F32(0.5)}, -1],
}  # fmt: skip
TREE = {
    "value": -1,
    "children": [{"value": 1, "children": []}],
    "parent": {"value": 0, "children": []},
}
CONTAINERS = {
    "maybe": SCALARS,
    "names": [f"name {number}" for number in range(70_000)],
    "grid": [[["a", 1], ["b", -200]], []],
    "holes": [1, None, 255],
    "by_name": {"p": "point", "c": {"circle": {"radius": 2.0}}, "new": {"star": {"points": [5]}}},
    "by_flag": {False: None, True: "yes"},
    "by_small": {-128: 0, 127: 2**64 - 1},
    "by_large": {0: [], 2**64 - 1: [b"", b"\xc1"]},
    "nested": {
        -(2**31): {"k": [[True, F32(0.25), {"exactly": {"value": 7}}], [False, F32(-0.0), "low"]]}
    },
    "triple": ["good", "high", [0, [b"\0", Timestamp(2**40, 999_999_999)]]],
    "tree": TREE,
}


def same(got, wanted):
    assert got == wanted, f"{got!r} is not {wanted!r}"


def fails(kind, call, **details):
    """That the call fails so, with these texts."""
    try:
        value = call()
    except CallFailed as failure:
        assert failure.kind == kind, f"{failure} is not {kind}"
        for key, wanted in details.items():
            same(getattr(failure, key), wanted)
        return failure
    raise AssertionError(f"{value!r} is no failure")


def arguments(lab):
    rpc = lab.call
    same(rpc("rest", "a", 1, -2), "a, 1, -2")
    same(rpc("rest", first="a", separator="-", x=1, y=2), "a-x=1-y=2")
    same(rpc("rest", "a", 1, separator="-", x=255), "a-1-x=255")
    usual = [True, 'grüß "dich"\n', [], "point", duration(1.5), None, None]
    same(rpc("filled"), usual)
    same(rpc("filled", None, text=None, names=None), usual)
    given = [False, "t", ["n"], {"circle": {"radius": 1.0}}, duration(0), 7, {"k": 1}]
    names = "flag", "text", "names", "shape", "wait", "maybe", "thing"
    same(rpc("filled", *given), given)
    same(rpc("filled", **dict(zip(names, given))), given)
    same(rpc("filled", *given[:3], **dict(zip(names[3:], given[3:]))), given)
    same(rpc("anything"), [[], {}])
    same(
        rpc("anything", 1, None, args=[2], kwargs={"a": None}),
        [[1, None], {"args": [2], "kwargs": {"a": None}}],
    )
    same(rpc("move", "l", type="point"), "l None Point")
    same(rpc("run.other.name"), "renamed")
    same(rpc("nothing"), None)


def types(lab):
    rpc = lab.call
    same(rpc("scalars", SCALARS), SCALARS)
    same(rpc("containers", CONTAINERS), CONTAINERS)
    same(rpc("tree", TREE), TREE)
    same(
        rpc("tree", {"value": 1, "unknown": [SCALARS], "parent": None}),
        {"value": 1, "children": []},
    )
    # An array of bytes is no bytes, a float no integer.
    fails("bad_arguments", lambda: rpc("bytes", [1, 2]), parameter="value")
    fails("bad_arguments", lambda: rpc("tree", {"value": 1.0}), parameter="value")
    fails(
        "bad_arguments", lambda: rpc("tree", Pairs([("value", 1), ("value", 1)])), parameter="value"
    )
    fails("bad_arguments", lambda: rpc("any", Pairs([(1, 1), (1, 1)])), parameter="value")
    fails("bad_arguments", lambda: rpc("level", "none"), parameter="value")
    defaults = rpc("defaults", {})
    same(defaults["least"], -(2**63))
    same((defaults["half"], defaults["wait"]), (0.5, duration(1.5)))
    for shape in (
        "point", {"circle": {"radius": -0.5}}, {"box": {"width": 1, "height": 2}}, "hexagon",
        {"star": {"points": 5, "more": [None]}}, {"box": {"width": 1, "height": 3, "label": "l"}},
    ):  # fmt: skip
        same(rpc("shape", shape), shape)
    same(rpc("shape", "blank"), {"blank": {}})
    same(rpc("shape", {"point": {"colour": 1}}), "point")
    same(rpc("integers", *[0] * 8), [0] * 8)
    same(rpc("integers", -1, -200, -70_000, -(2**40), 200, 2**10, 2**20, 2**40)[3], -(2**40))
    x, y = rpc("floats", 0.1, F32(0.1))
    same((x, y), (F32(float.fromhex("0x1.99999ap-4")), float.fromhex("0x1.99999ap-4")))
    same(rpc("floats", 3, -(2**53)), [3.0, -(2.0**53)])
    fails("bad_arguments", lambda: rpc("floats", 2**24 + 1, 0), parameter="x")
    for at in (
        Timestamp(s, n)
        for s in (-(2**63), -1, 0, 2**32, 2**34, 2**63 - 1)
        for n in (0, 1, 10**9 - 1)
    ):
        same(rpc("times", at, duration(0)), [at, duration(0)])
    same(rpc("times", Timestamp(0, 0), {"nanos": 10**9, "secs": 1})[1], duration(2))
    assorted = [
        None,
        True,
        2**64 - 1,
        -(2**63),
        1e300,
        F32(1.5),
        "",
        b"",
        Timestamp(1, 1),
        {1: {}, "1": []},
    ]
    same(rpc("any", assorted), assorted)
    same(rpc("any", Pairs([(1, "a"), (True, "b")])), Pairs([(1, "a"), (True, "b")]))
    same([rpc("maybe"), rpc("maybe", None), rpc("maybe", "x")], [None, None, "x"])


def failures(lab):
    rpc = lab.call
    counted = {"counted": {"count": 3, "of": "things"}}
    declared = {"name": "typed.Failure"}
    fails(
        "declared", lambda: rpc("fail", "plain"), message="it is plain", value="plain", **declared
    )
    fails(
        "declared", lambda: rpc("fail", counted), message="3 of things", value=counted, **declared
    )
    fault = fails("fault", lambda: rpc("fault", "it broke"), message="it broke")
    assert fault.trace and fault.name, fault.details
    fails("panic", lambda: rpc("fault", "down", panic=True), message="down")
    fails("unknown_function", lambda: rpc("tokn", 1), name="token")
    bad = "bad_arguments"
    fails(bad, lambda: rpc("tree"), parameter="value")
    fails(bad, lambda: rpc("rest", 1), parameter="first", expected="string")
    fails(bad, lambda: rpc("rest", "a", "b"), parameter="more")
    fails(bad, lambda: rpc("rest", "a", x=256), parameter="named")
    fails(bad, lambda: rpc("nothing", 1), parameter="")
    fails(bad, lambda: rpc("tree", TREE, value=TREE), parameter="value")
    fails(bad, lambda: rpc("nothing", some=1), parameter="some")
    for payload in (
        b"",
        b"\x90",
        b"\x80\x90",
        b"\x90\x80\x80",
        b"\xc1\x80",
        b"\x90\x81\xa1\xff\x07",
    ):
        fails(bad, raw(lab, "nothing", payload).wait)
    fails(bad, lambda: raw(lab, "any", b"\x91" + b"\x91" * 65 + b"\x80").wait())
    fails("timed_out", lambda: lab.start("nothing", timeout=0).wait())
    fails("timed_out", lambda: lab.start("run.slow", timeout=0.01).wait(), name="run.slow")
    late = lab.start("run.slow", timeout=0.01)
    # Without waiting for it, only the server's own clock ends it.
    assert late.ended.wait(10)
    same(late.error.kind, "timed_out")
    fails("too_large", lambda: rpc("any", "x" * lab.own.max_frame))
    deep(lab)
    same(rpc("maybe", "still there"), "still there")


def deep(lab):
    """Calls that a sound caller does not send."""
    limits, lab.peer = lab.peer, lab.peer._replace(max_depth=1000)
    Context.current.context = Context(None, limits.max_depth, None)
    fails("too_deep", lambda: lab.call("nothing"))
    fails("unknown_function", lambda: lab.call("none"))
    Context.current.context = None
    lab.peer = limits


def raw(lab, name, arguments):
    """A call with these bytes as its arguments."""
    pack, kaa.pack_arguments = kaa.pack_arguments, lambda *_: arguments
    try:
        return lab.start(name)
    finally:
        kaa.pack_arguments = pack


def callbacks(lab):
    # The server's even tokens ask back what this end's `token` says.
    same([lab.call("token", token) for token in range(6)], [107, 0, 109, 2, 111, 4])
    calls = [lab.start("token", [2 * token]) for token in range(500)]
    same([call.wait() for call in calls], [200 + 2 * token + 7 - 100 for token in range(500)])
    failure = fails("fault", lambda: lab.call("token", 10**6))
    assert "asked for a million" in str([failure.message, *failure.causes]), failure.details
    # The last of them is not sent, which the functions hand back as their own failure.
    fails("fault", lambda: lab.call("token", 10**6 + 2))
    same(deepest, [lab.peer.max_depth - 1])
    print("calling", flush=True)
    same(sys.stdin.readline(), "called\n")


deepest = [0]


def token(token):
    """Is even for the server, then: it asks back, and we ask it back, until one is refused."""
    depth = Context.get().depth
    deepest[0] = max(deepest[0], depth)
    if token == 10**6:
        raise ValueError("asked for a million")
    if token == 10**6 + 2:
        return Context.get().connection.call("token", token)
    assert depth == 1 or token % 2, depth
    return token + 107


def cancel(lab):
    calls = [lab.start("run.forever") for _ in range(3)]
    same(sys.stdin.readline(), "started\n")
    for call in calls:
        call.cancel()
        call.cancel()
        fails("cancelled", call.wait)
    # The final frame may cross a cancel: it is ignored.
    late = lab.start("maybe", "x")
    same(late.wait(), "x")
    with lab.changed:
        lab.put(lambda: frame(CANCEL, struct.pack(">I", late.id)))
    same(lab.call("maybe", "x"), "x")
    same((lab.calls, lab.spent), ({}, 0))


def oneways(lab):
    assert lab.peer.max_calls < 100
    for number in range(2000):
        lab.oneway("run.note", f"note {number}", number, loud=True)
    with lab.changed:
        lab.until(lambda: not lab.oneways, 10)
    same((lab.spent, lab.oneway_calls, lab.oneway_bytes), (0, 0, 0))
    # Those that fail end, too, and give their place back.
    for number in range(2000):
        lab.oneway("run.not", number)
        lab.oneway("run.note")
    with lab.changed:
        lab.until(lambda: not lab.oneways, 10)
    same(lab.spent, 0)
    lab.ping()


def goodbye(lab):
    calls = [lab.start("run.at_once", [number]) for number in range(3)]
    lab.goodbye()
    print("said", flush=True)
    same([call.wait() for call in calls], [0, 1, 2])


def heard(lab):
    """The server says goodbye while a call runs."""
    call = lab.start("run.at_once", [7])
    print("calling", flush=True)
    same(call.wait(), 7)
    with lab.changed:
        lab.changed.wait_for(lambda: lab.heard is not None, 10)
    same(lab.heard, 1)
    try:
        lab.call("nothing")
    except Lost as lost:
        assert not lost.run
    else:
        raise AssertionError("called after goodbye")


def items(lab):
    """Its server has other functions than a lab."""
    call = lab.items("scan", 500, False)
    same(list(call), list(range(500)))
    same(call.wait(), 500)
    # Nobody takes them, and the function goes on.
    same(lab.call("scan", 500, False), 500)
    call = lab.items("scan", 2, True)
    same(list(call), [0, 1])
    fails("fault", call.wait)
    same(lab.call("total", Stream(range(1000))), 499_500)
    same(lab.call("total", Stream([])), 0)
    assert "broke" in fails("fault", lambda: lab.call("total", Stream(broken()))).message
    fails("fault", lambda: lab.call("total", Stream(["text"])))
    for wrong in ([0], [-1], ["text"], [Stream([]), 0]):
        fails("bad_arguments", lambda: lab.call("total" if len(wrong) == 1 else "add", *wrong))
    call = lab.items("add", right=Stream(range(300)), left=Stream(range(0, 600, 2)))
    same(list(call), list(range(0, 900, 3)))
    same(call.wait(), "added")
    # Items of all that fits, and back again.
    blob = bytes((32 << 10) - 9)
    call = lab.items("sizes", Stream([blob] * 20))
    same(list(call), [blob] * 20)
    same(call.wait(), 20 * len(blob))
    # What crosses final frames, stops and cancels, again and again.
    for _ in range(50):
        same(lab.call("first", Stream(itertools.count(7))), 7)
        same(lab.call("none", Stream(itertools.count())), None)
        call = lab.items("scan", 10**9, False)
        same(next(call), 0)
        call.cancel()
        fails("cancelled", call.wait)
    lab.ping()
    same((lab.calls, lab.spent), ({}, 0))


def described(lab):
    same(lab.call("kaa.ping"), None)
    same(lab.call("kaa.ping", {"a": [1]}), {"a": [1]})
    told = [next(iter(item.items())) for item in lab.items("kaa.describe", names=["token"])]
    functions = [value for kind, value in told if kind == "function"]
    same([function["name"] for function in functions], ["token"])
    same([it["type"] for it in functions[0]["parameters"]], ["u64"])
    same(functions[0]["result"], "u64")
    # The document says of what it is the hash.
    text = b"fn(token: u64) -> u64\n"
    same(functions[0]["hash"], hashlib.sha256(text).hexdigest()[:32])


def broken():
    yield 1
    raise ValueError


def violation(lab):
    with lab.changed:
        lab.put(lambda: frame(PONG, b"\0" * 8))
    ended = lab.wait()
    assert ended.startswith("the stream ended"), ended


TASKS = [arguments, types, failures, callbacks, cancel, oneways, goodbye, heard, items, described, violation]


def main(path, secret_file, task, key_id=""):
    secret = read_secret(secret_file)
    try:
        limits = Limits(max_stream_items=2) if task == "items" else Limits()
        lab = kaa.connect(path, secret, {"token": token}, key_id=key_id, limits=limits)
    except OpeningError as error:
        return print(f"refused: {error}")
    {function.__name__: function for function in TASKS}[task](lab)
    if task != "violation":
        same(lab.close(), "orderly")


main(*sys.argv[1:])
