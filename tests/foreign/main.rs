//! The protocol as another language speaks it: `kaa.py` was written from docs/protocol.md alone, and here it
//! calls Rust and is called by it, in a process of its own.

#[expect(dead_code, reason = "the tests of generated code use the rest")]
#[path = "../typed/objects.rs"]
mod objects;

mod program;
mod python_calls;
mod python_items;
mod python_plugin;
mod python_serves;

use std::process::Stdio;

use program::{TestResult, finished, python};

#[tokio::test]
async fn the_vectors_of_the_document_hold_in_another_language() -> TestResult {
    let Some(mut command) = python("vectors.py").await? else {
        return Ok(());
    };
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md");
    finished(command.arg(document).stdout(Stdio::null()).spawn()?).await
}
