//! Reads arguments, parameter by parameter.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::ArgumentError;
use super::names::{Declared, Entries, Parameters, distance, is_close};
use crate::msgpack::scan::split_arguments;
use crate::msgpack::{Decoder, ScanError, ScanLimits, from_slice};

/// The room that is made for positional arguments before they are decoded, in bytes.
const MAX_ROOM: usize = 64 << 10;

/// Gives each parameter of a function its argument.
///
/// Ask for the parameters in the order of their declaration, which is that of positional arguments,
/// for [`rest`](Self::rest) and [`kwargs`](Self::kwargs) last; then [`finish`](Self::finish) refuses
/// arguments that no parameter took. Where absence is legal, nil means absent.
///
/// ```
/// use kaa_rpc_proto::{kwargs, msgpack::{ArgumentReader, ScanLimits, encode_arguments}};
///
/// let mut bytes = Vec::new();
/// encode_arguments(&mut bytes, &(7, kwargs! { volume: 3 })).unwrap();
/// let mut arguments = ArgumentReader::new(&bytes, &ScanLimits::default()).unwrap();
/// let id: u64 = arguments.required("id").unwrap();
/// let volume: u8 = arguments.or_else("volume", || 10).unwrap();
/// arguments.finish().unwrap();
/// assert_eq!((id, volume), (7, 3));
/// ```
#[derive(Clone, Debug)]
pub struct ArgumentReader<'a> {
    positional: Decoder<'a>,
    positional_left: u32,
    positional_count: u32,
    /// How many parameters could have taken a positional argument.
    accepted: u32,
    named: Entries<'a>,
    /// Behind the named argument that was found last: callers send them in the order of declaration.
    next_named: Entries<'a>,
    /// Named arguments that a parameter took.
    taken: u32,
    /// Kept only if there are named arguments, for errors: without them, it takes no allocation, and little room.
    parameters: Parameters,
}

impl<'a> ArgumentReader<'a> {
    /// Scans `bytes`, which must be exactly the arguments of one call.
    ///
    /// # Errors
    ///
    /// As [`scan_arguments`](crate::msgpack::scan_arguments).
    pub fn new(bytes: &'a [u8], limits: &ScanLimits) -> Result<Self, ScanError> {
        let split = split_arguments(bytes, limits)?;
        let named = Entries::new(split.named, split.named_count);
        Ok(Self {
            positional: Decoder::new(split.positional),
            positional_left: split.positional_count,
            positional_count: split.positional_count,
            accepted: 0,
            named,
            next_named: named,
            taken: 0,
            parameters: Parameters::default(),
        })
    }

    /// The argument of a required parameter.
    ///
    /// # Errors
    ///
    /// When there is none, or it is no `T`.
    pub fn required<T: Deserialize<'a>>(&mut self, name: &'static str) -> Result<T, ArgumentError> {
        match self.take(name, false)? {
            Some(value) => Ok(value),
            None => Err(ArgumentError::missing(name, self.similar(name))),
        }
    }

    /// The argument of a parameter of type `T?`; `None` if it is absent or nil.
    ///
    /// # Errors
    ///
    /// When it is no `T`.
    pub fn optional<T: Deserialize<'a>>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, ArgumentError> {
        self.take(name, true)
    }

    /// The argument of a parameter that has a default, which holds if it is absent or nil.
    ///
    /// # Errors
    ///
    /// When it is no `T`.
    pub fn or_else<T: Deserialize<'a>>(
        &mut self,
        name: &'static str,
        default: impl FnOnce() -> T,
    ) -> Result<T, ArgumentError> {
        Ok(self.take(name, true)?.unwrap_or_else(default))
    }

    /// The positional arguments that are left: `*name`.
    ///
    /// # Errors
    ///
    /// When one is no `T`.
    pub fn rest<T: Deserialize<'a>>(
        &mut self,
        name: &'static str,
    ) -> Result<Vec<T>, ArgumentError> {
        let room = (self.positional_left as usize).min(MAX_ROOM / size_of::<T>().max(1));
        let mut values = Vec::with_capacity(room);
        while self.positional_left > 0 {
            self.positional_left -= 1;
            let value = self.positional.decode().map_err(|error| {
                ArgumentError::mismatch(name, &format!("[{}]", values.len()), &error)
            })?;
            values.push(value);
        }
        Ok(values)
    }

    /// The named arguments that no parameter took: `**name`. To be read last.
    ///
    /// # Errors
    ///
    /// When one is no `T`, or a name was given twice.
    pub fn kwargs<T: Deserialize<'a>>(
        &mut self,
        name: &'static str,
    ) -> Result<BTreeMap<String, T>, ArgumentError> {
        let mut values = BTreeMap::new();
        let mut taken_before = 0;
        for (key, value) in self.named {
            if let Some(declared) = self.parameters.find(key) {
                taken_before += 1;
                if declared.by_position || taken_before > self.taken {
                    return Err(ArgumentError::twice(key, declared.by_position));
                }
                continue;
            }
            let text = String::from_utf8_lossy(key).into_owned();
            let value = from_slice(value)
                .map_err(|error| ArgumentError::mismatch(name, "", &error.in_field(key)))?;
            if values.insert(text, value).is_some() {
                return Err(ArgumentError::twice(key, false));
            }
        }
        self.taken = self.named.left();
        Ok(values)
    }

    /// Refuses what no parameter took. To be called when all were asked for.
    ///
    /// # Errors
    ///
    /// When there are too many positional arguments, or one whose name is unknown or given twice.
    pub fn finish(&self) -> Result<(), ArgumentError> {
        if self.positional_left > 0 {
            return Err(ArgumentError::too_many(
                self.accepted,
                self.positional_count,
            ));
        }
        if self.taken == self.named.left() {
            return Ok(());
        }
        Err(self.explain())
    }

    /// The argument for the next parameter.
    #[inline]
    fn take<T: Deserialize<'a>>(
        &mut self,
        name: &'static str,
        nil_is_absent: bool,
    ) -> Result<Option<T>, ArgumentError> {
        let by_position = self.positional_left > 0;
        self.accepted += 1;
        if self.named.left() > 0 {
            self.parameters.push(Declared { name, by_position });
        }
        let result = if by_position {
            self.positional_left -= 1;
            if nil_is_absent && self.positional.take_nil() {
                return Ok(None);
            }
            self.positional.decode()
        } else {
            let Some(value) = self.find(name) else {
                return Ok(None);
            };
            if nil_is_absent && Decoder::new(value).take_nil() {
                return Ok(None);
            }
            from_slice(value)
        };
        result
            .map(Some)
            .map_err(|error| ArgumentError::mismatch(name, "", &error))
    }

    /// The encoded named argument for a parameter. Looks first where it should be.
    fn find(&mut self, name: &str) -> Option<&'a [u8]> {
        if self.taken == self.named.left() {
            return None;
        }
        let mut entries = self.next_named;
        let mut found = entries.find(|(key, _)| *key == name.as_bytes());
        if found.is_none() {
            let before = (self.named.left() - self.next_named.left()) as usize;
            entries = self.named;
            found = entries
                .by_ref()
                .take(before)
                .find(|(key, _)| *key == name.as_bytes());
        }
        let (_, value) = found?;
        self.next_named = entries;
        self.taken += 1;
        Some(value)
    }

    /// A named argument that was probably meant for a parameter that has none.
    fn similar(&self, name: &str) -> Option<&'a [u8]> {
        self.named
            .map(|(key, _)| key)
            .filter(|key| self.parameters.find(key).is_none())
            .find(|key| is_close(name.len(), distance(name.as_bytes(), key)))
    }

    /// The first named argument that is unknown, or given twice.
    #[cold]
    fn explain(&self) -> ArgumentError {
        let mut seen = Vec::new();
        for (key, _) in self.named {
            let Some(declared) = self.parameters.find(key) else {
                return ArgumentError::unknown(key, self.parameters.closest(key));
            };
            if declared.by_position || seen.contains(&declared.name) {
                return ArgumentError::twice(key, declared.by_position);
            }
            seen.push(declared.name);
        }
        // Not reached: an argument of each name was taken.
        ArgumentError::from_wire("", "each argument once", "one that no parameter took")
    }
}
