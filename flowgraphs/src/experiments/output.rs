//! Accounts as a table for people, as lines of JSON, and as CSV.

use crate::args::Form;
use crate::experiments::metrics::Costs;
use crate::experiments::metrics::messages::Spent;
use std::io::Write;

/// A table: its head, and its lines.
pub(crate) struct Rows {
    pub(crate) head: Vec<&'static str>,
    pub(crate) lines: Vec<Vec<String>>,
}

/// What the table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// A line a phase.
    Phases,
    /// A line a message.
    Messages,
}

/// Write what was measured.
///
/// # Errors
/// What cannot be written.
pub(crate) fn write(form: Form, all: &[Costs], detail: Detail, out: &mut dyn Write) -> anyhow::Result<()> {
    let rows = || match detail {
        Detail::Phases => phases(all),
        Detail::Messages => messages(all),
    };
    write_as(form, all, rows, out)
}

/// Objects as JSON; else the rows.
///
/// # Errors
/// As [`write`].
pub(crate) fn write_as<T: serde::Serialize>(
    form: Form,
    objects: &[T],
    rows: impl FnOnce() -> Rows,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    match form {
        Form::Json => {
            for object in objects {
                writeln!(out, "{}", serde_json::to_string(object)?)?;
            }
        }
        Form::Csv => {
            let rows = rows();
            writeln!(out, "{}", rows.head.iter().map(|h| field(h)).collect::<Vec<_>>().join(","))?;
            for line in &rows.lines {
                writeln!(out, "{}", line.iter().map(|v| field(v)).collect::<Vec<_>>().join(","))?;
            }
        }
        Form::Table => aligned(&rows(), out)?,
    }
    Ok(out.flush()?)
}

/// RFC 4180.
fn field(text: &str) -> String {
    let quoted = text.contains([',', '"', '\n']);
    if quoted { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

fn aligned(rows: &Rows, out: &mut dyn Write) -> std::io::Result<()> {
    let widths: Vec<usize> = (0..rows.head.len())
        .map(|c| rows.lines.iter().map(|l| l[c].chars().count()).fold(rows.head[c].len(), usize::max))
        .collect();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (c, (cell, width)) in cells.zip(&widths).enumerate() {
            // names to the left, figures to the right
            text += &if c == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") };
        }
        writeln!(out, "{}", text.trim_end())
    };
    line(&mut rows.head.iter().copied())?;
    for cells in &rows.lines {
        line(&mut cells.iter().map(String::as_str))?;
    }
    Ok(())
}

fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".to_owned(), |v| v.to_string())
}

const SPENT: [&str; 12] = [
    "msgs",
    "L3 oct.",
    "PDCP oct.",
    "PDU oct.",
    "TBs",
    "PSCCH",
    "PSSCH",
    "PSDCH",
    "periods",
    "retx",
    "CPU us",
    "writes",
];

fn spent(s: &Spent) -> Vec<String> {
    let counts = [
        s.msgs,
        s.l3_octets,
        s.pdcp_octets,
        s.pdu_octets,
        s.n_tb,
        s.sf_pscch,
        s.sf_pssch,
        s.sf_psdch,
        s.sc_periods,
        s.retx,
    ];
    let mut cells: Vec<String> = counts.iter().map(u64::to_string).collect();
    cells.push(format!("{:.0}", s.cpu_us));
    cells.push(s.durable_writes.to_string());
    cells
}

/// A line a UE and phase; the time of a set-up stands in its line.
fn phases(all: &[Costs]) -> Rows {
    let mut head = vec!["scenario", "P", "SNR dB", "MCS", "seed", "UE", "phase", "ms"];
    head.extend(SPENT);
    let mut lines = Vec::new();
    for c in all {
        for ue in [0, 1] {
            for (phase, figures) in &c.phases {
                let ms = match phase.as_str() {
                    "set-up" => or_dash(c.setup_ms[ue]),
                    "re-keying" => or_dash(c.rekey_ms[ue].map(|ms| format!("{ms:.0}"))),
                    _ => String::new(),
                };
                let mut cells = start(c);
                cells.extend([format!("UE_{}", ue + 1), phase.clone(), ms]);
                cells.extend(spent(&figures[ue]));
                lines.push(cells);
            }
        }
    }
    Rows { head, lines }
}

/// A line a message. What the peer spent to judge it stands beside.
fn messages(all: &[Costs]) -> Rows {
    let mut head = vec!["scenario", "P", "SNR dB", "MCS", "seed", "UE", "message", "phase", "try"];
    head.extend(["made ms", "on air ms", "heard ms"]);
    head.extend(SPENT.into_iter().skip(1).filter(|h| !matches!(*h, "retx" | "PSDCH")));
    head.extend(["CPU us peer", "writes peer"]);
    let mut lines = Vec::new();
    for c in all {
        for m in &c.messages {
            let mut cells = start(c);
            cells.extend([format!("UE_{}", m.from + 1), m.name.clone(), m.phase.as_str().to_owned()]);
            cells.extend([
                m.attempt.to_string(),
                m.at_ms.to_string(),
                or_dash(m.on_air_ms),
                or_dash(m.heard_ms),
            ]);
            let figures = SPENT.iter().zip(spent(&m.spent)).skip(1);
            cells.extend(figures.filter(|(h, _)| !matches!(**h, "retx" | "PSDCH")).map(|(_, cell)| cell));
            cells.extend([format!("{:.0}", m.heard_cpu_us), m.heard_durable_writes.to_string()]);
            lines.push(cells);
        }
    }
    Rows { head, lines }
}

fn start(c: &Costs) -> Vec<String> {
    vec![c.name.clone(), c.period.to_string(), c.snr_db.to_string(), c.mcs.to_string(), c.seed.to_string()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_what_it_must() {
        assert_eq!(field("a,b"), "\"a,b\"");
        assert_eq!(field("say \"x\""), "\"say \"\"x\"\"\"");
        assert_eq!(field("plain"), "plain");
    }
}
