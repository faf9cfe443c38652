//! A loader of real files below a folder.

use kaa_idl::SourceLoader;
use std::path::{Path, PathBuf};

/// Paths are relative to the folder.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Of the files below `root`.
    pub(crate) fn new(root: &Path) -> Self {
        Self(root.to_owned())
    }
}

impl SourceLoader for Folder {
    fn load(&self, path: &Path) -> std::io::Result<String> {
        std::fs::read_to_string(self.0.join(path))
    }
}
