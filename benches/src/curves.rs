//! How figures grow with the work: a table and a picture for each.

use std::fs;

use crate::Error;
use crate::compare::{Comparison, Suite, document};
use crate::picture::{self, Line};
use crate::report::{Results, row};
use crate::sample::Figure;
use crate::stats::{Spread, rounded};

/// A figure, along comparisons of the same title, each with a larger extent. The first of them has all
/// systems that any of them has.
#[derive(Debug)]
pub struct Curve {
    /// That of the comparisons.
    pub title: &'static str,
    /// What is looked at.
    pub figure: Figure,
    /// What grows.
    pub across: Extent,
    /// The name of its picture.
    pub picture: &'static str,
}

/// What grows.
#[derive(Clone, Copy, Debug)]
pub enum Extent {
    /// A number of these.
    Number(&'static str),
    /// Bytes of these.
    Bytes(&'static str),
}

impl Extent {
    /// Of what.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Self::Number(what) | Self::Bytes(what) => what,
        }
    }

    /// By what it grows from one mark of an axis to the next.
    pub(crate) fn base(self) -> f64 {
        match self {
            Self::Number(_) => 10.0,
            Self::Bytes(_) => 16.0,
        }
    }

    /// As people write it.
    pub(crate) fn show(self, extent: u64) -> String {
        match self {
            Self::Number(_) => with_commas(extent),
            Self::Bytes(_) if extent < 1 << 10 => format!("{extent} B"),
            Self::Bytes(_) if extent < 1 << 20 => format!("{} KiB", extent >> 10),
            Self::Bytes(_) => format!("{} MiB", extent >> 20),
        }
    }
}

fn with_commas(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", with_commas(number / 1000), number % 1000),
    }
}

impl Curve {
    /// What it goes along, and the number of each.
    fn points<'a>(&self, suite: &'a Suite) -> impl Iterator<Item = (usize, &'a Comparison)> {
        let points = suite.comparisons.iter().enumerate();
        points.filter(|(_, point)| point.title == self.title)
    }

    fn systems(&self, suite: &Suite) -> Vec<&'static str> {
        let first = self.points(suite).next();
        let systems = first.map_or(&[][..], |(_, first)| first.systems);
        systems.iter().map(|system| system.name).collect()
    }

    /// What a system has at a point, in each round, beside the first system there. `None` if it has no
    /// part in it.
    fn rounds(
        &self,
        results: &Results,
        (number, point): (usize, &Comparison),
        name: &str,
    ) -> Option<[Vec<f64>; 2]> {
        let system = point.systems.iter().position(|one| one.name == name)?;
        Some([system, 0].map(|system| results.all(number, system, self.figure)))
    }

    /// Medians; behind them the ratios to the first system.
    fn table(&self, suite: &Suite, results: &Results) -> String {
        let systems = self.systems(suite);
        let headings = systems.iter().map(|name| (*name).to_owned());
        let mut text = format!("#### {}\n\n", self.figure.heading());
        row(&mut text, self.across.heading(), headings);
        row(&mut text, "---:", vec!["---:".to_owned(); systems.len()]);
        for point in self.points(suite) {
            let cells = systems.iter().map(|name| {
                let Some([values, baseline]) = self.rounds(results, point, name) else {
                    return String::new();
                };
                let ratio = Spread::of_ratios(&values, &baseline).median;
                let value = rounded(Spread::of(values).median, self.figure.digits());
                format!("{value} ({ratio:.2} ×)")
            });
            let extent = point.1.workload.extent();
            row(&mut text, &self.across.show(extent), cells);
        }
        text + &format!(
            "\n![{}: {}]({FOLDER}/{}.svg)\n\n",
            self.title,
            self.figure.heading(),
            self.picture
        )
    }

    fn line(&self, suite: &Suite, results: &Results, name: &'static str) -> Line {
        let points = self.points(suite).filter_map(|point| {
            let [values, _] = self.rounds(results, point, name)?;
            Some((point.1.workload.extent() as f64, Spread::of(values).median))
        });
        Line {
            name,
            points: points.collect(),
        }
    }
}

/// Where pictures are, beside the document.
const FOLDER: &str = "performance";

/// Of all curves; those of the same title are together.
pub(crate) fn tables(suite: &Suite, results: &Results) -> String {
    let mut text = String::new();
    let mut title = "";
    for curve in suite.curves {
        if curve.title != title {
            title = curve.title;
            text += &format!("### {title}\n\n");
        }
        text += &curve.table(suite, results);
    }
    text
}

/// Draws all curves, beside the document.
pub(crate) fn draw(suite: &Suite, results: &Results) -> Result<(), Error> {
    let folder = document().with_file_name(FOLDER);
    for curve in suite.curves {
        let systems = curve.systems(suite);
        let lines = systems.iter().map(|name| curve.line(suite, results, name));
        let picture = picture::draw(curve, &lines.collect::<Vec<_>>())?;
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(curve.picture).with_extension("svg"), picture)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_are_written_as_people_do() {
        for (extent, expected) in [(1, "1"), (1024, "1,024"), (1_000_001, "1,000,001")] {
            assert_eq!(Extent::Number("tasks").show(extent), expected);
        }
        for (extent, expected) in [(16, "16 B"), (4 << 10, "4 KiB"), (64 << 20, "64 MiB")] {
            assert_eq!(Extent::Bytes("payload").show(extent), expected);
        }
    }
}
