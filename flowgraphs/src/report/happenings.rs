//! What happens to a UE, as lines for people or for programs. Written by a thread of its own; a reader that is too slow
//! loses lines, which are counted, and never holds up the air.

use super::address_book::AddressBook;
use crate::readable::{date, payload};
use crate::terminal::{Ink, paint};
use crossbeam::channel::{Sender, bounded};
use serde_json::{Value, json};
use sidelink_mac::mux::Address;
use sidelink_ue::{Application, Happening, Moment, Send};
use sidelink_wire::hex;
use sidelink_wire::ids::Layer2Id;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

/// Lines that may wait.
const LINES: usize = 4096;

/// Octets of a payload that is no text that are shown.
const SHOWN: usize = 24;

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text {
        /// With colours.
        colours: bool,
        /// Own announcements and what was dropped too.
        all: bool,
    },
    /// One JSON object a line.
    Json,
}

/// Writes down what happens.
pub struct Reporter {
    name: String,
    form: Form,
    names: AddressBook,
    /// Date of the last line, for people.
    day: String,
    lines: Sender<String>,
    lost: Arc<AtomicU64>,
}

/// The writing thread.
pub struct Writer {
    thread: JoinHandle<std::io::Result<()>>,
    lost: Arc<AtomicU64>,
}

impl Writer {
    /// Wait until every line is written, once no reporter is left. Returns how many were lost.
    ///
    /// # Errors
    /// The first line that could not be written.
    pub fn finish(self) -> std::io::Result<u64> {
        let result =
            self.thread.join().unwrap_or_else(|_| Err(std::io::Error::other("the writing thread failed")));
        result.map(|()| self.lost.load(Ordering::Relaxed))
    }
}

impl Reporter {
    /// A reporter for the UE `name`, and the thread that writes to `out`.
    pub fn new(name: &str, form: Form, mut out: Box<dyn Write + core::marker::Send>) -> (Self, Writer) {
        let (lines, waiting) = bounded::<String>(LINES);
        let lost = Arc::new(AtomicU64::new(0));
        let thread = std::thread::spawn(move || {
            for line in waiting {
                writeln!(out, "{line}")?;
                out.flush()?;
            }
            out.flush()
        });
        let writer = Writer { thread, lost: Arc::clone(&lost) };
        (
            Self {
                name: name.to_owned(),
                form,
                names: AddressBook::default(),
                day: String::new(),
                lines,
                lost,
            },
            writer,
        )
    }

    /// Shows these names beside layer-2 IDs.
    #[must_use]
    pub fn with_names(self, names: AddressBook) -> Self {
        Self { names, ..self }
    }

    /// A reporter for another UE that writes through the same thread.
    pub fn another(&self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            form: self.form,
            names: self.names.clone(),
            day: self.day.clone(),
            lines: self.lines.clone(),
            lost: Arc::clone(&self.lost),
        }
    }
}

impl Application for Reporter {
    fn work(&mut self, _now: Moment, _send: &mut Send<'_>) {}

    fn happened(&mut self, now: Moment, happening: &Happening<'_>) {
        let line = match self.form {
            Form::Json => json_line(&self.name, &self.names, now, happening).map(|line| line.to_string()),
            Form::Text { colours, all } => what_people_read(&self.names, happening, all)
                .map(|(ink, what)| self.text_line(now, &paint(colours, ink, &what))),
        };
        if let Some(line) = line
            && self.lines.try_send(line).is_err()
        {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Reporter {
    /// Time of day, UE and `what`; the date on a line of its own, once a day.
    fn text_line(&mut self, now: Moment, what: &str) -> String {
        let millis = now.utc.millis();
        let now = date(millis / 1000);
        let (day, time) = now.split_once(' ').unwrap_or(("", &now));
        let line = format!("{time}.{:03} {:<8} {what}", millis % 1000, self.name);
        if day == self.day {
            return line;
        }
        day.clone_into(&mut self.day);
        format!("{day} (UTC)\n{line}")
    }
}

/// What a line says, and its colour.
fn what_people_read(names: &AddressBook, happening: &Happening<'_>, all: bool) -> Option<(Ink, String)> {
    let ue = |id: Layer2Id| named(id, names.ue(id));
    Some(match happening {
        Happening::Received { source, address, assurance, data, .. } => {
            let what = format!(
                "from {} to {}: {} ({} octets, {})",
                ue(*source),
                destination(names, *address),
                payload(data, SHOWN),
                data.len(),
                format!("{assurance:?}").to_lowercase(),
            );
            (Ink::Green, what)
        }
        Happening::Discovered { news: false, .. } if !all => return None,
        Happening::Discovered { name, outcome, .. } => {
            (Ink::Green, format!("discovered {name:?} ({})", outcome.as_str()))
        }
        Happening::Answered { name, outcome } => {
            (Ink::Green, format!("answered: {name:?} ({})", outcome.as_str()))
        }
        Happening::Announced { name } if all => (Ink::Bold, format!("announced {name:?}")),
        Happening::Dropped { from, outcome } if all => {
            let from = from.map_or(String::new(), |(source, _)| format!(" from {}", ue(source)));
            (Ink::Yellow, format!("dropped{from}: {}", outcome.as_str()))
        }
        Happening::Silent { name, why } => (Ink::Yellow, format!("{name:?} is not announced: {why}")),
        Happening::Trouble(what) => (Ink::Red, (*what).to_owned()),
        Happening::LinkData { peer, data, .. } => {
            let what =
                format!("from {} by link: {} ({} octets)", ue(*peer), payload(data, SHOWN), data.len());
            (Ink::Green, what)
        }
        Happening::Link { peer, state } => (Ink::Bold, format!("link {}: {state}", ue(*peer))),
        Happening::Note(note) => (Ink::Yellow, (*note).to_owned()),
        Happening::Meter(metered) if all => {
            let way = if metered.sent { "sent" } else { "believed" };
            (
                Ink::Bold,
                format!("PC5-S message {} {way} ({} octets)", metered.message.lte(), metered.l3_octets),
            )
        }
        Happening::Meter(_) | Happening::Announced { .. } | Happening::Dropped { .. } => return None,
        Happening::LinkPdu(_) | Happening::LinkStep { .. } => return None,
    })
}

/// `0000a1 (alice)`.
fn named(id: Layer2Id, name: Option<&str>) -> String {
    name.map_or_else(|| id.to_string(), |name| format!("{id} ({name})"))
}

fn destination(names: &AddressBook, address: Address) -> String {
    let id = address.layer2_id();
    match address {
        Address::Ue(_) => named(id, names.ue(id)),
        Address::Group(_) | Address::V2x(_) => named(id, names.group(id)),
    }
}

fn json_line(name: &str, names: &AddressBook, now: Moment, happening: &Happening<'_>) -> Option<Value> {
    let mut line = match happening {
        Happening::Received { source, address, header, assurance, sdu_type, data } => json!({
            "type": "pdcp",
            "source": source.to_string(),
            "destination": address.layer2_id().to_string(),
            "sender": names.ue(*source),
            "group": names.group(address.layer2_id()),
            "count": header.count().value(),
            "sn": header.count().sn(),
            "sdu_type": *sdu_type as u8,
            "result": format!("{assurance:?}").to_lowercase(),
            "payload": hex::of_bytes(data),
        }),
        Happening::Discovered { name, outcome, news } => {
            json!({"type": "discovery", "name": name, "result": outcome.as_str(), "news": news})
        }
        Happening::Answered { name, outcome } => {
            json!({"type": "discovery", "answer": true, "name": name, "result": outcome.as_str()})
        }
        Happening::Announced { name } => json!({"type": "announced", "name": name}),
        Happening::Silent { name, why } => json!({"type": "silent", "name": name, "why": why}),
        Happening::Dropped { from, outcome } => json!({
            "type": "dropped",
            "source": from.map(|(source, _)| source.to_string()),
            "result": outcome.as_str(),
        }),
        Happening::Trouble(what) => json!({"type": "trouble", "what": what}),
        Happening::LinkData { peer, sdu_type, data } => json!({
            "type": "link-data",
            "peer": peer.to_string(),
            "sdu_type": *sdu_type as u8,
            "payload": hex::of_bytes(data),
        }),
        Happening::Link { peer, state } => {
            json!({"type": "link", "peer": peer.to_string(), "state": state.to_string()})
        }
        Happening::Note(note) => json!({"type": "note", "what": note}),
        Happening::Meter(metered) => json!({
            "type": "pc5-s",
            "peer": metered.peer.to_string(),
            "sent": metered.sent,
            "message": metered.message.lte(),
            "l3_octets": metered.l3_octets,
            "pdu_octets": metered.pdu_octets,
        }),
        Happening::LinkPdu(_) | Happening::LinkStep { .. } => return None,
    };
    if let Value::Object(map) = &mut line {
        map.insert("ue".to_owned(), json!(name));
        map.insert("subframe".to_owned(), json!(now.t));
        map.insert("utc_ms".to_owned(), json!(now.utc.millis()));
    }
    Some(line)
}
