//! `kaa call`: calls one function of a running program.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::time::Duration;

use clap::{Args, ValueEnum};
use kaa_rpc_runtime::{Channel, Error, InProgress, Value};
use tokio::sync::mpsc;

use crate::arguments::WordArguments;
use crate::details::details;
use crate::json;
use crate::reach::{PARTING, Reach};
use crate::report::{Failure, Status};
use crate::signals;

/// Call a function of a running program, and print what it yields and its result as JSON
#[derive(Debug, Args)]
#[command(after_help = "`kaa call --help` has examples.", after_long_help = MANUAL)]
pub(crate) struct Call {
    #[command(flatten)]
    reach: Reach,
    /// The name of the function
    name: String,
    /// Positional arguments in JSON, and named ones as KEY=JSON; @FILE and KEY=@FILE are streams
    #[arg(value_name = "ARG|KEY=VALUE", allow_negative_numbers = true)]
    words: Vec<String>,
    /// A named argument that is a string, taken as it is; for the variables of a script
    #[arg(short = 's', long = "string", value_name = "KEY=TEXT")]
    strings: Vec<String>,
    /// Send the call and ask for no answer; nothing is printed
    ///
    /// The command still waits a little for the function to end, for a stopped connection stops the
    /// function: at most the --timeout, or 5 seconds.
    #[arg(long, conflicts_with = "raw")]
    oneway: bool,
    /// Print strings and bytes as they are, not as JSON
    #[arg(short, long)]
    raw: bool,
    /// Print only this of what the function gives
    #[arg(long, value_name = "PART", conflicts_with = "oneway")]
    only: Option<Part>,
    /// Tell what went wrong on standard error as one line of JSON
    #[arg(long)]
    json_errors: bool,
}

/// What a function gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What it yields while it runs
    Items,
    /// What it ends with
    Result,
}

const MANUAL: &str = r#"Arguments:
  An argument is JSON: 5, true, null, '[1, 2]', '{"id": 7}'. The quotation marks of a JSON string
  must reach the command, so they stand inside those of the shell: '"Lucia"'. KEY=VALUE is a named
  argument, its value JSON too. -s KEY=TEXT takes a text as it is, whatever is in it. Behind `--`
  nothing is an option any more.

Streams:
  For a parameter that is a stream, an argument names the file that its items come from, or - for
  standard input. They are sent as they are read, at the pace of the function.

    @FILE       KEY=@FILE       bytes, in pieces as they come; for stream<bytes>
    @json:FILE  KEY=@json:FILE  a JSON value on each line; for streams of anything else

Results:
  What a function yields goes to standard output as it comes, one JSON value a line. Then its
  result follows, on several lines if that is a terminal and on one if not; a function without a
  result gives null. --only items and --only result leave out the other. What JSON lacks is an object with one key that
  begins with $, for arguments as for results:

    {"$bytes": "AAEC"}                      bytes, in base64
    {"$timestamp": "2026-01-31T23:59:59Z"}  a timestamp
    {"$duration": "250ms"}                  a duration; in results it is {"secs": 0, "nanos": 250000000}
    {"$map": [[1, "one"], [2, "two"]]}      a map whose keys are not strings
    {"$float": "nan"}                       nan, inf or -inf
                                            takes no number that it would have to round

Exit status:
  0  the function gave a result (with --oneway: the call was sent)
  1  the call failed, or nobody knows: an error of the function, wrong arguments, time over,
     connection lost
  2  the command line makes no sense, or the secret cannot be read; nothing was sent
  3  not connected: nobody listens there, or the secrets differ; the function did not run
  130, 143  SIGINT (Ctrl-C) or SIGTERM came; the call was cancelled

  With --json-errors, standard error gets an object with the members "error", "message" and "help".
  "error" is one of declared, fault, panic, bad_arguments, unknown_function, timed_out, cancelled,
  connection_lost, failed (all status 1), usage (2) and not_connected (3). A declared error has its
  "name" and "value" too, a fault its "kind", "causes" and "trace", a bad argument its "parameter",
  "expected" and "got", an unknown function the "closest" name.

Examples:
  export KAA_SECRET_FILE=~/.config/player.secret
  kaa call unix:player add 40 2
  kaa call unix:player play 7 at='{"$duration": "30s"}'
  kaa call unix:player find -s title="$title" --timeout 5s
  kaa call unix:player cover 7 --raw > cover.jpg
  kaa call unix:player scan '"/music"' --only items | jq .title
  kaa call unix:player upload -s title=Norma data=@norma.ogg
  state=$(kaa call unix:player state --raw)"#;

impl Call {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        self.run_call().map_err(|failure| match self.json_errors {
            true => failure.in_json(),
            false => failure,
        })
    }

    fn run_call(&self) -> Result<(), Failure> {
        let arguments = WordArguments::parse(&self.words, &self.strings)?;
        if self.oneway && arguments.has_streams() {
            let message = "--oneway: a call without an answer takes no streams along";
            return Err(Failure::usage(message));
        }
        self.reach
            .with_channel(self.close_timeout(), async |channel| {
                if self.oneway {
                    self.send(channel, arguments).await
                } else {
                    self.ask(channel, arguments).await
                }
            })
    }

    /// The end of the connection stops what still runs, so a oneway call gets its time before it.
    fn close_timeout(&self) -> Option<Duration> {
        match (self.oneway, self.reach.timeout) {
            (false, _) => Some(PARTING),
            (true, timeout) => timeout.map(|timeout| timeout.saturating_add(PARTING)),
        }
    }

    async fn ask(&self, channel: &Channel, mut arguments: WordArguments) -> Result<(), Failure> {
        let (failed, mut failures) = mpsc::unbounded_channel();
        let streams = arguments.take_streams();
        let has_streams = !streams.is_empty();
        let mut call = channel.rpc::<Value, _>(&self.name, arguments);
        for stream in streams {
            call = call.stream(stream.feed(failed.clone()));
        }
        let signalled = signals::watch(2 * PARTING)?;
        let outcome = tokio::select! {
            // What the other end says of a stream that broke off comes after the reason for it.
            biased;
            Ok(cancelled) = signalled => Err(cancelled),
            Some(failure) = failures.recv() => Err(failure),
            // Dropped, it cancels the call.
            printed = async {
                match self.only {
                    Some(Part::Result) => self.print_result(&call.await?),
                    _ => self.print_all(call.items().start()).await,
                }
            } => printed.or_else(|stopped| match failures.try_recv() {
                // It came in between.
                Ok(failure) => Err(failure),
                Err(_) => stopped.into_outcome(has_streams),
            }),
        };
        // After the result is out: nobody should wait for this.
        channel.close().await;
        outcome
    }

    async fn print_all(&self, mut call: InProgress<Value, Error, Value>) -> Result<(), Stopped> {
        while let Some(item) = call.next().await? {
            self.print(&item, json::write_compact)?;
        }
        match self.only {
            Some(Part::Items) => call.finish().await.map(drop)?,
            _ => self.print_result(&call.finish().await?)?,
        }
        Ok(())
    }

    fn print_result(&self, value: &Value) -> Result<(), Stopped> {
        self.print(
            value,
            match io::stdout().is_terminal() {
                true => json::write_pretty,
                false => json::write_compact,
            },
        )
    }

    async fn send(&self, channel: &Channel, arguments: WordArguments) -> Result<(), Failure> {
        let call = channel.rpc::<(), _>(&self.name, arguments).oneway();
        call.await.map_err(|error| failed(&error))?;
        let reason = channel.close().await;
        if reason.is_orderly() {
            return Ok(());
        }
        let message = format!(
            "the function may not have run, or may have been stopped before it ended: {reason}"
        );
        let failure = Failure::new(Status::Failed, message);
        Err(failure.help("without --oneway, the command waits for a function that takes its time"))
    }

    fn print(&self, value: &Value, json: fn(&Value) -> String) -> Result<(), Stopped> {
        let terminal = io::stdout().is_terminal();
        let text;
        let (bytes, line_end) = match value {
            // On a terminal, what might steer it stays JSON.
            Value::String(text) if self.raw && !(terminal && json::needs_escapes(text)) => {
                (text.as_bytes(), "\n")
            }
            Value::Bytes(bytes) if self.raw && !terminal => (&**bytes, ""),
            _ => {
                text = json(value);
                (text.as_bytes(), "\n")
            }
        };
        let mut out = io::stdout().lock();
        out.write_all(bytes)
            .and_then(|()| out.write_all(line_end.as_bytes()))
            .and_then(|()| out.flush())
            .map_err(Stopped::Written)
    }
}

/// Why not all of what a call gives was printed.
enum Stopped {
    /// The call failed.
    Failed(Error),
    /// Standard output cannot be written.
    Written(io::Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Stopped {
    fn into_outcome(self, has_streams: bool) -> Result<(), Failure> {
        match self {
            Self::Failed(error) => {
                let failure = failed(&error);
                Err(match stream_help(&error, has_streams) {
                    Some(help) => failure.help(help),
                    None => failure,
                })
            }
            // Who reads has seen enough, such as `head`.
            Self::Written(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            Self::Written(error) => {
                let message = format!("what the function gives cannot be written: {error}");
                Err(Failure::new(Status::Failed, message))
            }
        }
    }
}

pub(crate) fn failed(error: &Error) -> Failure {
    let status = match error {
        Error::NotConnected(_) => Status::NotConnected,
        Error::Unencodable(_) => Status::Usage,
        _ => Status::Failed,
    };
    Failure::new(status, error.to_string()).details(details(error))
}

/// For arguments that are streams and should not be, or the other way around.
fn stream_help(error: &Error, has_streams: bool) -> Option<&'static str> {
    let Error::BadArguments(bad) = error else {
        return None;
    };
    if bad.expected == "a stream" {
        return Some("the items come from a file or standard input: @FILE, @json:FILE or @-");
    }
    has_streams.then_some(
        "an argument that begins with @ is a stream, for a parameter of type `stream<…>` only",
    )
}
