//! Where bytes go that are read.

/// Where bytes go that are read.
pub(crate) enum ReadInto<'a> {
    /// Over these.
    Slice(&'a mut [u8]),
    /// Behind what is in the buffer, as far as it need not grow: what is read into has not to be cleared first.
    Spare(&'a mut Vec<u8>),
}

impl ReadInto<'_> {
    /// So many bytes fit.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Slice(slice) => slice.len(),
            Self::Spare(buffer) => buffer.capacity() - buffer.len(),
        }
    }

    pub(super) fn reborrow(&mut self) -> ReadInto<'_> {
        match self {
            Self::Slice(slice) => ReadInto::Slice(slice),
            Self::Spare(buffer) => ReadInto::Spare(buffer),
        }
    }
}

impl<'a> From<&'a mut [u8]> for ReadInto<'a> {
    fn from(slice: &'a mut [u8]) -> Self {
        Self::Slice(slice)
    }
}

impl<'a, const N: usize> From<&'a mut [u8; N]> for ReadInto<'a> {
    fn from(slice: &'a mut [u8; N]) -> Self {
        Self::Slice(slice)
    }
}

impl<'a> From<&'a mut Vec<u8>> for ReadInto<'a> {
    fn from(buffer: &'a mut Vec<u8>) -> Self {
        Self::Spare(buffer)
    }
}
