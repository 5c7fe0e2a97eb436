//! `sidelink inspect`: shows level and spectrum of a recording, without decoding.

use crate::args::RadioArgs;
use crate::input;
use crate::inspect::plot::{self, Panel};
use crate::inspect::{self, Bands, Heard, Scan};
use crate::outputs::{Existing, Outputs};
use crate::terminal;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `sidelink inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Recording: SigMF (.sigmf-meta, .sigmf-data, .sigmf) or raw samples.
    pub file: PathBuf,
    /// Parameters that the recording does not state itself.
    #[command(flatten)]
    pub radio: RadioArgs,
    /// Draw plots of the recording, as PNG or SVG.
    #[arg(long, value_name = "OUT.png|svg")]
    pub plot: Option<PathBuf>,
}

/// Frequency slices if no bandwidth fits the rate.
const SLICES: usize = 48;

/// Inspects a recording.
///
/// # Errors
/// The file cannot be read, the configuration is wrong, or a picture cannot be written.
pub fn run(args: InspectArgs) -> anyhow::Result<()> {
    let mut outputs = Outputs::new(Existing::Keep);
    outputs.reads_recordings([&args.file]);
    outputs.reads(&args.radio.config);
    let picture = args.plot.as_deref().map(|path| plot::claim(&mut outputs, path)).transpose()?;
    let mut input = input::open(&args.file, &args.radio)?;
    let bands = match input.bandwidth() {
        Some(bandwidth) if bandwidth.subcarriers() as f64 * 15e3 <= input.rate => Bands::prbs(bandwidth),
        _ => Bands::slices(input.rate, SLICES),
    };
    let colours = terminal::colours_on_stdout();
    let mut out = terminal::stdout();
    inspect::describe(&input, colours, &mut out)?;
    out.flush()?;

    let bar = terminal::progress(input.recording.info().length, "reading");
    let scans = inspect::scan(&mut input.recording, input.rate, bands, &mut |n| bar.set_position(n))?;
    bar.finish_and_clear();
    for damage in input.recording.damage().runs() {
        tracing::warn!("{}: {damage}", args.file.display());
    }
    inspect::show_all(&scans, colours, terminal::width(), &mut out)?;
    if let Some(place) = &picture {
        let name = args.file.display().to_string();
        // A recording that no receiver fits still has a spectrum.
        let heard = inspect::hear(&mut input, &name).unwrap_or_else(|e| {
            tracing::warn!("{name}: nothing is drawn of what the receiver hears: {e:#}");
            Heard::default()
        });
        for (antenna, snr) in heard.quality.snr().iter().enumerate() {
            let snr = snr.map_or("nothing was decoded".to_owned(), |snr| format!("{:.1} dB", snr.0));
            writeln!(out, "antenna {antenna}: mean SNR of what was decoded: {snr}")?;
        }
        for warning in heard.quality.warnings() {
            tracing::warn!("{name}: {warning}");
        }
        plot::draw(place, &name, &panels(&scans, &heard))?;
        writeln!(out, "\n{place}")?;
    }
    Ok(out.flush()?)
}

/// Returns the panels to draw: the spectrum and the level always, constellations and others if something was received.
fn panels<'a>(scans: &'a [Scan], heard: &'a Heard) -> Vec<Panel<'a>> {
    let mut panels: Vec<Panel<'a>> = scans.iter().map(Panel::Spectrogram).collect();
    match scans {
        [one] => panels.extend([Panel::Spectrum(one), Panel::Power(one)]),
        several => panels.extend(of_antennas(several)),
    }
    if !heard.points.is_empty() {
        let title = "PSSCH after equalisation, the first transport blocks".to_owned();
        panels.push(Panel::Scatter { title, points: &heard.points });
    }
    if !heard.channel.is_empty() {
        panels.push(Panel::Curves {
            title: "Channel of the first transport block".to_owned(),
            x: "frequency in MHz".to_owned(),
            y: "dB".to_owned(),
            least_span: 1.0,
            curves: heard.channel.clone(),
        });
    }
    if !heard.snr.is_empty() {
        panels.push(Panel::Curves {
            title: "Signal to noise ratio at each antenna".to_owned(),
            x: "time in s".to_owned(),
            y: "dB".to_owned(),
            least_span: 1.0,
            curves: heard.snr.clone(),
        });
    }
    if !heard.evm.is_empty() {
        panels.push(Panel::Curves {
            title: "Error vector magnitude".to_owned(),
            x: "time in s".to_owned(),
            y: "%".to_owned(),
            least_span: 0.1,
            curves: heard.evm.clone(),
        });
    }
    panels
}

/// Returns the mean spectrum and the power over time of several antennas, for comparison.
fn of_antennas(scans: &[Scan]) -> [Panel<'static>; 2] {
    let db = |power: f64| 10.0 * power.max(1e-30).log10();
    let name = |antenna: usize| format!("antenna {antenna}");
    let spectrum = |(antenna, scan): (usize, &Scan)| {
        let bins = scan.spectrum.len() as f64;
        let frequency = |k: usize| (k as f64 / bins - 0.5) * scan.rate / 1e6;
        // power in 15 kHz, for any bins
        let curve = scan.spectrum.iter().map(|p| db(f64::from(*p) * 15e3 * bins / scan.rate));
        (name(antenna), curve.enumerate().map(|(k, level)| (frequency(k), level)).collect())
    };
    let power = |(antenna, scan): (usize, &Scan)| {
        let curve = scan.rows.iter().map(|row| (row.start as f64 / scan.rate, db(row.levels.power())));
        (name(antenna), curve.collect())
    };
    let panel = |title: &str, x: &str, y: &str, curves| Panel::Curves {
        title: title.to_owned(),
        x: x.to_owned(),
        y: y.to_owned(),
        least_span: 1.0,
        curves,
    };
    [
        panel(
            "Mean spectrum",
            "frequency in MHz",
            "dBFS in 15 kHz",
            scans.iter().enumerate().map(spectrum).collect(),
        ),
        panel("Power over time", "time in s", "dBFS", scans.iter().enumerate().map(power).collect()),
    ]
}
