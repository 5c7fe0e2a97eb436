//! Costs of UE-to-UE relays as a table for people, as lines of JSON, and as CSV.

use super::costs::U2uCosts;
use crate::args::Form;
use crate::experiments::output::{Rows, write_as};
use std::io::Write;

/// Writes what was measured.
///
/// # Errors
/// What cannot be written.
pub(crate) fn write(form: Form, all: &[U2uCosts], out: &mut dyn Write) -> anyhow::Result<()> {
    write_as(form, all, || rows(all), out)
}

fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

/// A line a hop, and one for the path, with what was predicted behind a slash.
fn rows(all: &[U2uCosts]) -> Rows {
    let head = vec![
        "scenario",
        "P",
        "SNR dB",
        "MCS",
        "seed",
        "hop",
        "ms",
        "periods",
        "msgs",
        "on air",
        "TBs",
        "octets",
        "PSCCH",
        "PSSCH",
        "data TBs",
        "data PSSCH",
        "ciphers",
        "air time",
        "sent",
        "delivered",
        "CPU us",
    ];
    let mut lines = Vec::new();
    for c in all {
        let start = [c.name.clone(), c.period.to_string(), c.snr_db.to_string(), c.mcs.to_string()];
        for hop in &c.hops {
            let mut cells: Vec<String> = start.to_vec();
            cells.extend([c.seed.to_string(), hop.name.clone(), String::new(), hop.setup.grants.to_string()]);
            cells.extend([hop.messages.to_string(), (hop.messages + hop.carried).to_string()]);
            let setup = hop.setup;
            let counts = [setup.blocks, setup.pdu_octets, setup.sf_pscch, setup.sf_pssch];
            cells.extend(counts.iter().chain(&[hop.data.blocks, hop.data.sf_pssch]).map(u64::to_string));
            cells.extend(std::iter::repeat_n(String::new(), 5));
            lines.push(cells);
        }
        let sum = |figure: fn(&super::costs::Hop) -> u64| c.hops.iter().map(figure).sum::<u64>().to_string();
        let p = &c.predicted;
        let mut cells: Vec<String> = start.to_vec();
        cells.extend([c.seed.to_string(), "path".to_owned(), or_dash(c.setup_ms)]);
        cells.push(format!("{}/{}", or_dash(c.periods), p.periods));
        cells.extend([format!("{}/{}", c.messages, p.messages)]);
        cells.push(format!("{}/{}", c.transmissions, p.transmissions));
        cells.extend([sum(|h| h.setup.blocks), sum(|h| h.setup.pdu_octets)]);
        cells.extend([sum(|h| h.setup.sf_pscch), sum(|h| h.setup.sf_pssch)]);
        cells.extend([sum(|h| h.data.blocks), sum(|h| h.data.sf_pssch)]);
        let two = |value: Option<f64>| or_dash(value.map(|value| format!("{value:.2}")));
        cells.extend([
            format!("{}/{}", two(c.ciphers), p.ciphers),
            format!("{}/{}", two(c.air_time), p.air_time),
        ]);
        cells.extend([c.sent.to_string(), c.delivered.to_string(), format!("{:.0}", c.cpu_us)]);
        lines.push(cells);
    }
    Rows { head, lines }
}
