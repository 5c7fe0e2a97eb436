//! Pictures: panels on a page, as PNG or SVG. The font is embedded: no system font is needed.
//!
//! ```text
//! panels.rs    each kind of panel on its part of the page
//! colour.rs    dB -> colour
//! ```

mod colour;
mod panels;

use super::Scan;
use crate::Sample;
use crate::config::ConfigError;
use crate::outputs::{Outputs, Place};
use plotters::prelude::*;
use plotters::style::register_font;
use std::path::{Path, PathBuf};

/// A panel.
#[derive(Clone, Debug)]
pub enum Panel<'a> {
    /// Power over time and frequency; takes the whole width.
    Spectrogram(&'a Scan),
    /// Mean power over frequency.
    Spectrum(&'a Scan),
    /// Power over time.
    Power(&'a Scan),
    /// Points in the complex plane: a constellation.
    Scatter {
        /// Title of the panel.
        title: String,
        /// The points.
        points: &'a [Sample],
    },
    /// Curves over a common axis: a channel over frequency, an EVM over time.
    Curves {
        /// Title of the panel.
        title: String,
        /// Name and unit of the axis.
        x: String,
        /// Name and unit of the values.
        y: String,
        /// Span that the axis of the values has at least: what differs by far less is drawn flat.
        least_span: f64,
        /// The curves with their names.
        curves: Vec<(String, Vec<(f64, f64)>)>,
    },
    /// One bar a name.
    Bars {
        /// Title of the panel.
        title: String,
        /// Unit of the values.
        unit: String,
        /// Names and values, from 0 on.
        bars: Vec<(String, f64)>,
    },
    /// One bar a name, with half the width of its confidence interval.
    Intervals {
        /// Title of the panel.
        title: String,
        /// Unit of the values.
        unit: String,
        /// Names, values from 0 on, and half the width of the interval, where there is one.
        bars: Vec<(String, f64, Option<f64>)>,
    },
}

impl Panel<'_> {
    fn is_wide(&self) -> bool {
        matches!(self, Self::Spectrogram(_))
    }
}

const WIDTH: u32 = 1280;
const ROW_HEIGHT: u32 = 380;
/// A bar with the name above it, and what a panel of bars has around them.
const BAR_HEIGHT: u32 = 34;
const BARS_MARGIN: u32 = 100;
const TITLE_HEIGHT: u32 = 44;

/// Most cells of a spectrogram: columns and rows.
type Detail = (usize, usize);
const FINE: Detail = (220, super::scan::MAX_ROWS);
/// Cells of an SVG, of which each is an element of its own.
const COARSE: Detail = (110, 120);

/// Checks that a name is of a PNG or an SVG, before any work is done.
///
/// # Errors
/// The name, and the valid extensions.
pub fn check_name(path: &Path) -> Result<(), ConfigError> {
    match extension(path).as_str() {
        "png" | "svg" => Ok(()),
        _ => Err(ConfigError::usage(
            format!("--plot {}: neither PNG nor SVG", path.display()),
            "name it OUT.png or OUT.svg",
        )),
    }
}

fn extension(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// Claims the place of a picture, and checks that it can be written.
///
/// # Errors
/// As [`check_name`] and [`Outputs::claim`].
pub fn claim(outputs: &mut Outputs, path: &Path) -> anyhow::Result<Place> {
    check_name(path)?;
    let place = outputs.claim("--plot", path)?;
    place.probe()?;
    Ok(place)
}

/// Draws `panels` under `title`; the extension of the name selects the format. A regular file gets its name when it is
/// complete.
///
/// # Errors
/// As [`check_name`], or the file cannot be written.
pub fn draw(place: &Place, title: &str, panels: &[Panel<'_>]) -> anyhow::Result<()> {
    let path = match place {
        Place::File(path) | Place::Stream(path) => path.as_path(),
        Place::Standard | Place::StandardError => Path::new("-"),
    };
    check_name(path)?;
    let part = part_of(place, path);
    draw_to(&part, title, panels)?;
    if part != path {
        std::fs::rename(&part, path)
            .map_err(|e| ConfigError::new(format!("cannot write it: {e}"), path.display().to_string(), ""))?;
    }
    Ok(())
}

/// Returns the unfinished file, whose extension selects the format as well.
fn part_of(place: &Place, path: &Path) -> PathBuf {
    match place {
        Place::File(_) => path.with_extension(format!("part.{}", extension(path))),
        _ => path.to_owned(),
    }
}

fn draw_to(path: &Path, title: &str, panels: &[Panel<'_>]) -> anyhow::Result<()> {
    // The font is part of the program: it is valid.
    let _ = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
    let rows = layout(panels);
    let size = (WIDTH, TITLE_HEIGHT + row_height(panels) * rows.len() as u32);
    let failed = |e: &dyn std::fmt::Display| {
        ConfigError::new(
            format!("cannot draw: {e}"),
            path.display().to_string(),
            "may the folder be written?",
        )
    };
    if extension(path) == "svg" {
        page(SVGBackend::new(path, size), title, panels, &rows, COARSE).map_err(|e| failed(&e))?;
    } else {
        page(BitMapBackend::new(path, size), title, panels, &rows, FINE).map_err(|e| failed(&e))?;
    }
    Ok(())
}

/// Returns the height of each row: enough for the panel with the most bars.
fn row_height(panels: &[Panel<'_>]) -> u32 {
    let bars = |panel: &Panel<'_>| match panel {
        Panel::Bars { bars, .. } => bars.len(),
        Panel::Intervals { bars, .. } => bars.len(),
        _ => 0,
    };
    let most = panels.iter().map(bars).max().unwrap_or(0);
    ROW_HEIGHT.max(BARS_MARGIN + BAR_HEIGHT * most as u32)
}

/// Distributes panels to rows: wide ones have their own, the others stand in pairs.
fn layout(panels: &[Panel<'_>]) -> Vec<Vec<usize>> {
    let mut rows: Vec<Vec<usize>> = Vec::new();
    let mut open = false;
    for (i, panel) in panels.iter().enumerate() {
        match rows.last_mut() {
            Some(row) if open && !panel.is_wide() => {
                row.push(i);
                open = false;
            }
            _ => {
                rows.push(vec![i]);
                open = !panel.is_wide();
            }
        }
    }
    rows
}

/// Error of a backend.
type DrawError<B> = DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>;

fn page<B: DrawingBackend>(
    backend: B,
    title: &str,
    panels: &[Panel<'_>],
    rows: &[Vec<usize>],
    detail: Detail,
) -> Result<(), DrawError<B>> {
    let root = backend.into_drawing_area();
    root.fill(&WHITE)?;
    let body = root.titled(title, ("sans-serif", 22))?;
    let strips = body.split_evenly((rows.len().max(1), 1));
    for (strip, row) in strips.iter().zip(rows) {
        let areas = strip.split_evenly((1, row.len()));
        for (area, &i) in areas.iter().zip(row) {
            panels::draw(&panels[i], area, detail)?;
        }
    }
    root.present()
}
