//! `kaa check` on files on the disk.

mod common;

use std::path::Path;

use common::{Ran, kaa};

const SOUND: &str =
    "package sound;\n/// A deck.\ninterface Deck {\n    /// Stops.\n    fn stop();\n}\n";
const TYPO: &str = "package typo;\n/// A deck.\ninterface Deck {\n    /// Plays.\n    fn play(id: Trak);\n}\n/// One.\nstruct Track { id: u64 }\n";
/// Unusual casing.
const ODD: &str =
    "package odd;\n/// A deck.\ninterface deck {\n    /// Stops.\n    fn stop();\n}\n";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn check(&self, args: &[&str]) -> Ran {
        common::run(kaa(["check"]).args(args).current_dir(self.path()))
    }
}

#[test]
fn sound_files_say_nothing() {
    let folder = Folder::new(&[("sound.kidl", SOUND)]);
    let ran = folder.check(&["sound.kidl"]);
    ran.fails(0, &[]);
    assert_eq!(ran.stderr, "");
    // The same file twice is one file.
    folder.check(&["sound.kidl", "./sound.kidl"]).fails(0, &[]);
}

#[test]
fn errors_as_rustc_shows_them() {
    let folder = Folder::new(&[("typo.kidl", TYPO)]);
    let ran = folder.check(&["typo.kidl"]);
    ran.fails(
        1,
        &[
            "error[K0030]",
            "--> typo.kidl:5:17",
            "fn play(id: Trak);",
            "`Track`",
        ],
    );
    ran.fails(1, &["\nerror: 1 error in the schema\n"]);
    assert!(!ran.stderr.contains('\u{1b}'), "{ran:?}");
}

#[test]
fn short_lines_for_editors() {
    let folder = Folder::new(&[
        ("typo.kidl", TYPO),
        ("odd.kidl", ODD),
        ("bad.kidl", "packag bad;\n"),
    ]);
    let ran = folder.check(&["--format", "short", "typo.kidl", "bad.kidl"]);
    ran.fails(1, &[]);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{ran:?}");
    assert!(
        lines[0].starts_with("typo.kidl:5:17: error[K0030]: "),
        "{ran:?}"
    );
    assert!(lines[1].starts_with("bad.kidl:1:1: error[K00"), "{ran:?}");

    let ran = folder.check(&["--format=short", "odd.kidl"]);
    ran.fails(0, &["odd.kidl:3:11: warning[K0900]: "]);
    let ran = folder.check(&["--format=short", "--deny-warnings", "odd.kidl"]);
    ran.fails(1, &["odd.kidl:3:11: error[K0900]: "]);
}

#[test]
fn warnings_fail_only_if_they_are_denied() {
    let folder = Folder::new(&[("odd.kidl", ODD)]);
    folder
        .check(&["odd.kidl"])
        .fails(0, &["warning[K0900]", "--> odd.kidl:3:11"]);
    let ran = folder.check(&["-D", "odd.kidl"]);
    ran.fails(1, &["K0900", "error: 1 warning, and warnings are denied"]);
}

#[test]
fn files_that_cannot_be_read() {
    let folder = Folder::new(&[("sound.kidl", SOUND), ("latin1.kidl", "")]);
    std::fs::write(folder.path().join("latin1.kidl"), b"package a; // \xe4\n").unwrap();
    let ran = folder.check(&["missing.kidl", "sound.kidl"]);
    ran.fails(1, &["error[K0001]", "`missing.kidl`"]);
    folder
        .check(&["latin1.kidl"])
        .fails(1, &["error[K0002]", "UTF-8"]);
    folder
        .check(&["."])
        .fails(1, &["error[K0001]", "directory"]);
    folder.check(&["/dev/zero"]).fails(1, &["error[K000"]);
    folder.check(&[]).fails(2, &["<FILE>"]);
    let ran = folder.check(&["--format=short", "missing.kidl"]);
    ran.fails(1, &["error[K0001]: `missing.kidl`"]);
}

#[test]
fn include_folders() {
    let uses =
        "package uses;\nimport \"sound.kidl\";\n/// Two.\nchannel Two { server: sound.Deck; }\n";
    let folder = Folder::new(&[("shared/sound.kidl", SOUND), ("uses.kidl", uses)]);
    folder.check(&["-I", "shared", "uses.kidl"]).fails(0, &[]);
    folder
        .check(&["uses.kidl", "--include=shared"])
        .fails(0, &[]);
    let ran = folder.check(&["uses.kidl"]);
    ran.fails(
        1,
        &[
            "error[K0001]",
            "--> uses.kidl:2:",
            "looked for `sound.kidl`",
        ],
    );
}

#[test]
fn a_reader_that_has_seen_enough() {
    let folder = Folder::new(&[("typo.kidl", TYPO)]);
    for format in ["full", "short"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = kaa(["check", "typo.kidl", "--format", format]);
        let status = command.current_dir(folder.path()).stderr(writer).status();
        assert_eq!(status.unwrap().code(), Some(1));
    }
}

#[test]
fn colours_when_they_are_wanted() {
    let folder = Folder::new(&[("typo.kidl", TYPO)]);
    let check = |name: &str| {
        common::run(
            kaa(["check", "typo.kidl"])
                .current_dir(folder.path())
                .env("CLICOLOR_FORCE", "1")
                .env(name, "1"),
        )
    };
    check("UNRELATED").fails(1, &["\u{1b}["]);
    let ran = check("NO_COLOR");
    ran.fails(1, &["error[K0030]"]);
    assert!(!ran.stderr.contains('\u{1b}'), "{ran:?}");
}
