//! "did you mean …?"

use std::cell::Cell;

/// Suggests names, until it has compared so many that a file full of mistakes would take long.
pub(crate) struct Suggestions {
    comparisons_left: Cell<usize>,
}

impl Default for Suggestions {
    fn default() -> Self {
        Self {
            comparisons_left: Cell::new(200_000),
        }
    }
}

impl Suggestions {
    /// As [`closest`], for lists that a file can make long.
    pub(crate) fn closest<'a>(
        &self,
        wanted: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Option<&'a str> {
        let budget = self.comparisons_left.get();
        let mut left = budget;
        let found = closest(
            wanted,
            names.into_iter().take(budget).inspect(|_| left -= 1),
        );
        self.comparisons_left.set(left);
        found
    }
}

/// The one of `names` that is most like `wanted`, if any is like it at all.
pub(crate) fn closest<'a>(
    wanted: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = (wanted.chars().count() / 3).max(1);
    names
        .into_iter()
        .filter(|name| *name != wanted)
        .filter_map(|name| Some((distance(wanted, name, limit)?, name)))
        .min()
        .map(|(_, name)| name)
}

/// How many characters to insert, remove, replace or swap with their neighbour to get from `a` to
/// `b`, if not more than `limit`; other casing and underscores count nothing.
fn distance(a: &str, b: &str, limit: usize) -> Option<usize> {
    // Longer names are never shown, and would make the table large.
    const LONGEST: usize = 64;
    let [a, b] = [a, b].map(|name| {
        name.chars()
            .filter(|c| *c != '_')
            .map(|c| c.to_ascii_lowercase())
            .take(LONGEST + 1)
            .collect::<Vec<_>>()
    });
    if a.len() > LONGEST || b.len() > LONGEST || a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(from != to))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *to && *from == b[j - 1] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("track", "track", 0), Some(0));
        assert_eq!(distance("track", "Track", 0), Some(0));
        assert_eq!(distance("not_found", "notFound", 0), Some(0));
        assert_eq!(distance("track", "trakc", 2), Some(1));
        assert_eq!(distance("track", "rack", 2), Some(1));
        assert_eq!(distance("track", "tracks", 2), Some(1));
        assert_eq!(distance("track", "brick", 2), Some(2));
        assert_eq!(distance("track", "brick", 1), None);
        assert_eq!(distance("", "ab", 2), Some(2));
    }

    #[test]
    fn suggestions_end() {
        let suggestions = Suggestions::default();
        let names = || std::iter::repeat_n("Track", 150_000);
        assert_eq!(suggestions.closest("Trak", names()), Some("Track"));
        assert_eq!(suggestions.closest("Trak", names()), Some("Track"));
        assert_eq!(suggestions.closest("Trak", names()), None);
    }

    #[test]
    fn the_closest_name() {
        let names = ["Track", "State", "Source"];
        assert_eq!(closest("Trak", names), Some("Track"));
        assert_eq!(closest("state", names), Some("State"));
        assert_eq!(closest("Album", names), None);
        assert_eq!(closest("Track", names), None);
        assert_eq!(closest(&"x".repeat(100_000), names), None);
    }
}
