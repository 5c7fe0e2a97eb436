//! `sidelink network costs`: what each way of provisioning costs, on the simulated clock, and what it would cost on the air if the
//! UE reached the network through a relay.

use crate::args::{Form, Output};
use crate::config::ConfigError;
use crate::experiments::network::fabric::Fabric;
use crate::experiments::network::messages::UeId;
use crate::experiments::network::meter::Cost;
use crate::experiments::network::provisioning::{self, Measured};
use crate::experiments::network::relay;
use crate::experiments::network::scene;
use crate::experiments::network::subscriber::Told;
use crate::experiments::network::ways::{MOST_LOSS, NamedWay, Way, Ways};
use crate::outputs::{Existing, Outputs};
use clap::Args;
use sidelink_network::pc3_client::{self, Allotment, Heard, Input, Target, Wanted};
use sidelink_network::pkmf_client::{self, Event};
use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::open::{self, OpenKey};
use sidelink_security::discovery::{Freshness, Profile};
use sidelink_security::keys::DiscoveryKey;
use std::io::Write;
use std::time::{Duration, Instant};

/// Milliseconds that a step may take.
const PATIENCE: u64 = 300_000;

/// Arguments of `sidelink network costs`.
#[derive(Debug, Args)]
pub struct CostsArgs {
    /// Number of runs, each with a seed of its own.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub runs: u64,
    /// Milliseconds there and back between any two functions, UEs included.
    #[arg(long, value_name = "MS", default_value_t = 40, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    pub round_trip: u64,
    /// Share of the messages between them that are lost once, 0 to 0.9.
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub loss: f64,
    /// Another way for one reference point, as PC3=200 or PC3=200,0.1; may be repeated.
    #[arg(long, value_name = "NAME=MS[,P]")]
    way: Vec<NamedWay>,
    /// Form of the output: table, or json: an object a step.
    #[arg(short = 'F', value_name = "FORM[:FILE]", default_value = "table")]
    output: Output,
}

/// A step of provisioning, as it was measured.
struct Step {
    name: &'static str,
    cost: Cost,
    /// Milliseconds of the simulated clock.
    millis: u64,
    /// Time of both ends on the clock of this machine, everything but the ways.
    took: Duration,
}

/// Measures.
///
/// # Errors
/// Arguments that do not fit, a step without an answer, or output that cannot be written.
pub fn run(args: &CostsArgs) -> anyhow::Result<()> {
    if !(0.0..=MOST_LOSS).contains(&args.loss) {
        return Err(ConfigError::new("a loss must be 0 to 0.9", "--loss", "leave it out for none").into());
    }
    if args.output.form == Form::Csv {
        return Err(ConfigError::new("there is no CSV of costs", "-F csv", "use table or json").into());
    }
    let mut out = args.output.claim(&mut Outputs::new(Existing::Keep))?.create()?;
    let mut ways = Ways::all(Way { round_trip: args.round_trip, loss: args.loss });
    args.way.iter().for_each(|way| ways.set(*way));
    let runs = (1..=args.runs).map(|seed| measure(ways.clone(), seed)).collect::<anyhow::Result<Vec<_>>>()?;
    if args.output.form == Form::Table {
        writeln!(
            out,
            "{:<34} {:>9} {:>8} {:>12} {:>5} {:>9} {:>7} {:>8}",
            "", "messages", "octets", "round trips", "TBs", "median ms", "p95 ms", "CPU us"
        )?;
    }
    for step in 0..runs[0].len() {
        let all: Vec<&Step> = runs.iter().map(|steps| &steps[step]).collect();
        let line = summary(&all);
        if args.output.form == Form::Json {
            writeln!(out, "{line}")?;
            continue;
        }
        let number = |key: &str| line[key].as_f64().unwrap_or(0.0);
        writeln!(
            out,
            "{:<34} {:>9.1} {:>8.0} {:>12.1} {:>5.0} {:>9.0} {:>7.0} {:>8.1}",
            all[0].name,
            number("net_msgs"),
            number("net_octets"),
            number("net_rtts"),
            number("relay_tbs"),
            number("median_ms"),
            number("p95_ms"),
            number("cpu_us")
        )?;
    }
    Ok(out.finish()?)
}

/// Means of counts, quantiles of times.
fn summary(all: &[&Step]) -> serde_json::Value {
    let mean = |of: fn(&Step) -> f64| all.iter().map(|step| of(step)).sum::<f64>() / all.len() as f64;
    let mut millis: Vec<u64> = all.iter().map(|step| step.millis).collect();
    millis.sort_unstable();
    let mut took: Vec<Duration> = all.iter().map(|step| step.took).collect();
    took.sort_unstable();
    serde_json::json!({
        "type": "network-cost",
        "step": all[0].name,
        "runs": all.len(),
        "net_msgs": mean(|step| step.cost.messages as f64),
        "net_octets": mean(|step| step.cost.octets as f64),
        "net_rtts": mean(|step| step.cost.round_trips as f64),
        "relay_tbs": mean(|step| step.cost.blocks as f64),
        "relay_tb_octets": relay::block_octets(),
        "median_ms": millis[millis.len() / 2],
        "p95_ms": millis[(millis.len() * 95).div_ceil(100).saturating_sub(1)],
        "cpu_us": took[took.len() / 2].as_secs_f64() * 1e6,
    })
}

/// One run: each step once, in the order in which a UE needs them.
fn measure(ways: Ways, seed: u64) -> anyhow::Result<Vec<Step>> {
    let start = UtcTime::from_millis(1_800_000_000_000);
    let mut fabric = Fabric::new(start, (scene::config(), scene::groups()?), ways.clone(), seed)?;
    let mut ues = Vec::new();
    for number in [1, 2] {
        let (config, subscription) = scene::subscriber(number);
        ues.push(fabric.add(config, subscription)?);
    }
    let (alice, bob) = (ues[0], ues[1]);
    let mut run = Run { fabric, steps: Vec::new(), allotted: None };
    // The first request needs a key: what it costs more than the second is the bootstrapping.
    run.want("GBA, and the first code over PC3", alice, Wanted::Announce(scene::application_id()))?;
    run.want("a restricted code and its keys", alice, Wanted::AnnounceRestricted)?;
    let announced = run.allotted.take();
    run.want("GBA, and the first filter", bob, Wanted::Monitor(scene::application_id()))?;
    run.want("a restricted filter and its keys", bob, Wanted::MonitorRestricted(vec![scene::rpauid(1)]))?;
    run.match_report(bob, announced)?;
    run.want("to answer by model B, and its keys", alice, Wanted::Answer)?;
    run.want("to ask by model B, and its keys", bob, Wanted::Ask(vec![scene::rpauid(1)]))?;
    run.group_key("PMK and PGK over PC8 and MIKEY", alice)?;
    let public_keys = provisioning::public_keys::measure(&ways, seed)?;
    let configurations = provisioning::measure(&ways, seed)?.into_iter();
    run.steps.extend(configurations.chain(public_keys).map(|Measured { name, cost, millis, took }| Step {
        name,
        cost,
        millis,
        took,
    }));
    Ok(run.steps)
}

struct Run {
    fabric: Fabric,
    steps: Vec<Step>,
    allotted: Option<Allotment>,
}

impl Run {
    fn want(&mut self, name: &'static str, ue: UeId, wanted: Wanted) -> anyhow::Result<()> {
        self.step(
            name,
            |fabric| fabric.pc3(ue, |now| Input::Want { now, wanted, earlier: None }),
            |told| matches!(told, Told::Pc3(pc3_client::Output::Allotted { .. })),
        )
    }

    /// Bob heard what alice announces.
    fn match_report(&mut self, ue: UeId, announced: Option<Allotment>) -> anyhow::Result<()> {
        let Some(Allotment::AnnounceRestricted { code, material: Some(material) }) = announced else {
            anyhow::bail!("the ProSe Function allotted no restricted code; this is a bug")
        };
        let Some(duik) = &material.duik else { anyhow::bail!("no DUIK came; this is a bug") };
        let at = Freshness::at(self.fabric.now().counter());
        let (mut message, profile) = ([0; 29], Profile::default());
        message[0] = 0x81;
        message[1..24].copy_from_slice(&code.on_air());
        // What a monitor sees once the scrambling is taken off.
        let key = OpenKey::new(&DiscoveryKey::try_from(duik.as_bytes())?, profile);
        let refused = |_| anyhow::anyhow!("the clock does not fit; this is a bug");
        key.protect(&at, &mut message).map_err(refused)?;
        let seen = open::receive(&at, &message, &profile).map_err(refused)?.0;
        let heard = Heard {
            target: Target::Restricted,
            code: seen.code,
            message_type: seen.message_type,
            mic: seen.mic,
            counter: seen.counter,
        };
        self.step(
            "a match report",
            |fabric| fabric.pc3(ue, |now| Input::Heard { now, heard }),
            |told| matches!(told, Told::Pc3(pc3_client::Output::Verified { .. })),
        )
    }

    fn group_key(&mut self, name: &'static str, ue: UeId) -> anyhow::Result<()> {
        self.step(
            name,
            |fabric| fabric.want_keys(ue, &[pkmf_client::Wanted::Group(scene::TEAM)]),
            |told| matches!(told, Told::Keys(Event::Key(_))),
        )
    }

    /// Begins something and waits for what ends it.
    fn step(
        &mut self,
        name: &'static str,
        begin: impl FnOnce(&mut Fabric),
        ends: impl Fn(&Told) -> bool,
    ) -> anyhow::Result<()> {
        let (before, from) = (self.fabric.meter().clone(), self.fabric.now());
        let clock = Instant::now();
        begin(&mut self.fabric);
        let until = from.plus_millis(PATIENCE);
        let mut ended = None;
        while ended.is_none() && self.fabric.now() < until {
            self.fabric.run_until(self.fabric.now().plus_millis(10));
            for (at, _, told) in self.fabric.told() {
                ended = ended.or_else(|| ends(&told).then_some(at));
                if let Told::Pc3(pc3_client::Output::Allotted { allotment, .. }) = told {
                    self.allotted = Some(allotment);
                }
            }
        }
        let took = clock.elapsed();
        let Some(ended) = ended else { anyhow::bail!("{name}: no answer in {} s", PATIENCE / 1000) };
        // What is still under way belongs to this step too: a verification message.
        self.fabric.run_until(self.fabric.now().plus_millis(1000));
        let millis = ended.millis() - from.millis();
        let cost = self.fabric.meter().since(&before);
        self.steps.push(Step { name, cost, millis, took });
        Ok(())
    }
}
