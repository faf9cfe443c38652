//! How many instructions the hot paths take, beside what was recorded. Needs Valgrind.

use std::process::ExitCode;

fn main() -> ExitCode {
    kaa_benches::instructions::main()
}
