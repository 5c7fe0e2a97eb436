//! Both ends side by side. What one end has received, the other must have sent.

use std::collections::BTreeMap;

use sidelink_security::counter::UtcTime;

use super::record::{Content, Flow, Layer2Id, Line, Party, Record};
use crate::pc3::Imsi;

/// What a UE has reported, with a right chain.
#[derive(Debug, Clone, Copy)]
pub struct Reported<'a> {
    /// Who.
    pub ue: Imsi,
    /// What.
    pub records: &'a [Record],
    /// All that it has of the time before.
    pub complete_until: UtcTime,
}

/// What does not fit. Each is a reason to look closer, not a verdict: the other end may be the one that lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The receiver has got more octets than the sender says it has sent.
    MoreReceived {
        /// Who sent.
        sender: Imsi,
        /// Who received.
        receiver: Imsi,
        /// Octets that the sender reports.
        sent: u64,
        /// Octets that the receiver reports.
        received: u64,
    },
    /// The receiver has got packets whose numbers the sender does not report.
    NotSent {
        /// Who sent.
        sender: Imsi,
        /// Who received.
        receiver: Imsi,
        /// The first and the last of them.
        sn: (u32, u32),
    },
    /// Of a one-to-one link the receiver reports far less than was sent: it was away, or says too little.
    FarLessReceived {
        /// Who sent.
        sender: Imsi,
        /// Who received.
        receiver: Imsi,
        /// Octets that the sender reports.
        sent: u64,
        /// Octets that the receiver reports.
        received: u64,
    },
    /// A UE says that a crash took a record: what is missing there is no lie.
    Lost {
        /// Who.
        ue: Imsi,
        /// Begin of the time.
        from: UtcTime,
        /// Its end.
        to: UtcTime,
    },
}

/// Of one sender to one party: octets, ranges of sequence numbers, what each receiver got.
#[derive(Default)]
struct Total {
    octets: u64,
    ranges: Vec<(u32, u32)>,
}

impl Total {
    fn add(&mut self, line: &Line) {
        self.octets = self.octets.saturating_add(line.octets);
        self.ranges.push((line.first_sn, line.last_sn));
    }

    fn holds(&self, (first, last): (u32, u32)) -> bool {
        // Ranges of one sender go on from each other, or begin again with a new key.
        let mut ranges = self.ranges.clone();
        ranges.sort_unstable();
        let mut next = first;
        for (from, to) in ranges {
            if from <= next && to >= next {
                if to >= last {
                    return true;
                }
                next = to.saturating_add(1);
            }
        }
        false
    }
}

/// Compares what UEs report. A receiver may miss what it did not hear: of one-to-one links at most so many percent.
pub fn compare(reports: &[Reported<'_>], may_miss_percent: u64) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut sent: BTreeMap<(Layer2Id, Party), Total> = BTreeMap::new();
    let mut ues: BTreeMap<Layer2Id, &Reported<'_>> = BTreeMap::new();
    for reported in reports {
        for record in reported.records {
            ues.insert(record.local, reported);
            if record.content == Content::Lost {
                let Record { from, to, .. } = *record;
                findings.push(Finding::Lost { ue: reported.ue, from, to });
            }
            for line in record.lines() {
                if let Flow::Sent(party) = line.flow {
                    sent.entry((record.local, party)).or_default().add(line);
                }
            }
        }
    }
    for reported in reports {
        received(reported, &sent, &ues, may_miss_percent, &mut findings);
    }
    findings
}

fn received(
    receiver: &Reported<'_>,
    sent: &BTreeMap<(Layer2Id, Party), Total>,
    ues: &BTreeMap<Layer2Id, &Reported<'_>>,
    may_miss_percent: u64,
    findings: &mut Vec<Finding>,
) {
    // By sender, and by what the sender calls the party: a peer is named by the other end.
    let mut got: BTreeMap<(Layer2Id, Party), Total> = BTreeMap::new();
    let mut local = None;
    for record in receiver.records {
        local = Some(record.local);
        for line in record.lines() {
            let Flow::Received { party, from } = line.flow else { continue };
            // What the sender may still upload is not judged.
            if ues.get(&from).is_some_and(|sender| record.to <= sender.complete_until) {
                let party = if let Party::Peer(_) = party { Party::Peer(record.local) } else { party };
                got.entry((from, party)).or_default().add(line);
            }
        }
    }
    let none = Total::default();
    for ((from, party), got) in &got {
        let Some(sender) = ues.get(from) else { continue };
        let (sender_ue, receiver_ue) = (sender.ue, receiver.ue);
        let said = sent.get(&(*from, *party)).unwrap_or(&none);
        if got.octets > said.octets {
            let (sent, received) = (said.octets, got.octets);
            findings.push(Finding::MoreReceived { sender: sender_ue, receiver: receiver_ue, sent, received });
        }
        for sn in got.ranges.iter().filter(|range| !said.holds(**range)) {
            findings.push(Finding::NotSent { sender: sender_ue, receiver: receiver_ue, sn: *sn });
        }
    }
    let Some(local) = local else { return };
    for ((from, party), said) in sent.iter().filter(|((_, party), _)| *party == Party::Peer(local)) {
        let Some(sender) = ues.get(from) else { continue };
        let got = got.get(&(*from, *party)).unwrap_or(&none);
        let least = said.octets / 100 * (100 - may_miss_percent.min(100));
        if got.octets < least && receiver.complete_until >= sender.complete_until {
            findings.push(Finding::FarLessReceived {
                sender: sender.ue,
                receiver: receiver.ue,
                sent: said.octets,
                received: got.octets,
            });
        }
    }
}
