//! Content of blocks: a line or an object each PDCP PDU and each discovery message.

use crate::open::{Channel, DiscoveryReport, Opened, PdcpReport, Verdict};
use crate::readable;
use crate::terminal::{Ink, paint};
use serde_json::{Map, Value};
use sidelink_mac::mux::Address;
use sidelink_mac::pdcp::Header;
use sidelink_wire::hex;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::pdcp::SduType;
use std::io::{self, Write};

/// Number of octets of a payload that are shown.
const SHOWN: usize = 16;

/// Returns an object; `None` without keys to check it. Keys come in alphabetical order.
pub(super) fn json(opened: &Opened<'_>, subframe: u64) -> Option<Map<String, Value>> {
    let mut o = Map::new();
    let mut put = |key: &str, value: Value| {
        o.insert(key.to_owned(), value);
    };
    put("subframe", subframe.into());
    match opened {
        Opened::Pdcp(PdcpReport { result: Verdict::NoKeys, .. }) => return None,
        Opened::Pdcp(report) => {
            put("type", "pdcp".into());
            put("source", id(report.source).into());
            put("destination", id(report.address.layer2_id()).into());
            put("version", report.address.destination().version().into());
            put("lcid", report.lcid.value().into());
            put("result", report.result.as_str().into());
            put("group", report.group.clone().into());
            put("sender", report.sender.clone().into());
            put("pgk_id", report.pgk_id.into());
            put("payload", report.data.map(hex::of_bytes).into());
            if let Some(header) = &report.header {
                put("sdu_type", sdu_type(header.sdu_type()).into());
            }
            match &report.header {
                Some(Header::OneToMany(header)) => {
                    put("pgk_index", header.pgk_index.into());
                    put("ptk_id", header.ptk_id.into());
                    put("sn", header.sn.into());
                }
                Some(Header::OneToOne(header)) => {
                    put("kd_sess_id", header.kd_sess_id.into());
                    put("sn", header.sn.into());
                }
                None => {}
            }
        }
        Opened::Discovery(report) => {
            put("type", "discovery".into());
            put("result", report.result.as_str().into());
            put("name", report.name.clone().into());
            put("message_type", report.message_type.into());
            put("code", report.code.map(|code| hex::of_bytes(&code)).into());
            put("counter", report.counter.into());
            put("period", report.period.into());
        }
        Opened::Malformed { channel, why } => {
            let name = match channel {
                Channel::SlSch => "pdcp",
                Channel::SlDch => "discovery",
            };
            put("type", name.into());
            put("result", "malformed".into());
            put("why", why.as_str().into());
        }
    }
    Some(o)
}

/// Writes a line below that of the block.
pub(super) fn table(
    out: &mut dyn Write,
    opened: &Opened<'_>,
    subframe: u64,
    colours: bool,
) -> io::Result<()> {
    let (channel, good, what) = match opened {
        Opened::Pdcp(report) => ("PDCP", report.result.is_good(), pdcp(report)),
        Opened::Discovery(report) => ("PC5-D", report.result.is_good(), discovery(report)),
        Opened::Malformed { why, .. } => ("-", false, format!("malformed: {why}")),
    };
    let no_keys = matches!(opened, Opened::Pdcp(PdcpReport { result: Verdict::NoKeys, .. }));
    let ink = match (no_keys, good) {
        (true, _) => Ink::Dim,
        (false, true) => Ink::Green,
        (false, false) => Ink::Red,
    };
    let channel = paint(colours, ink, &format!("{channel:<7}"));
    writeln!(out, "{subframe:>8}  {channel} {:>7} {:>6} {:>8}  {what}", "", "", "")
}

fn pdcp(report: &PdcpReport<'_>) -> String {
    let kind = match report.address {
        Address::Group(_) => "group ",
        Address::Ue(_) => "UE ",
        Address::V2x(_) => "",
    };
    let header = match &report.header {
        Some(Header::OneToMany(h)) => {
            format!("{}, PGK {} PTK {} SN {}", sdu_type(h.sdu_type), h.pgk_index, h.ptk_id, h.sn)
        }
        Some(Header::OneToOne(h)) => {
            format!("{}, KD-sess {} SN {}", sdu_type(h.sdu_type), h.kd_sess_id, h.sn)
        }
        None => "no PDCP header".to_owned(),
    };
    let data = report
        .data
        .map_or(String::new(), |data| format!(", {} octets: {}", data.len(), readable::payload(data, SHOWN)));
    format!(
        "V {} {}{} to {kind}{}{}, LCID {}, {header}: {}{data}",
        report.address.destination().version(),
        id(report.source),
        called(&report.sender),
        id(report.address.layer2_id()),
        called(&report.group),
        report.lcid.value(),
        report.result,
    )
}

fn discovery(report: &DiscoveryReport) -> String {
    let name = report.name.as_deref().unwrap_or("unknown");
    let code = report
        .code
        .map_or(String::new(), |code| format!(", code {}", readable::hex_and_text(&code, code.len())));
    let seconds = |counter: u32| readable::seconds_and_date(counter.into());
    let counter = report.counter.map_or(String::new(), |counter| format!(", counter {}", seconds(counter)));
    let period = report.period.map_or(String::new(), |period| format!(", period {period}"));
    format!("{name}: {}, type {:02x}{code}{counter}{period}", report.result, report.message_type)
}

fn id(id: Layer2Id) -> String {
    hex::of_bytes(&id.octets())
}

fn called(name: &Option<String>) -> String {
    name.as_ref().map_or(String::new(), |name| format!(" ({name})"))
}

const fn sdu_type(sdu_type: SduType) -> &'static str {
    match sdu_type {
        SduType::Ip => "ip",
        SduType::Arp => "arp",
        SduType::Pc5Signalling => "pc5-s",
        SduType::NonIp => "non-ip",
    }
}
