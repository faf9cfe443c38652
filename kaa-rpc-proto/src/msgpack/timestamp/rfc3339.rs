//! The text of a timestamp: RFC 3339, widened by a signed year for times that have no year of four
//! digits.

use std::fmt;

use super::Timestamp;

const DAY: i64 = 86_400;
/// Days from 0000-03-01, where the years of the calculation begin, to 1970-01-01.
const EPOCH_DAY: i128 = 719_468;
const DAYS_PER_400_YEARS: i128 = 146_097;

/// A text is no timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseTimestampError;

impl fmt::Display for ParseTimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a time as in RFC 3339, such as 2026-01-31T23:59:59.5Z")
    }
}

impl std::error::Error for ParseTimestampError {}

pub(super) fn write(time: Timestamp, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (year, month, day) = date(time.secs().div_euclid(DAY));
    let second = time.secs().rem_euclid(DAY);
    match year {
        0..=9999 => write!(f, "{year:04}")?,
        _ => write!(f, "{year:+05}")?,
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    write!(f, "-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
    if time.nanos() > 0 {
        let digits = format!("{:09}", time.nanos());
        write!(f, ".{}", digits.trim_end_matches('0'))?;
    }
    f.write_str("Z")
}

/// The date of the day that lies `days` after 1970-01-01. Years are taken to begin in March, so that
/// the leap day is the last one.
fn date(days: i64) -> (i128, u32, u32) {
    let days = i128::from(days) + EPOCH_DAY;
    let era = days.div_euclid(DAYS_PER_400_YEARS);
    let day = days.rem_euclid(DAYS_PER_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    // The remainders above are below 12 and 31.
    (era * 400 + year + carry, month as u32, day_of_month as u32)
}

/// The inverse of [`date`].
fn days(year: i128, month: u32, day: u32) -> i128 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year = year.rem_euclid(400);
    let month = i128::from((month + 9) % 12);
    let day = (153 * month + 2) / 5 + i128::from(day) - 1;
    era * DAYS_PER_400_YEARS + year * 365 + year / 4 - year / 100 + day - EPOCH_DAY
}

pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let mut text = Text(text.as_bytes());
    let year = text.year()?;
    text.expect(b"-")?;
    let month = text.number(2, 1..=12)?;
    text.expect(b"-")?;
    let day = text.number(2, 1..=days_in(year, month))?;
    text.expect(b"Tt ")?;
    let hour = text.number(2, 0..=23)?;
    text.expect(b":")?;
    let minute = text.number(2, 0..=59)?;
    text.expect(b":")?;
    let second = text.number(2, 0..=59)?;
    let nanos = text.fraction()?;
    let offset = text.offset()?;
    if !text.0.is_empty() {
        return None;
    }
    let second = i128::from(hour * 3600 + minute * 60 + second) - offset;
    let secs = days(year, month, day) * i128::from(DAY) + second;
    Timestamp::new(i64::try_from(secs).ok()?, nanos)
}

fn days_in(year: i128, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// What is left to read.
struct Text<'a>(&'a [u8]);

impl Text<'_> {
    fn one_of(&mut self, wanted: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        if !wanted.contains(first) {
            return None;
        }
        self.0 = rest;
        Some(*first)
    }

    fn expect(&mut self, wanted: &[u8]) -> Option<()> {
        self.one_of(wanted).map(drop)
    }

    fn digit(&mut self) -> Option<u32> {
        self.one_of(b"0123456789")
            .map(|digit| u32::from(digit - b'0'))
    }

    fn number(&mut self, digits: u32, allowed: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let mut number = 0;
        for _ in 0..digits {
            number = number * 10 + self.digit()?;
        }
        allowed.contains(&number).then_some(number)
    }

    /// Four digits, or a sign and four to twelve: 64 bits of seconds are 292 billion years.
    fn year(&mut self) -> Option<i128> {
        let sign = self.one_of(b"+-");
        let mut year: i128 = self.number(4, 0..=9999)?.into();
        if sign.is_some() {
            for _ in 0..8 {
                let Some(digit) = self.digit() else { break };
                year = year * 10 + i128::from(digit);
            }
        }
        Some(if sign == Some(b'-') { -year } else { year })
    }

    fn fraction(&mut self) -> Option<u32> {
        if self.expect(b".").is_none() {
            return Some(0);
        }
        let mut nanos = self.digit()? * 100_000_000;
        let mut unit = 10_000_000;
        while let Some(digit) = self.digit() {
            if unit == 0 {
                return None;
            }
            nanos += digit * unit;
            unit /= 10;
        }
        Some(nanos)
    }

    /// Seconds east of UTC.
    fn offset(&mut self) -> Option<i128> {
        let sign = match self.one_of(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Some(0),
        };
        let hour = self.number(2, 0..=23)?;
        self.expect(b":")?;
        let minute = self.number(2, 0..=59)?;
        Some(sign * i128::from(hour * 3600 + minute * 60))
    }
}
