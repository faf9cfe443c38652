//! One type for every integer that MessagePack has.

use std::fmt;

/// An integer from −2⁶³ to 2⁶⁴ − 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Integer(Sign);

/// The order of the variants makes the derived order that of the numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Sign {
    /// Below zero.
    Negative(i64),
    Natural(u64),
}

impl Integer {
    /// As an i64, if it fits.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        match self.0 {
            Sign::Negative(n) => Some(n),
            Sign::Natural(n) => n.try_into().ok(),
        }
    }

    /// As a u64, if it fits.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        match self.0 {
            Sign::Negative(_) => None,
            Sign::Natural(n) => Some(n),
        }
    }

    /// As an i128, which every one fits.
    #[must_use]
    pub fn as_i128(self) -> i128 {
        match self.0 {
            Sign::Negative(n) => n.into(),
            Sign::Natural(n) => n.into(),
        }
    }
}

impl From<i64> for Integer {
    fn from(n: i64) -> Self {
        Self(u64::try_from(n).map_or(Sign::Negative(n), Sign::Natural))
    }
}

impl From<u64> for Integer {
    fn from(n: u64) -> Self {
        Self(Sign::Natural(n))
    }
}

macro_rules! smaller {
    ($($small:ty => $large:ty;)*) => {$(
        impl From<$small> for Integer {
            fn from(n: $small) -> Self {
                <$large>::from(n).into()
            }
        }
    )*};
}

smaller! { i8 => i64; i16 => i64; i32 => i64; u8 => u64; u16 => u64; u32 => u64; }

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_i128().fmt(f)
    }
}

impl fmt::Debug for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_i128().fmt(f)
    }
}
