//! `sidelink generate`: a recording with its ground truth from a scenario.

use crate::Sample;
use crate::args::{Peak, parse_antennas, parse_utc};
use crate::config::{ConfigError, CyclicPrefixName, to_sigmf};
use crate::outputs::{ForceArgs, Outputs, Place};
use crate::scenario::{Channel, EXAMPLE_D2D, EXAMPLE_PROTECTED, EXAMPLE_V2X, Generator, Scenario, Secrets};
use crate::terminal::{self, Ink, paint};
use clap::{Args, ValueEnum};
use sidelink_phy::impair::array::Correlation;
use sidelink_phy::impair::measure::Levels;
use sidelink_phy::units::{Antennas, CyclicPrefix};
use sidelink_radio::number::Number;
use sidelink_radio::{slices, views};
use sidelink_recordings::{
    Container, SampleFormat, Summary, UtcMicros, Writer, WriterOptions, hints_of_name,
};
use sidelink_security::counter::UtcTime;
use sidelink_store::{self as keystore, KeyStore};
use sidelink_ue::mapping::transmit::Content;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Arguments of `sidelink generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Scenario, a TOML file.
    #[arg(short, long, value_name = "FILE", required_unless_present = "example")]
    pub config: Option<PathBuf>,
    /// Output: OUT.sigmf-meta and OUT.sigmf-data, OUT.sigmf, or raw samples (OUT.cf32, OUT.ci16, - or a pipe).
    #[arg(short, long = "write", value_name = "OUT", required_unless_present = "example")]
    pub write: Option<PathBuf>,
    /// Print an example scenario with comments.
    #[arg(long, value_enum, value_name = "KIND", num_args = 0..=1, require_equals = true, default_missing_value = "d2d")]
    pub example: Option<Example>,
    /// Key store for the protected messages of the scenario. Each of its counters for sending is used only once.
    #[arg(long, value_name = "STORE")]
    pub keys: Option<PathBuf>,
    /// UTC of the first subframe in seconds, for protected messages and the recording's metadata; the default is now.
    #[arg(long, value_name = "SECONDS", value_parser = parse_utc)]
    pub utc: Option<UtcMicros>,
    /// Es/N0 of a resource element of a UE with gain 0, in dB; overrides the scenario.
    #[arg(long, value_name = "DB", allow_hyphen_values = true)]
    pub snr: Option<f64>,
    /// Carrier offset of all UEs in Hz; overrides the scenario.
    #[arg(long, value_name = "HZ", allow_hyphen_values = true)]
    pub cfo: Option<Number>,
    /// Delay of all UEs in samples; overrides the scenario.
    #[arg(long, value_name = "SAMPLES", allow_hyphen_values = true)]
    pub delay: Option<Number>,
    /// Channel of every UE: awgn, epa5, eva70, etu300; overrides the scenario.
    #[arg(long, value_name = "MODEL")]
    pub channel: Option<Channel>,
    /// Receive antennas of the recording, 1 to 4, each a channel of it; overrides the scenario.
    #[arg(long, value_name = "N", value_parser = parse_antennas)]
    pub antennas: Option<Antennas>,
    /// Correlation between the outermost antennas where the channel fades: 0 (independent) to 1 (alike); overrides the
    /// scenario.
    #[arg(long, value_name = "C")]
    pub correlation: Option<Correlation>,
    /// Seed of noise, fading, payloads and random resources; overrides the scenario.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Peak magnitude in the file relative to full scale (1.0), such as -3dBFS; none leaves the samples as they are.
    #[arg(long, value_name = "LEVEL", default_value = "-3dBFS", allow_hyphen_values = true)]
    pub peak: Peak,
    /// Format of the samples: cf32 or ci16.
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<SampleFormat>,
    /// Write one file, a SigMF archive.
    #[arg(long)]
    pub archive: bool,
    /// Whether existing recordings are replaced.
    #[command(flatten)]
    pub force: ForceArgs,
}

/// Kind of an example scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Example {
    /// Modes 1 and 2, discovery.
    D2d,
    /// Modes 3 and 4.
    V2x,
    /// Announcements and a group that a key store protects, with the commands that make the store.
    Protected,
}

/// Generates the recording.
///
/// # Errors
/// The scenario is wrong, or a file cannot be written.
pub fn run(args: GenerateArgs) -> anyhow::Result<()> {
    if let Some(example) = args.example {
        let text = match example {
            Example::D2d => EXAMPLE_D2D,
            Example::V2x => EXAMPLE_V2X,
            Example::Protected => EXAMPLE_PROTECTED,
        };
        return Ok(terminal::print(text)?);
    }
    // clap requires both
    let (Some(config), Some(out)) = (&args.config, &args.write) else { return Ok(()) };
    let mut scenario = Scenario::from_file(config)?;
    override_by_flags(&mut scenario, &args);
    let out = if args.archive { archive_name(out)? } else { out.clone() };
    let mut outputs = Outputs::new(args.force);
    outputs.reads([config].into_iter().chain(&args.keys));
    outputs.claim_recording("-w", &out)?;
    let format = args.format.or(hints_of_name(&out).format).unwrap_or(SampleFormat::CF32_LE);
    let name = config.display().to_string();
    let (secrets, start) = secrets(&args, &scenario, &name)?;
    let generator = |secrets| Generator::with_secrets(&scenario, secrets).map_err(|e| e.within(&name));
    let floats_in_a_file = format == SampleFormat::CF32_LE && Container::of_output(&out) != Container::Stream;
    let scale = match args.peak.magnitude() {
        Some(level) if !floats_in_a_file => {
            // The level is measured on the samples that will be written: the rehearsal uses the same counters.
            level / peak(generator(secrets.as_ref().map(Secrets::rehearsal))?, &scenario)
        }
        _ => 1.0,
    };
    let generator = generator(secrets)?;
    let start = start.or_else(|| Some(UtcMicros(1_000_000 * u64::from(keystore::utc_now()))));
    let peak = args.peak.magnitude().filter(|_| floats_in_a_file);
    let options = WriterOptions { start, scale, peak, ..options(&scenario, &generator, format) };
    let (numerology, out_of) = (generator.numerology(), options.scale);
    let mut writer = Writer::create(&out, options)?;
    let sent = write(generator, &scenario, &mut writer)?;
    let scale = out_of * writer.scale_to_come();
    let amplitude = scale / (numerology.subcarriers() as f32).sqrt();
    writer.set_description(description(&scenario, amplitude));
    warn_above_full_scale(&out, writer.peak() * writer.scale_to_come());
    let summary = writer.finish()?;
    Ok(report(&summary, &scenario, &sent, &out)?)
}

/// Returns the keys of a scenario that needs some, and the start of its recording, if it matters or is given.
fn secrets(
    args: &GenerateArgs,
    scenario: &Scenario,
    name: &str,
) -> Result<(Option<Secrets>, Option<UtcMicros>), ConfigError> {
    let (needed, counters) = scenario.needs_keys();
    let Some(path) = &args.keys else { return Ok((None, args.utc)) };
    if !needed {
        tracing::warn!("{name}: nothing in it is protected; {} is not used", path.display());
        return Ok((None, args.utc));
    }
    // To the millisecond: a subframe begins there, for a decoder too.
    let millis = args.utc.map_or(1000 * u64::from(keystore::utc_now()), |utc| (utc.0 + 500) / 1000);
    let start = UtcTime::from_millis(millis);
    let secrets = if counters {
        if !keystore::is_store(path)? {
            let remedy = "data for a group needs a store, whose counters are used once; `sidelink keys import` makes one";
            return Err(ConfigError::new("not a key store", path.display().to_string(), remedy));
        }
        Secrets::of_store(KeyStore::open(path)?, start)?
    } else {
        Secrets::of_keys(keystore::read(path)?, start)?
    };
    Ok((Some(secrets), Some(UtcMicros(1000 * millis))))
}

fn override_by_flags(scenario: &mut Scenario, args: &GenerateArgs) {
    scenario.snr = args.snr.or(scenario.snr);
    scenario.cfo = args.cfo.unwrap_or(scenario.cfo);
    scenario.delay = args.delay.unwrap_or(scenario.delay);
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    scenario.antennas = args.antennas.map_or(scenario.antennas, Antennas::count);
    scenario.correlation = args.correlation.map_or(scenario.correlation, Correlation::coefficient);
    if let Some(channel) = args.channel {
        scenario.channel = channel;
        scenario.ue.iter_mut().for_each(|ue| ue.channel = None);
    }
}

fn archive_name(out: &Path) -> Result<PathBuf, ConfigError> {
    match Container::of_name(out) {
        Container::SigmfArchive => Ok(out.to_owned()),
        Container::Raw | Container::Wav | Container::Stream => {
            let what = format!("--archive contradicts -w {}", out.display());
            Err(ConfigError::usage(what, "name it without an extension, or leave out --archive"))
        }
        Container::SigmfPair => {
            let mut name = out.as_os_str().to_owned();
            name.push(".sigmf");
            Ok(name.into())
        }
    }
}

/// Returns the largest magnitude in the whole recording, from a first run; never 0.
fn peak(mut generator: Generator, scenario: &Scenario) -> f32 {
    let (length, antennas) = (generator.subframe_samples(), generator.antennas().count());
    let mut samples = vec![vec![Sample::default(); length]; antennas];
    let bar = terminal::progress(scenario.duration, "measuring");
    let mut power = f32::MIN_POSITIVE;
    for _ in 0..scenario.duration {
        generator.next_subframe_of(&mut slices(&mut samples, length)[..antennas]);
        let peak = |samples: &Vec<Sample>| Levels::of(samples, f32::INFINITY).peak_power;
        power = samples.iter().map(peak).fold(power, f32::max);
        bar.inc(1);
    }
    bar.finish_and_clear();
    if power > 1e-20 { power.sqrt() } else { 1.0 }
}

/// Warns of samples above 1.0, which programs take for full scale.
fn warn_above_full_scale(out: &Path, peak: f32) {
    if peak > 1.0001 {
        let level = 20.0 * peak.log10();
        tracing::warn!(
            "{}: its peak is {level:+.1} dBFS; what is beyond full scale is clipped here or by others: give --peak -3dBFS",
            out.display()
        );
    }
}

fn description(scenario: &Scenario, amplitude: f32) -> String {
    let noise = scenario.snr.map_or("no noise".to_owned(), |snr| format!("Es/N0 {snr} dB"));
    let made = format!(
        "Made by `sidelink generate`, seed {}, {noise}; amplitude of a subcarrier {amplitude:.5}.",
        scenario.seed
    );
    match &scenario.description {
        Some(text) => format!("{text} ({made})"),
        None => made,
    }
}

fn options(scenario: &Scenario, generator: &Generator, format: SampleFormat) -> WriterOptions {
    let numerology = generator.numerology();
    let mut radio = scenario.radio.clone();
    radio.tm = Some(generator.mode().number());
    if numerology.cp() == CyclicPrefix::Normal {
        radio.cp.get_or_insert(CyclicPrefixName::Normal);
    }
    WriterOptions {
        format,
        channels: generator.antennas().count(),
        frequency: radio.frequency.map(|f| f.0),
        recorder: concat!("sidelink ", env!("CARGO_PKG_VERSION")).to_owned(),
        radio: to_sigmf(&radio),
        ..WriterOptions::new(numerology.sample_rate().0)
    }
}

/// Sent events, counted in the same way as `decode` counts received ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sent {
    mibs: u64,
    scis: u64,
    /// Blocks, and number of their transmissions.
    sl_sch: [u64; 2],
    /// Discovery messages, each once a period, and number of their transmissions.
    sl_dch: [u64; 2],
}

impl Sent {
    fn add(&mut self, content: &Content) {
        let count = |counts: &mut [u64; 2], is_first: bool| {
            *counts = [counts[0] + u64::from(is_first), counts[1] + 1];
        };
        match content {
            Content::Sync { .. } => self.mibs += 1,
            Content::Sci { .. } => self.scis += 1,
            Content::SlSch { grant, .. } => count(&mut self.sl_sch, grant.rv == 0),
            Content::SlDch { transmission, .. } => count(&mut self.sl_dch, *transmission == 1),
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let mut part = |count: u64, what: &str, more: String| {
            if count > 0 {
                parts.push(format!("{count} {what}{more}"));
            }
        };
        part(self.mibs, "MIBs", String::new());
        part(self.scis, "SCIs", String::new());
        part(self.sl_sch[0], "SL-SCH blocks", format!(" in {} PSSCH transmissions", self.sl_sch[1]));
        part(self.sl_dch[0], "discovery messages", format!(" in {} PSDCH transmissions", self.sl_dch[1]));
        f.write_str(&if parts.is_empty() { "nothing was sent".to_owned() } else { parts.join(", ") })
    }
}

/// Writes all subframes; returns the counts of sent events.
fn write(mut generator: Generator, scenario: &Scenario, writer: &mut Writer) -> anyhow::Result<Sent> {
    let numerology = generator.numerology();
    let frequency = scenario.radio.frequency.map_or(0.0, |f| f.0);
    let length = scenario.duration.saturating_mul(numerology.subframe_samples() as u64);
    let (subframe, antennas) = (generator.subframe_samples(), generator.antennas().count());
    let mut samples = vec![vec![Sample::default(); subframe]; antennas];
    let mut sent = Sent::default();
    let bar = terminal::progress(scenario.duration, "generating");
    for _ in 0..scenario.duration {
        let events = generator.next_subframe_of(&mut slices(&mut samples, subframe)[..antennas]);
        writer.write_channels(&views(&samples, subframe)[..antennas])?;
        for event in &events {
            if let Some(a) = event.annotation(numerology, length, frequency, generator.ue_name(event.ue)) {
                sent.add(&event.transmission.content);
                writer.annotate(a)?;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(sent)
}

fn report(summary: &Summary, scenario: &Scenario, sent: &Sent, out: &Path) -> std::io::Result<()> {
    // standard output may carry the samples
    let place = if out.as_os_str() == "-" { Place::StandardError } else { Place::Standard };
    let colours = place.has_colours();
    let mut stdout = place.live()?;
    let files: Vec<String> = summary.files.iter().map(|f| f.display().to_string()).collect();
    writeln!(stdout, "{}", paint(colours, Ink::Bold, &files.join(", ")))?;
    let antennas = match scenario.antennas {
        1 => String::new(),
        several => format!(" of {several} antennas"),
    };
    writeln!(stdout, "{} subframes, {} samples{antennas}: {sent}", scenario.duration, summary.samples)?;
    if summary.annotations_lost > 0 {
        let advice = "a raw file has no place for the ground truth; use a name without extension for SigMF";
        tracing::warn!("{}: {advice}", out.display());
    }
    if summary.clipped > 0 {
        tracing::warn!("{}: {} components were clipped", out.display(), summary.clipped);
    }
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_counted_apart_from_their_transmissions() {
        let sent_by = |example: &str| {
            let scenario = Scenario::from_toml(example, "test").unwrap();
            let mut generator = Generator::new(&scenario).unwrap();
            let mut block = vec![Sample::default(); generator.subframe_samples()];
            let mut sent = Sent::default();
            for _ in 0..scenario.duration {
                generator.next_subframe(&mut block).iter().for_each(|e| sent.add(&e.transmission.content));
            }
            sent
        };
        // car 1: 4 blocks sent twice; car 2: 7 blocks; the roadside unit: 16
        let sent = sent_by(EXAMPLE_V2X);
        assert_eq!(sent, Sent { mibs: 2, scis: 31, sl_sch: [27, 31], sl_dch: [0, 0] });
        assert_eq!(sent.to_string(), "2 MIBs, 31 SCIs, 27 SL-SCH blocks in 31 PSSCH transmissions");
        let sent = sent_by(EXAMPLE_D2D);
        assert_eq!((sent.mibs, sent.scis, sent.sl_dch), (8, 16, [1, 2]));
        assert_eq!(4 * sent.sl_sch[0], sent.sl_sch[1]);
        assert_eq!(Sent::default().to_string(), "nothing was sent");
    }
}
