//! The tables of what was measured, and goals.

use std::fmt::Write;
use std::fs;

use crate::compare::{Comparison, Suite, document};
use crate::sample::{Figure, Sample};
use crate::stats::Spread;
use crate::systems::System;
use crate::workload::Workload;
use crate::{Error, curves, stats};

/// What each round took: for each comparison, for each of its systems.
#[derive(Debug)]
pub struct Results(Vec<Vec<Vec<Sample>>>);

impl Results {
    /// Without a round.
    pub fn new(suite: &Suite) -> Self {
        let comparisons = suite.comparisons.iter();
        Self(
            comparisons
                .map(|one| vec![Vec::new(); one.systems.len()])
                .collect(),
        )
    }

    /// Adds the next round of a comparison's system.
    pub fn add(&mut self, comparison: usize, system: usize, sample: Sample) {
        self.0[comparison][system].push(sample);
    }

    /// A figure of each round.
    pub(crate) fn all(&self, comparison: usize, system: usize, figure: Figure) -> Vec<f64> {
        let rounds = self.0[comparison][system].iter();
        rounds.map(|sample| sample.get(figure)).collect()
    }

    fn at(&self, suite: &Suite, point: &Point) -> Result<Vec<f64>, Error> {
        let (comparison, system) = suite
            .place_of(point)
            .ok_or_else(|| format!("the goals look at what is not measured: {point:?}"))?;
        Ok(self.all(comparison, system, point.figure))
    }
}

impl Suite {
    /// The comparison, and its system, that measures it.
    fn place_of(&self, point: &Point) -> Option<(usize, usize)> {
        let mut comparisons = self.comparisons.iter().enumerate();
        comparisons.find_map(|(number, one)| {
            let measured = one.workload.name == point.workload
                && one.workload.figures().contains(&point.figure);
            let mut systems = one.systems.iter();
            let system = systems.position(|system| system.name == point.system)?;
            measured.then_some((number, system))
        })
    }

    fn goals_of(&self, pinned: bool) -> &'static [Goal] {
        match pinned {
            true => self.goals,
            false => self.unpinned_goals,
        }
    }

    /// Whether all is measured that its goals look at.
    pub fn measures_its_goals(&self) -> bool {
        let goals = self.goals.iter().chain(self.unpinned_goals);
        let mut points = goals.flat_map(|goal| [Some(goal.of), goal.to]);
        points.all(|point| point.is_none_or(|point| self.place_of(&point).is_some()))
    }
}

/// A figure of a system that does a workload.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// The name of the workload.
    pub workload: &'static str,
    /// The name of the system.
    pub system: &'static str,
    /// Which of its figures.
    pub figure: Figure,
}

impl Point {
    /// That of a system.
    pub const fn of<S: System>(workload: Workload, figure: Figure) -> Self {
        Self {
            workload: workload.name,
            system: S::NAME,
            figure,
        }
    }
}

/// What is to be reached.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// In words.
    pub what: &'static str,
    /// What is looked at.
    pub of: Point,
    /// What it is divided by, in each round. Without it, it is looked at by itself.
    pub to: Option<Point>,
    /// What the median is to be.
    pub wanted: Wanted,
}

/// A bound.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    /// At most so much.
    AtMost(f64),
    /// At least so much.
    AtLeast(f64),
}

impl Goal {
    /// Of its values in all rounds.
    fn spread(&self, suite: &Suite, results: &Results) -> Result<Spread, Error> {
        let of = results.at(suite, &self.of)?;
        Ok(match &self.to {
            Some(to) => Spread::of_ratios(&of, &results.at(suite, to)?),
            None => Spread::of(of),
        })
    }
}

impl Wanted {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(bound) => write!(f, "≤ {bound:.2}"),
            Self::AtLeast(bound) => write!(f, "≥ {bound:.2}"),
        }
    }
}

/// All tables of a suite, and its goals.
pub fn tables(suite: &Suite, pinned: bool, results: &Results) -> Result<String, Error> {
    let comparisons = suite.comparisons.iter().enumerate();
    let mut text: String = match suite.curves {
        [] => comparisons
            .map(|(number, comparison)| table(comparison, number, results))
            .collect(),
        _ => curves::tables(suite, results),
    };
    text += &goals(suite, suite.goals_of(pinned), results)?;
    Ok(text)
}

/// Medians of all rounds; behind ratios to the first system their quartiles.
fn table(comparison: &Comparison, number: usize, results: &Results) -> String {
    let figures = comparison.workload.figures();
    // One call in a hundred is what other programs do.
    let compared = figures.iter().filter(|figure| **figure != Figure::P99);
    let compared: Vec<_> = match comparison.systems {
        [_] => Vec::new(),
        _ => compared.copied().collect(),
    };
    let headings = figures.iter().map(|figure| figure.heading().to_owned());
    let ratios = compared
        .iter()
        .map(|figure| format!("{} ×", figure.heading()));
    let mut text = format!("### {}\n\n", comparison.title);
    row(&mut text, "system", headings.chain(ratios));
    row(
        &mut text,
        "---",
        vec!["---:".to_owned(); figures.len() + compared.len()],
    );
    for (system, entry) in comparison.systems.iter().enumerate() {
        let medians = figures.iter().map(|figure| {
            let median = Spread::of(results.all(number, system, *figure)).median;
            stats::rounded(median, figure.digits())
        });
        let ratios = compared.iter().map(|figure| {
            let baseline = results.all(number, 0, *figure);
            Spread::of_ratios(&results.all(number, system, *figure), &baseline).to_string()
        });
        row(&mut text, entry.name, medians.chain(ratios));
    }
    text.push('\n');
    text
}

fn goals(suite: &Suite, goals: &[Goal], results: &Results) -> Result<String, Error> {
    if goals.is_empty() {
        return Ok(String::new());
    }
    let mut text = "### Goals\n\n".to_owned();
    row(
        &mut text,
        "goal",
        ["wanted", "measured", ""].map(str::to_owned),
    );
    row(&mut text, "---", ["---:", "---:", "---"].map(str::to_owned));
    for goal in goals {
        let spread = goal.spread(suite, results)?;
        let verdict = match goal.wanted.is_met(spread.median) {
            true => "met",
            false => "**missed**",
        };
        let cells = [
            goal.wanted.to_string(),
            spread.to_string(),
            verdict.to_owned(),
        ];
        row(&mut text, goal.what, cells);
    }
    text.push('\n');
    Ok(text)
}

/// Appends a row.
pub(crate) fn row(text: &mut String, first: &str, cells: impl IntoIterator<Item = String>) {
    text.push_str("| ");
    text.push_str(first);
    for cell in cells {
        let _ = write!(text, " | {cell}");
    }
    text.push_str(" |\n");
}

/// Puts it into the part of `docs/performance.md` that has this name.
pub fn write(name: &str, text: &str) -> Result<(), Error> {
    let path = document();
    let document = fs::read_to_string(&path)?;
    fs::write(path, replaced(&document, name, text)?)?;
    Ok(())
}

/// The part of `docs/performance.md` that has this name.
pub fn read(name: &str) -> Result<String, Error> {
    let document = fs::read_to_string(document())?;
    Ok(part(&document, name)?.1.to_owned())
}

/// The document with another part.
fn replaced(document: &str, name: &str, text: &str) -> Result<String, Error> {
    let (before, _, after) = part(document, name)?;
    Ok(format!("{before}\n\n{}\n\n{after}", text.trim_end()))
}

/// What is before a part of the document, the part, and what is behind it.
fn part<'a>(document: &'a str, name: &str) -> Result<(&'a str, &'a str, &'a str), Error> {
    let begin = format!("<!-- begin {name} -->");
    let end = format!("<!-- end {name} -->");
    let bounds = document.find(&begin).and_then(|found| {
        let start = found + begin.len();
        Some((start, start + document[start..].find(&end)?))
    });
    let (start, stop) = bounds
        .ok_or_else(|| format!("expected a part of the document from `{begin}` to `{end}`"))?;
    Ok((
        &document[..start],
        &document[start..stop],
        &document[stop..],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_document_is_replaced() {
        let document = "before\n<!-- begin one -->\nold\n<!-- end one -->\nafter\n";
        let expected = "before\n<!-- begin one -->\n\nnew\n\n<!-- end one -->\nafter\n";
        let once = replaced(document, "one", "new\n").unwrap();
        assert_eq!(once, expected);
        assert_eq!(replaced(&once, "one", "new").unwrap(), expected);
        assert_eq!(part(&once, "one").unwrap().1.trim(), "new");
        let error = replaced(document, "two", "new").unwrap_err().to_string();
        assert!(error.contains("<!-- begin two -->"), "{error}");
    }

    #[test]
    fn a_bound_is_met_at_its_value() {
        assert!(Wanted::AtMost(0.9).is_met(0.9) && !Wanted::AtMost(0.9).is_met(0.91));
        assert!(Wanted::AtLeast(0.8).is_met(0.8) && !Wanted::AtLeast(0.8).is_met(0.79));
    }
}
