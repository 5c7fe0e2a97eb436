//! Text for the terminal.

use super::Scan;
use super::scan::ABOVE_FLOOR_DB;
use crate::input::Input;
use crate::terminal::{Ink, paint};
use sidelink_phy::units::Decibel;
use sidelink_radio::number::Number;
use sidelink_recordings::sigmf::Annotation;
use sidelink_recordings::{Container, Plain};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Rows of the picture of bands over time.
const ROWS: usize = 40;
/// Largest number of kinds of annotations that are counted by name.
const MOST_KINDS: usize = 11;
/// Columns in front of a picture.
const MARGIN: usize = 11;

/// Prints the metadata of the recording.
///
/// # Errors
/// Errors of `out`.
pub fn describe(input: &Input, colours: bool, out: &mut dyn Write) -> io::Result<()> {
    let info = input.recording.info();
    let kind = match info.container {
        Container::Raw => "raw samples",
        Container::SigmfPair => "SigMF",
        Container::SigmfArchive => "SigMF archive",
        Container::Wav => "WAV",
        Container::Stream => "samples that pass once",
    };
    writeln!(out, "{}", paint(colours, Ink::Bold, &info.path.display().to_string()))?;
    let rate = Number(input.rate).with_unit("S/s");
    let channels = match (info.channels, input.recording.delivered()) {
        (1, _) => String::new(),
        (all, 1) => format!(", one of {all} channels"),
        (all, _) => format!(", {all} channels"),
    };
    let mut line = match info.container {
        Container::Stream => format!("{kind}, {}{channels}, at {rate}", info.format),
        _ => {
            let seconds = info.length as f64 / input.rate;
            format!(
                "{kind}, {}{channels}, {} samples at {rate}: {}",
                info.format,
                info.length,
                duration(seconds)
            )
        }
    };
    if let Some(frequency) = input.radio.frequency.or(info.frequency) {
        let _ = write!(line, ", around {}", Number(frequency).with_unit("Hz"));
    }
    writeln!(out, "{line}")?;
    let mut said = Vec::new();
    said.extend(input.radio.bandwidth.map(|b| b.to_string()));
    said.extend(input.radio.mode.map(|m| format!("transmission mode {}", m.number())));
    said.extend(input.radio.v2x.as_ref().map(|v| format!("V2X pool of {} x {} PRBs", v.num, v.size)));
    let pools =
        [("communication", input.radio.communication.len()), ("discovery", input.radio.discovery.len())];
    said.extend(pools.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{n} {name} pool(s)")));
    if !said.is_empty() {
        writeln!(out, "radio: {}", said.join(", "))?;
    }
    if !input.assumed.is_empty() {
        writeln!(out, "assumed: {}", input.assumed.join("; "))?;
    }
    if let Some(metadata) = &info.metadata {
        if let Some(text) = &metadata.global.description {
            writeln!(out, "description: {}", Plain(text.replace('\n', " ")))?;
        }
        annotations(input, out)?;
    }
    Ok(())
}

/// Prints the numbers of annotations of each kind, if there are any.
fn annotations(input: &Input, out: &mut dyn Write) -> io::Result<()> {
    let mut kinds = BTreeMap::<String, usize>::new();
    let mut count = |a: Annotation| {
        let kind = a.channel.or(a.label).unwrap_or_else(|| "unnamed".to_owned());
        // annotations of other programs may each have a label of its own
        let is_kept = kinds.len() < MOST_KINDS || kinds.contains_key(&kind);
        *kinds.entry(if is_kept { kind } else { "others".to_owned() }).or_default() += 1;
    };
    input.recording.annotations(&mut count).map_err(io::Error::other)?;
    if kinds.is_empty() {
        return Ok(());
    }
    let kinds: Vec<String> = kinds.iter().map(|(k, n)| format!("{n} {}", Plain(k))).collect();
    writeln!(out, "annotations: {}", kinds.join(", "))
}

/// Prints the look of the samples of every antenna, in `width` columns.
///
/// # Errors
/// Errors of `out`.
pub fn show_all(scans: &[Scan], colours: bool, width: usize, out: &mut dyn Write) -> io::Result<()> {
    let [first, .., _] = scans else {
        return scans.iter().try_for_each(|scan| show(scan, colours, width, out));
    };
    for (antenna, scan) in scans.iter().enumerate() {
        let mut title = format!("Antenna {antenna}");
        if antenna > 0 {
            let apart = match (scan.levels.power(), scan.alike) {
                (0.0, _) => "silent".to_owned(),
                (_, None) => "not compared: antenna 0 is silent".to_owned(),
                (own, Some(alike)) => {
                    let apart = Decibel::of_ratio(own / first.levels.power()).0;
                    format!("{apart:+.1} dB against antenna 0, correlation {alike:.2}")
                }
            };
            let _ = write!(title, ": {apart}");
        } else if scan.levels.power() == 0.0 {
            title.push_str(": silent");
        }
        let gap = if antenna == 0 { "" } else { "\n" };
        writeln!(out, "{gap}{}", paint(colours, Ink::Bold, &title))?;
        show(scan, colours, width, out)?;
    }
    Ok(())
}

/// Prints the look of the samples of one antenna, in `width` columns.
///
/// # Errors
/// Errors of `out`.
pub fn show(scan: &Scan, colours: bool, width: usize, out: &mut dyn Write) -> io::Result<()> {
    levels(scan, colours, out)?;
    if scan.samples < scan.spectrum.len() as u64 {
        writeln!(
            out,
            "too short for a spectrum: {} samples, {} are needed",
            scan.samples,
            scan.spectrum.len()
        )?;
        return Ok(());
    }
    let columns = Columns::new(scan, width);
    let name = if scan.bands.are_prbs { "PRB" } else { "frequency slice" };
    writeln!(out, "\n{}", paint(colours, Ink::Bold, &format!("Spectrum by {name}")))?;
    let mean = band_means(scan);
    let top = mean.iter().copied().fold(0.0, f32::max);
    writeln!(
        out,
        "{:>MARGIN$}{}",
        "dB ",
        columns.draw(&mean, |p| bar(10.0 * (p / top).log10() / 40.0 + 1.0))
    )?;
    let share: Vec<f32> = scan.occupancy.share.iter().map(|s| *s as f32).collect();
    writeln!(out, "{:>MARGIN$}{}", "in use ", columns.draw(&share, bar))?;
    writeln!(out, "{:>MARGIN$}{}", "", columns.ruler(scan))?;

    let title = format!("{name} over time (the strongest in each line)");
    writeln!(out, "\n{}", paint(colours, Ink::Bold, &title))?;
    if scan.occupancy.share.iter().all(|s| *s == 0.0) {
        writeln!(out, "{:>MARGIN$}nothing stands out by {ABOVE_FLOOR_DB:.0} dB", "")?;
        return Ok(());
    }
    let strongest = scan.rows.iter().flat_map(|r| &r.peaks).copied().fold(scan.occupancy.threshold, f32::max);
    let range = (10.0 * (strongest / scan.occupancy.threshold).log10()).max(1.0);
    let per_line = scan.rows.len().div_ceil(ROWS).max(1);
    for lines in scan.rows.chunks(per_line) {
        let mut peaks = vec![0.0_f32; scan.bands.edges.len()];
        for row in lines {
            peaks.iter_mut().zip(&row.peaks).for_each(|(p, r)| *p = p.max(*r));
        }
        let picture = columns.draw(&peaks, |p| shade(10.0 * (p / scan.occupancy.threshold).log10() / range));
        let time = lines.first().map_or(0.0, |r| r.start as f64 / scan.rate);
        writeln!(out, "{:>MARGIN$}{}", format!("{} ", time_of(time)), paint(colours, Ink::Cyan, &picture))?;
    }
    Ok(())
}

fn levels(scan: &Scan, colours: bool, out: &mut dyn Write) -> io::Result<()> {
    let l = &scan.levels;
    let warn = |text: String| paint(colours, Ink::Yellow, &text);
    if l.samples == 0 || l.power() == 0.0 {
        writeln!(out, "{}", warn("silence: every sample is zero".to_owned()))?;
        return Ok(());
    }
    let dc = Decibel::of_ratio(f64::from(l.dc().norm_sqr()) / l.power());
    writeln!(
        out,
        "power {:.1}FS, peak {:.1}FS, peak to mean {:.1}, DC {} of the power",
        l.level(),
        Decibel::of_ratio(f64::from(l.peak_power)),
        l.papr().unwrap_or_default(),
        if dc > Decibel(-120.0) { format!("{dc:.1}") } else { "none".to_owned() },
    )?;
    if dc > Decibel(-3.0) {
        writeln!(
            out,
            "{}",
            warn("mostly DC: nothing but a carrier leak, or the wrong format (--format)".to_owned())
        )?;
    } else if dc > Decibel(-25.0) {
        writeln!(out, "{}", warn(format!("a strong DC component: {dc:.1} of the power")))?;
    }
    let c = &scan.ceiling;
    if c.is_limited() {
        let share = 100.0 * c.share();
        let text = format!(
            "clipped: {} components stand at {:+.4} or {:+.4} ({share:.3} %); lower the gain of the receiver",
            c.at_max + c.at_min,
            c.max,
            c.min
        );
        writeln!(out, "{}", warn(text))?;
    } else {
        writeln!(out, "not clipped: components reach from {:+.4} to {:+.4}", c.min, c.max)?;
    }
    if scan.silent_blocks > 0 {
        let ms = 1000.0 * scan.block as f64 / scan.rate;
        writeln!(out, "{} of {} blocks of {ms:.1} ms are all zero", scan.silent_blocks, scan.blocks)?;
    }
    Ok(())
}

/// Returns the mean power of each band over the whole recording.
fn band_means(scan: &Scan) -> Vec<f32> {
    let bins = scan.spectrum.len() as f64;
    let bin = |hz: f64| ((hz / scan.rate + 0.5) * bins).round().clamp(0.0, bins) as usize;
    scan.bands.edges.iter().map(|&(low, high)| scan.spectrum[bin(low)..bin(high)].iter().sum()).collect()
}

/// Layout of bands in columns: several columns a band, or several bands a column.
struct Columns {
    repeat: usize,
    merge: usize,
}

impl Columns {
    fn new(scan: &Scan, width: usize) -> Self {
        let (bands, room) = (scan.bands.edges.len().max(1), width.saturating_sub(MARGIN).max(8));
        if bands <= room {
            Self { repeat: (room / bands).min(4), merge: 1 }
        } else {
            Self { repeat: 1, merge: bands.div_ceil(room) }
        }
    }

    fn draw(&self, bands: &[f32], glyph: impl Fn(f32) -> char) -> String {
        let column = |b: &[f32]| glyph(b.iter().copied().fold(f32::MIN, f32::max));
        bands.chunks(self.merge).flat_map(|b| std::iter::repeat_n(column(b), self.repeat)).collect()
    }

    /// Returns the numbers of the bands below a picture, or frequencies if they are not PRBs.
    fn ruler(&self, scan: &Scan) -> String {
        let bands = scan.bands.edges.len();
        let columns = bands.div_ceil(self.merge) * self.repeat;
        let mut line = vec![' '; columns];
        let mut free = 0;
        for column in (0..columns).step_by(self.repeat) {
            let band = column / self.repeat * self.merge;
            let text: String = match scan.bands.edges.get(band) {
                Some(_) if scan.bands.are_prbs => band.to_string(),
                Some((low, _)) => format!("{:+.2}M", low / 1e6),
                None => continue,
            };
            let wanted = !scan.bands.are_prbs || band.is_multiple_of(if bands > 25 { 10 } else { 5 });
            if wanted && column >= free && column + text.len() <= columns {
                line[column..].iter_mut().zip(text.chars()).for_each(|(l, c)| *l = c);
                free = column + text.len() + 2;
            }
        }
        line.into_iter().collect()
    }
}

/// Returns a bar of eighths of a character's height, for 0 to 1.
fn bar(share: f32) -> char {
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    if share > 0.0 { BARS[((share * 8.0).ceil() as usize).min(8)] } else { ' ' }
}

/// Returns a darker character for a stronger value: 0 is the threshold, 1 the strongest of all.
fn shade(share: f32) -> char {
    match share {
        s if s < 0.0 || s.is_nan() => '·',
        s if s < 0.25 => '░',
        s if s < 0.5 => '▒',
        s if s < 0.75 => '▓',
        _ => '█',
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{:.3} ms", 1000.0 * s),
        s if s < 120.0 => format!("{s:.3} s"),
        s => format!("{:.1} min", s / 60.0),
    }
}

fn time_of(seconds: f64) -> String {
    if seconds < 100.0 { format!("{seconds:.3} s") } else { format!("{seconds:.1} s") }
}
