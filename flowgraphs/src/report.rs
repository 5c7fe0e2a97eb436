//! Reports of events, for people, programs and Wireshark.
//!
//! ```text
//! json.rs    one object a line, documented in the README
//! csv.rs     one row an event, for spreadsheets and data frames
//! table.rs   one line an event
//! opened.rs  content of the blocks: one line or object each PDCP PDU and discovery message
//! pcap.rs    link type 252
//! annotation.rs  events, in the metadata of their own recording
//! lossy.rs   a writer that never blocks on its reader
//! address_book.rs  names of layer-2 IDs
//! events.rs        the events of a UE, as lines
//! group_keys.rs    those of keys of groups
//! board.rs   who is on the air, in place on a terminal
//! ```

pub mod address_book;
mod annotation;
mod board;
mod csv;
pub mod events;
pub(crate) mod group_keys;
mod json;
mod lossy;
mod opened;
mod pcap;
mod relays;
mod table;
mod u2u;

pub use annotation::annotation;
pub use board::Board;
pub use pcap::PcapReport;

use crate::args::Form;
use crate::open::Opened;
use crate::outputs::OutputFile;
use crate::receive::Outcome;
use sidelink_phy::pool::V2xPool;
use sidelink_phy::receive::learn::{Learnt, Part};
use sidelink_phy::receive::receiver::Event;
use std::io::{self, Write};

/// Formats a learnt V2X pool for `--v2x-pool`, with its evidence.
pub fn learnt_v2x(learnt: &Learnt<V2xPool>) -> String {
    let (p, e) = (&learnt.pool, &learnt.evidence);
    let adjacent = if p.adjacent { "yes".to_owned() } else { format!("no,pscch-start={}", p.control_start) };
    let against = match e.contradictions {
        0 => String::new(),
        n => format!(", {n} blocks against it"),
    };
    let names = e.open.iter().filter_map(|open| match open.part {
        Part::Size => Some("size"),
        Part::Num => Some("num"),
        Part::Start => Some("start"),
        _ => None,
    });
    let names = names.collect::<Vec<_>>().join(" and ");
    let open =
        if names.is_empty() { String::new() } else { format!("; other values of {names} would do as well") };
    format!(
        "V2X pool size={},num={},start={},adjacent={adjacent}, learnt from {} blocks and {} SCI{against}{open}",
        p.size, p.num, p.start, e.blocks, e.control
    )
}

/// Counts of the events of a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Synchronisation signals.
    pub slss: u64,
    /// MIBs.
    pub psbch: u64,
    /// Control information.
    pub sci: u64,
    /// Transport blocks, each once.
    pub sl_sch: u64,
    /// Discovery messages, each once a period.
    pub sl_dch: u64,
    /// Places at which samples were lost or inserted.
    pub discontinuities: u64,
}

impl Counts {
    /// Counts an event; a repetition of a counted one adds nothing.
    pub fn add(&mut self, event: &Event<'_>) {
        match event {
            Event::Slss { .. } => self.slss += 1,
            Event::Mib { .. } => self.psbch += 1,
            Event::Sci { .. } => self.sci += 1,
            Event::SlSch(block) => self.sl_sch += u64::from(!block.repeat),
            Event::SlDch { repeat, .. } => self.sl_dch += u64::from(!repeat),
            Event::Discontinuity { .. } => self.discontinuities += 1,
            _ => {}
        }
    }

    /// Whether there was no event at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn is_repeat(event: &Event<'_>) -> bool {
    match event {
        Event::SlSch(block) => block.repeat,
        Event::SlDch { repeat, .. } => *repeat,
        _ => false,
    }
}

/// Writes events in one form to one place.
pub struct Report {
    form: Form,
    out: OutputFile,
    colours: bool,
    repeats: Repeats,
    header_of: Option<String>,
    /// Buffer for a line.
    line: Vec<u8>,
}

/// Treatment of transmissions that repeat a received block. In JSON they are always written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repeats {
    /// They are left out of the table: one line a block.
    #[default]
    Hide,
    /// They have lines of their own.
    Show,
}

impl Repeats {
    /// Returns the treatment for the flag `--repeats`.
    pub fn from_flag(flag: bool) -> Self {
        if flag { Self::Show } else { Self::Hide }
    }
}

impl Report {
    /// Makes a report of `form` to `out`.
    pub fn new(form: Form, out: OutputFile, colours: bool) -> Self {
        Self { form, out, colours, repeats: Repeats::default(), header_of: None, line: Vec::new() }
    }

    /// Sets the treatment of repeated blocks in the table.
    #[must_use]
    pub fn repeats(self, repeats: Repeats) -> Self {
        Self { repeats, ..self }
    }

    /// Flushes, and gives a file its name.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn finish(self) -> io::Result<()> {
        self.out.finish()
    }

    /// Reports an event of the recording `file`, at `sample` of it.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn event(&mut self, file: &str, several: bool, event: &Event<'_>, sample: i64) -> io::Result<()> {
        let name = several.then_some(file);
        match self.form {
            Form::Json => {
                let Some(object) = json::event(event, sample) else { return Ok(()) };
                self.json_line(name, object)
            }
            Form::Csv => match json::event(event, sample) {
                Some(object) => self.csv_row(file, &object),
                None => Ok(()),
            },
            Form::Table => {
                self.table_header(file, several)?;
                if self.repeats == Repeats::Hide && is_repeat(event) {
                    return Ok(());
                }
                table::event(&mut self.out, event, self.colours)
            }
        }
    }

    /// Reports the content of a block that came in `subframe`. Objects are written only of content that was checked by
    /// keys.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn opened(
        &mut self,
        file: &str,
        several: bool,
        opened: &Opened<'_>,
        subframe: u64,
    ) -> io::Result<()> {
        match self.form {
            Form::Json => {
                let Some(object) = opened::json(opened, subframe) else { return Ok(()) };
                self.json_line(several.then_some(file), object)
            }
            Form::Csv => match opened::json(opened, subframe) {
                Some(object) => self.csv_row(file, &object),
                None => Ok(()),
            },
            Form::Table => {
                self.table_header(file, several)?;
                opened::table(&mut self.out, opened, subframe, self.colours)
            }
        }
    }

    /// Flushes: readers get everything written so far.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Reports the end of a recording, with its summary.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn summary(
        &mut self,
        file: &str,
        several: bool,
        counts: &Counts,
        outcome: &Outcome,
        assumed: &[String],
    ) -> io::Result<()> {
        match self.form {
            Form::Json => {
                self.json_line(several.then_some(file), json::summary(file, counts, outcome, assumed))?
            }
            // rows are events; a recording without any has the header only
            Form::Csv => self.csv_header()?,
            Form::Table => {
                self.table_header(file, several)?;
                table::summary(&mut self.out, counts, outcome, assumed, self.colours)?;
            }
        }
        self.out.flush()
    }

    fn json_line(
        &mut self,
        file: Option<&str>,
        mut object: serde_json::Map<String, serde_json::Value>,
    ) -> io::Result<()> {
        if let Some(file) = file {
            object.insert("file".into(), file.into());
        }
        self.line.clear();
        serde_json::to_writer(&mut self.line, &object)?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }

    fn csv_row(&mut self, file: &str, object: &serde_json::Map<String, serde_json::Value>) -> io::Result<()> {
        self.csv_header()?;
        self.out.write_all(&csv::row(file, object)?)
    }

    fn csv_header(&mut self) -> io::Result<()> {
        match self.header_of.replace(String::new()) {
            Some(_) => Ok(()),
            None => self.out.write_all(&csv::header()?),
        }
    }

    fn table_header(&mut self, file: &str, several: bool) -> io::Result<()> {
        if self.header_of.as_deref() == Some(file) {
            return Ok(());
        }
        self.header_of = Some(file.to_owned());
        table::header(&mut self.out, several.then_some(file), self.colours)
    }
}
