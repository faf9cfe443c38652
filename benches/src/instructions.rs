//! How many instructions the hot paths take: a measure that other programs do not disturb.
//!
//! This program starts itself again under Valgrind, which counts. Each path is taken so many times, and twice
//! as often in another process; the difference is what the path takes, and start-up, connecting and growing of
//! buffers cancel out. The kernel's instructions do not count, and one that waits for memory counts like any
//! other: that a path takes less is no proof that it is faster, but that it suddenly takes more is worth a look.
//!
//! | module | what it knows |
//! | --- | --- |
//! | `codec`, `connection`, `calls` | the paths |
//! | `valgrind` | counting |
//! | `record` | what was counted before, in `docs/performance.md` |

mod calls;
mod codec;
mod connection;
mod record;
mod valgrind;

use std::env;
use std::process::ExitCode;

use crate::{Error, report};
use record::Record;

/// Something that is counted.
#[derive(Clone, Copy, Debug)]
struct Path {
    /// In tables and on the command line.
    name: &'static str,
    /// Takes it so many times.
    take: fn(u64) -> Result<(), Error>,
    /// So often that what differs between two processes by chance hardly shows. It and its double have as
    /// many digits: an argument of another length would move the stack.
    times: u64,
}

const PATHS: &[Path] = &[
    Path {
        name: "encode an argument of 32 bytes",
        take: codec::encode_text,
        times: 20_000,
    },
    Path {
        name: "check and decode it",
        take: codec::decode_text,
        times: 20_000,
    },
    Path {
        name: "encode an album of 50 songs",
        take: codec::encode_album,
        times: 400,
    },
    Path {
        name: "check and decode an album",
        take: codec::decode_album,
        times: 400,
    },
    Path {
        name: "encode a frame",
        take: codec::encode_frame,
        times: 20_000,
    },
    Path {
        name: "split off and decode a frame",
        take: codec::decode_frame,
        times: 20_000,
    },
    Path {
        name: "a call and its result between two protocol states",
        take: connection::call,
        times: 20_000,
    },
    Path {
        name: "a call, one after the other",
        take: calls::one_by_one,
        times: 4_000,
    },
    Path {
        name: "a call of 64 at once",
        take: calls::many_at_once,
        times: 4_800,
    },
    Path {
        name: "a call by name, one after the other",
        take: calls::by_name,
        times: 4_000,
    },
    Path {
        name: "an item that a call yields",
        take: calls::items,
        times: 20_000,
    },
];

/// The `main` of the binary, and of the processes that it starts.
pub fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match command(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn command(arguments: &[&str]) -> Result<(), Error> {
    match *arguments {
        ["take", name, times] => (path(name)?.take)(times.parse()?),
        [] => {
            print!("{}", Record::of(&valgrind::tools()?, count_all()?));
            Ok(())
        }
        ["--write"] => {
            let text = Record::of(&valgrind::tools()?, count_all()?).to_string();
            print!("{text}");
            report::write(record::PART, &text)
        }
        ["--check"] => check(),
        ["--profile", name] => valgrind::profile(path(name)?),
        _ => Err("expected nothing, --write, --check, or --profile and the name of a path".into()),
    }
}

fn path(name: &str) -> Result<&'static Path, Error> {
    let names = || PATHS.iter().map(|path| path.name).collect::<Vec<_>>();
    let found = PATHS.iter().find(|path| path.name == name);
    Ok(found.ok_or_else(|| format!("there is no path `{name}` among {:?}", names()))?)
}

fn count_all() -> Result<Vec<(String, u64)>, Error> {
    let count = |path: &Path| Ok((path.name.to_owned(), valgrind::count(path)?));
    PATHS.iter().map(count).collect()
}

/// Fails if something takes clearly more than was recorded.
fn check() -> Result<(), Error> {
    let recorded = Record::read()?;
    let tools = valgrind::tools()?;
    if recorded.tools != tools {
        println!(
            "skipped: recorded with {}, and here is {tools}",
            recorded.tools
        );
        return Ok(());
    }
    let (text, judged) = recorded.compare(&Record::of(&tools, count_all()?));
    print!("{text}");
    judged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_digits_are_told_twice() {
        let digits = |times: u64| times.to_string().len();
        for path in PATHS {
            assert_eq!(digits(path.times), digits(2 * path.times), "{}", path.name);
        }
    }

    #[test]
    fn each_path_can_be_taken() {
        for path in PATHS {
            (path.take)(128).unwrap_or_else(|error| panic!("{}: {error}", path.name));
        }
    }
}
