//! Markdown, as far as the tests need it.

use std::path::{Path, PathBuf};

pub(crate) struct Document {
    path: PathBuf,
    text: String,
}

/// A fenced block that means something to the tests.
pub(crate) enum Block<'a> {
    /// Stands below a line with nothing but a bold path in code.
    File { path: &'a str, text: &'a str },
    /// `console`: each line that begins with `$ ` is a command, and what it prints follows.
    Session(Vec<(&'a str, String)>),
}

impl Document {
    /// Reads a file of the repository.
    pub(crate) fn read(name: &str) -> Self {
        let path = root().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        Self { path, text }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn blocks(&self) -> Vec<Block<'_>> {
        let mut pieces = self.text.split("```");
        let mut before = pieces.next().unwrap_or_default();
        let mut blocks = Vec::new();
        while let (Some(fenced), Some(after)) = (pieces.next(), pieces.next()) {
            let (language, text) = fenced.split_once('\n').unwrap();
            let label = before.trim_end().lines().next_back().unwrap_or_default();
            let path = label
                .strip_prefix("**`")
                .and_then(|label| label.strip_suffix("`**"));
            if let Some(path) = path {
                blocks.push(Block::File { path, text });
            } else if language == "console" {
                blocks.push(Block::Session(session(text)));
            }
            before = after;
        }
        blocks
    }

    /// Where links inside the repository lead.
    pub(crate) fn links(&self) -> Vec<&str> {
        let targets = self.text.split("](").skip(1);
        targets
            .filter_map(|rest| rest.split_once(')'))
            .map(|(link, _)| link)
            .filter(|link| !link.contains("://"))
            .collect()
    }

    /// Whether a heading has this anchor.
    pub(crate) fn has_heading(&self, anchor: &str) -> bool {
        let headings = self.text.lines().filter(|line| line.starts_with('#'));
        headings
            .map(|line| line.trim_start_matches('#').trim().to_lowercase())
            .any(|heading| heading.replace(' ', "-").replace(['`', '.'], "") == anchor)
    }
}

fn session(text: &str) -> Vec<(&str, String)> {
    let mut lines = Vec::<(&str, String)>::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            lines.push((command, String::new()));
        } else if let Some((_, printed)) = lines.last_mut() {
            printed.push_str(line);
            printed.push('\n');
        }
    }
    lines
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}
