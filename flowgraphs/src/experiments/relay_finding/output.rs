//! What happened, as lines; what was measured, as a table, JSON and CSV.

use super::costs::FindingCosts;
use super::log::Entry;
use super::setup::Run;
use crate::args::Form;
use crate::experiments::output::{Rows, write_as};
use sidelink_ue::RelayEvent;
use std::io::Write;

/// Lines of one party, at most.
const MOST: usize = 60;

/// Writes what was measured.
///
/// # Errors
/// What cannot be written.
pub(crate) fn write(form: Form, all: &[FindingCosts], out: &mut dyn Write) -> anyhow::Result<()> {
    write_as(form, all, || rows(all), out)
}

fn rows(all: &[FindingCosts]) -> Rows {
    let head = vec![
        "scenario",
        "SNR dB",
        "seed",
        "found ms",
        "periods",
        "predicted",
        "msgs",
        "predicted",
        "dBm",
        "level",
        "linked ms",
        "PC5-S",
        "reselected ms",
        "both ms",
        "lost",
        "sent",
        "delivered",
        "gap ms",
        "attacks",
        "fooled",
        "outcome",
    ];
    let or_dash = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
    let line = |c: &FindingCosts| {
        vec![
            c.name.clone(),
            c.snr_db.to_string(),
            c.seed.to_string(),
            or_dash(c.found_ms),
            or_dash(c.found_periods),
            c.predicted_periods.to_string(),
            c.messages.to_string(),
            c.predicted_messages.to_string(),
            c.found_dbm.map_or("-".to_owned(), |dbm| format!("{dbm:.1}")),
            format!("{:.1}", c.level_dbm),
            or_dash(c.linked_ms),
            c.signalling.to_string(),
            or_dash(c.reselected_ms),
            c.both_ms.to_string(),
            c.links_lost.to_string(),
            c.sent.to_string(),
            c.delivered.to_string(),
            or_dash(c.gap_ms),
            c.attacks.to_string(),
            c.fooled.to_string(),
            c.outcome.clone(),
        ]
    };
    Rows { head, lines: all.iter().map(line).collect() }
}

/// Writes what each party lived through.
///
/// # Errors
/// What cannot be written.
pub(crate) fn events(run: &Run, out: &mut dyn Write) -> std::io::Result<()> {
    let mut lines = Vec::new();
    for (party, entries) in &run.entries {
        let words = entries.iter().filter_map(|(t, entry)| match entry {
            Entry::Relay(RelayEvent::Sent(_) | RelayEvent::Heard { .. } | RelayEvent::Refused { .. }) => None,
            Entry::Relay(event) => Some((*t, event.to_string())),
            _ => None,
        });
        lines.extend(words.take(MOST).map(|(t, words)| (t, format!("{:<8} {words}", party.name()))));
    }
    lines.sort_by_key(|(t, _)| *t);
    for (t, words) in lines {
        writeln!(out, "{:>7} ms  {words}", t.saturating_sub(run.began))?;
    }
    Ok(())
}
