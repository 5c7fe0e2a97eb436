//! PC3ch: a list of usage reports, and the answer. TS 24.334 §11.3. Read and written as [`crate::pc3`], with its bounds and errors.
//!
//! Own elements: `own:chain` of a list, `own:record` of a report, `own:link` for a one-to-one link, `own:sn` of what was sent,
//! `own:from` of what was received.

use core::net::IpAddr;

use sidelink_security::counter::UtcTime;
use zeroize::Zeroizing;

use super::record::{Content, Flow, Head, KeyName, Layer2Id, Line, Party, Record};
use super::{LogConfig, RadioCoverage};
use crate::pc3::element::Element;
use crate::pc3::fields::{Lexical, Value, only_message, records};
use crate::pc3::values::{choices, integer};
use crate::pc3::{Error, Imsi, TransactionId};

/// Target namespace of the schema. TS 24.334 §11.3.3.
pub const NAMESPACE: &str = "urn:3GPP:ns:ProSe:PC3ch:2014";

/// Media type of a body. TS 24.334 §11.3.2.
pub const MEDIA_TYPE: &str = "application/3gpp-prose-pc3ch+xml";

const ROOT: &str = "prose-pc3ch-message";

choices! {
    /// Why a list is refused. TS 24.334 §12.4.2.7.
    UsageCause, "a cause, 2, 3 or 10" {
        /// The UE is not authorised.
        AuthorisationFailure = 2,
        /// The message is malformed: the UE sends none before its next power up.
        InvalidFormat = 3,
        /// The list cannot be processed.
        Unable = 10,
    }

    /// What a record says. Own.
    RecordKind, "a kind of record, 0 or 1" {
        /// What was used.
        Usage = 0,
        /// That it was lost.
        Lost = 1,
    }
}

macro_rules! numbers {
    ($($type:ty: $expected:literal;)*) => {$(
        impl Lexical for $type {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Option<Self> {
                text.trim().parse().ok()
            }

            fn to_text(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

numbers! {
    u64: "an integer, 0 to 2^64 - 1";
    u32: "an integer, 0 to 4294967295";
    IpAddr: "an IP address";
}

impl Lexical for RadioCoverage {
    const EXPECTED: &'static str = <bool as Lexical>::EXPECTED;

    fn from_text(text: &str) -> Option<Self> {
        bool::from_text(text).map(|within| if within { Self::In } else { Self::Out })
    }

    fn to_text(&self) -> String {
        (*self == Self::In).to_text()
    }
}

records! {
    /// Sequence numbers of packets. Own.
    SnRange {
        /// The first.
        first: u32 = required "first",
        /// The last.
        last: u32 = required "last",
    }

    /// What was sent.
    Transmission {
        /// Whether in coverage.
        in_coverage: RadioCoverage = required "in-coverage",
        /// Octets.
        amount: u64 = required "amount",
        /// When it began.
        timestamp: Option<UtcTime> = attribute "timestamp",
        /// Own.
        sn: Option<SnRange> = maybe "own:sn",
    }

    /// What was received from one sender. Own.
    ReceivedFrom {
        /// Who sent it.
        from: Layer2Id = required "prose-UE-id",
        /// Octets.
        amount: u64 = required "amount",
        /// When it began.
        timestamp: UtcTime = required "timestamp",
        /// Sequence numbers.
        sn: SnRange = one "own:sn",
    }

    /// What was received.
    Reception {
        /// Whether in coverage.
        in_coverage: RadioCoverage = required "in-coverage",
        /// Octets.
        amount: u64 = required "amount",
        /// Own: the parts of it.
        from: Vec<ReceivedFrom> = many "own:from",
    }

    /// Who sent something in a group.
    Transmitter {
        /// Its address.
        address: IpAddr = required "source-IP-address",
        /// Who.
        ue: Layer2Id = required "prose-UE-id",
    }

    /// One-to-many communication with a group.
    Group {
        /// Which.
        id: Layer2Id = required "prose-layer2-group-ID",
        /// Its address.
        multicast: IpAddr = required "prose-group-IP-multicast-address",
        /// That of the UE.
        source: IpAddr = one "UE-source-IP-address",
        /// The UE.
        ue: Layer2Id = one "prose-UE-id",
        /// Who sent something.
        transmitters: Vec<Transmitter> = many "transmitter",
        /// What was sent.
        sent: Vec<Transmission> = many "transmission",
        /// What was received.
        received: Vec<Reception> = many "reception",
    }

    /// One-to-one communication. Own.
    Link {
        /// With whom.
        peer: Layer2Id = required "peer",
        /// What was sent.
        sent: Vec<Transmission> = many "own:transmission",
        /// What was received.
        received: Vec<Reception> = many "own:reception",
    }

    /// Whether the UE was in coverage.
    CoverageInfo {
        /// It was, or was not.
        in_coverage: RadioCoverage = required "in-coverage",
        /// From then on.
        timestamp: Option<UtcTime> = attribute "timestamp",
    }

    /// The record that a report carries. Own.
    RecordInfo {
        /// Place in the chain.
        seq: u64 = required "seq",
        /// The UE.
        local: Layer2Id = required "local",
        /// Begin.
        from: UtcTime = required "from",
        /// End.
        to: UtcTime = required "to",
        /// What it says.
        kind: RecordKind = required "kind",
    }

    /// A report of a collection period.
    Report {
        /// Since power up.
        number: u32 = required "sequence-number",
        /// Coverage.
        coverage: Vec<CoverageInfo> = many "coverage",
        /// Groups.
        groups: Vec<Group> = many "group",
        /// Own: links.
        links: Vec<Link> = many "own:link",
        /// Own: its place.
        record: Option<RecordInfo> = maybe "own:record",
    }

    /// The end of the chain, after the last report of a list. Own.
    ChainInfo {
        /// Under which key the records were chained.
        key: KeyName = required "key",
        /// The MAC.
        head: Head = required "head",
    }

    /// USAGE_INFORMATION_REPORT_LIST.
    ReportList {
        /// Names the transaction.
        transaction: TransactionId = one "transaction-ID",
        /// Whose.
        ue: Imsi = one "UE-identity",
        /// Reports.
        reports: Vec<Report> = some "usage-information-report",
        /// Own: their chain.
        chain: Option<ChainInfo> = maybe "own:chain",
    }

    /// A list is taken.
    Accepted {
        /// Which.
        transaction: TransactionId = one "transaction-ID",
    }

    /// It is not.
    Rejected {
        /// Which.
        transaction: TransactionId = one "transaction-ID",
        /// Why.
        cause: UsageCause = one "cause-value",
    }

    /// USAGE_INFORMATION_REPORT_LIST_RESPONSE.
    ReportListResponse {
        /// Taken.
        accepted: Option<Accepted> = maybe "response-accept",
        /// Or not.
        rejected: Option<Rejected> = maybe "response-reject",
    }
}

/// A message. TS 24.334 §11.3.4.1.
#[derive(Debug)]
pub enum Message {
    /// UE to ProSe Function.
    ReportList(ReportList),
    /// The answer.
    Response(ReportListResponse),
}

impl Message {
    /// From a document.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn from_xml(document: &[u8]) -> Result<Self, Error> {
        let message = &only_message(document, NAMESPACE, ROOT)?;
        let name = message.name.as_str();
        let read = match name {
            "USAGE_INFORMATION_REPORT_LIST" => ReportList::read(message).map(Self::ReportList),
            "USAGE_INFORMATION_REPORT_LIST_RESPONSE" => ReportListResponse::read(message).map(Self::Response),
            "anyExt" => return Err(Error::Unsupported { message: name.to_owned() }),
            _ => return Err(Error::Root),
        };
        read.map_err(|e| e.within(name))
    }

    /// To a document.
    pub fn to_xml(&self) -> Zeroizing<String> {
        let mut root = Element::new(ROOT);
        match self {
            Self::ReportList(message) => root.one("USAGE_INFORMATION_REPORT_LIST", message),
            Self::Response(message) => root.one("USAGE_INFORMATION_REPORT_LIST_RESPONSE", message),
        }
        root.emit(NAMESPACE)
    }
}

/// What is sent or received with one party.
#[derive(Default)]
struct Both {
    sent: Vec<Transmission>,
    received: Vec<Reception>,
}

impl Both {
    fn of(record: &Record, party: Party) -> Self {
        let (mut both, in_coverage) = (Self::default(), record.in_coverage);
        let mut from = Vec::new();
        for line in record.lines() {
            let (amount, timestamp) = (line.octets, line.first_at);
            let sn = SnRange { first: line.first_sn, last: line.last_sn };
            match line.flow {
                Flow::Sent(of) if of == party => {
                    let (timestamp, sn) = (Some(timestamp), Some(sn));
                    both.sent.push(Transmission { in_coverage, amount, timestamp, sn });
                }
                Flow::Received { party: of, from: sender } if of == party => {
                    from.push(ReceivedFrom { from: sender, amount, timestamp, sn });
                }
                _ => {}
            }
        }
        if !from.is_empty() {
            let amount = from.iter().fold(0, |sum: u64, part| sum.saturating_add(part.amount));
            both.received.push(Reception { in_coverage, amount, from });
        }
        both
    }

    /// Lines again, in the order in which they were written: sent, then received.
    fn lines(&self, party: Party) -> Option<Vec<Line>> {
        let mut lines = Vec::new();
        for sent in &self.sent {
            let sn = sent.sn.as_ref()?;
            let (octets, first_at) = (sent.amount, sent.timestamp?);
            let flow = Flow::Sent(party);
            lines.push(Line { flow, octets, first_sn: sn.first, last_sn: sn.last, first_at });
        }
        for received in &self.received {
            let sum = received.from.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.amount))?;
            if sum != received.amount {
                return None;
            }
            lines.extend(received.from.iter().map(|part| Line {
                flow: Flow::Received { party, from: part.from },
                octets: part.amount,
                first_sn: part.sn.first,
                last_sn: part.sn.last,
                first_at: part.timestamp,
            }));
        }
        Some(lines)
    }
}

impl Report {
    /// Of a record, whose lines stand in their order ([`Flow`]).
    pub(super) fn of(record: &Record, config: &LogConfig) -> Self {
        let mut parties: Vec<Party> = Vec::new();
        for line in record.lines() {
            let (Flow::Sent(party) | Flow::Received { party, .. }) = line.flow;
            if !parties.contains(&party) {
                parties.push(party);
            }
        }
        let (mut groups, mut links) = (Vec::new(), Vec::new());
        for party in parties {
            let Both { sent, received } = Both::of(record, party);
            match party {
                Party::Peer(peer) => links.push(Link { peer, sent, received }),
                Party::Group(id) => {
                    // The address of a sender is not known below IP; the identity is what counts.
                    let of =
                        |part: &ReceivedFrom| Transmitter { address: config.unspecified(), ue: part.from };
                    let transmitters = received.iter().flat_map(|r| r.from.iter().map(of)).collect();
                    let (source, ue) = (config.address, record.local);
                    let multicast = config.multicast(id);
                    groups.push(Group { id, multicast, source, ue, transmitters, sent, received });
                }
            }
        }
        let kind = match record.content {
            Content::Usage(_) => RecordKind::Usage,
            Content::Lost => RecordKind::Lost,
        };
        let coverage = vec![CoverageInfo { in_coverage: record.in_coverage, timestamp: Some(record.from) }];
        let Record { seq, number, local, from, to, .. } = *record;
        let info = RecordInfo { seq, local, from, to, kind };
        Self { number, coverage, groups, links, record: Some(info) }
    }

    /// The record of a report; none where it has none, or does not agree with itself.
    pub(super) fn record(self) -> Option<Record> {
        let info = self.record?;
        let mut lines = Vec::new();
        for group in self.groups {
            if group.ue != info.local {
                return None;
            }
            let (party, both) = (Party::Group(group.id), Both { sent: group.sent, received: group.received });
            lines.extend(both.lines(party)?);
        }
        for link in self.links {
            let (party, both) = (Party::Peer(link.peer), Both { sent: link.sent, received: link.received });
            lines.extend(both.lines(party)?);
        }
        lines.sort_by_key(|line| line.flow);
        let content = match info.kind {
            RecordKind::Usage => Content::Usage(lines),
            RecordKind::Lost if lines.is_empty() => Content::Lost,
            RecordKind::Lost => return None,
        };
        let in_coverage = self.coverage.first()?.in_coverage;
        let RecordInfo { seq, local, from, to, .. } = info;
        Some(Record { seq, number: self.number, local, in_coverage, from, to, content })
    }
}
