//! How the command ends when it does not end well.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use kaa_rpc_runtime::Value;

use crate::json;

/// What the exit status says. Each has a meaning of its own for scripts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Status {
    /// What was asked for was tried, and failed: 1.
    Failed,
    /// What was asked for makes no sense, and nothing was tried: 2, as clap's own errors.
    Usage,
    /// There is no connection, so certainly nothing was called: 3.
    NotConnected,
    /// A signal of this number asked the command to end: 128 more, as shells say it.
    Signalled(u8),
}

/// Why the command failed, for its user.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Status,
    /// Nothing is printed without it: everything has been said already.
    message: Option<String>,
    help: Option<String>,
    /// For programs: the kind of failure, and what belongs to it.
    kind: &'static str,
    details: Vec<(&'static str, Value)>,
    as_json: bool,
}

impl Failure {
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            message: Some(message),
            ..Self::silent(status)
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
            kind: match status {
                Status::Failed => "failed",
                Status::Usage => "usage",
                Status::NotConnected => "not_connected",
                Status::Signalled(_) => "cancelled",
            },
            details: Vec::new(),
            as_json: false,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn details(
        mut self,
        (kind, details): (&'static str, Vec<(&'static str, Value)>),
    ) -> Self {
        self.kind = kind;
        self.details = details;
        self
    }

    /// To be printed as one line of JSON.
    pub(crate) fn in_json(mut self) -> Self {
        self.as_json = true;
        self
    }

    /// Prints it to standard error, in colours only on a terminal.
    pub(crate) fn report(self) -> ExitCode {
        if self.as_json {
            let told = [
                ("error", self.kind.into()),
                ("message", self.message.into()),
                ("help", self.help.into()),
            ];
            let entries = told.into_iter().chain(self.details);
            let object = Value::Map(entries.map(|(key, value)| (key.into(), value)).collect());
            say(format_args!("{}", json::write_compact(&object)));
        } else {
            if let Some(message) = &self.message {
                line("error", AnsiColor::Red, message);
            }
            if let Some(help) = &self.help {
                line("help", AnsiColor::Cyan, help);
            }
        }
        ExitCode::from(match self.status {
            Status::Failed => 1,
            Status::Usage => 2,
            Status::NotConnected => 3,
            Status::Signalled(number) => 128 + number,
        })
    }
}

fn line(label: &str, color: AnsiColor, text: &str) {
    let style = Style::new().bold().fg_color(Some(color.into()));
    say(format_args!("{style}{label}{style:#}: {text}"));
}

/// Prints a line to standard error, without colours if that is no terminal. If nobody reads it any
/// more, that is no reason to panic.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(anstream::stderr(), "{line}");
}
