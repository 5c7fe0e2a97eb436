//! The events of a UE, as lines for people or for programs. Written by a thread of its own; a reader that is too slow
//! loses lines, which are counted, and never holds up the air.

use super::address_book::AddressBook;
use super::{group_keys, relays, u2u};
use crate::readable::{self, date, payload};
use crate::terminal::{Ink, paint};
use crossbeam::channel::{Sender, bounded};
use serde_json::{Value, json};
use sidelink_mac::engine;
use sidelink_mac::mux::Address;
use sidelink_prose::direct_link::{self, Received};
use sidelink_prose::discovery::agent;
use sidelink_prose::discovery::{Discovered, Finding};
use sidelink_security::discovery::signature::SignedTime;
use sidelink_ue::{Application, Event, IpEvent, Moment, RemoteStatus, RemoteUe, Send, Standing, Warning};
use sidelink_wire::hex;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::pdcp::SduType;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
#[cfg(feature = "services")]
use {crate::network_leg::Note, sidelink_security::counter::UtcTime};

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

/// Writes down the events of a UE.
pub struct Reporter {
    name: String,
    form: Form,
    names: AddressBook,
    /// Date of the last line, for people, of all that write through one thread.
    day: Arc<Mutex<String>>,
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
                day: Arc::default(),
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
            day: Arc::clone(&self.day),
            lines: self.lines.clone(),
            lost: Arc::clone(&self.lost),
        }
    }
}

impl Application for Reporter {
    fn work(&mut self, _now: Moment, _send: &mut Send<'_>) {}

    fn event(&mut self, now: Moment, event: &Event<'_>) {
        let line = match self.form {
            Form::Json => json_line(&self.name, &self.names, now, event).map(|line| line.to_string()),
            Form::Text { colours, all } => text(&self.names, event, all)
                .map(|(ink, what)| self.text_line(now, &paint(colours, ink, &what))),
        };
        if let Some(line) = line
            && self.lines.try_send(line).is_err()
        {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(feature = "services")]
impl Reporter {
    /// Writes what the network said just now.
    pub(crate) fn note_now(&self, note: &Note) {
        self.note(crate::network_leg::now(), note);
    }

    /// Writes what the network said at `utc`.
    pub(crate) fn note(&self, utc: UtcTime, note: &Note) {
        let line = match self.form {
            Form::Json => {
                let mut line = network_json(note);
                if let Value::Object(map) = &mut line {
                    map.insert("ue".to_owned(), json!(self.name));
                    map.insert("utc_ms".to_owned(), json!(utc.millis()));
                }
                line.to_string()
            }
            Form::Text { colours, .. } => {
                let ink = match note {
                    Note::Verified { .. }
                    | Note::Works
                    | Note::Pruk { .. }
                    | Note::Registered { .. }
                    | Note::Serves { .. } => Ink::Green,
                    _ => Ink::Yellow,
                };
                self.text_line(Moment { t: 0, utc }, &paint(colours, ink, &note.to_string()))
            }
        };
        if self.lines.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(feature = "services")]
fn network_json(note: &Note) -> Value {
    match note {
        Note::Verified { name, .. } => json!({"type": "match-report", "result": "verified", "name": name}),
        Note::NotVerified { code, why } => {
            json!({"type": "match-report", "result": "refused", "code": crate::network_leg::shown(code), "why": why.to_string()})
        }
        Note::Registered { name } => json!({"type": "public-key", "registered": name}),
        Note::Pruk { id } => json!({"type": "pruk", "id": id}),
        Note::Serves { who } => json!({"type": "relay-key", "remote": who}),
        Note::Refused { .. } | Note::Trouble(_) | Note::Works => {
            json!({"type": "network", "what": note.to_string()})
        }
    }
}

impl Reporter {
    /// Time of day, UE and `what`; the date on a line of its own, once a day.
    fn text_line(&self, now: Moment, what: &str) -> String {
        let millis = now.utc.millis();
        let now = date(millis / 1000);
        let (day, time) = now.split_once(' ').unwrap_or(("", &now));
        let line = format!("{time}.{:03} {:<8} {what}", millis % 1000, self.name);
        let mut last = self.day.lock().unwrap_or_else(PoisonError::into_inner);
        if day == *last {
            return line;
        }
        day.clone_into(&mut last);
        format!("{day} (UTC)\n{line}")
    }
}

/// The text of a line and its colour.
fn text(names: &AddressBook, event: &Event<'_>, all: bool) -> Option<(Ink, String)> {
    Some(match event {
        Event::Mac(engine::Event::Received(sdu)) => {
            let what = format!(
                "from {} to {}: {} ({} octets, {})",
                named(sdu.source, names.ue(sdu.source)),
                destination(names, sdu.address),
                payload(sdu.data, SHOWN),
                sdu.data.len(),
                format!("{:?}", sdu.assurance).to_lowercase(),
            );
            (Ink::Green, what)
        }
        Event::Mac(engine::Event::Dropped(drop)) if all => {
            let ue = |source| named(source, names.ue(source));
            let from = drop.from.map_or(String::new(), |(source, _)| format!(" from {}", ue(source)));
            (Ink::Yellow, format!("dropped{from}: {}", drop.cause.outcome().as_str()))
        }
        Event::Mac(engine::Event::Dropped(_)) => return None,
        Event::Discovery { name, event } => return discovery_text(name, event, all),
        Event::Link(event) => return link_text(names, event, all),
        Event::U2u(report) => return u2u::line(names, report, all),
        Event::GroupKeys(report) => return group_keys::line(report, all),
        Event::Relay(event) => return relays::line(event, all),
        Event::Warning(warning) => (ink(warning), warning.to_string()),
        Event::SendsAgain(subframes) => (Ink::Yellow, sends_again(*subframes)),
        Event::Ip(event) => ip_text(event),
        Event::LinkPdu(_) | Event::LinkChanged(_) | Event::LinkStep { .. } => return None,
    })
}

/// Who says when it was signed, of a signed announcement.
fn signed(finding: &Finding) -> String {
    match finding {
        Finding::Signed { proof, .. } => {
            let SignedTime { counter, dfn, subframe } = proof.time;
            let time = readable::seconds_and_date(counter.value().into());
            format!(", signed at {time}, frame {dfn}.{subframe}")
        }
        _ => String::new(),
    }
}

fn discovery_text(name: &str, event: &agent::Event, all: bool) -> Option<(Ink, String)> {
    Some(match event {
        agent::Event::Discovered(discovered) if discovered.report || all => (
            Ink::Green,
            format!(
                "discovered {name:?} ({}{})",
                discovered.finding.outcome().as_str(),
                signed(&discovered.finding)
            ),
        ),
        agent::Event::Answered { finding, .. } => {
            (Ink::Green, format!("answered: {name:?} ({})", finding.outcome().as_str()))
        }
        agent::Event::Matched(_) if all => (Ink::Green, format!("matched {name:?} (its proof is pending)")),
        agent::Event::Announced(_) if all => (Ink::Bold, format!("announced {name:?}")),
        agent::Event::Dropped(dropped) if all => {
            (Ink::Yellow, format!("dropped: {}", dropped.outcome().as_str()))
        }
        agent::Event::Silent { refusal, .. } => {
            (Ink::Yellow, format!("{name:?} is not announced: {refusal}"))
        }
        agent::Event::Fragment(partial) if all => (Ink::Dim, format!("{name:?}: {partial}")),
        agent::Event::KeyWanted(hint) if all => (Ink::Yellow, format!("no key has the hint {hint}")),
        agent::Event::Unfollowable(error) => (Ink::Red, error.to_string()),
        _ => return None,
    })
}

fn link_text(names: &AddressBook, event: &direct_link::Event, all: bool) -> Option<(Ink, String)> {
    let ue = |id: Layer2Id| named(id, names.ue(id));
    Some(match event {
        // A relay carries thousands a second.
        direct_link::Event::Received(Received { sdu_type: SduType::Ip, .. }) if !all => return None,
        direct_link::Event::Received(Received { peer, data, .. }) => {
            let what =
                format!("from {} by link: {} ({} octets)", ue(*peer), payload(data, SHOWN), data.len());
            (Ink::Green, what)
        }
        direct_link::Event::State { peer, state, .. } => (Ink::Bold, format!("link {}: {state}", ue(*peer))),
        direct_link::Event::Note(note) => (Ink::Yellow, note.to_string()),
        direct_link::Event::Message(metered) if all => {
            let way = if metered.sent { "sent" } else { "believed" };
            let (message, octets) = (metered.message.lte(), metered.l3_octets);
            (Ink::Bold, format!("PC5-S message {message} {way} ({octets} octets)"))
        }
        direct_link::Event::Message(_) => return None,
    })
}

fn ip_text(event: &IpEvent) -> (Ink, String) {
    let ink = match event {
        IpEvent::Exhausted { .. } | IpEvent::NoAddress { .. } => Ink::Red,
        IpEvent::Lost(_) => Ink::Yellow,
        _ => Ink::Bold,
    };
    (ink, format!("ip: {event}"))
}

/// Of a remote UE with the report that would tell a network of it.
fn ip_json(event: &IpEvent) -> Value {
    let report = |remote: &RemoteUe, standing: Standing| {
        json!({
            "type": "remote-ue-report",
            "standing": standing,
            "remote": RemoteStatus::from(remote),
            "message": hex::of_bytes(&remote.report(standing)),
        })
    };
    match event {
        IpEvent::Connected(remote) => report(remote, Standing::Connected),
        IpEvent::Disconnected(remote) => report(remote, Standing::Disconnected),
        event => json!({"type": "ip", "what": event.to_string()}),
    }
}

/// An input that the links refuse is a mistake of the operator, or a question of time.
fn ink(warning: &Warning) -> Ink {
    if matches!(warning, Warning::Link(_)) { Ink::Yellow } else { Ink::Red }
}

fn sends_again(subframes: u64) -> String {
    format!("this UE sends again, after {subframes} ms of silence")
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

fn json_line(name: &str, names: &AddressBook, now: Moment, event: &Event<'_>) -> Option<Value> {
    let mut line = match event {
        Event::Mac(engine::Event::Received(sdu)) => json!({
            "type": "pdcp",
            "source": sdu.source.to_string(),
            "destination": sdu.address.layer2_id().to_string(),
            "sender": names.ue(sdu.source),
            "group": names.group(sdu.address.layer2_id()),
            "count": sdu.header.count().value(),
            "sn": sdu.header.count().sn(),
            "sdu_type": sdu.header.sdu_type() as u8,
            "result": format!("{:?}", sdu.assurance).to_lowercase(),
            "payload": hex::of_bytes(sdu.data),
        }),
        Event::Mac(engine::Event::Dropped(drop)) => json!({
            "type": "dropped",
            "source": drop.from.map(|(source, _)| source.to_string()),
            "result": drop.cause.outcome().as_str(),
        }),
        Event::Discovery { name, event } => discovery_json(name, event)?,
        Event::Link(event) => link_json(event),
        Event::U2u(report) => u2u::value(report)?,
        Event::GroupKeys(report) => group_keys::value(report)?,
        Event::Relay(event) => relays::value(event),
        Event::Warning(Warning::Link(error)) => json!({"type": "note", "what": error.to_string()}),
        Event::Warning(warning) => json!({"type": "trouble", "what": warning.to_string()}),
        Event::SendsAgain(subframes) => json!({"type": "note", "what": sends_again(*subframes)}),
        Event::Ip(event) => ip_json(event),
        Event::LinkPdu(_) | Event::LinkChanged(_) | Event::LinkStep { .. } => return None,
    };
    if let Value::Object(map) = &mut line {
        map.insert("ue".to_owned(), json!(name));
        map.insert("subframe".to_owned(), json!(now.t));
        map.insert("utc_ms".to_owned(), json!(now.utc.millis()));
    }
    Some(line)
}

fn discovery_json(name: &str, event: &agent::Event) -> Option<Value> {
    Some(match event {
        agent::Event::Discovered(Discovered { finding, report, .. }) => json!({
            "type": "discovery",
            "name": name,
            "result": finding.outcome().as_str(),
            "news": report,
        }),
        agent::Event::Answered { finding, .. } => json!({
            "type": "discovery",
            "answer": true,
            "name": name,
            "result": finding.outcome().as_str(),
        }),
        agent::Event::Matched(_) => json!({"type": "matched", "name": name, "result": "incomplete"}),
        agent::Event::Announced(_) => json!({"type": "announced", "name": name}),
        agent::Event::Silent { refusal, .. } => {
            json!({"type": "silent", "name": name, "why": refusal.to_string()})
        }
        agent::Event::Dropped(dropped) => {
            json!({"type": "dropped", "source": null, "result": dropped.outcome().as_str()})
        }
        agent::Event::Fragment(partial) => json!({
            "type": "fragment",
            "name": name,
            "set": partial.set,
            "index": partial.index,
            "have": partial.have,
            "needed": partial.needed,
        }),
        agent::Event::KeyWanted(hint) => json!({"type": "key_wanted", "hint": hint.to_string()}),
        agent::Event::Unfollowable(error) => json!({"type": "trouble", "what": error.to_string()}),
        agent::Event::Asked => return None,
    })
}

fn link_json(event: &direct_link::Event) -> Value {
    match event {
        direct_link::Event::Received(Received { peer, sdu_type, data, .. }) => json!({
            "type": "link-data",
            "peer": peer.to_string(),
            "sdu_type": *sdu_type as u8,
            "payload": hex::of_bytes(data),
        }),
        direct_link::Event::State { peer, state, .. } => {
            json!({"type": "link", "peer": peer.to_string(), "state": state.to_string()})
        }
        direct_link::Event::Note(note) => json!({"type": "note", "what": note.to_string()}),
        direct_link::Event::Message(metered) => json!({
            "type": "pc5-s",
            "peer": metered.peer.to_string(),
            "sent": metered.sent,
            "message": metered.message.lte(),
            "l3_octets": metered.l3_octets,
            "pdu_octets": metered.pdu_octets,
        }),
    }
}
