"""A plugin of a Rust host: it has a channel from its birth."""

import sys

import kaa


def shout(text):
    return text.upper()


host = kaa.connect_inherited({"shout": shout})
assert host.call("name") == "host"
assert sys.stdin.read() == ""
host.wait(60)
