//! Cases that are counts without a curve: collisions, synchronisation, and control information in noise.

use super::{BlerArgs, STRONGER};
use crate::args::Form;
use crate::bench::bler::collisions::{self, Shared};
use crate::bench::bler::{self, AirConfig};
use serde_json::json;
use sidelink_phy::units::{Decibel, SidelinkMode};
use std::io::Write;

/// Names of the cases of synchronisation, and of noise.
pub(super) const SLSS: &str = "slss";
pub(super) const FALSE_SCI: &str = "false-sci";

/// Distances of two UEs on the same resources.
const GAPS: [Decibel; 4] = [Decibel(0.0), Decibel(3.0), Decibel(6.0), Decibel(10.0)];

/// Returns the names of all cases that are counts.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    Shared::ALL.into_iter().map(Shared::case).chain([SLSS, FALSE_SCI])
}

/// Runs the wanted ones.
pub(super) fn run(args: &BlerArgs, form: Form, out: &mut dyn Write) -> std::io::Result<()> {
    for shared in Shared::ALL.into_iter().filter(|shared| args.is_wanted(shared.case())) {
        for channel in args.channels() {
            run_collisions(args, shared, &args.air(channel), form, out)?;
        }
    }
    if args.is_wanted(SLSS) {
        for channel in args.channels() {
            run_slss(args, &args.air(channel), form, out)?;
        }
    }
    if args.is_wanted(FALSE_SCI) {
        run_false_sci(args, form, out)?;
    }
    Ok(())
}

/// Returns the words for `count` seeds from `first` on.
fn seeds(first: u64, count: u32) -> String {
    match count {
        1 => format!("seed {first}"),
        _ => format!("seeds {first} to {}", first + u64::from(count) - 1),
    }
}

fn run_collisions(
    args: &BlerArgs,
    shared: Shared,
    air: &AirConfig,
    form: Form,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    for gap in GAPS {
        let o = collisions::run(shared, STRONGER, gap, air, args.effort());
        if form == Form::Json {
            let line = json!({
                "type": "collision", "case": shared.case(), "channel": air.channel.to_string(), "cfo_hz": air.cfo.0,
                "antennas": air.antennas.count(), "seed": args.seed, "seeds": args.seeds, "es_n0_db": STRONGER.0, "gap_db": gap.0,
                "mcs": shared.mcs(), "trials": o.trials, "stronger": o.stronger, "weaker": o.weaker, "both": o.both,
                "wrong": o.wrong,
            });
            writeln!(out, "{line}")?;
        } else {
            let share = |n: u32| 100.0 * f64::from(n) / f64::from(o.trials.max(1));
            writeln!(
                out,
                "{}, {}, {}, {STRONGER}, {gap} apart: both {:.1} %, the stronger {:.1} %, the weaker {:.1} %, made up {} \
                 of {}",
                shared.case(),
                air.channel,
                seeds(args.seed, args.seeds),
                share(o.both),
                share(o.stronger),
                share(o.weaker),
                o.wrong,
                o.trials
            )?;
        }
        out.flush()?;
    }
    Ok(())
}

/// A mode of each family, by its name in the output.
const FAMILIES: [(SidelinkMode, &str); 2] = [(SidelinkMode::D2d, "tm2"), (SidelinkMode::V2x, "tm4")];

fn run_slss(args: &BlerArgs, air: &AirConfig, form: Form, out: &mut dyn Write) -> std::io::Result<()> {
    for (sidelink, mode) in FAMILIES {
        for es_n0 in [Some(Decibel(-4.0)), Some(Decibel(-6.0)), None] {
            let o = bler::slss::run(es_n0, air, sidelink, args.trials);
            if form == Form::Json {
                let line = json!({
                    "type": "slss-search", "mode": mode, "channel": air.channel.to_string(), "cfo_hz": air.cfo.0,
                    "antennas": 1, "seed": args.seed, "es_n0_db": es_n0.map(|es_n0| es_n0.0), "trials": o.trials,
                    "right": o.right, "missed": o.missed, "wrong": o.wrong,
                });
                writeln!(out, "{line}")?;
            } else {
                let at = es_n0.map_or("noise alone".to_owned(), |es_n0| es_n0.to_string());
                let share = 100.0 * o.right as f64 / o.trials as f64;
                writeln!(
                    out,
                    "{SLSS} {mode}, {}, {}, 40 ms, {at}: right {share:.2} %, missed {}, wrong {} of {}",
                    air.channel,
                    seeds(args.seed, 1),
                    o.missed,
                    o.wrong,
                    o.trials
                )?;
            }
            out.flush()?;
        }
    }
    Ok(())
}

fn run_false_sci(args: &BlerArgs, form: Form, out: &mut dyn Write) -> std::io::Result<()> {
    for (sidelink, mode) in FAMILIES {
        let o = bler::false_sci::run(sidelink, 10 * args.trials, args.seed);
        if form == Form::Json {
            let line = json!({
                "type": "false-sci", "mode": mode, "antennas": 1, "seed": args.seed, "screened": o.screened,
                "decoded": o.decoded, "found": o.found,
            });
            writeln!(out, "{line}")?;
        } else {
            writeln!(
                out,
                "false SCI {mode}, {}: {} of {} places in noise ({} of them decoded)",
                seeds(args.seed, 1),
                o.found,
                o.screened,
                o.decoded
            )?;
        }
    }
    Ok(())
}
