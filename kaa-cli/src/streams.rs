//! Streams that go with a call, from files and standard input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use kaa_rpc_runtime::{Bytes, GiveError, ItemReceiver, ItemSender, Value, item_channel};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::json::{self, NotRead};
use crate::report::{Failure, Status};

/// How much of a file is one item. Whoever accepts less says so in the error.
const PIECE: usize = 32 << 10;

/// Where the items of a stream come from, and what they are.
#[derive(Debug)]
pub(crate) struct Origin {
    /// As it stands on the command line.
    word: String,
    form: Form,
    input: Input,
}

#[derive(Debug)]
enum Form {
    /// Bytes, in pieces as they come.
    Bytes,
    /// A value a line.
    Json,
}

#[derive(Debug)]
enum Input {
    Standard,
    File(File),
}

impl Origin {
    /// What `text`, the part of `word` behind its key, says: `@FILE`, `@-`, `@json:FILE` or `@json:-`. `None`
    /// if it is no stream; no JSON begins like one.
    pub(crate) fn parse(word: &str, text: &str) -> Option<Result<Self, Failure>> {
        let text = text.strip_prefix('@')?;
        let (form, path) = match text.strip_prefix("json:") {
            Some(path) => (Form::Json, path),
            None => (Form::Bytes, text),
        };
        let input = match path {
            "-" => Ok(Input::Standard),
            path => File::open(path).map(Input::File),
        };
        Some(match input {
            Ok(input) => Ok(Self {
                word: word.to_owned(),
                form,
                input,
            }),
            Err(error) => Err(Failure::usage(format!(
                "the argument `{word}`: cannot open `{path}`: {error}"
            ))),
        })
    }

    pub(crate) fn is_standard_input(&self) -> bool {
        matches!(self.input, Input::Standard)
    }

    /// Reads on a thread of its own, which nobody waits for: input may never end. What goes wrong is told to
    /// `failed`, before the other end is told that the stream is not complete.
    pub(crate) fn feed(self, failed: mpsc::UnboundedSender<Failure>) -> ItemReceiver<Value> {
        let (sender, receiver) = item_channel();
        let runtime = Handle::current();
        std::thread::spawn(move || {
            let word = self.word;
            let reader: Box<dyn Read> = match self.input {
                Input::Standard => Box::new(io::stdin().lock()),
                Input::File(file) => Box::new(file),
            };
            let mut feeder = Feeder { sender, runtime };
            let fed = match self.form {
                Form::Bytes => feeder.feed_bytes(reader),
                Form::Json => feeder.feed_lines(BufReader::new(reader)),
            };
            match fed {
                Ok(()) => feeder.finish(),
                Err(NotFed::Unwanted) => {}
                Err(NotFed::Broken(message)) => {
                    let message =
                        format!("the stream `{word}` broke off, and so the call: {message}");
                    // If nobody listens, the call has ended before.
                    let _ = failed.send(Failure::new(Status::Failed, message));
                }
            }
        });
        receiver
    }
}

/// Why a stream did not come to its end.
enum NotFed {
    /// Nobody wants more.
    Unwanted,
    /// It cannot be read.
    Broken(String),
}

struct Feeder {
    sender: ItemSender<Value>,
    runtime: Handle,
}

impl Feeder {
    fn feed_bytes(&mut self, mut reader: impl Read) -> Result<(), NotFed> {
        let mut piece = vec![0; PIECE];
        loop {
            match reader.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(count) => self.give(&Bytes::copy_from_slice(&piece[..count]).into())?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(NotFed::Broken(error.to_string())),
            }
        }
    }

    fn feed_lines(&mut self, reader: impl BufRead) -> Result<(), NotFed> {
        for (number, line) in (1..).zip(reader.lines()) {
            let line = line.map_err(|error| NotFed::Broken(format!("line {number}: {error}")))?;
            if line.trim().is_empty() {
                continue;
            }
            let value = json::read(&line).map_err(|error| {
                NotFed::Broken(match error {
                    NotRead::Json(message) => format!("line {number} is not JSON: {message}"),
                    NotRead::Value(message) => format!("line {number}: {message}"),
                })
            })?;
            self.give(&value)?;
        }
        Ok(())
    }

    /// Waits while the other end has no room.
    fn give(&mut self, item: &Value) -> Result<(), NotFed> {
        let given = self.runtime.block_on(self.sender.give(item));
        given.map_err(|error| match error {
            GiveError::Stopped => NotFed::Unwanted,
            error => NotFed::Broken(error.to_string()),
        })
    }

    fn finish(self) {
        // If it fails, nobody wanted all of it, and the call tells its outcome.
        let _ = self.runtime.block_on(self.sender.finish());
    }
}
