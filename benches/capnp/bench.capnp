@0xd2c6ba3f6f1fdd77;
# What is called in measurements, for Cap'n Proto.
#
# Its compiler is no Rust, so what it makes of this for generators is kept in `bench.request`:
#
#     capnp compile -o- bench.capnp > bench.request

interface Echo {
    # The smallest service that shows the cost of a call.

    text @0 (text :Text) -> (text :Text);
    # Gives back what it got.

    data @1 (data :Data) -> (data :Data);
    # Gives back what it got.
}
