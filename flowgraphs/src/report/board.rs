//! Who is on the air, as a table that stays in its place on a terminal: a row for each, the latest of each.

use crate::hex;
use crate::open::Opened;
use crate::terminal::{Ink, paint};
use sidelink_phy::receive::estimate::Measurement;
use sidelink_phy::receive::receiver::{ControlInformation, Event};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// How often it is drawn.
const EVERY: Duration = Duration::from_millis(500);

/// Rows that are remembered.
const MOST: usize = 200;

/// Rows that are drawn.
const SHOWN: usize = 40;

struct Row {
    count: u64,
    last: f64,
    snr_db: f32,
    cfo_hz: f32,
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
    /// Empty.
    pub fn new() -> Self {
        Self { rows: BTreeMap::new(), drawn: None, now: 0.0 }
    }

    /// Something was heard, `seconds` after the start.
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
                    ControlInformation::Format1(Some(sci)) => (
                        format!("SCI 1 priority {}", sci.priority),
                        format!("PRB {prb}, MCS {}, reservation {}", sci.mcs, sci.reservation),
                    ),
                    ControlInformation::Format1(None) => ("SCI 1".to_owned(), format!("PRB {prb}")),
                };
                self.put(key, what, Some(measurement));
            }
            Event::SlSch(block) if !block.repeat => {
                let what = format!("{} octets, {} PRBs", block.block.len(), block.grant.prbs.len);
                self.put("SL-SCH".to_owned(), what, Some(&block.measurement));
            }
            Event::SlDch { message, repeat: false, measurement, .. } => {
                let kind = message.first().copied().unwrap_or(0);
                self.put(
                    format!("SL-DCH type {kind:02x}"),
                    hex::of_bytes(&message[1..24]),
                    Some(measurement),
                );
            }
            _ => {}
        }
    }

    /// What a block held.
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
            snr_db: f32::NAN,
            cfo_hz: f32::NAN,
            what: String::new(),
        });
        row.count += 1;
        row.last = self.now;
        row.what = what;
        if let Some(m) = measurement {
            row.snr_db = m.snr_db();
            row.cfo_hz = m.cfo_hz;
        }
    }

    /// Draw it if it is time, `notes` below it.
    ///
    /// # Errors
    /// The writer's.
    pub fn draw(&mut self, out: &mut dyn Write, seconds: f64, notes: &str, colours: bool) -> io::Result<()> {
        if self.drawn.is_some_and(|drawn| drawn.elapsed() < EVERY) {
            return Ok(());
        }
        self.drawn = Some(Instant::now());
        self.now = seconds;
        // home, and each line cleared to its end: no flicker
        let mut text = String::from("\x1b[H");
        let mut line = |line: String| {
            text.push_str(&line);
            text.push_str("\x1b[K\r\n");
        };
        let head =
            format!("{:<34} {:>7} {:>7} {:>7} {:>9}  latest", "who", "count", "ago s", "SNR dB", "CFO Hz");
        line(paint(colours, Ink::Bold, &head));
        for (key, row) in self.rows.iter().take(SHOWN) {
            let ago = (self.now - row.last).max(0.0);
            let number = |x: f32| if x.is_finite() { format!("{x:.1}") } else { String::new() };
            line(format!(
                "{:<34} {:>7} {ago:>7.1} {:>7} {:>9}  {}",
                cut(key, 34),
                row.count,
                number(row.snr_db),
                number(row.cfo_hz),
                cut(&row.what, 60)
            ));
        }
        if self.rows.len() > SHOWN {
            line(format!("and {} more", self.rows.len() - SHOWN));
        }
        line(notes.to_owned());
        text.push_str("\x1b[J");
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 2).chain("..".chars()).collect()
}
