//! How the command ends when it does not end well.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

/// What the exit status says. Each has a meaning of its own for scripts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Status {
    /// What was asked for was tried, and failed: 1.
    Failed,
    /// What was asked for makes no sense, and nothing was tried: 2, as clap's own errors.
    Usage,
    /// There is no connection, so certainly nothing was called: 3.
    NotConnected,
}

/// Why the command failed, for its user.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Status,
    /// Nothing is printed without it: everything has been said already.
    message: Option<String>,
    help: Option<String>,
}

impl Failure {
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            message: Some(message.into()),
            help: None,
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Status::Usage, message)
    }

    pub(crate) fn silent(status: Status) -> Self {
        Self {
            status,
            message: None,
            help: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Prints it to standard error, in colours only on a terminal.
    pub(crate) fn report(&self) -> ExitCode {
        if let Some(message) = &self.message {
            line("error", AnsiColor::Red, message);
        }
        if let Some(help) = &self.help {
            line("help", AnsiColor::Cyan, help);
        }
        ExitCode::from(match self.status {
            Status::Failed => 1,
            Status::Usage => 2,
            Status::NotConnected => 3,
        })
    }
}

fn line(label: &str, color: AnsiColor, text: &str) {
    let style = Style::new().bold().fg_color(Some(color.into()));
    anstream::eprintln!("{style}{label}{style:#}: {text}");
}
