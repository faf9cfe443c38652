//! Draws curves: both axes grow by factors.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Error;
use crate::curves::Curve;

/// A system's values.
#[derive(Debug)]
pub(crate) struct Line {
    /// The system's.
    pub(crate) name: &'static str,
    /// Extents, and the values there. At least one.
    pub(crate) points: Vec<(f64, f64)>,
}

const SIZE: (u32, u32) = (860, 420);

/// Of what shows the lines; the rest tells which is which.
const CHART: u32 = 600;

/// That most people can tell apart, also those who see few colours (after Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(204, 121, 167),
    RGBColor(0, 0, 0),
];

/// The text of a picture of it, in SVG.
pub(crate) fn draw(curve: &Curve, lines: &[Line]) -> Result<String, Error> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let (left, right) = area.split_horizontally(CHART);
        draw_lines(&left, curve, lines)?;
        draw_names(&right, lines)?;
        area.present()?;
    }
    Ok(svg)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw_lines(area: &Area<'_>, curve: &Curve, lines: &[Line]) -> Result<(), Error> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let (left, right) = bounds(points().map(|point| point.0));
    let (low, high) = bounds(points().map(|point| point.1));
    let title = format!("{}: {}", curve.title, curve.figure.heading());
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 17))
        .margin(12)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d(
            (left..right).log_scale().base(curve.across.base()),
            (low / 1.3..high * 1.3).log_scale(),
        )?;
    chart
        .configure_mesh()
        .light_line_style(BLACK.mix(0.06))
        .bold_line_style(BLACK.mix(0.18))
        .label_style(("sans-serif", 12))
        .axis_desc_style(("sans-serif", 13))
        .x_desc(curve.across.heading())
        .x_label_formatter(&|extent| curve.across.show(*extent as u64))
        .y_desc(curve.figure.heading())
        .y_label_formatter(&|value| format!("{value}"))
        .draw()?;
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        chart.draw_series(
            LineSeries::new(line.points.iter().copied(), colour.stroke_width(2)).point_size(3),
        )?;
    }
    Ok(())
}

/// From the smallest to the largest.
fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

fn draw_names(area: &Area<'_>, lines: &[Line]) -> Result<(), Error> {
    let text = ("sans-serif", 13).into_text_style(area);
    let text = text.pos(Pos::new(HPos::Left, VPos::Center));
    for (number, line) in lines.iter().enumerate() {
        let (y, colour) = (60 + 24 * number as i32, COLOURS[number % COLOURS.len()]);
        let sample = vec![(8, y), (32, y)];
        area.draw(&PathElement::new(sample, colour.stroke_width(2)))?;
        area.draw(&Circle::new((20, y), 3, colour.filled()))?;
        area.draw(&Text::new(line.name, (40, y), text.clone()))?;
    }
    Ok(())
}
