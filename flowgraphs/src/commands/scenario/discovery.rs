//! The scenarios of discovery.

use super::compared::by_configuration;
use super::{Cases, ScenarioArgs, concluded, families};
use crate::config::ConfigError;
use crate::experiments::discovery::builds::{Build, all, build};
use crate::experiments::discovery::configuration::Configuration;
use crate::experiments::discovery::costs::DiscoveryCosts;
use crate::experiments::discovery::engine::{Cast, run as run_one};
use crate::experiments::discovery::setting::Setting;
use crate::experiments::discovery::{output, runs};
use crate::outputs::{Existing, Outputs};
use clap::Args;
use sidelink_phy::units::{Bandwidth, Decibel};
use std::collections::HashSet;

/// Configurations of discovery, each with every other.
#[derive(Debug, Args)]
pub(super) struct DiscoveryArgs {
    /// Discovery: UEs, each with something to be discovered by, 2 to 500; several as 10,20,50.
    #[arg(long, value_name = "N", default_value = "20", value_delimiter = ',')]
    announcers: Vec<usize>,
    /// Discovery: those of the UEs that monitor all the others, 1 to all.
    #[arg(long, value_name = "M", default_value_t = 2)]
    monitors: usize,
    /// Discovery: subframes of the pool in a period, 1 to 40; several as 8,16,40.
    #[arg(long, value_name = "L", default_value = "16", value_delimiter = ',')]
    pool_subframes: Vec<u32>,
    /// Discovery: transmissions of a message, 1, 2 or 4.
    #[arg(long, value_name = "N_TX", default_value = "1", value_delimiter = ',')]
    transmissions: Vec<u32>,
    /// Discovery: PRBs of the carrier, 6, 15, 25, 50, 75 or 100.
    #[arg(long, value_name = "PRB", default_value_t = 50)]
    carrier_prbs: usize,
    /// Discovery: PRBs of the pool, in the middle of the carrier; an even number, 2 to those of the carrier.
    #[arg(long, value_name = "PRB", default_value_t = 44)]
    pool_prbs: usize,
    /// Discovery: UEs are weaker by up to so many dB, 0 to 60, each by another number.
    #[arg(long, value_name = "DB", default_value = "0", value_delimiter = ',')]
    power_spread: Vec<f64>,
    /// Discovery: clocks are wrong by up to so many milliseconds, 0 to 3600000, either way.
    #[arg(long, value_name = "MS", default_value = "0", value_delimiter = ',')]
    clock_error: Vec<f64>,
    /// Discovery: most seconds between the counter of a message and its slot; MAX_OFFSET without it.
    #[arg(long, value_name = "S")]
    strict: Option<u32>,
}

impl DiscoveryArgs {
    /// Returns the options that differ from what they are without it.
    pub(super) fn given(&self) -> Vec<&'static str> {
        families::given([
            ("--announcers", self.announcers != [20]),
            ("--monitors", self.monitors != 2),
            ("--pool-subframes", self.pool_subframes != [16]),
            ("--transmissions", self.transmissions != [1]),
            ("--carrier-prbs", self.carrier_prbs != 50),
            ("--pool-prbs", self.pool_prbs != 44),
            ("--power-spread", self.power_spread != [0.0]),
            ("--clock-error", self.clock_error != [0.0]),
            ("--strict", self.strict.is_some()),
        ])
    }
}

/// Discovery period where none is given, in subframes.
const PERIOD: u64 = 320;

/// Time on the air where none is given, in seconds: 40 periods of 320 ms.
const SECONDS: f64 = 12.8;

/// Names of the scenarios, and what each is.
pub(super) fn list() -> impl Iterator<Item = (&'static str, &'static str)> {
    all().map(|build| (build.name, build.what))
}

/// Runs the cases on all cores, and reports what they cost.
///
/// # Errors
/// A name is no scenario of discovery, or a case came to something that must not be.
pub(super) fn run(args: &ScenarioArgs) -> anyhow::Result<()> {
    families::refuse_forms_of_links(args, "leave them out")?;
    let mut builds: Vec<&'static Build> = Vec::new();
    for name in &args.name {
        add(&mut builds, named(name)?);
    }
    let mut outputs = Outputs::new(Existing::Keep);
    let mut out = args.output.claim(&mut outputs)?.create()?;
    let all = once(play(&args.cases, &builds)?);
    output::write(args.output.form, &all, &groups(&all), &mut out)?;
    out.finish()?;
    concluded(all.iter().filter_map(failure))
}

/// Returns the build of a name.
///
/// # Errors
/// There is none.
pub(super) fn named(name: &str) -> Result<&'static Build, ConfigError> {
    build(name).ok_or_else(|| {
        let what = format!("{name:?} is no scenario of discovery");
        families::unknown(what, "name those of discovery alone", list())
    })
}

/// Adds a build; one that is there already is not run twice, and a note says so.
pub(super) fn add(builds: &mut Vec<&'static Build>, build: &'static Build) {
    if builds.iter().any(|known| known.name == build.name) {
        eprintln!("{} is named twice: it is run once", build.name);
    } else {
        builds.push(build);
    }
}

/// Drops runs of a configuration and a seed that were there before, with a note: the same run twice is no second sample.
pub(super) fn once(all: Vec<DiscoveryCosts>) -> Vec<DiscoveryCosts> {
    let (before, mut known) = (all.len(), HashSet::new());
    // Its fractions have no hash of their own.
    let key = |c: &DiscoveryCosts| (serde_json::to_string(&c.configuration).ok(), c.seed);
    let all: Vec<_> = all.into_iter().filter(|c| known.insert(key(c))).collect();
    if all.len() < before {
        eprintln!(
            "{} runs have the configuration and the seed of another: each counts once",
            before - all.len()
        );
    }
    all
}

/// Returns what must not have been, with the run.
pub(super) fn failure(costs: &DiscoveryCosts) -> Option<String> {
    let DiscoveryCosts {
        seed, configuration: Configuration { name, announcers, pool_subframes, .. }, ..
    } = costs;
    let why = costs.failure.as_ref()?;
    Some(format!("{name} N = {announcers}, L = {pool_subframes}, seed {seed}: {why}"))
}

/// Returns the runs of each configuration as one.
pub(super) fn groups(all: &[DiscoveryCosts]) -> Vec<output::Group> {
    by_configuration(all, |a, b| a.configuration == b.configuration)
        .iter()
        .map(|runs| output::group(runs))
        .collect()
}

/// Runs every configuration of the command line with every other, on all cores.
///
/// # Errors
/// A value is out of range, or a run fails.
pub(super) fn play(given: &Cases, builds: &[&'static Build]) -> anyhow::Result<Vec<DiscoveryCosts>> {
    let of_others = families::options_of_links(given);
    families::refuse(&of_others, "protections of discovery", "leave it out")?;
    let settings = settings(given)?;
    let all: Vec<(&Build, &Setting)> =
        builds.iter().flat_map(|build| settings.iter().map(move |setting| (*build, setting))).collect();
    runs::each(&all, |(build, setting)| {
        tracing::info!("{} N = {}, seed {}", build.name, setting.announcers, setting.seed);
        Ok(DiscoveryCosts::of(build, setting, &run_one(build, setting, Cast::default())?))
    })
}

/// Returns the number of configurations of a build: all but the seeds.
///
/// # Errors
/// A value is out of range.
pub(super) fn configurations(given: &Cases) -> Result<usize, ConfigError> {
    Ok(settings(given)?.len() / given.runs.max(1) as usize)
}

fn settings(given: &Cases) -> Result<Vec<Setting>, ConfigError> {
    let of = &given.discovery;
    let bandwidth = Bandwidth::from_prbs(of.carrier_prbs).ok_or_else(|| {
        let what = format!("--carrier-prbs {}", of.carrier_prbs);
        ConfigError::usage(what, "6, 15, 25, 50, 75 or 100")
    })?;
    let base = Setting {
        monitors: of.monitors,
        bandwidth,
        prbs: of.pool_prbs,
        strict: of.strict,
        seconds: given.seconds.map_or(SECONDS, |seconds| seconds as f64),
        ..Setting::default()
    };
    let mut all = vec![base];
    vary(&mut all, &of.announcers, |setting, n| setting.announcers = *n);
    vary(&mut all, &of.pool_subframes, |setting, l| setting.subframes = *l);
    let periods = if given.period.is_empty() { vec![PERIOD] } else { given.period.clone() };
    vary(&mut all, &periods, |setting, p| setting.period = u32::try_from(*p).unwrap_or(u32::MAX));
    vary(&mut all, &of.transmissions, |setting, n| setting.transmissions = *n);
    vary(&mut all, &given.snr, |setting, snr| setting.snr = Decibel(*snr));
    vary(&mut all, &of.power_spread, |setting, db| setting.spread_db = *db);
    vary(&mut all, &of.clock_error, |setting, ms| setting.clock_error_ms = *ms);
    vary(&mut all, &given.network_rtt, |setting, ms| setting.network_rtt = *ms);
    let seeds: Vec<u64> = given.seeds().collect();
    vary(&mut all, &seeds, |setting, seed| setting.seed = *seed);
    all.iter().try_for_each(Setting::check)?;
    Ok(all)
}

/// Replaces each setting by one for each of these values.
fn vary<T>(all: &mut Vec<Setting>, values: &[T], set: impl Fn(&mut Setting, &T)) {
    *all = all
        .iter()
        .flat_map(|setting| {
            values.iter().map(|value| {
                let mut one = setting.clone();
                set(&mut one, value);
                one
            })
        })
        .collect();
}
