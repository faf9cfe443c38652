//! Where a server listens and a client connects.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where a server listens and a client connects.
///
/// | text | meaning |
/// | --- | --- |
/// | `unix:player`, `player` | a socket called `player` in the user's own folder |
/// | `unix:/run/media/player.sock`, `unix:./player.sock` | a socket at this path; whatever has a slash is a path |
/// | `tcp:localhost:7000`, `tcp:[::1]:7000` | a TCP port; the host is a name or an address |
///
/// The user's own folder is `$XDG_RUNTIME_DIR/kaa/`, or `kaa-UID` in the temporary folder where that
/// variable is not set to an absolute path. It has mode 0700, so only this user gets in.
///
/// [`Display`](fmt::Display) gives a text that parses to the same address (unless a path is not UTF-8,
/// which only [`Address::unix_path`] can make, or it is [`Address::Unnamed`]).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A Unix socket.
    Unix(UnixAddress),
    /// A TCP port.
    Tcp(TcpAddress),
    /// None: of a server that takes streams only, or listens where no text leads. Its text, `none:`, cannot
    /// be parsed.
    Unnamed,
}

/// The place of a Unix socket: a name in the user's own folder, or a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnixAddress(UnixPlace);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum UnixPlace {
    /// One component, neither `.` nor `..`.
    Name(String),
    /// Has a slash and ends in a file name.
    Path(PathBuf),
}

/// A TCP host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TcpAddress {
    host: String,
    port: u16,
}

/// A text is not an address.
///
/// Its message names the text, what is wrong with it and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError {
    text: String,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    Empty,
    Space,
    Control,
    Scheme(String),
    ForgottenTcp,
    Slashes { scheme: &'static str, help: String },
    Name(&'static str),
    Path(&'static str),
    Host(&'static str),
    Port(String),
    NoPort,
}

const EXPECTED: &str = "unix:NAME, unix:/PATH or tcp:HOST:PORT";

impl Address {
    /// A socket called `name` in the user's own folder.
    ///
    /// # Errors
    /// If `name` is not a plain file name.
    pub fn unix(name: &str) -> Result<Self, AddressError> {
        let place = if name.contains('/') {
            Err(Problem::Name("it has a slash"))
        } else {
            printable(name).and_then(|()| unix_name(name))
        };
        place
            .map(Address::Unix)
            .map_err(|problem| AddressError::new(name, problem))
    }

    /// A socket at `path`. A path without a slash is taken from the working directory.
    ///
    /// # Errors
    /// If `path` does not end in a file name.
    pub fn unix_path(path: impl Into<PathBuf>) -> Result<Self, AddressError> {
        let path = path.into();
        unix_path(&path)
            .map(Address::Unix)
            .map_err(|problem| AddressError::new(&path.to_string_lossy(), problem))
    }

    /// A TCP port. `host` is a name or an address; an IPv6 address goes without brackets.
    ///
    /// # Errors
    /// If `host` is empty or has characters that no host has.
    pub fn tcp(host: &str, port: u16) -> Result<Self, AddressError> {
        tcp_host(host)
            .map(|host| Address::Tcp(TcpAddress { host, port }))
            .map_err(|problem| AddressError::new(host, problem))
    }
}

impl UnixAddress {
    pub(crate) fn place(&self) -> &UnixPlace {
        &self.0
    }
}

impl TcpAddress {
    /// A host name, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 0 lets the system choose when a server binds.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        parse(text).map_err(|problem| AddressError::new(text, problem))
    }
}

impl TryFrom<&str> for Address {
    type Error = AddressError;

    fn try_from(text: &str) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(address) => address.fmt(f),
            Address::Tcp(address) => address.fmt(f),
            Address::Unnamed => f.write_str("none:"),
        }
    }
}

impl fmt::Display for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            UnixPlace::Name(name) => write!(f, "unix:{name}"),
            UnixPlace::Path(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for TcpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "tcp:[{}]:{}", self.host, self.port)
        } else {
            write!(f, "tcp:{}:{}", self.host, self.port)
        }
    }
}

/// `address = "unix:" place | "tcp:" host ":" port | place-without-colon`
fn parse(text: &str) -> Result<Address, Problem> {
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    if text.trim() != text {
        return Err(Problem::Space);
    }
    printable(text)?;
    match text.split_once(':') {
        None => unix(text).map(Address::Unix),
        Some(("unix", place)) => unix(place).map(Address::Unix),
        Some(("tcp", rest)) => tcp(rest).map(Address::Tcp),
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Err(Problem::ForgottenTcp)
        }
        Some((scheme, _)) => Err(Problem::Scheme(scheme.to_owned())),
    }
}

fn printable(text: &str) -> Result<(), Problem> {
    if text.chars().any(char::is_control) {
        return Err(Problem::Control);
    }
    Ok(())
}

fn unix(place: &str) -> Result<UnixAddress, Problem> {
    match place.strip_prefix("//") {
        // `unix:///run/x`, as a URL has it, can mean only one thing.
        Some(path) if path.starts_with('/') => unix_path(Path::new(path)),
        Some(path) => Err(Problem::Slashes {
            scheme: "unix",
            help: format!("unix:/{path}"),
        }),
        None if place.contains('/') => unix_path(Path::new(place)),
        None => unix_name(place),
    }
}

fn unix_name(name: &str) -> Result<UnixAddress, Problem> {
    if name.is_empty() {
        return Err(Problem::Name("it is empty"));
    }
    if name.starts_with('@') {
        return Err(Problem::Name(
            "abstract sockets have no owner and no mode, so they are not supported",
        ));
    }
    if name == "." || name == ".." {
        return Err(Problem::Name("it is a folder"));
    }
    if name.ends_with(".lock") {
        return Err(Problem::Name(LOCK_SUFFIX));
    }
    Ok(UnixAddress(UnixPlace::Name(name.to_owned())))
}

const LOCK_SUFFIX: &str =
    "names that end in .lock are taken: a server keeps its lock file beside its socket";

fn unix_path(path: &Path) -> Result<UnixAddress, Problem> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.contains(&0) {
        return Err(Problem::Path("it has a NUL byte"));
    }
    let last = bytes.rsplit(|&byte| byte == b'/').next().unwrap_or(bytes);
    if matches!(last, b"" | b"." | b"..") {
        return Err(Problem::Path("it ends in a folder, not in a file name"));
    }
    if last.ends_with(b".lock") {
        return Err(Problem::Path(LOCK_SUFFIX));
    }
    let path = if bytes.contains(&b'/') {
        path.to_owned()
    } else {
        Path::new(".").join(OsStr::from_bytes(bytes))
    };
    Ok(UnixAddress(UnixPlace::Path(path)))
}

fn tcp(rest: &str) -> Result<TcpAddress, Problem> {
    if let Some(rest) = rest.strip_prefix("//") {
        return Err(Problem::Slashes {
            scheme: "tcp",
            help: format!("tcp:{}", rest.trim_end_matches('/')),
        });
    }
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest
                .split_once(']')
                .ok_or(Problem::Host("its [ has no ]"))?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(Problem::Host("between [ and ] goes an IPv6 address"));
            }
            (host, port.strip_prefix(':').ok_or(Problem::NoPort)?)
        }
        None => {
            let (host, port) = rest.rsplit_once(':').ok_or(Problem::NoPort)?;
            if host.contains(':') {
                return Err(Problem::Host(
                    "an IPv6 address needs brackets: tcp:[::1]:7000",
                ));
            }
            (host, port)
        }
    };
    // `parse` would take "+7000" too.
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Problem::Port(port.to_owned()));
    }
    let port = port.parse().map_err(|_| Problem::Port(port.to_owned()))?;
    let host = tcp_host(host)?;
    Ok(TcpAddress { host, port })
}

fn tcp_host(host: &str) -> Result<String, Problem> {
    if host.is_empty() {
        return Err(Problem::Host(
            "it is missing: use 127.0.0.1 for this machine only, 0.0.0.0 for all its IPv4 addresses",
        ));
    }
    let is_address = host.parse::<std::net::Ipv6Addr>().is_ok();
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    if !is_address && !host.chars().all(is_name) {
        return Err(Problem::Host("it has a character that no host has"));
    }
    Ok(host.to_owned())
}

impl AddressError {
    fn new(text: &str, problem: Problem) -> Self {
        AddressError {
            text: text.to_owned(),
            problem,
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        match &self.problem {
            Problem::Empty => write!(f, "the address is empty: expected {EXPECTED}"),
            Problem::Space => {
                write!(
                    f,
                    "the address {text:?} has white space around it: remove it"
                )
            }
            Problem::Control => write!(f, "the address {text:?} has a control character"),
            Problem::Scheme(scheme) => write!(
                f,
                "the address {text:?} has the unknown scheme {scheme:?}: expected {EXPECTED}"
            ),
            Problem::ForgottenTcp => {
                write!(
                    f,
                    "the address {text:?} has no scheme: did you mean \"tcp:{text}\"?"
                )
            }
            Problem::Slashes { scheme, help } => write!(
                f,
                "the address {text:?} has // after {scheme}: — did you mean {help:?}?"
            ),
            Problem::Name(why) => write!(
                f,
                "the address {text:?} has no usable socket name: {why}; \
                 expected a plain file name, or a path with a slash"
            ),
            Problem::Path(why) => {
                write!(f, "the address {text:?} has no usable socket path: {why}")
            }
            Problem::Host(why) => write!(f, "the address {text:?} has no usable host: {why}"),
            Problem::Port(port) => write!(
                f,
                "the address {text:?} has the port {port:?}: expected a number from 0 to 65535"
            ),
            Problem::NoPort => {
                write!(
                    f,
                    "the address {text:?} has no port: expected tcp:HOST:PORT"
                )
            }
        }
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses, and shows that the text form parses to the same.
    fn parsed(text: &str) -> String {
        let address: Address = text.parse().unwrap();
        let shown = address.to_string();
        assert_eq!(shown.parse::<Address>().unwrap(), address);
        shown
    }

    fn refused(text: &str) -> String {
        text.parse::<Address>().unwrap_err().to_string()
    }

    #[test]
    fn the_documented_forms_parse() {
        assert_eq!(parsed("unix:player"), "unix:player");
        assert_eq!(parsed("player"), "unix:player");
        assert_eq!(parsed("unix:a:b"), "unix:a:b");
        assert_eq!(parsed("unix:/run/p.sock"), "unix:/run/p.sock");
        assert_eq!(parsed("/run/p.sock"), "unix:/run/p.sock");
        assert_eq!(parsed("unix:./p.sock"), "unix:./p.sock");
        assert_eq!(parsed("unix:run/p"), "unix:run/p");
        assert_eq!(parsed("unix:///run/p.sock"), "unix:/run/p.sock");
        assert_eq!(parsed("tcp:localhost:7000"), "tcp:localhost:7000");
        assert_eq!(parsed("tcp:0.0.0.0:0"), "tcp:0.0.0.0:0");
        assert_eq!(parsed("tcp:[::1]:7000"), "tcp:[::1]:7000");
    }

    #[test]
    fn a_name_is_not_a_path() {
        let name: Address = "unix:player".parse().unwrap();
        let path: Address = "unix:./player".parse().unwrap();
        assert_ne!(name, path);
        assert_eq!(Address::unix("player").unwrap(), name);
        assert_eq!(Address::unix_path("player").unwrap(), path);
    }

    #[test]
    fn mistakes_say_what_was_expected() {
        for (text, part) in [
            ("", "expected unix:NAME"),
            (" player", "white space"),
            ("player\n", "white space"),
            ("pla\0yer", "control character"),
            ("http:x", "unknown scheme \"http\""),
            ("Unix:x", "unknown scheme \"Unix\""),
            (":x", "unknown scheme \"\""),
            ("localhost:7000", "did you mean \"tcp:localhost:7000\"?"),
            ("unix:", "it is empty"),
            ("unix:.", "it is a folder"),
            ("unix:..", "it is a folder"),
            ("unix:@player", "abstract sockets"),
            ("unix:x.lock", ".lock"),
            ("unix:/run/x.lock", ".lock"),
            ("unix:/run/", "ends in a folder"),
            ("unix:/", "ends in a folder"),
            ("unix:a/..", "ends in a folder"),
            ("unix:a/.", "ends in a folder"),
            ("unix://run/x", "did you mean \"unix:/run/x\"?"),
            ("tcp://host:1/", "did you mean \"tcp:host:1\"?"),
            ("tcp:localhost", "has no port"),
            ("tcp::7000", "127.0.0.1"),
            ("tcp:::1:7000", "brackets"),
            ("tcp:[::1:7000", "has no ]"),
            ("tcp:[::1]", "has no port"),
            ("tcp:[localhost]:7000", "IPv6"),
            ("tcp:localhost:65536", "\"65536\""),
            ("tcp:localhost:+1", "\"+1\""),
            ("tcp:localhost:", "\"\""),
            ("tcp:user@host:1", "no host has"),
        ] {
            let message = refused(text);
            assert!(message.contains(part), "{text:?}: {message}");
        }
    }
}
