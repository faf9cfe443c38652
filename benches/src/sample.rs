//! The figures of one turn.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// What can be measured. A workload measures some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Half of the calls took at most so many microseconds.
    P50,
    /// 99 of 100 calls took at most so many microseconds.
    P99,
    /// Thousands of calls, or of items, in a second.
    Rate,
    /// Millions of bytes in a second that came back.
    Throughput,
    /// Microseconds of CPU for each call or item, of client and server together.
    Cpu,
    /// KiB of memory that a connection takes in the server's process.
    Memory,
}

impl Figure {
    const ALL: [Self; 6] = [
        Self::P50,
        Self::P99,
        Self::Rate,
        Self::Throughput,
        Self::Cpu,
        Self::Memory,
    ];

    /// How it is called, with its unit.
    pub fn heading(self) -> &'static str {
        match self {
            Self::P50 => "p50 µs",
            Self::P99 => "p99 µs",
            Self::Rate => "thousands/s",
            Self::Throughput => "MB/s",
            Self::Cpu => "CPU µs",
            Self::Memory => "KiB/connection",
        }
    }

    /// Digits after the point that mean something.
    pub fn digits(self) -> usize {
        match self {
            Self::P50 | Self::P99 | Self::Memory => 1,
            Self::Rate | Self::Throughput => 0,
            Self::Cpu => 2,
        }
    }
}

/// What a turn took. It is not a number what the workload does not measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample([f64; Figure::ALL.len()]);

impl Sample {
    /// Of these figures.
    pub fn of(figures: impl IntoIterator<Item = (Figure, f64)>) -> Self {
        let mut sample = Self([f64::NAN; Figure::ALL.len()]);
        for (figure, value) in figures {
            sample.0[figure as usize] = value;
        }
        sample
    }

    /// One of its figures.
    pub fn get(&self, figure: Figure) -> f64 {
        self.0[figure as usize]
    }
}

/// As a client's process prints it.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|value| write!(f, "{value} "))
    }
}

impl FromStr for Sample {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let numbers = text.split_whitespace().map(str::parse);
        let numbers: Vec<f64> = numbers.collect::<Result<_, _>>()?;
        let figures = numbers.try_into();
        Ok(Self(figures.map_err(|_| {
            format!("expected the figures of a sample, got {text:?}")
        })?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_read_as_it_was_printed() {
        let sample = Sample::of([(Figure::P50, 0.1 + 0.2), (Figure::Rate, 1e9 / 3.0)]);
        let back: Sample = sample.to_string().parse().unwrap();
        for figure in Figure::ALL {
            let (expected, got) = (sample.get(figure), back.get(figure));
            assert_eq!(expected.to_bits(), got.to_bits(), "{figure:?}");
        }
        assert!(back.get(Figure::Memory).is_nan());
        assert!("1 2 3".parse::<Sample>().is_err());
    }
}
