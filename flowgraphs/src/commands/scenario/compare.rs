//! `sidelink compare`: configurations of one-to-one links side by side, over many runs; and ways to bring keys to groups
//! ([`super::compare_groups`]); links to relays ([`super::compare_relays`]); paths through UE-to-UE relays
//! ([`super::compare_u2u`]); and protections of discovery ([`super::compare_discovery`]).

use super::compare_discovery;
use super::compare_groups::{self, GroupArgs};
use super::compare_relays;
use super::compare_u2u;
use super::compared::{self, bars, by_configuration, mean, percentile, short, whole};
use super::{Cases, concluded};
use crate::args::Output;
use crate::config::ConfigError;
use crate::experiments::cases;
use crate::experiments::distribution::question::Solution;
use crate::experiments::metrics::Costs;
use crate::experiments::metrics::messages::Spent;
use crate::experiments::output::{self, Rows};
use crate::experiments::overlay::costs::OverlayCosts;
use crate::inspect::plot::{self, Panel};
use crate::outputs::{Existing, Outputs};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Arguments of `sidelink compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Scenarios of links, or of relays, to run (`sidelink scenario --list`), and files of earlier runs: `scenario .. -F json:a.json`. Or
    /// ways to bring keys to groups, on a simulated clock: group-sakke, group-owner, group-pgk, group-invitation,
    /// group-white-list, group-mls; all of them as `groups`. Or scenarios of relays; PRUK, EAP-AKA' and certificates as `relays`.
    /// Or protections of discovery; all of them as `discovery`.
    #[arg(required = true, value_name = "NAME|FILE")]
    pub what: Vec<String>,
    #[command(flatten)]
    cases: Cases,
    #[command(flatten)]
    groups: GroupArgs,
    /// Form of the output: table, json or csv, json:FILE.
    #[arg(short = 'F', value_name = "FORM[:FILE]", default_value = "table")]
    pub output: Output,
    /// Draw the comparison: a .svg or .png file.
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

/// Runs or reads all runs, and prints the costs of each configuration.
///
/// # Errors
/// A name is neither a scenario nor a file, a file has another content, or a forbidden outcome occurred.
pub fn run(args: &CompareArgs) -> anyhow::Result<()> {
    let mut outputs = Outputs::new(Existing::Keep);
    outputs.reads(&args.what.iter().map(PathBuf::from).collect::<Vec<_>>());
    if let Some(solutions) = solutions(&args.what)? {
        let output = (&args.output, args.plot.as_deref());
        return compare_groups::run(&solutions, (&args.cases, &args.groups), output, outputs);
    }
    if compare_relays::names_relays(&args.what) {
        let output = (&args.output, args.plot.as_deref());
        return compare_relays::run(&args.what, &args.cases, output, outputs);
    }
    if let Some(chosen) = compare_discovery::chosen(&args.what)? {
        let output = (&args.output, args.plot.as_deref());
        return compare_discovery::run(chosen, &args.cases, output, outputs);
    }
    if let Some(chosen) = compare_u2u::chosen(&args.what)? {
        let output = (&args.output, args.plot.as_deref());
        return compare_u2u::run(chosen, &args.cases, output, outputs);
    }
    let picture = args.plot.as_deref().map(|path| plot::claim(&mut outputs, path)).transpose()?;
    let mut out = args.output.claim(&mut outputs)?.create()?;
    let (mut names, mut all) = (Vec::new(), Vec::new());
    for what in &args.what {
        if cases::all().any(|s| s.name == what) {
            names.push(what.clone());
        } else if Path::new(what).exists() {
            all.extend(read(Path::new(what))?);
        } else {
            let remedy =
                "name a scenario (`sidelink scenario --list`), or a file of `scenario .. -F json:FILE`";
            return Err(
                ConfigError::usage(format!("{what:?} is neither a scenario nor a file"), remedy).into()
            );
        }
    }
    args.cases.play(&names, |_case, costs| {
        all.push(costs);
        Ok(())
    })?;
    let groups = groups(&all);
    output::write_as(args.output.form, &groups, || rows(&groups), &mut out)?;
    out.finish()?;
    if let Some(place) = &picture {
        plot::draw(place, "What a link costs on the air", &panels(&groups))?;
    }
    concluded(
        all.iter().filter_map(|c| Some(format!("{}, seed {}: {}", c.name, c.seed, c.failure.as_ref()?))),
    )
}

/// The ways to bring keys to groups that are named; `None` where only others are.
fn solutions(what: &[String]) -> Result<Option<Vec<Solution>>, ConfigError> {
    let mut solutions = Vec::new();
    for name in what {
        match Solution::of(name) {
            Some(solution) => solutions.push(solution),
            None if name == "groups" => solutions.extend(Solution::ALL),
            None if solutions.is_empty() => {}
            None => {
                let what = format!("{name:?} is not compared with ways to bring keys to groups");
                return Err(ConfigError::usage(what, "compare links, and groups, in two runs"));
            }
        }
    }
    match solutions.len() {
        0 => Ok(None),
        named if named < what.len() && !what.iter().any(|name| name == "groups") => {
            let what = format!("{:?} is not compared with ways to bring keys to groups", what[0]);
            Err(ConfigError::usage(what, "compare links, and groups, in two runs"))
        }
        _ => Ok(Some(solutions)),
    }
}

/// Reads the costs that an earlier run wrote.
fn read(path: &Path) -> Result<Vec<Costs>, ConfigError> {
    let remedy = "make it with `sidelink scenario NAME -F json:FILE`";
    let all = compared::read(path, remedy)?;
    if all.is_empty() {
        return Err(ConfigError::new("it is empty", path.display().to_string(), remedy));
    }
    Ok(all)
}

/// Runs that differ only by their seeds. Costs are means of the set-ups of both UEs together, over the runs with a
/// link; times are those of UE_1.
#[derive(Clone, Debug, Serialize)]
struct Group {
    name: String,
    period: u64,
    snr_db: f64,
    mcs: u8,
    rekey_every_ms: Option<u64>,
    runs: usize,
    linked: usize,
    setup_ms_mean: Option<f64>,
    setup_ms_median: Option<f64>,
    setup_ms_p95: Option<f64>,
    #[serde(flatten)]
    mean: Option<Means>,
    rekey_ms: Option<f64>,
    sent: usize,
    delivered: usize,
    longest_gap_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overlay: Option<OverlayMeans>,
}

/// What an overlay above the link takes, both ends together: means over the runs with one.
#[derive(Clone, Copy, Debug, Serialize)]
struct OverlayMeans {
    /// From the asking for the link to the keys of both ends.
    ready_ms: f64,
    messages: f64,
    octets: f64,
    /// Blocks, and SC periods with a grant, of the handshake.
    n_tb: f64,
    sc_periods: f64,
    cpu_us: f64,
    /// Octets of a packet of voice without the overlay, and those that it adds.
    plain_octets: f64,
    added_octets: f64,
    /// Time to protect or open a packet.
    operation_us: f64,
    gap_ms: Option<u64>,
}

impl OverlayMeans {
    fn of(linked: &[&&Costs]) -> Option<Self> {
        let all: Vec<_> = linked.iter().filter_map(|c| Some((c.overlay.as_ref()?, *c))).collect();
        let count = all.len().max(1) as f64;
        let mean = |figure: &dyn Fn(&OverlayCosts) -> f64| {
            all.iter().map(|(overlay, _)| figure(overlay)).sum::<f64>() / count
        };
        let spent = |figure: fn(&Spent) -> u64| {
            let of = |c: &Costs| c.phases.get("overlay").map_or(0, |ues| ues.iter().map(figure).sum());
            all.iter().map(|(_, c)| of(c)).sum::<u64>() as f64 / count
        };
        (!all.is_empty()).then(|| Self {
            ready_ms: mean(&|o| o.both_ready_ms().unwrap_or_default() as f64),
            messages: mean(&|o| o.messages.iter().sum::<u64>() as f64),
            octets: mean(&|o| o.octets.iter().sum::<u64>() as f64),
            n_tb: spent(|s| s.n_tb),
            sc_periods: spent(|s| s.sc_periods),
            cpu_us: mean(&|o| o.cpu_us.iter().sum()),
            plain_octets: mean(&|o| o.plain_octets),
            added_octets: mean(&|o| o.added_octets),
            operation_us: mean(&|o| o.operation_us),
            gap_ms: all.iter().filter_map(|(overlay, _)| overlay.gap_ms).max(),
        })
    }

    const HEAD: [&str; 10] = [
        "overlay ms",
        "its msgs",
        "its oct.",
        "its TBs",
        "its periods",
        "its CPU us",
        "packet oct.",
        "added",
        "us a packet",
        "gap ms",
    ];

    fn cells(&self) -> [String; 10] {
        [
            format!("{:.0}", self.ready_ms),
            short(self.messages),
            short(self.octets),
            short(self.n_tb),
            short(self.sc_periods),
            format!("{:.0}", self.cpu_us),
            format!("{:.0}", self.plain_octets),
            short(self.added_octets),
            format!("{:.1}", self.operation_us),
            self.gap_ms.map_or("-".to_owned(), |gap| gap.to_string()),
        ]
    }
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Means {
    msgs: f64,
    l3_octets: f64,
    pdcp_octets: f64,
    pdu_octets: f64,
    n_tb: f64,
    sf_pscch: f64,
    sf_pssch: f64,
    sc_periods: f64,
    retx: f64,
    cpu_us: f64,
    durable_writes: f64,
}

fn groups(all: &[Costs]) -> Vec<Group> {
    let same = |a: &Costs, b: &Costs| {
        (&a.name, a.period, a.mcs, a.rekey_every_ms) == (&b.name, b.period, b.mcs, b.rekey_every_ms)
            && a.snr_db.total_cmp(&b.snr_db).is_eq()
    };
    by_configuration(all, same).iter().map(|runs| group(runs)).collect()
}

fn group(runs: &[&Costs]) -> Group {
    let linked: Vec<&&Costs> = runs.iter().filter(|c| c.linked()).collect();
    let mut times: Vec<f64> = linked.iter().filter_map(|c| c.setup_ms[0]).map(|ms| ms as f64).collect();
    times.sort_by(f64::total_cmp);
    let of = |figure: fn(&Spent) -> f64| {
        linked.iter().map(|c| c.setup_sum(figure)).sum::<f64>() / linked.len().max(1) as f64
    };
    let means = Means {
        msgs: of(|s| s.msgs as f64),
        l3_octets: of(|s| s.l3_octets as f64),
        pdcp_octets: of(|s| s.pdcp_octets as f64),
        pdu_octets: of(|s| s.pdu_octets as f64),
        n_tb: of(|s| s.n_tb as f64),
        sf_pscch: of(|s| s.sf_pscch as f64),
        sf_pssch: of(|s| s.sf_pssch as f64),
        sc_periods: of(|s| s.sc_periods as f64),
        retx: of(|s| s.retx as f64),
        cpu_us: of(|s| s.cpu_us),
        durable_writes: of(|s| s.durable_writes as f64),
    };
    let rekey: Vec<f64> = runs.iter().filter_map(|c| c.rekey_ms[0]).collect();
    let first = runs[0];
    Group {
        name: first.name.clone(),
        period: first.period,
        snr_db: first.snr_db,
        mcs: first.mcs,
        rekey_every_ms: first.rekey_every_ms,
        runs: runs.len(),
        linked: linked.len(),
        setup_ms_mean: mean(&times),
        setup_ms_median: percentile(&times, 0.5),
        setup_ms_p95: percentile(&times, 0.95),
        mean: (!linked.is_empty()).then_some(means),
        rekey_ms: mean(&rekey),
        sent: runs.iter().map(|c| c.sent).sum(),
        delivered: runs.iter().map(|c| c.delivered).sum(),
        longest_gap_ms: runs.iter().filter_map(|c| c.longest_gap_ms).max(),
        overlay: OverlayMeans::of(&linked),
    }
}

fn rows(groups: &[Group]) -> Rows {
    let mut head = vec!["scenario", "P", "SNR dB", "MCS", "runs", "links", "mean ms", "median", "p95"];
    head.extend([
        "msgs", "L3 oct.", "PDU oct.", "TBs", "PSCCH", "PSSCH", "periods", "retx", "CPU us", "writes",
    ]);
    let has_overlays = groups.iter().any(|g| g.overlay.is_some());
    if has_overlays {
        head.extend(OverlayMeans::HEAD);
    }
    let lines = groups.iter().map(|g| {
        let mut cells = vec![g.name.clone(), g.period.to_string(), g.snr_db.to_string(), g.mcs.to_string()];
        cells.extend([g.runs.to_string(), g.linked.to_string()]);
        cells.extend([g.setup_ms_mean, g.setup_ms_median, g.setup_ms_p95].map(whole));
        match g.mean {
            None => cells.extend(std::iter::repeat_n("-".to_owned(), 10)),
            Some(m) => {
                let figures =
                    [m.msgs, m.l3_octets, m.pdu_octets, m.n_tb, m.sf_pscch, m.sf_pssch, m.sc_periods];
                cells.extend(figures.iter().chain([&m.retx]).map(|v| short(*v)));
                cells.extend([format!("{:.0}", m.cpu_us), short(m.durable_writes)]);
            }
        }
        match g.overlay {
            Some(overlay) => cells.extend(overlay.cells()),
            None if has_overlays => cells.extend(OverlayMeans::HEAD.map(|_| "-".to_owned())),
            None => {}
        }
        cells
    });
    Rows { head, lines: lines.collect() }
}

fn panels(groups: &[Group]) -> Vec<Panel<'static>> {
    let label = |g: &Group| format!("{}, P = {}, {} dB, MCS {}", g.name, g.period, g.snr_db, g.mcs);
    let bars = |title: &str, unit: &str, value: &dyn Fn(&Group) -> Option<f64>| {
        bars((title, unit), groups.iter().map(|g| (label(g), value(g))))
    };
    let subframes = |g: &Group| g.mean.map(|m| m.sf_pscch + m.sf_pssch);
    let all = [
        bars("Time of the set-up at UE_1, median", "ms", &|g| g.setup_ms_median),
        bars("Subframes that the set-up takes", "PSCCH and PSSCH subframes of both UEs", &subframes),
        bars("Octets of transport blocks in the set-up", "octets of both UEs", &|g| {
            g.mean.map(|m| m.pdu_octets)
        }),
        bars("Time until the overlay has its keys", "ms after the link was asked for", &|g| {
            g.overlay.map(|overlay| overlay.ready_ms)
        }),
        bars("Octets of the overlay's handshake", "octets of IP packets of both UEs", &|g| {
            g.overlay.map(|overlay| overlay.octets)
        }),
        bars("Octets that the overlay adds to a packet of voice", "octets", &|g| {
            g.overlay.map(|overlay| overlay.added_octets)
        }),
        bars("Runs that came to a link", "%", &|g| Some(100.0 * g.linked as f64 / g.runs as f64)),
    ];
    all.into_iter().flatten().collect()
}
