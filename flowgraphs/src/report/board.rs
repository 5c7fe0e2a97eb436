//! Senders on the air, as a table that is updated in place on a terminal: a row for each, with its latest event.

use crate::open::Opened;
use crate::readable::{hex_and_text, text};
use crate::terminal::{self, Ink, paint};
use sidelink_phy::receive::estimate::Measurement;
use sidelink_phy::receive::receiver::{ControlInformation, Event};
use sidelink_phy::units::{Decibel, Hertz};
use sidelink_wire::hex;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Interval of drawing.
const EVERY: Duration = Duration::from_millis(500);

/// Largest number of stored rows.
const MOST: usize = 200;

/// Number of octets of a block that are shown.
const SHOWN: usize = 8;

/// Columns of numbers: heading, width, and the least width of the terminal that shows it.
const NUMBERS: [(&str, usize, usize); 4] =
    [("count", 6, 24), ("ago s", 6, 40), ("SNR dB", 6, 50), ("CFO Hz", 7, 60)];

/// Least and largest width of the names, in columns.
const NAMES: (usize, usize) = (10, 34);

struct Row {
    count: u64,
    last: f64,
    snr: Decibel,
    cfo: Hertz,
    what: String,
}

/// The table.
pub struct Board {
    rows: BTreeMap<String, Row>,
    drawn: Option<Instant>,
    now: f64,
}

impl Default for Board {
    fn default() -> Self {
        Self::new()
    }
}

impl Board {
    /// Makes an empty table.
    pub fn new() -> Self {
        Self { rows: BTreeMap::new(), drawn: None, now: 0.0 }
    }

    /// Enters an event, `seconds` after the start.
    pub fn event(&mut self, event: &Event<'_>, seconds: f64) {
        self.now = seconds;
        match event {
            Event::Mib { id, time, measurement, .. } => {
                let time = time.map_or(String::new(), |t| format!("DFN {}.{}", t.dfn(), t.subframe()));
                self.put(format!("SLSS {}", id.value()), time, Some(measurement));
            }
            Event::Sci { information, measurement, prb, .. } => {
                let (key, what) = match information {
                    ControlInformation::Format0(sci) => (
                        format!("SCI 0 to group {}", sci.group_destination),
                        format!("PRB {prb}, MCS {}, TRP {}", sci.mcs, sci.trp),
                    ),
                    ControlInformation::Format1(Some(sci)) => {
                        (format!("SCI 1 priority {}", sci.priority + 1), {
                            let every = sci.reservation_ms().map_or("?".to_owned(), |ms| format!("{ms} ms"));
                            format!("PRB {prb}, MCS {}, reservation {every}", sci.mcs)
                        })
                    }
                    ControlInformation::Format1(None) => ("SCI 1".to_owned(), format!("PRB {prb}")),
                };
                self.put(key, what, Some(measurement));
            }
            Event::SlSch(block) if !block.repeat => {
                let octets = text(block.block).unwrap_or_else(|| hex_and_text(block.block, SHOWN));
                let what = format!("{octets} ({} octets, {} PRBs)", block.block.len(), block.grant.prbs.len);
                self.put("SL-SCH".to_owned(), what, Some(&block.measurement));
            }
            Event::SlDch { message, repeat: false, measurement, .. } => {
                let kind = message.first().copied().unwrap_or(0);
                let code = message.get(1..24).unwrap_or_default();
                let what = text(code).unwrap_or_else(|| hex::of_bytes(code));
                self.put(format!("SL-DCH type {kind:02x}"), what, Some(measurement));
            }
            _ => {}
        }
    }

    /// Enters the content of a block.
    pub fn opened(&mut self, opened: &Opened<'_>) {
        match opened {
            Opened::Pdcp(report) => {
                let from = report.sender.clone().unwrap_or_else(|| report.source.to_string());
                let to = report.group.clone().unwrap_or_else(|| report.address.layer2_id().to_string());
                self.put(
                    format!("{from} to {to}"),
                    format!("{} ({} octets)", report.result, report.pdu.len()),
                    None,
                );
            }
            Opened::Discovery(report) => {
                let name = report.name.clone().unwrap_or_else(|| "unknown announcement".to_owned());
                self.put(format!("discovery {name}"), report.result.to_string(), None);
            }
            Opened::Malformed { why, .. } => self.put("malformed".to_owned(), why.clone(), None),
        }
    }

    fn put(&mut self, key: String, what: String, measurement: Option<&Measurement>) {
        if self.rows.len() >= MOST && !self.rows.contains_key(&key) {
            let oldest =
                self.rows.iter().min_by(|a, b| a.1.last.total_cmp(&b.1.last)).map(|(k, _)| k.clone());
            if let Some(oldest) = oldest {
                self.rows.remove(&oldest);
            }
        }
        let row = self.rows.entry(key).or_insert(Row {
            count: 0,
            last: 0.0,
            snr: Decibel(f64::NAN),
            cfo: Hertz(f64::NAN),
            what: String::new(),
        });
        row.count += 1;
        row.last = self.now;
        row.what = what;
        if let Some(m) = measurement {
            row.snr = m.snr();
            row.cfo = m.cfo;
        }
    }

    /// Draws the table if it is time, with `notes` below it.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn draw(&mut self, out: &mut dyn Write, seconds: f64, notes: &str, colours: bool) -> io::Result<()> {
        if self.drawn.is_some_and(|drawn| drawn.elapsed() < EVERY) {
            return Ok(());
        }
        self.drawn = Some(Instant::now());
        self.now = seconds;
        let text = self.text(terminal::size(), notes, colours);
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Returns the table for `columns` and `lines` of a terminal, each line of it cleared to its end: nothing flickers.
    fn text(&self, (columns, lines): (usize, usize), notes: &str, colours: bool) -> String {
        let numbers: Vec<_> = NUMBERS.iter().filter(|(_, _, least)| columns >= *least).collect();
        let taken: usize = numbers.iter().map(|(_, width, _)| width + 1).sum();
        let names = (columns.saturating_sub(taken) / 2).clamp(NAMES.0, NAMES.1).min(columns);
        let row = |name: &str, values: [String; 4], latest: &str| {
            let mut line = format!("{:<names$}", cut(name, names));
            for ((_, width, _), value) in numbers.iter().zip(values) {
                line += &format!(" {value:>width$}");
            }
            cut(format!("{line}  {latest}").trim_end(), columns)
        };
        let mut text = String::from("\x1b[H");
        let mut put = |line: &str| text.extend([line, "\x1b[K\r\n"]);
        put(&paint(
            colours,
            Ink::Bold,
            &row("who", NUMBERS.map(|(heading, _, _)| heading.to_owned()), "latest"),
        ));
        // without the heading, the notes, the number of further rows, and the line of the cursor
        let shown = lines.saturating_sub(4).max(1);
        for (key, entry) in self.rows.iter().take(shown) {
            let number = |x: f64| if x.is_finite() { format!("{x:.1}") } else { String::new() };
            let ago = format!("{:.1}", (self.now - entry.last).max(0.0));
            let values = [entry.count.to_string(), ago, number(entry.snr.0), number(entry.cfo.0)];
            put(&row(key, values, &entry.what));
        }
        if self.rows.len() > shown {
            put(&cut(&format!("and {} more", self.rows.len() - shown), columns));
        }
        put(&cut(notes, columns));
        text.push_str("\x1b[J");
        text
    }
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(2)).chain("..".chars()).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_fits_any_terminal() {
        let mut board = Board::new();
        for k in 0..60 {
            let what = "a long remark on what was heard last of this one, longer than a line".to_owned();
            board.put(format!("0000a{k} (a UE with a long name) to 0001a2 (a group)"), what, None);
        }
        for (columns, lines) in [(80, 24), (200, 50), (40, 10), (20, 5), (5, 3), (1, 1)] {
            let text = board.text((columns, lines), "12 s of air, 0 samples lost; Ctrl-C ends it", false);
            let text = text.replace("\x1b[H", "").replace("\x1b[K", "").replace("\x1b[J", "");
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(columns), "{columns}: {text}");
            assert!(text.lines().count() < lines.max(5), "{lines}: {text}");
        }
        let text = board.text((80, 24), "", false);
        assert!(text.contains("SNR dB") && text.contains("and 40 more"), "{text}");
    }
}
