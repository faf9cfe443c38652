//! What a small program takes to build, beside other systems. Takes some minutes.

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let measured = match arguments[..] {
        [] => kaa_benches::builds::measure(false),
        ["--write"] => kaa_benches::builds::measure(true),
        _ => Err(format!("expected [--write], got {arguments:?}").into()),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
