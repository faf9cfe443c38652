//! `kaa call` as shell scripts use it.

mod common;

use std::process::Command;

use common::{Fixture, run};

/// Runs a script of `tests/scripts` with `kaa` in its path and the server's secret in its environment.
fn script(fixture: &Fixture, name: &str) -> common::Ran {
    let kaa = std::path::Path::new(env!("CARGO_BIN_EXE_kaa"));
    let path = std::env::var_os("PATH").unwrap();
    let folders = std::iter::once(kaa.parent().unwrap().to_owned());
    let path = std::env::join_paths(folders.chain(std::env::split_paths(&path))).unwrap();
    run(Command::new("sh")
        .arg(format!(
            "{}/tests/scripts/{name}",
            env!("CARGO_MANIFEST_DIR")
        ))
        .env("PATH", path)
        .env("KAA_SECRET_FILE", fixture.secret())
        .env("XDG_RUNTIME_DIR", fixture.folder()))
}

#[test]
fn a_script_that_uses_results_and_statuses() {
    let ran = script(&Fixture::new(), "player.sh");
    assert_eq!(ran.status, 0, "{ran:#?}");
    assert_eq!(
        ran.stdout,
        "sum: 42\n\
         again: 84\n\
         title: Lucia di L.\n\
         shouted: \"LUCIA DI L.\"\n\
         echoed: it's \"so\" = $HOME `id`\n\
         bytes: 3\n\
         track 7: playing\n\
         track 8: status 1, error: no track 8 (media.player.PlayError)\n\
         no server: status 3\n"
    );
    assert_eq!(ran.stderr, "");
}
