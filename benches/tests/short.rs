//! The short mode runs, with each of its systems.

use std::process::{Command, Stdio};

#[test]
fn a_round_of_the_short_mode_measures_all() {
    let output = Command::new(env!("CARGO_BIN_EXE_floors"))
        .args(["--rounds", "1"])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    for expected in [
        "All processes on CPU ",
        " 1 rounds. Load: ",
        "| floor0: blocking |",
        "| floor1: tokio |",
        "| floor1r: registered for reading only |",
        "| floor2: a shared driver |",
        "| Kaa RPC, plain TCP |",
        "### Goals",
    ] {
        assert!(text.contains(expected), "no {expected:?} in:\n{text}");
    }
    assert!(!text.contains("NaN"), "{text}");
}
