//! Costs of groups as a table for people, as lines of JSON, and as CSV.

use super::costs::{GroupCosts, Run};
use super::log::{Entries, Entry};
use super::sorts::{Sort, sort};
use crate::args::Form;
use crate::experiments::output::{Rows, write_as};
use crate::report::group_keys::text;
use std::io::Write;

/// Writes what was measured.
///
/// # Errors
/// What cannot be written.
pub(crate) fn write(form: Form, all: &[GroupCosts], out: &mut dyn Write) -> anyhow::Result<()> {
    write_as(form, all, || rows(all), out)
}

/// A line a phase.
fn rows(all: &[GroupCosts]) -> Rows {
    let head = vec![
        "scenario",
        "N",
        "P",
        "SNR dB",
        "MCS",
        "way",
        "seed",
        "phase",
        "reached",
        "ms",
        "msgs",
        "octets",
        "PDU oct.",
        "TBs",
        "PSCCH",
        "PSSCH",
        "periods",
        "us/msg",
        "us/member",
        "writes",
        "sent",
        "delivered",
    ];
    let mut lines = Vec::new();
    for costs in all {
        for phase in &costs.phases {
            let mut cells = vec![costs.name.clone(), costs.members.to_string(), costs.period.to_string()];
            cells.extend([costs.snr_db.to_string(), costs.mcs.to_string(), costs.way.clone()]);
            cells.push(costs.seed.to_string());
            cells.extend([phase.name.clone(), format!("{}/{}", phase.reached, phase.of)]);
            cells.push(phase.ms.map_or("-".to_owned(), |ms| ms.to_string()));
            let counts = [
                phase.msgs,
                phase.octets,
                phase.pdu_octets,
                phase.n_tb,
                phase.sf_pscch,
                phase.sf_pssch,
                phase.sc_periods,
            ];
            cells.extend(counts.map(|count| count.to_string()));
            cells.extend([phase.cpu_sender_us, phase.cpu_member_us].map(|us| format!("{us:.0}")));
            cells.push(phase.durable_writes.to_string());
            cells.extend([phase.sent, phase.delivered].map(|count| count.to_string()));
            lines.push(cells);
        }
    }
    Rows { head, lines }
}

/// Lines of one who attacks, at most: a flood has thousands.
const MOST_OF_OTHER: usize = 60;

/// Writes what happened: what the manager, the caller and the stranger lived through, and when members got keys.
///
/// # Errors
/// What cannot be written.
pub(crate) fn events(run: &Run, out: &mut dyn Write) -> std::io::Result<()> {
    let mut lines: Vec<(u64, String)> = Vec::new();
    let mut tell = |name: &str, entries: &Entries, most: usize| {
        let words = |(t, entry): &(u64, Entry)| match entry {
            Entry::Key(event) if sort(event) != Sort::Message => Some((*t, text(event))),
            Entry::Warning(words) => Some((*t, words.clone())),
            _ => None,
        };
        let all: Vec<_> = entries.iter().filter_map(words).collect();
        let more = all.len().saturating_sub(most);
        lines.extend(all.iter().take(most).map(|(t, words)| (*t, format!("{name:<8} {words}"))));
        if let Some((t, _)) = all.last().filter(|_| more > 0) {
            lines.push((*t, format!("{name:<8} .. and {more} lines more")));
        }
    };
    tell("manager", &run.manager, usize::MAX);
    if let Some(caller) = run.members.first() {
        tell("ue01", caller, usize::MAX);
    }
    if let Some(other) = &run.other {
        tell(if run.has_thief { "thief" } else { "mallory" }, other, MOST_OF_OTHER);
    }
    for (number, member) in run.members.iter().enumerate().skip(1) {
        for (t, entry) in member {
            if let Entry::Key(event) = entry
                && !matches!(sort(event), Sort::Other | Sort::Message)
            {
                lines.push((*t, format!("ue{:02}     {}", number + 1, text(event))));
            }
        }
    }
    lines.sort_by_key(|(t, _)| *t);
    for (t, words) in lines {
        writeln!(out, "{:>7} ms  {words}", t.saturating_sub(run.began))?;
    }
    Ok(())
}
