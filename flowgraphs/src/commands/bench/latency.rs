//! `sidelink bench latency`: stages, deadlines and turn-round of UEs in real time.

use crate::args::{Form, Output};
use crate::bench::latency::{self, Machine, OpenRadio, Plan, Run, Security};
use crate::commands::ue::{host_time, parse_duration, settings, stop_on_signals};
use crate::config::ConfigError;
use crate::config::ue_toml::UeConfig;
use crate::outputs::{OutputFile, Outputs};
use clap::{Args, ValueEnum};
use sidelink_phy::units::Decibel;
use sidelink_radio as radio;
use sidelink_ue::Stage;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct LatencyArgs {
    /// Run on a virtual air within this process. This is the default.
    #[arg(long, conflicts_with = "args")]
    air: bool,
    /// Run one UE on this device: driver=uhd,serial=..
    #[arg(long, value_name = "ARGS")]
    args: Option<String>,
    /// Duration of each measurement, such as 10, 60s or 5m; a second of warm-up comes before it.
    #[arg(long, default_value = "10", value_name = "TIME", value_parser = parse_duration)]
    duration: Duration,
    /// Numbers of UEs; each is run with each protection.
    #[arg(long, default_value = "1,5,20", value_delimiter = ',', value_name = "N,..",
          value_parser = clap::value_parser!(u8).range(1..=64))]
    ues: Vec<u8>,
    /// Protections; the default is all.
    #[arg(long, value_delimiter = ',', value_name = "WHAT,..")]
    security: Vec<Security>,
    /// Bandwidth in PRBs: 6, 15, 25, 50, 75 or 100.
    #[arg(long, default_value_t = 25, value_name = "PRBS", value_parser = crate::args::parse_prb)]
    prb: u32,
    /// Subframes from the last received one to the planned one.
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=30))]
    lead: u64,
    /// I_MCS of the transmissions.
    #[arg(long, default_value_t = 9, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=20))]
    mcs: u8,
    /// Octets of a message.
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = octets)]
    octets: usize,
    /// Milliseconds between two messages of a UE; the default is 40 for each UE on the air, plus 3.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    every: Option<u64>,
    /// Es/N0 of the virtual air in dB.
    #[arg(long, default_value_t = 20.0, value_name = "DB", allow_hyphen_values = true)]
    snr: f64,
    /// Run in lock-step, as fast as the processors allow, with every UE waiting for the others: a test of function, not
    /// of speed.
    #[arg(long)]
    lock_step: bool,
    /// Seed of all random numbers except the keys.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Form of the output: table, json or json:FILE.
    #[arg(short = 'F', value_name = "FORM[:FILE]", default_value = "table")]
    pub(super) output: Output,
    /// Write a report with plots, as one HTML file.
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
}

fn octets(text: &str) -> Result<usize, ConfigError> {
    let wrong = || ConfigError::new(format!("{text:?} is not 20 to 1500"), "", "");
    text.parse().ok().filter(|n| (20..=1500).contains(n)).ok_or_else(wrong)
}

pub(super) fn run(args: &LatencyArgs, outputs: &mut Outputs) -> anyhow::Result<()> {
    args.args.as_deref().map_or(Ok(()), |device| outputs.device(device))?;
    // before the time is spent on measuring
    let page = args.html.as_deref().map(|path| outputs.claim("--html", path)).transpose()?;
    let mut out = super::open(&args.output, outputs)?;
    let page = page.map(|place| place.create()).transpose()?;
    let stop = stop_on_signals()?;
    let plan = Plan {
        prb: args.prb,
        lead: args.lead,
        mcs: args.mcs,
        octets: args.octets,
        every: args.every,
        duration: args.duration,
        lock_step: args.lock_step,
        snr: Decibel(args.snr),
        seed: args.seed,
    };
    let n = plan.subframe_samples()?;
    let machine = Machine::here();
    let one = [1];
    let counts: &[u8] = if args.args.is_some() { &one } else { &args.ues };
    let security: &[Security] =
        if args.security.is_empty() { Security::value_variants() } else { &args.security };
    if args.output.form == Form::Table {
        let load = machine.load.map_or("unknown".to_owned(), |l| format!("{l:.2}"));
        writeln!(out, "{}, {} cores, load {load}, {}", machine.processor, machine.cores, machine.date)?;
    }
    let mut runs: Vec<Run> = Vec::new();
    for (ues, security) in counts.iter().flat_map(|u| security.iter().map(move |s| (*u, *s))) {
        let mut open = |config: &UeConfig| {
            let Some(args) = &args.args else { anyhow::bail!("no device") };
            Ok((radio::open(args, &settings(config)?)?, Some(host_time())))
        };
        let open: Option<&mut OpenRadio<'_>> = if args.args.is_some() { Some(&mut open) } else { None };
        let run = latency::run(&plan, usize::from(ues), security, open, &|| stop.load(Ordering::Relaxed))?;
        if run.seconds == 0.0 {
            anyhow::bail!("ended before the warm-up was over: nothing was measured");
        }
        match args.output.form {
            Form::Table => table(&mut out, &run, &plan, n)?,
            _ => writeln!(out, "{}", run.json(&plan, n))?,
        }
        out.flush()?;
        runs.push(run);
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    out.finish()?;
    let write = |mut page: OutputFile| {
        let command = std::env::args().collect::<Vec<_>>().join(" ");
        page.write_all(latency::html(&machine, &plan, &command, n, &runs).as_bytes())?;
        page.finish()
    };
    Ok(page.map_or(Ok(()), write)?)
}

fn table(out: &mut dyn Write, run: &Run, plan: &Plan, n: usize) -> std::io::Result<()> {
    let t = &run.totals;
    writeln!(
        out,
        "\n{} UEs, {}, {} PRB: {} subframes in {:.1} s on {:.2} cores; {} missed, {} over 1 ms ({} by their work); {} bursts, {} late",
        run.ues,
        run.security.as_str(),
        plan.prb,
        t.subframes,
        run.seconds,
        run.cores,
        run.missed(n),
        run.over,
        run.over_by_work,
        t.bursts,
        t.late_bursts
    )?;
    let least = run.least_turn_round().map_or("not measured".to_owned(), |l| format!("{l:.0} would do"));
    writeln!(
        out,
        "an answer leaves {} subframes after the end of what it answers; {least} but for one of 1000",
        plan.lead - 1
    )?;
    let row = |name: &str, v: [f64; 4]| {
        format!("{name:<34} {:>10.1} {:>10.1} {:>10.1} {:>10.1}", v[0], v[1], v[2], v[3])
    };
    writeln!(out, "{:<34} {:>10} {:>10} {:>10} {:>10}", "microseconds", "p50", "p99", "p99.9", "worst")?;
    for stage in Stage::ALL.into_iter().filter(|s| !run.latency_stats.histogram(*s).is_empty()) {
        writeln!(out, "{}", row(stage.as_str(), run.latency_stats.microseconds(stage)))?;
    }
    if let Some((late, long)) = run.stalls {
        writeln!(out, "{}", row("the machine's stalls", late))?;
        writeln!(out, "the machine kept an idle thread waiting {long} times for more than 1 ms")?;
    }
    let a = &run.arrivals;
    let possible = a.sent * (run.ues as u64 - 1);
    writeln!(out, "messages: {} sent, {} refused, {} of {possible} received", a.sent, a.refused, a.received)?;
    for (name, values) in
        [("application to application, air, ms", a.air()), ("the same by the wall clock, ms", a.wall())]
    {
        if let Some(values) = values.filter(|_| !plan.lock_step || name.contains("air")) {
            writeln!(out, "{}", row(name, values))?;
        }
    }
    Ok(())
}
