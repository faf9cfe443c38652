//! Medians and quartiles.

use std::fmt;

/// What lies in the middle of some values, and how far apart they lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// A quarter of the values is below.
    pub low: f64,
    /// Half of the values is below.
    pub median: f64,
    /// Three quarters of the values are below.
    pub high: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self {
            low: percentile(&values, 25.0),
            median: percentile(&values, 50.0),
            high: percentile(&values, 75.0),
        }
    }

    /// Of the ratios of values that were measured in the same round.
    pub fn of_ratios(values: &[f64], baseline: &[f64]) -> Self {
        assert_eq!(values.len(), baseline.len());
        Self::of(
            values
                .iter()
                .zip(baseline)
                .map(|(value, base)| value / base),
        )
    }
}

/// The median, and the quartiles behind it.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { low, median, high } = self;
        write!(f, "{median:.2} ({low:.2}–{high:.2})")
    }
}

/// The value that `percent` of the sorted values do not exceed; between two values it lies on the line
/// from one to the other.
pub fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let place = percent / 100.0 * (sorted.len() - 1) as f64;
    let (below, above) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    below + (above - below) * place.fract()
}

/// With so many digits after the point.
pub fn rounded(value: f64, digits: usize) -> String {
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_lies_where_it_should() {
        let values = [1.0, 2.0, 3.0, 4.0, 9.0];
        for (percent, expected) in [
            (0.0, 1.0),
            (25.0, 2.0),
            (50.0, 3.0),
            (90.0, 7.0),
            (100.0, 9.0),
        ] {
            assert_eq!(percentile(&values, percent), expected, "{percent} %");
        }
        assert_eq!(percentile(&[5.0], 99.0), 5.0);
    }

    #[test]
    fn ratios_are_of_values_of_one_round() {
        // Each round was twice as slow as the one before; the ratio is the same in all.
        let ratios = Spread::of_ratios(&[3.0, 6.0, 12.0], &[2.0, 4.0, 8.0]);
        assert_eq!(
            ratios,
            Spread {
                low: 1.5,
                median: 1.5,
                high: 1.5
            }
        );
        assert_eq!(ratios.to_string(), "1.50 (1.50–1.50)");
    }
}
