//! How long a UE takes for each stage of a subframe, how soon it can answer, and how long data are under way: several UEs
//! on a virtual air of this process or one on a device, under each protection.
//!
//! ```text
//! scene.rs     carrier, pools, keys and air of a run
//! probe.rs     an application that says when it spoke, and counts how long that took to arrive
//! measured.rs  one UE of a run, and its warm-up
//! machine.rs   on what was measured
//! page.rs      the report that one can send to a colleague                                       page/
//! ```

mod machine;
mod measured;
mod page;
mod probe;
mod scene;
#[cfg(test)]
mod tests;

pub use machine::Machine;
pub use page::html;
pub use scene::Security;

use crate::config::ConfigError;
use crate::config::ue_toml::{Draws, RadioFacts, UeConfig};
use measured::MeasuredUe;
use probe::{Arrivals, Probe};
use serde_json::{Value, json};
use sidelink_phy::units::Decibel;
use sidelink_radio::air::Air;
use sidelink_radio::{Anchor, Radio, Streams};
use sidelink_store::Keys;
use sidelink_ue::{LatencyStats, NoStore, Stage, Totals};
use std::time::{Duration, Instant};

/// Subframes that every UE runs before anything is counted: tables are built, decoders are warm.
const WARM_UP: u64 = 1000;

/// What is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// PRBs of the carrier.
    pub prb: u32,
    /// Subframes from the last one received to the one that is planned.
    pub lead: u64,
    /// I_MCS.
    pub mcs: u8,
    /// Octets of a message.
    pub octets: usize,
    /// Milliseconds between two messages of one UE; without it a scheduling period (40 ms) for each UE in the air,
    /// and 3, so that messages come at every phase of the period.
    pub every: Option<u64>,
    /// What is measured, after the warm-up.
    pub duration: Duration,
    /// Everybody waits for everybody: right, but says nothing of time on the air.
    pub lock_step: bool,
    /// Es/N0 of the virtual air.
    pub snr: Decibel,
    /// Seed of everything random but the keys.
    pub seed: u64,
}

impl Plan {
    /// Samples of a subframe.
    ///
    /// # Errors
    /// A bandwidth that does not exist.
    pub fn subframe_samples(&self) -> Result<usize, ConfigError> {
        Ok(scene::ue(self, Security::None, 0, 1)?.numerology()?.subframe_samples())
    }
}

/// One radio, opened for one UE.
pub type OpenRadio<'a> = dyn FnMut(&UeConfig) -> anyhow::Result<(Box<dyn Radio>, Option<Anchor>)> + 'a;

/// What was measured of one number of UEs under one protection.
pub struct Run {
    /// UEs.
    pub ues: usize,
    /// Protection.
    pub security: Security,
    /// What all UEs counted, added.
    pub totals: Totals,
    /// Subframes in which the work took longer than the subframe.
    pub over: u64,
    /// Processor seconds of the process for each second of time.
    pub cores: f64,
    /// Seconds that it took.
    pub seconds: f64,
    /// What became of the messages.
    pub arrivals: Arrivals,
    /// Times of all UEs.
    pub latency_stats: LatencyStats,
    /// Subframes in which the work took more than a millisecond of the processor: what stalls of the machine do not excuse.
    pub over_by_work: u64,
    /// Microseconds by which a thread that wakes up every millisecond was late: p50, p99, p99.9, worst; and how often by more
    /// than a millisecond. The machine's own stalls.
    pub stalls: Option<([f64; 4], u64)>,
    /// Load of the machine before it began, if it tells.
    pub load: Option<f64>,
}

/// Run `ues` UEs under `security`, on a virtual air, or on the radio that `open` gives (then `ues` is 1). Ends early when
/// `stop` says so.
///
/// # Errors
/// A plan that cannot be, or a radio that is gone.
pub fn run(
    plan: &Plan,
    ues: usize,
    security: Security,
    open: Option<&mut OpenRadio<'_>>,
    stop: &dyn Fn() -> bool,
) -> anyhow::Result<Run> {
    let load = machine::load();
    let mut configs = (0..ues).map(|i| scene::ue(plan, security, i, ues)).collect::<Result<Vec<_>, _>>()?;
    let keys = scene::keys(security, ues)?;
    let radios = Radios::open(plan, &mut configs, open)?;
    let measured = radios.start(plan, &configs, &keys)?;
    let stalls = machine::Stalls::begin();
    while !stop() && !measured.iter().all(|ue| ue.running.is_finished()) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let stalls = stalls.and_then(machine::Stalls::end).map(|late| {
        let quantiles = [0.5, 0.99, 0.999, 1.0].map(|q| late.value_at_quantile(q) as f64 * 1e-3);
        let long = late.iter_recorded().filter(|v| v.value_iterated_to() > 1_000_000);
        (quantiles, long.map(|v| v.count_at_value()).sum())
    });
    let (seconds, cores) = measured::seconds_and_cores(&measured);
    let mut all = Run {
        ues,
        security,
        totals: Totals::default(),
        over: 0,
        over_by_work: 0,
        stalls,
        cores,
        seconds,
        arrivals: Arrivals::default(),
        latency_stats: LatencyStats::new(),
        load,
    };
    measured.into_iter().try_for_each(|ue| ue.add_to(&mut all))?;
    all.over = all.latency_stats.longer_than(Stage::Whole, Duration::from_millis(1));
    all.over_by_work = all.latency_stats.longer_than(Stage::Processor, Duration::from_millis(1));
    Ok(all)
}

/// A radio for each UE.
struct Radios {
    radios: Vec<Box<dyn Radio>>,
    /// UTC at sample 0 where the radio does not tell it.
    host: Option<Anchor>,
}

impl Radios {
    /// Radios that `open` gives, or ports of a virtual air.
    fn open(plan: &Plan, configs: &mut [UeConfig], open: Option<&mut OpenRadio<'_>>) -> anyhow::Result<Self> {
        let mut radios = Vec::with_capacity(configs.len());
        let mut host = None;
        match open {
            Some(open) => {
                for config in configs {
                    let (radio, anchor) = open(config)?;
                    radios.push(radio);
                    host = anchor;
                }
            }
            None => {
                let air = Air::new(scene::air(plan, configs.len(), configs[0].rate()?))?;
                for config in configs {
                    radios.push(air.attach_named(&config.name)?);
                }
            }
        }
        Ok(Self { radios, host })
    }

    /// A UE on each; all are built before the first begins.
    fn start(self, plan: &Plan, configs: &[UeConfig], keys: &Keys) -> anyhow::Result<Vec<MeasuredUe>> {
        let Self { radios, host } = self;
        let ues = radios.len() as u64;
        let every = plan.every.unwrap_or(scene::PERIOD * ues + 3);
        let real_time = radios.iter().all(|r| r.description().real_time);
        let streams = radios.into_iter().map(Radio::start).collect::<Result<Vec<Streams>, _>>()?;
        let epoch = Instant::now();
        let built = configs.iter().zip(streams).zip(0..).map(|((config, streams), i)| {
            let anchor = streams.anchor.or(host).unwrap_or(Anchor { utc_ns: 0, uncertainty_ns: 0 });
            let facts = RadioFacts { anchor, real_time, draws: Draws::Seeded };
            let (probe, heard) = Probe::new(every, every * i / ues, plan.octets, epoch);
            let mut ue = config.build_with(keys, NoStore::default(), facts, vec![Box::new(probe)])?;
            ue.set_duration(WARM_UP + plan.duration.as_millis() as u64);
            Ok((ue, streams, heard))
        });
        let built = built.collect::<anyhow::Result<Vec<_>>>()?;
        let start = |(ue, streams, heard)| MeasuredUe::start(ue, streams, heard, real_time);
        built.into_iter().map(start).collect()
    }
}

impl Run {
    /// Subframes that were not received because there was no time: given up, or lost with their samples.
    pub fn missed(&self, subframe_samples: usize) -> u64 {
        self.totals.skipped + self.totals.lost_samples.div_ceil(subframe_samples as u64)
    }

    /// From the end of a received subframe to the beginning of the first that can hold its answer, in subframes, if the work is
    /// to be done in time but for one of 1000; as measured.
    pub fn least_turn_round(&self) -> Option<f64> {
        let measured = !self.latency_stats.histogram(Stage::TurnRound).is_empty();
        measured.then(|| (self.latency_stats.microseconds(Stage::TurnRound)[2] / 1e3).ceil())
    }

    /// One object with every figure.
    pub fn json(&self, plan: &Plan, subframe_samples: usize) -> Value {
        let t = &self.totals;
        let stages: serde_json::Map<String, Value> = self
            .latency_stats
            .microseconds_of_all()
            .into_iter()
            .map(|(s, v)| (s.as_str().to_owned(), figures(v)))
            .collect();
        json!({
            "type": "latency",
            "ues": self.ues,
            "security": self.security.as_str(),
            "prb": plan.prb,
            "lead": plan.lead,
            "lock_step": plan.lock_step,
            "seconds": self.seconds,
            "cores": self.cores,
            "load_before": self.load,
            "subframes": t.subframes,
            "missed": self.missed(subframe_samples),
            "late_bursts": t.late_bursts,
            "over_budget": self.over,
            "over_budget_by_work": self.over_by_work,
            "stalls_us": self.stalls.map(|(late, _)| figures(late)),
            "stalls_over_1_ms": self.stalls.map(|(_, long)| long),
            "bursts": t.bursts,
            "turn_round_subframes": plan.lead - 1,
            "least_turn_round_subframes": self.least_turn_round(),
            "messages": { "sent": self.arrivals.sent, "refused": self.arrivals.refused, "received": self.arrivals.received },
            "application_air_ms": self.arrivals.air().map(figures),
            "application_wall_ms": self.arrivals.wall().map(figures),
            "stages_us": stages,
        })
    }
}

fn figures([p50, p99, p999, worst]: [f64; 4]) -> Value {
    json!({ "p50": p50, "p99": p99, "p99.9": p999, "worst": worst })
}
