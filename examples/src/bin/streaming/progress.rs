//! Shows how far something is. Nothing here is about RPC.

use std::cell::Cell;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar in a terminal; where there is none, a line for each quarter.
pub(crate) struct Progress {
    what: &'static str,
    bar: ProgressBar,
    quarters: Cell<u64>,
}

impl Progress {
    /// Of `total` bytes.
    pub(crate) fn new(what: &'static str, total: u64) -> Self {
        let bar = ProgressBar::new(total).with_message(what);
        let style = ProgressStyle::with_template("{msg:>8} {wide_bar} {bytes}/{total_bytes}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        let quarters = Cell::new(0);
        Self {
            what,
            bar,
            quarters,
        }
    }

    /// So many bytes are done.
    pub(crate) fn at(&self, bytes: u64) {
        self.bar.set_position(bytes);
        let quarters = 4 * bytes / self.bar.length().unwrap_or(bytes).max(1);
        if self.bar.is_hidden() && quarters > self.quarters.replace(quarters) {
            println!("{}: {}%", self.what, 25 * quarters);
        }
    }

    /// All are done, and the bar is not needed any more.
    pub(crate) fn done(&self) {
        self.bar.finish_and_clear();
    }
}
