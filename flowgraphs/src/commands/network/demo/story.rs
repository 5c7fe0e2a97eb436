//! What the demo shows.

use super::on_air::Found;
use crate::experiments::network::meter::{Meter, ReferencePoint};
use crate::experiments::network::subscriber::Told;
use crate::terminal::{Ink, paint};
use sidelink_network::pc3_client::{Allotment, Name, Output};
use sidelink_network::pkmf_client::{Event, Terms};
use sidelink_security::counter::UtcTime;
use std::io::{self, Write};

/// Lines with the time and the UE.
pub(super) struct Story<W> {
    out: W,
    colours: bool,
    start: UtcTime,
}

impl<W: Write> Story<W> {
    pub(super) const fn new(out: W, colours: bool) -> Self {
        Self { out, colours, start: UtcTime::from_millis(0) }
    }

    /// Counts the time from here.
    pub(super) const fn begin(&mut self, start: UtcTime) {
        self.start = start;
    }

    pub(super) fn title(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", paint(self.colours, Ink::Bold, text))
    }

    pub(super) fn line(&mut self, at: UtcTime, who: &str, text: &str) -> io::Result<()> {
        let seconds = at.millis().saturating_sub(self.start.millis()) as f64 / 1000.0;
        let who = paint(self.colours, Ink::Cyan, &format!("{who:<7}"));
        writeln!(self.out, "{seconds:>8.3} s  {who}  {text}")
    }

    /// What the network end of a UE tells.
    pub(super) fn told(&mut self, at: UtcTime, who: &str, told: &Told) -> io::Result<()> {
        let text = match told {
            Told::Bootstrapped { b_tid, took } => {
                let name = b_tid.to_string();
                let name = name.get(..12).unwrap_or(&name);
                format!("bootstrapped a key over Ub in {took} ms: B-TID {name}..")
            }
            Told::NotBootstrapped(why) => format!("has no key: {why}"),
            Told::Pc3(Output::Allotted { allotment, until, .. }) => {
                let minutes = until.millis().saturating_sub(at.millis()) / 60_000;
                format!("over PC3: {}, for {minutes} minutes", allotted(allotment))
            }
            Told::Pc3(Output::Verified { name, .. }) => {
                let name = match name {
                    Name::Application { id, .. } => id.as_str(),
                    Name::User(rpauid) => rpauid.as_str(),
                };
                let name = paint(self.colours, Ink::Green, &format!("it is {name}"));
                format!("the ProSe Function answers: {name}")
            }
            Told::Pc3(Output::NotVerified { cause, .. }) => {
                let refused = paint(self.colours, Ink::Red, &format!("refused, {cause}"));
                format!("the ProSe Function answers: {refused}")
            }
            Told::Pc3(Output::Ended { why, .. }) => format!("may not go on: {why}"),
            Told::Pc3(Output::Malformed(_)) => "does not understand the ProSe Function".to_owned(),
            Told::Keys(Event::Granted(_, Terms::Group { member, .. })) => {
                let [a, b, c] = member.0;
                format!("over PC8: a PMK, and the group of the team as member {a:02x}{b:02x}{c:02x}")
            }
            Told::Keys(Event::Key(name)) => {
                format!("over MIKEY: PGK {} of the team, acknowledged", name.id.get())
            }
            Told::Keys(Event::Rejected(_, why)) => format!("over PC8: no keys of the group, {why:?}"),
            Told::Pc3(_) | Told::Keys(_) => return Ok(()),
        };
        self.line(at, who, &text)
    }

    /// The costs of the reference points.
    pub(super) fn costs(&mut self, meter: &Meter) -> io::Result<()> {
        self.title("What it cost the network")?;
        writeln!(self.out, "{:<6} {:>9} {:>9} {:>12}", "", "messages", "octets", "round trips")?;
        for at in ReferencePoint::ALL {
            let cost = meter.cost(at);
            let octets = if cost.octets > 0 { cost.octets.to_string() } else { "-".to_owned() };
            writeln!(self.out, "{at:<6} {:>9} {octets:>9} {:>12}", cost.messages, cost.round_trips)?;
        }
        writeln!(
            self.out,
            "PC3, PC8: a TLS-PSK handshake for each request, as large as OpenSSL makes it. Zh, Zn, PC4a: no format here."
        )
    }

    pub(super) fn verdict(&mut self, found: &Found) -> io::Result<()> {
        let text = format!(
            "messages of the group that bob received: {}; verified by the ProSe Function: {}; forgeries that it refused: {}; \
             believed of what was forged: {}",
            found.received,
            found.verified.len(),
            found.refused,
            found.believed
        );
        let ink = if found.believed == 0 { Ink::Green } else { Ink::Red };
        writeln!(self.out, "{}", paint(self.colours, ink, &text))
    }
}

fn allotted(allotment: &Allotment) -> String {
    let hex = |octets: &[u8]| octets.iter().take(8).map(|o| format!("{o:02x}")).collect::<String>();
    match allotment {
        Allotment::Announce { code, .. } => {
            format!("announce {}.. openly, under a Discovery Key", hex(&code.0))
        }
        Allotment::Monitor(filters) => format!("{} filter of open codes", filters.len()),
        Allotment::AnnounceRestricted { code, .. } => {
            format!("announce {} restricted, under DUSK and DUIK", hex(&code.0))
        }
        Allotment::MonitorRestricted(filters) => {
            format!("{} filter of restricted codes with DUSK; the network checks the MIC", filters.len())
        }
        Allotment::Answer { code, .. } => {
            format!("answer {} when asked, under keys of its own", hex(&code.0))
        }
        Allotment::Ask(queries) => {
            format!("{} question with its keys, and a filter of answers with DUSK", queries.len())
        }
    }
}
