//! Two ledgers into accounts: what each message cost, and each phase.
//!
//! A transport block belongs to the first message of which it carries octets, else to the handshake of an overlay, else to data. The SCIs of a grant belong to
//! its first block. A step of the processor belongs to the message that it made, else to the one that it judged.

use crate::experiments::log::{Entries, Entry, Over, OverlayEntry};
use serde::{Deserialize, Serialize};
use sidelink_prose::direct_link::{Event, State};
use sidelink_wire::pc5_signalling::MessageType;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// What a message or data is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    SetUp,
    #[serde(rename = "re-keying")]
    Rekeying,
    KeepAlive,
    Release,
    /// The handshake of an overlay.
    Overlay,
    Data,
}

impl Phase {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::SetUp => "set-up",
            Self::Rekeying => "re-keying",
            Self::KeepAlive => "keep-alive",
            Self::Release => "release",
            Self::Overlay => "overlay",
            Self::Data => "data",
        }
    }

    /// Of a message; one that serves two phases belongs to the one that was begun last.
    fn of(message: MessageType, last: Self) -> Self {
        match message {
            MessageType::CommunicationRequest
            | MessageType::CommunicationAccept
            | MessageType::CommunicationReject => Self::SetUp,
            MessageType::RekeyingRequest | MessageType::RekeyingResponse | MessageType::RekeyingTrigger => {
                Self::Rekeying
            }
            MessageType::Keepalive | MessageType::KeepaliveAck => Self::KeepAlive,
            MessageType::Release | MessageType::ReleaseAccept => Self::Release,
            _ => last,
        }
    }
}

/// What was spent: the cost vector of the proposals' digest, its part on the air and in the UE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spent {
    pub(crate) msgs: u64,
    pub(crate) l3_octets: u64,
    /// Octets of PDCP PDUs.
    pub(crate) pdcp_octets: u64,
    /// Octets of transport blocks: PDCP, RLC, MAC, padding.
    pub(crate) pdu_octets: u64,
    pub(crate) n_tb: u64,
    pub(crate) sf_pscch: u64,
    pub(crate) sf_pssch: u64,
    pub(crate) sf_psdch: u64,
    /// SC periods with a grant.
    pub(crate) sc_periods: u64,
    /// Messages that said again what was not answered.
    pub(crate) retx: u64,
    pub(crate) cpu_us: f64,
    pub(crate) durable_writes: u64,
}

impl Spent {
    pub(crate) fn add(&mut self, other: &Self) {
        self.msgs += other.msgs;
        self.l3_octets += other.l3_octets;
        self.pdcp_octets += other.pdcp_octets;
        self.pdu_octets += other.pdu_octets;
        self.n_tb += other.n_tb;
        self.sf_pscch += other.sf_pscch;
        self.sf_pssch += other.sf_pssch;
        self.sf_psdch += other.sf_psdch;
        self.sc_periods += other.sc_periods;
        self.retx += other.retx;
        self.cpu_us += other.cpu_us;
        self.durable_writes += other.durable_writes;
    }
}

/// A message of PC5 signalling. Times in milliseconds after the link was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Message {
    /// When it was made.
    pub(crate) at_ms: i64,
    /// When its first octet went on the air.
    pub(crate) on_air_ms: Option<i64>,
    /// When the peer believed it.
    pub(crate) heard_ms: Option<i64>,
    /// 0 for UE_1.
    pub(crate) from: usize,
    /// By its number of LTE in files.
    #[serde(with = "number")]
    pub(crate) message: MessageType,
    pub(crate) name: String,
    pub(crate) phase: Phase,
    /// Which try of the same exchange, from 1.
    pub(crate) attempt: u64,
    #[serde(flatten)]
    pub(crate) spent: Spent,
    /// Time of the peer's step that judged it; what it answered was made in the same step.
    pub(crate) heard_cpu_us: f64,
    pub(crate) heard_durable_writes: u64,
}

/// Types of messages in files.
mod number {
    use serde::de::{Deserialize, Deserializer, Error, Unexpected};
    use serde::ser::Serializer;
    use sidelink_wire::pc5_signalling::MessageType;

    pub(crate) fn serialize<S: Serializer>(message: &MessageType, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u8(message.lte())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<MessageType, D::Error> {
        let octet = u8::deserialize(from)?;
        let expected = &"a message type of PC5 signalling";
        MessageType::from_lte(octet)
            .ok_or_else(|| D::Error::invalid_value(Unexpected::Unsigned(octet.into()), expected))
    }
}

/// Accounts of a case.
pub(crate) struct MessageMetrics {
    pub(crate) messages: Vec<Message>,
    /// What UE_1 and UE_2 spent, by phases.
    pub(crate) phases: BTreeMap<Phase, [Spent; 2]>,
}

/// What a step of the processor was for.
#[derive(Clone, Copy, Default)]
enum For {
    Made(usize),
    Heard(usize),
    #[default]
    Data,
}

struct Heard {
    at_ms: i64,
    message: MessageType,
    cpu_us: f64,
    writes: u64,
    /// The message that it was, once that is known.
    of: Option<usize>,
}

#[derive(Default)]
struct One {
    messages: Vec<Message>,
    heard: Vec<Heard>,
    steps: Vec<(For, f64, u64)>,
    overlay: Spent,
    data: Spent,
}

/// To what PDUs and blocks belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Message(usize),
    Overlay,
    Data,
}

impl MessageMetrics {
    /// Of UE_1 and UE_2; the link was asked for in subframe `start`.
    pub(crate) fn of(entries: &[Entries; 2], start: u64) -> Self {
        let mut ones = [0, 1].map(|ue| one(ue, &entries[ue], start));
        meet(&mut ones);
        let [first, second] = ones;
        let mut phases: BTreeMap<Phase, [Spent; 2]> = BTreeMap::new();
        // in the order of time, so that a phase begins with its first message
        let mut order: Vec<(usize, usize)> = (0..first.messages.len()).map(|i| (0, i)).collect();
        order.extend((0..second.messages.len()).map(|i| (1, i)));
        let mut ones = [first, second];
        order.sort_by_key(|&(ue, i)| (ones[ue].messages[i].at_ms, ue));
        let mut last = Phase::SetUp;
        for &(ue, i) in &order {
            let message = &mut ones[ue].messages[i];
            message.phase = Phase::of(message.message, last);
            if matches!(message.phase, Phase::SetUp | Phase::Rekeying) {
                last = message.phase;
            }
            phases.entry(message.phase).or_default()[ue].add(&Spent {
                cpu_us: 0.0,
                durable_writes: 0,
                ..message.spent
            });
        }
        for ue in [0, 1] {
            for &(of, cpu_us, durable_writes) in &ones[ue].steps {
                let phase = match of {
                    For::Made(i) => ones[ue].messages[i].phase,
                    For::Heard(h) => {
                        ones[ue].heard[h].of.map_or(Phase::SetUp, |i| ones[1 - ue].messages[i].phase)
                    }
                    For::Data => Phase::Data,
                };
                phases.entry(phase).or_default()[ue].add(&Spent {
                    cpu_us,
                    durable_writes,
                    ..Spent::default()
                });
            }
            phases.entry(Phase::Overlay).or_default()[ue].add(&ones[ue].overlay);
            phases.entry(Phase::Data).or_default()[ue].add(&ones[ue].data);
        }
        let messages = order.iter().map(|&(ue, i)| ones[ue].messages[i].clone()).collect();
        phases.retain(|_, spent| *spent != [Spent::default(); 2]);
        Self { messages, phases }
    }

    /// Everything together.
    pub(crate) fn whole(&self) -> [Spent; 2] {
        let mut whole = [Spent::default(); 2];
        for spent in self.phases.values() {
            for ue in [0, 1] {
                whole[ue].add(&spent[ue]);
            }
        }
        whole
    }
}

/// PDCP PDUs that wait in RLC, by destination and channel: the message that each is, and the octets that are left of it.
type Queues = HashMap<(u32, u8), VecDeque<(Of, usize)>>;

/// The walk through one UE's entries, with what is open at each.
struct Walk {
    from: usize,
    /// The subframe in which the link was asked for.
    start: u64,
    one: One,
    queues: Queues,
    /// Octets of the message that goes to PDCP next.
    l3_octets: u64,
    /// Purpose of the step that runs.
    step: For,
    /// Messages that belong to earlier steps: made, heard.
    earlier: (usize, usize),
    /// SCIs without a block so far.
    scis: u64,
    /// The block that is on the air, and what it belongs to.
    block: Option<(u64, Of)>,
    /// What the next data are.
    data: Of,
    attempts: HashMap<MessageType, u64>,
}

/// One UE's messages with what the air took for them.
fn one(from: usize, entries: &Entries, start: u64) -> One {
    let mut walk = Walk {
        from,
        start,
        one: One::default(),
        queues: Queues::new(),
        l3_octets: 0,
        step: For::Data,
        earlier: (0, 0),
        scis: 0,
        block: None,
        data: Of::Data,
        attempts: HashMap::new(),
    };
    for (t, entry) in entries {
        walk.entry(*t, entry);
    }
    // SCIs without a block
    walk.one.data.sf_pscch += walk.scis;
    walk.one
}

impl Walk {
    fn entry(&mut self, t: u64, entry: &Entry) {
        let at_ms = t as i64 - self.start as i64;
        match entry {
            Entry::Link(Event::Message(metered)) if metered.sent => {
                self.l3_octets = metered.l3_octets as u64;
            }
            Entry::Link(Event::Message(metered)) => {
                let message = metered.message;
                self.one.heard.push(Heard { at_ms, message, cpu_us: 0.0, writes: 0, of: None });
                if !matches!(self.step, For::Made(_)) {
                    self.step = For::Heard(self.one.heard.len() - 1);
                }
            }
            Entry::Link(Event::State { state: State::Up { .. } | State::Rekeyed { .. }, .. }) => {
                self.attempts.clear();
            }
            Entry::Pdu { to, lcid, message, octets, .. } => {
                let of = match message {
                    Some(message) => Of::Message(self.made(at_ms, *message, *octets)),
                    None => self.made_data(*octets),
                };
                self.queues.entry((*to, *lcid)).or_default().push_back((of, *octets));
            }
            Entry::Step { cpu_us, writes } => self.stepped(*cpu_us, *writes),
            Entry::Sci => (self.scis, self.block) = (self.scis + 1, None),
            Entry::Discovery => self.one.data.sf_psdch += 1,
            Entry::Block { number, octets, to, parts } => {
                let owner = match self.block {
                    Some((known, owner)) if known == *number => owner,
                    _ => self.new_block(at_ms, *octets, *to, parts),
                };
                self.block = Some((*number, owner));
                account(&mut self.one, owner).sf_pssch += 1;
            }
            Entry::Overlay(entry) => self.overlay(entry),
            Entry::Link(_) | Entry::Refused(_) | Entry::Altered => {}
        }
    }

    fn overlay(&mut self, entry: &OverlayEntry) {
        match entry {
            OverlayEntry::Handshake { octets, over: Over::Link } => {
                self.one.overlay.msgs += 1;
                self.one.overlay.l3_octets += *octets as u64;
                self.data = Of::Overlay;
            }
            OverlayEntry::Step { cpu_us } => self.one.overlay.cpu_us += cpu_us,
            OverlayEntry::Sent { .. } | OverlayEntry::Upkeep { .. } => self.data = Of::Data,
            _ => {}
        }
    }

    /// Data in a PDCP PDU: those of an overlay's handshake, or others.
    fn made_data(&mut self, octets: usize) -> Of {
        let of = std::mem::replace(&mut self.data, Of::Data);
        if of == Of::Overlay {
            self.one.overlay.pdcp_octets += octets as u64;
        }
        of
    }

    /// A message of `octets` in its PDCP PDU; its index.
    fn made(&mut self, at_ms: i64, message: MessageType, octets: usize) -> usize {
        let attempt = self.attempts.entry(message).or_default();
        *attempt += 1;
        let again = *attempt > 1 && !matches!(message, MessageType::Keepalive | MessageType::KeepaliveAck);
        let spent = Spent {
            msgs: 1,
            l3_octets: std::mem::take(&mut self.l3_octets),
            pdcp_octets: octets as u64,
            retx: u64::from(again),
            ..Spent::default()
        };
        self.one.messages.push(Message {
            at_ms,
            on_air_ms: None,
            heard_ms: None,
            from: self.from,
            message,
            name: message.to_string(),
            phase: Phase::SetUp,
            attempt: *attempt,
            spent,
            heard_cpu_us: 0.0,
            heard_durable_writes: 0,
        });
        self.step = For::Made(self.one.messages.len() - 1);
        self.one.messages.len() - 1
    }

    /// The end of a step.
    fn stepped(&mut self, cpu_us: f64, writes: u64) {
        let (made, heard) = self.earlier;
        for message in &mut self.one.messages[made..] {
            message.spent.cpu_us = cpu_us;
            message.spent.durable_writes = writes;
        }
        for heard in &mut self.one.heard[heard..] {
            (heard.cpu_us, heard.writes) = (cpu_us, writes);
        }
        self.earlier = (self.one.messages.len(), self.one.heard.len());
        self.one.steps.push((std::mem::take(&mut self.step), cpu_us, writes));
    }

    /// The first transmission of a block; the message that it belongs to.
    fn new_block(&mut self, at_ms: i64, octets: usize, to: u32, parts: &[(u8, usize)]) -> Of {
        let owner = consume(&mut self.queues, to, parts, &mut self.one.messages, at_ms);
        let account = account(&mut self.one, owner);
        account.n_tb += 1;
        account.pdu_octets += octets as u64;
        account.sf_pscch += self.scis;
        account.sc_periods += u64::from(self.scis > 0);
        self.scis = 0;
        owner
    }
}

fn account(one: &mut One, owner: Of) -> &mut Spent {
    match owner {
        Of::Message(i) => &mut one.messages[i].spent,
        Of::Overlay => &mut one.overlay,
        Of::Data => &mut one.data,
    }
}

/// Takes what a block carries out of the queues; the first message of which it carries something.
fn consume(queues: &mut Queues, to: u32, parts: &[(u8, usize)], messages: &mut [Message], at_ms: i64) -> Of {
    let mut owner = Of::Data;
    for &(lcid, octets) in parts {
        let Some(queue) = queues.get_mut(&(to, lcid)) else { continue };
        let mut octets = octets;
        while octets > 0 {
            let Some((of, left)) = queue.front_mut() else { break };
            let taken = octets.min(*left);
            (octets, *left) = (octets - taken, *left - taken);
            owner = match (owner, *of) {
                (Of::Message(_), _) | (Of::Overlay, Of::Data) => owner,
                (_, of) => of,
            };
            if let Of::Message(i) = *of {
                messages[i].on_air_ms.get_or_insert(at_ms);
            }
            if *left == 0 {
                queue.pop_front();
            }
        }
    }
    owner
}

/// What one heard is what the other sent last of this kind.
fn meet(ones: &mut [One; 2]) {
    for ue in [0, 1] {
        let [first, second] = ones;
        let (hearer, sender) = if ue == 0 { (first, second) } else { (second, first) };
        for heard in &mut hearer.heard {
            let sent = sender.messages.iter_mut().enumerate().rev().find(|(_, m)| {
                let aired = m.on_air_ms.is_some_and(|at| at <= heard.at_ms);
                m.message == heard.message && m.heard_ms.is_none() && aired
            });
            if let Some((i, message)) = sent {
                message.heard_ms = Some(heard.at_ms);
                message.heard_cpu_us = heard.cpu_us;
                message.heard_durable_writes = heard.writes;
                heard.of = Some(i);
            }
        }
    }
}
