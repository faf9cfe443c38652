//! What a file may not exceed.

/// The largest file, in bytes.
pub const MAX_FILE_SIZE: usize = 1 << 20;

/// How deep brackets, comments and types may nest.
pub const MAX_NESTING: usize = 64;

/// How many members a tuple may have: the standard library implements its traits for no more.
pub(crate) const MAX_TUPLE: usize = 12;

/// The longest wire name, in bytes.
pub(crate) const MAX_WIRE_NAME: usize = 255;

/// How many syntax errors are reported for a file. Each costs time in proportion to the file.
pub(crate) const MAX_SYNTAX_ERRORS: usize = 50;
