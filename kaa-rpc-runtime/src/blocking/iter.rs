use std::fmt;

use serde::de::DeserializeOwned;

use crate::call::InProgress;
use crate::error::FromFailure;

/// The items of a call, for code that is not async. See [`InProgress::iter`].
#[must_use = "an iterator does nothing until it is asked"]
pub struct Iter<'a, T, F, Y> {
    /// `None` after the last item, and after an error: the call would tell it again and again.
    call: Option<&'a mut InProgress<T, F, Y>>,
}

impl<'a, T, F, Y> Iter<'a, T, F, Y> {
    pub(super) fn new(call: &'a mut InProgress<T, F, Y>) -> Self {
        Self { call: Some(call) }
    }
}

impl<T: DeserializeOwned, F: FromFailure, Y: DeserializeOwned> Iterator for Iter<'_, T, F, Y> {
    type Item = Result<Y, F>;

    #[track_caller]
    fn next(&mut self) -> Option<Self::Item> {
        let next = self.call.as_mut()?.next_blocking().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.call = None;
        }
        next
    }
}

impl<T, F, Y> fmt::Debug for Iter<'_, T, F, Y> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter")
            .field("over", &self.call.is_none())
            .finish_non_exhaustive()
    }
}
