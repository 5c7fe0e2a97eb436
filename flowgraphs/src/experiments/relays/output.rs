//! Costs of relays as a table for people, as lines of JSON, and as CSV.

use super::costs::RelayCosts;
use crate::args::Form;
use crate::experiments::metrics::messages::Spent;
use crate::experiments::output::{Rows, write_as};
use std::io::Write;

/// Writes what was measured.
///
/// # Errors
/// What cannot be written.
pub(crate) fn write(form: Form, all: &[RelayCosts], out: &mut dyn Write) -> anyhow::Result<()> {
    write_as(form, all, || rows(all), out)
}

/// Figures of what was spent at both ends together.
const FIGURES: [(&str, fn(&Spent) -> u64); 8] = [
    ("msgs", |s| s.msgs),
    ("L3 oct.", |s| s.l3_octets),
    ("PDU oct.", |s| s.pdu_octets),
    ("TBs", |s| s.n_tb),
    ("PSCCH", |s| s.sf_pscch),
    ("PSSCH", |s| s.sf_pssch),
    ("periods", |s| s.sc_periods),
    ("writes", |s| s.durable_writes),
];

/// A line a hop and phase, and a line a reference point.
fn rows(all: &[RelayCosts]) -> Rows {
    let mut head = vec!["scenario", "P", "SNR dB", "MCS", "RTT ms", "seed", "hop", "phase", "ms", "should"];
    head.extend(FIGURES.iter().map(|(name, _)| *name));
    let mut lines = Vec::new();
    for costs in all {
        let begin = |hop: String, phase: &str| {
            let mut cells = vec![costs.name.clone(), costs.period.to_string(), costs.snr_db.to_string()];
            let (mcs, rtt, seed) = (costs.mcs, costs.network_rtt_ms, costs.seed);
            cells.extend([mcs.to_string(), rtt.to_string(), seed.to_string(), hop, phase.to_owned()]);
            cells
        };
        let figures =
            |spent: &[Spent; 2]| FIGURES.map(|(_, figure)| spent.iter().map(figure).sum::<u64>().to_string());
        for hop in &costs.hops {
            let name = format!("{}-{}", hop.remote, hop.relay);
            let mut cells = begin(name.clone(), "set-up");
            cells.push(hop.setup_ms[0].map_or("-".to_owned(), |ms| ms.to_string()));
            cells.push(costs.predicted.ms.to_string());
            cells.extend(figures(&hop.setup));
            lines.push(cells);
            if let Some(ms) = hop.rekey_ms {
                let mut cells = begin(name, "re-keying");
                cells.extend([format!("{ms:.0}"), "-".to_owned()]);
                cells.extend(figures(&hop.rekey));
                lines.push(cells);
            }
        }
        for (point, spent) in &costs.network.points {
            let mut cells = begin(point.clone(), "network");
            cells.extend(["-".to_owned(), "-".to_owned()]);
            cells.extend([spent.messages.to_string(), spent.octets.to_string()]);
            cells.extend(std::iter::repeat_n("-".to_owned(), FIGURES.len() - 2));
            lines.push(cells);
        }
    }
    Rows { head, lines }
}

/// Notes that are shown of one case, at most.
const MOST_SAID: usize = 12;

/// Says what came of a case, for people.
///
/// # Errors
/// What cannot be written.
pub(crate) fn outcome(costs: &RelayCosts, out: &mut dyn Write) -> std::io::Result<()> {
    if let Some(adversary) = &costs.adversary {
        writeln!(out, "{} transmissions of {adversary}; outcome: {}", costs.attacks, costs.outcome)?;
    } else {
        writeln!(out, "outcome: {}", costs.outcome)?;
    }
    for hop in &costs.hops {
        for (end, why) in [(&hop.remote, &hop.closed[0]), (&hop.relay, &hop.closed[1])] {
            if let Some(why) = why {
                writeln!(out, "{end} gives up its link of {} and {}: {why}", hop.remote, hop.relay)?;
            }
        }
    }
    let writes = costs.network.durable_writes;
    writeln!(out, "{} vectors of the HSS; {writes} durable writes in the network", costs.vectors)?;
    let mut said: Vec<_> = costs.said.iter().collect();
    said.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (what, count) in costs.findings.iter().chain(said.iter().copied().take(MOST_SAID)) {
        writeln!(out, "    {count:>5} {what}")?;
    }
    if said.len() > MOST_SAID {
        writeln!(out, "          and {} other kinds of notes (-F json has all)", said.len() - MOST_SAID)?;
    }
    Ok(())
}
