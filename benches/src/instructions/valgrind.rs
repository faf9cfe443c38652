//! Counting with Valgrind.

use std::path::{Path as File, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, str};

use super::Path;
use crate::Error;

/// All that changes the counts beside the code, in one line.
pub(super) fn tools() -> Result<String, Error> {
    let valgrind = said_by(Command::new(valgrind()?).arg("--version"))
        .ok_or("Valgrind does not tell its version")?;
    let libc = said_by(Command::new("getconf").arg("GNU_LIBC_VERSION"));
    Ok(format!(
        "{}; {}; {valgrind}; {}",
        env!("RUSTC_VERSION"),
        libc.as_deref().unwrap_or("another libc"),
        env::consts::ARCH,
    ))
}

/// What a program prints, if it is there and ends well.
fn said_by(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|it| it.status.success())?;
    Some(str::from_utf8(&output.stdout).ok()?.trim().to_owned())
}

/// The instructions that a path takes.
pub(super) fn count(path: &Path) -> Result<u64, Error> {
    // They can run at once: what one does, does not disturb the other.
    let start = |times| -> Result<Child, Error> {
        let mut command = taking(path, times, File::new("/dev/null"))?;
        Ok(command.stderr(Stdio::piped()).spawn()?)
    };
    let (once, twice) = (start(path.times)?, start(2 * path.times)?);
    let (once, twice) = (collected(once)?, collected(twice)?);
    Ok((twice.saturating_sub(once) + path.times / 2) / path.times)
}

fn collected(process: Child) -> Result<u64, Error> {
    let output = process.wait_with_output()?;
    let said = String::from_utf8(output.stderr)?;
    match parse(&said) {
        Some(count) if output.status.success() => Ok(count),
        _ => Err(format!("Valgrind ended: {}\n{said}", output.status).into()),
    }
}

/// What Valgrind says to have counted.
fn parse(said: &str) -> Option<u64> {
    said.lines().find_map(|line| {
        let (_, count) = line.split_once(" Collected : ")?;
        count.trim().parse().ok()
    })
}

/// Leaves a profile of a path, start-up and all.
pub(super) fn profile(path: &Path) -> Result<(), Error> {
    let name = format!("callgrind.{}.out", path.name.replace(' ', "-"));
    let file = env::current_dir()?.join(&name);
    let process = taking(path, path.times, &file)?
        .stderr(Stdio::piped())
        .spawn()?;
    collected(process)?;
    println!(
        "{} times; look at it with: callgrind_annotate {name}",
        path.times
    );
    Ok(())
}

/// In an environment that is always the same, and started by a name that is: both lie on the stack, and how
/// that lies decides how some copies go.
fn taking(path: &Path, times: u64, out: &File) -> Result<Command, Error> {
    let program = env::current_exe()?;
    let folder = program.parent().ok_or("this program is in no folder")?;
    let name = program.file_name().ok_or("this program has no name")?;
    let mut command = Command::new(valgrind()?);
    command
        .env_clear()
        .current_dir(folder)
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(File::new(".").join(name))
        .args(["take", path.name, &times.to_string()]);
    Ok(command)
}

/// Where Valgrind is.
fn valgrind() -> Result<PathBuf, Error> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let mut files = env::split_paths(&folders).map(|folder| folder.join("valgrind"));
    let found = files.find(|file| file.is_file());
    Ok(found.ok_or("nothing can be counted, as Valgrind is not installed")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found() {
        let said = "==7== Events    : Ir\n==7== Collected : 16080092\n==7==\n";
        assert_eq!(parse(said), Some(16_080_092));
        assert_eq!(parse("error: there is no path\n"), None);
    }
}
