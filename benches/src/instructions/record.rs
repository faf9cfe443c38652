//! What was counted before.

use std::fmt;

use crate::{Error, report};

/// The part of the document that holds it.
pub(super) const PART: &str = "instructions";

/// So many per cent more or less than recorded are let pass. Chance is below a hundredth of it.
const TOLERATED: u64 = 5;

/// What each path took, and with which tools.
#[derive(Debug, PartialEq)]
pub(super) struct Record {
    pub(super) tools: String,
    paths: Vec<(String, u64)>,
}

impl Record {
    pub(super) fn of(tools: &str, paths: Vec<(String, u64)>) -> Self {
        let tools = tools.to_owned();
        Self { tools, paths }
    }

    /// From the document.
    pub(super) fn read() -> Result<Self, Error> {
        Self::parse(&report::read(PART)?)
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let mut lines = text.lines().filter(|line| !line.is_empty());
        let tools = lines.next().unwrap_or_default().trim_end_matches('.');
        let paths = lines.skip(2).map(|line| {
            let cells = line
                .strip_prefix("| ")
                .and_then(|row| row.strip_suffix(" |"));
            let cells = cells.and_then(|cells| cells.split_once(" | "));
            let (name, count) = cells.ok_or_else(|| format!("expected a row, got `{line}`"))?;
            Ok((name.to_owned(), count.replace(',', "").parse()?))
        });
        Ok(Self::of(tools, paths.collect::<Result<_, Error>>()?))
    }

    fn get(&self, name: &str) -> Option<u64> {
        let found = self.paths.iter().find(|(other, _)| other == name);
        found.map(|(_, count)| *count)
    }

    /// A table of both, and an error that names what takes too much `now`, or was not recorded.
    pub(super) fn compare(&self, now: &Self) -> (String, Result<(), Error>) {
        let mut text = String::new();
        let headings = ["recorded", "now", "change"].map(str::to_owned);
        report::row(&mut text, "path", headings);
        report::row(&mut text, "---", ["---:"; 3].map(str::to_owned));
        let (mut wrong, mut cheaper) = (Vec::new(), false);
        for (name, count) in &now.paths {
            let Some(before) = self.get(name) else {
                wrong.push(format!("`{name}` was not recorded"));
                continue;
            };
            let change = *count as f64 / before as f64 - 1.0;
            let percent = format!("{:+.1} %", change * 100.0);
            let is_dearer = count * 100 > before * (100 + TOLERATED);
            cheaper |= count * 100 < before * (100 - TOLERATED);
            let (before, count) = (thousands(before), thousands(*count));
            if is_dearer {
                wrong.push(format!(
                    "`{name}` took {before} instructions and takes {count} now, {percent}"
                ));
            }
            report::row(&mut text, name, [before, count, percent]);
        }
        if cheaper {
            text += "\nSome take clearly less than recorded: keep that with --write.\n";
        }
        let judged = match wrong.is_empty() {
            true => Ok(()),
            false => Err(format!(
                "{}\nIf that is worth it, record it with --write.",
                wrong.join("\n")
            )
            .into()),
        };
        (text, judged)
    }
}

/// As it stands in the document.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{}.\n\n", self.tools);
        report::row(&mut text, "path", ["instructions".to_owned()]);
        report::row(&mut text, "---", ["---:".to_owned()]);
        for (name, count) in &self.paths {
            report::row(&mut text, name, [thousands(*count)]);
        }
        f.write_str(&text)
    }
}

fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(counts: &[(&str, u64)]) -> Record {
        let paths = counts
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count));
        Record::of("rustc 1; Valgrind 2", paths.collect())
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = record(&[("one", 7), ("another", 1_234_567), ("a third", 100_000)]);
        let text = record.to_string();
        assert!(text.contains("| another | 1,234,567 |\n"), "{text}");
        assert_eq!(Record::parse(&text).unwrap(), record);
        assert!(Record::parse("rustc 1.\n\n| a |\n| - |\n| b | c |\n").is_err());
    }

    #[test]
    fn what_takes_more_than_a_twentieth_more_is_told() {
        let before = record(&[("one", 1000), ("another", 1000), ("a third", 1000)]);
        let (text, judged) = before.compare(&record(&[("one", 1050), ("another", 10)]));
        judged.unwrap();
        assert!(text.contains("| one | 1,000 | 1,050 | +5.0 % |"), "{text}");
        assert!(text.contains("less than recorded"), "{text}");

        let (_, judged) = before.compare(&record(&[("one", 1060), ("another", 1000), ("new", 1)]));
        let error = judged.unwrap_err().to_string();
        assert!(
            error.contains("`one` took 1,000 instructions and takes 1,060 now, +6.0 %"),
            "{error}"
        );
        assert!(error.contains("`new` was not recorded"), "{error}");
        assert!(!error.contains("another"), "{error}");
    }
}
