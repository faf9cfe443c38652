//! Variants that this end's schema does not know.

use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::Value;

/// A variant of an open enum or of an error that this end's schema does not know.
///
/// The other end was built from a newer schema. The variant is kept as it came, so that it can be
/// looked at, compared and passed on: it is written exactly as it was read.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Unknown(Box<Inner>); // boxed, so that enums do not grow by it

#[derive(Clone, PartialEq, Eq, Hash)]
struct Inner {
    name: String,
    payload: Option<Value>,
}

impl Unknown {
    pub(crate) fn new(name: String, payload: Option<Value>) -> Self {
        Self(Box::new(Inner { name, payload }))
    }

    /// The variant's name on the wire, such as `not_found`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The variant's fields, by the sender's schema a map by field name; `None` if it came as a mere
    /// name.
    #[must_use]
    pub fn payload(&self) -> Option<&Value> {
        self.0.payload.as_ref()
    }

    /// The name and the fields, to take apart without a copy.
    #[must_use]
    pub fn into_parts(self) -> (String, Option<Value>) {
        (self.0.name, self.0.payload)
    }
}

impl fmt::Debug for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tuple = f.debug_tuple("Unknown");
        tuple.field(&self.0.name);
        if let Some(payload) = &self.0.payload {
            tuple.field(payload);
        }
        tuple.finish()
    }
}

impl fmt::Display for Unknown {
    /// The name as words: "no such disc" for `no_such_disc`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name.replace('_', " "))
    }
}

impl Serialize for Unknown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.payload {
            None => serializer.serialize_str(&self.0.name),
            Some(payload) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(&self.0.name, payload)?;
                map.end()
            }
        }
    }
}
