//! Each kind of panel on its part of the page.

use super::super::{Row, Scan};
use super::colour::{LEVELS, colour, level};
use super::{Detail, DrawError, Panel};
use crate::Sample;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use std::ops::Range;

type Area<B> = DrawingArea<B, Shift>;

/// Least and largest range from the darkest to the brightest colour, in dB.
const LEAST_DB: f32 = 10.0;
const MOST_DB: f32 = 60.0;
/// Share of a spectrogram that is darkest: its noise.
const DARKEST: f64 = 0.1;
/// Curves of at most this many points show their points.
const FEW: usize = 400;
/// Least span of levels, in dB: what is flat looks flat.
const LEAST_SPAN_DB: f64 = 1.0;
/// Least span of any other axis: a single value has an axis too.
const LEAST_SPAN: f64 = 1e-3;
const PALETTE: [RGBColor; 10] = [
    RGBColor(31, 90, 150),
    RGBColor(205, 92, 40),
    RGBColor(46, 125, 80),
    RGBColor(120, 70, 140),
    RGBColor(110, 110, 110),
    RGBColor(190, 40, 60),
    RGBColor(20, 150, 170),
    RGBColor(150, 120, 20),
    RGBColor(220, 110, 170),
    RGBColor(90, 60, 40),
];
/// Radii of the points of curves: of the first of a colour, and of those that come after all colours.
const RADII: [i32; 2] = [2, 4];

pub(super) fn draw<B: DrawingBackend>(
    panel: &Panel<'_>,
    area: &Area<B>,
    detail: Detail,
) -> Result<(), DrawError<B>> {
    match panel {
        Panel::Spectrogram(scan) => spectrogram(scan, area, detail),
        Panel::Spectrum(scan) => spectrum(scan, area),
        Panel::Power(scan) => power(scan, area),
        Panel::Scatter { title, points } => scatter(title, points, area),
        Panel::Curves { title, x, y, least_span, curves } => lines(title, x, (y, *least_span), curves, area),
        Panel::Bars { title, unit, bars: values } => {
            let plain: Vec<_> = values.iter().map(|(name, value)| (name.clone(), *value, None)).collect();
            bars(title, unit, &plain, area)
        }
        Panel::Intervals { title, unit, bars: values } => bars(title, unit, values, area),
    }
}

/// Returns unit and factor for times up to `seconds`.
fn time_unit(seconds: f64) -> (&'static str, f64) {
    if seconds < 2.0 { ("time in ms", 1e3) } else { ("time in s", 1.0) }
}

/// Returns the frequencies of a scan, in MHz around the centre: only those of the carrier, with a margin.
fn span(scan: &Scan) -> Range<f64> {
    let half = scan.rate / 2e6;
    let widest = scan.bands.edges.iter().fold(0.0_f64, |w, (a, b)| w.max(-a).max(*b)) / 1e6 * 1.15;
    let half = if scan.bands.are_prbs { half.min(widest) } else { half };
    -half..half
}

fn db(power: f32) -> f32 {
    10.0 * power.max(1e-30).log10()
}

/// Room for values from `low` to `high`, at least `least` wide, whose ends are numbers.
fn padded(low: f64, high: f64, least: f64) -> Range<f64> {
    let (low, high) =
        if low.is_finite() && high.is_finite() && low <= high { (low, high) } else { (0.0, 1.0) };
    let margin = ((high - low) * 0.06).max((least - (high - low)) / 2.0);
    low - margin..high + margin
}

fn chart<'a, B: DrawingBackend + 'a>(
    area: &'a Area<B>,
    title: &str,
    (x_name, x): (&str, Range<f64>),
    (y_name, y): (&str, Range<f64>),
    grid: bool,
) -> Result<ChartContext<'a, B, Cartesian2d<RangedCoordf64, RangedCoordf64>>, DrawError<B>> {
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 17))
        .margin(10)
        .margin_right(22)
        .x_label_area_size(42)
        .y_label_area_size(62)
        .build_cartesian_2d(x, y)?;
    let mut mesh = chart.configure_mesh();
    mesh.x_desc(x_name)
        .y_desc(y_name)
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 14))
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225));
    if !grid {
        mesh.disable_mesh();
    }
    mesh.draw()?;
    Ok(chart)
}

fn spectrogram<B: DrawingBackend>(scan: &Scan, area: &Area<B>, detail: Detail) -> Result<(), DrawError<B>> {
    let (width, _) = area.dim_in_pixel();
    let (area, legend) = area.split_horizontally(width.saturating_sub(96));
    let seconds = scan.samples as f64 / scan.rate;
    let (unit, factor) = time_unit(seconds);
    let frequencies = span(scan);
    let title = "Spectrogram";
    let end = (seconds * factor).max(1e-9);
    let mut chart = chart(&area, title, ("frequency in MHz", frequencies.clone()), (unit, 0.0..end), false)?;
    let columns = Columns::new(scan, &frequencies, detail.0);
    let merged: Vec<&[Row]> = scan.rows.chunks(scan.rows.len().div_ceil(detail.1).max(1)).collect();
    let pictures: Vec<Vec<f32>> = merged.iter().map(|rows| columns.of(rows)).collect();
    let (low, high) = limits(&pictures);
    let step = (frequencies.end - frequencies.start) / columns.ranges.len() as f64;
    let time = |rows: &[Row]| rows.first().map_or(end, |r| r.start as f64 / scan.rate * factor);
    for (i, (rows, picture)) in merged.iter().zip(&pictures).enumerate() {
        let (from, to) = (time(rows), merged.get(i + 1).map_or(end, |next| time(next)));
        let levels: Vec<usize> = picture.iter().map(|p| level((db(*p) - low) / (high - low))).collect();
        let mut at = 0;
        // neighbours of one colour are one rectangle
        chart.draw_series(levels.chunk_by(|a, b| a == b).map(|run| {
            let left = frequencies.start + at as f64 * step;
            at += run.len();
            let right = frequencies.start + at as f64 * step;
            Rectangle::new([(left, from), (right, to)], colour(run[0]).filled())
        }))?;
    }
    scale(low, high, &legend)
}

/// Returns the levels in dB of the darkest and the brightest colour: the noise is dark.
fn limits(pictures: &[Vec<f32>]) -> (f32, f32) {
    let mut levels: Vec<f32> = pictures.iter().flatten().map(|p| db(*p)).collect();
    let high = levels.iter().copied().fold(-300.0, f32::max);
    let at = ((levels.len() as f64 * DARKEST) as usize).min(levels.len().saturating_sub(1));
    let noise = if levels.is_empty() { high } else { *levels.select_nth_unstable_by(at, f32::total_cmp).1 };
    ((noise - 1.0).clamp(high - MOST_DB, high - LEAST_DB), high)
}

/// Draws the scale of the colours.
fn scale<B: DrawingBackend>(low: f32, high: f32, area: &Area<B>) -> Result<(), DrawError<B>> {
    let (low, high) = (f64::from(low), f64::from(high));
    let mut chart = ChartBuilder::on(area)
        .caption("dB", ("sans-serif", 14))
        .margin(10)
        .margin_bottom(52)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..1.0, low..high)?;
    chart.configure_mesh().disable_mesh().disable_x_axis().label_style(("sans-serif", 13)).draw()?;
    let step = (high - low) / LEVELS as f64;
    let cell = |l: usize| {
        let from = low + l as f64 * step;
        Rectangle::new([(0.0, from), (1.0, from + step)], colour(l).filled())
    };
    chart.draw_series((0..LEVELS).map(cell))?;
    Ok(())
}

/// Averages bins to the columns of a picture.
struct Columns {
    ranges: Vec<Range<usize>>,
}

impl Columns {
    fn new(scan: &Scan, frequencies: &Range<f64>, most: usize) -> Self {
        let bins = scan.spectrum.len();
        let bin =
            |mhz: f64| ((mhz * 1e6 / scan.rate + 0.5) * bins as f64).round().clamp(0.0, bins as f64) as usize;
        let (first, last) = (bin(frequencies.start), bin(frequencies.end));
        let columns = most.min(last - first).max(1);
        let edge = |c: usize| first + (last - first) * c / columns;
        Self { ranges: (0..columns).map(|c| edge(c)..edge(c + 1)).collect() }
    }

    /// Returns the mean over several intervals of time.
    fn of(&self, rows: &[Row]) -> Vec<f32> {
        let sum = |r: &Range<usize>| rows.iter().flat_map(|row| &row.spectrum[r.clone()]).sum::<f32>();
        self.ranges.iter().map(|r| sum(r) / (rows.len() * r.len()).max(1) as f32).collect()
    }
}

fn spectrum<B: DrawingBackend>(scan: &Scan, area: &Area<B>) -> Result<(), DrawError<B>> {
    let bins = scan.spectrum.len() as f64;
    let all = scan.rate / 2e6;
    let top = scan.spectrum.iter().copied().map(db).fold(f32::MIN, f32::max);
    // power in 15 kHz, for any bins
    let per_subcarrier = 10.0 * (15e3 * bins / scan.rate).log10();
    let curve: Vec<(f64, f64)> = scan
        .spectrum
        .iter()
        .enumerate()
        .map(|(k, p)| {
            let level = f64::from(db(*p).max(top - 90.0)) + per_subcarrier;
            ((k as f64 / bins - 0.5) * 2.0 * all, level)
        })
        .collect();
    let low = curve.iter().map(|c| c.1).fold(f64::INFINITY, f64::min);
    let high = curve.iter().map(|c| c.1).fold(f64::NEG_INFINITY, f64::max);
    let y = padded(low, high, LEAST_SPAN_DB);
    let mut chart =
        chart(area, "Mean spectrum", ("frequency in MHz", -all..all), ("dBFS in 15 kHz", y.clone()), true)?;
    if scan.bands.are_prbs
        && let (Some(first), Some(last)) = (scan.bands.edges.first(), scan.bands.edges.last())
    {
        let edges = [first.0 / 1e6, last.1 / 1e6];
        let edge = |x: f64| PathElement::new([(x, y.start), (x, y.end)], RGBColor(190, 190, 190));
        chart.draw_series(edges.map(edge))?;
    }
    chart.draw_series(LineSeries::new(curve, &PALETTE[0]))?;
    Ok(())
}

fn power<B: DrawingBackend>(scan: &Scan, area: &Area<B>) -> Result<(), DrawError<B>> {
    let seconds = scan.samples as f64 / scan.rate;
    let (unit, factor) = time_unit(seconds);
    let time = |start: u64| start as f64 / scan.rate * factor;
    let floor = 10.0 * scan.levels.power().max(1e-30).log10() - 80.0;
    let level = |p: f64| (10.0 * p.max(1e-30).log10()).max(floor);
    let mut mean = Vec::new();
    let mut peak = Vec::new();
    for (i, row) in scan.rows.iter().enumerate() {
        // steps: an interval has one value
        let ends = [time(row.start), scan.rows.get(i + 1).map_or(seconds * factor, |next| time(next.start))];
        for t in ends {
            mean.push((t, level(row.levels.power())));
            peak.push((t, level(f64::from(row.levels.peak_power))));
        }
    }
    curves(
        "Power over time",
        unit,
        ("dBFS", LEAST_SPAN_DB),
        0.0..(seconds * factor).max(1e-9),
        &[("mean", &mean), ("peak", &peak)],
        area,
    )
}

fn lines<B: DrawingBackend>(
    title: &str,
    x: &str,
    y: (&str, f64),
    series: &[(String, Vec<(f64, f64)>)],
    area: &Area<B>,
) -> Result<(), DrawError<B>> {
    let xs = || series.iter().flat_map(|s| s.1.iter().map(|p| p.0)).filter(|x| x.is_finite());
    let (first, last) = (xs().fold(f64::INFINITY, f64::min), xs().fold(f64::NEG_INFINITY, f64::max));
    let range = padded(first, last, LEAST_SPAN);
    let series: Vec<(&str, &[(f64, f64)])> = series.iter().map(|(n, c)| (n.as_str(), c.as_slice())).collect();
    curves(title, x, y, range, &series, area)
}

fn curves<B: DrawingBackend>(
    title: &str,
    x_name: &str,
    (y_name, least_span): (&str, f64),
    x: Range<f64>,
    series: &[(&str, &[(f64, f64)])],
    area: &Area<B>,
) -> Result<(), DrawError<B>> {
    let values = || series.iter().flat_map(|s| s.1.iter().map(|p| p.1)).filter(|v| v.is_finite());
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let mut y = padded(low, high, least_span.max(LEAST_SPAN));
    let corner = free_corner(series, &x, &y);
    if corner.is_none() && series.len() > 1 {
        // room for the names above all curves
        y.end += 0.08 * (series.len() as f64 + 1.0) * (y.end - y.start);
    }
    let mut chart = chart(area, title, (x_name, x), (y_name, y), true)?;
    for (i, (name, points)) in series.iter().enumerate() {
        let (ink, radius) = (PALETTE[i % PALETTE.len()], RADII[(i / PALETTE.len()) % RADII.len()]);
        let finite = points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite());
        // a few points are drawn as points: a single one has no line
        let few = if points.len() <= FEW { points.len() } else { 0 };
        let dots = finite.clone().take(few).map(|p| Circle::new(p, radius, ink.filled()));
        chart.draw_series(dots)?;
        chart
            .draw_series(LineSeries::new(finite, if few > 0 { ink.mix(0.4) } else { ink.mix(1.0) }))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], ink));
    }
    if series.len() > 1 {
        let corner = corner.unwrap_or(SeriesLabelPosition::UpperRight);
        chart
            .configure_series_labels()
            .position(corner)
            .label_font(("sans-serif", 13))
            .background_style(WHITE.mix(0.8))
            .border_style(RGBColor(200, 200, 200))
            .draw()?;
    }
    Ok(())
}

/// Returns a corner, a third of the width and of the height, without a curve.
fn free_corner(
    series: &[(&str, &[(f64, f64)])],
    x: &Range<f64>,
    y: &Range<f64>,
) -> Option<SeriesLabelPosition> {
    const SHARE: f64 = 0.34;
    // points of a segment that are examined
    const STEPS: usize = 40;
    let on_segment = |w: &[(f64, f64)]| {
        let (a, b) = (w[0], w[w.len() - 1]);
        (0..=STEPS)
            .map(move |i| i as f64 / STEPS as f64)
            .map(move |k| (a.0 + k * (b.0 - a.0), a.1 + k * (b.1 - a.1)))
    };
    let all: Vec<(f64, f64)> = series
        .iter()
        .flat_map(|(_, points)| points.windows(points.len().clamp(1, 2)).flat_map(on_segment))
        .map(|(at, value)| ((at - x.start) / (x.end - x.start), (value - y.start) / (y.end - y.start)))
        .collect();
    let corners = [
        (true, true, SeriesLabelPosition::UpperRight),
        (false, true, SeriesLabelPosition::UpperLeft),
        (true, false, SeriesLabelPosition::LowerRight),
        (false, false, SeriesLabelPosition::LowerLeft),
    ];
    let inside = |of: f64, far: bool| if far { of > 1.0 - SHARE } else { of < SHARE };
    let free = |right, upper| !all.iter().any(|(at, value)| inside(*at, right) && inside(*value, upper));
    corners.into_iter().find(|(right, upper, _)| free(*right, *upper)).map(|(_, _, corner)| corner)
}

fn bars<B: DrawingBackend>(
    title: &str,
    unit: &str,
    values: &[(String, f64, Option<f64>)],
    area: &Area<B>,
) -> Result<(), DrawError<B>> {
    let most =
        values.iter().map(|bar| bar.1 + bar.2.unwrap_or(0.0)).filter(|v| v.is_finite()).fold(0.0, f64::max);
    let right = if most > 0.0 { 1.05 * most } else { 1.0 };
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 17))
        .margin(10)
        .margin_right(22)
        .margin_left(30)
        .x_label_area_size(42)
        .build_cartesian_2d(0.0..right, 0.0..values.len().max(1) as f64)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_desc(unit)
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 14))
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .draw()?;
    // From the top down: the name above its bar.
    let row = |i: usize| (values.len() - i) as f64;
    chart.draw_series(values.iter().enumerate().filter(|(_, bar)| bar.1.is_finite()).map(|(i, bar)| {
        Rectangle::new([(0.0, row(i) - 0.88), (bar.1, row(i) - 0.5)], PALETTE[0].filled())
    }))?;
    let interval = |(i, (_, value, ci)): (usize, &(String, f64, Option<f64>))| {
        let half = ci.filter(|half| value.is_finite() && half.is_finite())?;
        let (from, to, at) = ((value - half).max(0.0), value + half, row(i) - 0.69);
        // A line, and a stroke at each end.
        let stroke = |x: f64| vec![(x, at - 0.1), (x, at + 0.1)];
        Some([vec![(from, at), (to, at)], stroke(from), stroke(to)])
    };
    let whiskers = values.iter().enumerate().filter_map(interval).flatten();
    chart.draw_series(whiskers.map(|points| PathElement::new(points, BLACK.stroke_width(2))))?;
    chart.draw_series(values.iter().enumerate().map(|(i, (name, value, ci))| {
        let text = match ci {
            Some(half) => format!("{name}: {value} +-{half}"),
            None => format!("{name}: {value}"),
        };
        Text::new(text, (0.0, row(i) - 0.1), ("sans-serif", 13).into_font())
    }))?;
    Ok(())
}

fn scatter<B: DrawingBackend>(title: &str, points: &[Sample], area: &Area<B>) -> Result<(), DrawError<B>> {
    let finite = || points.iter().filter(|p| p.re.is_finite() && p.im.is_finite());
    let reach = finite().map(|p| p.re.abs().max(p.im.abs())).fold(0.5_f32, f32::max).min(4.0);
    let reach = f64::from(reach) * 1.08;
    // a square part of the area: a circle is round
    let (width, height) = area.dim_in_pixel();
    let side = width.min(height);
    let square = area.margin(0, 0, (width - side) / 2, (width - side) / 2);
    let mut chart = chart(&square, title, ("in phase", -reach..reach), ("quadrature", -reach..reach), true)?;
    let dot = |p: &Sample| Circle::new((f64::from(p.re), f64::from(p.im)), 1, PALETTE[0].mix(0.35).filled());
    let inside = |p: &&Sample| f64::from(p.re.abs().max(p.im.abs())) <= reach;
    chart.draw_series(finite().filter(inside).map(dot))?;
    Ok(())
}
