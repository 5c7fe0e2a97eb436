//! The links of a remote UE to relays, and its PRUKs: TS 33.303 §6.7.3.2.1.1 steps 3 and 5b.
//!
//! ```text
//! question Derive -> Connect, Command -> StoreUsim .. Store -> the port -> Stored -> Kd -> answer Derived
//!                                     -> Resynchronise                           -> answer OutOfStep; Command once more
//! link up         -> Accepted: pending becomes current
//! link over       -> Ended
//! ```
//!
//! Anybody can send a command: each has a link of the machine of its own, and the last one that had a KD is the one that came
//! up. Who has nothing to say to a command lets the next one come.

use super::users::{MncDigits, identity, user};
use sidelink_network::pc8::{Code, PrukId};
use sidelink_network::remote_ue::{
    Config, Failure, Held, Input, LinkId, Output, Proof, RemoteUe, Slots, Ticket as SlotTicket, User,
};
use sidelink_network::usim::{SqnArray, Usim};
use sidelink_prose::direct_link::{Identity, Ticket};
use sidelink_security::counter::UtcTime;
use sidelink_ue::{KeyNetwork, LinkStanding, NetworkAnswer};
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::relay_keying::{Answer, Question};
use std::collections::{BTreeMap, VecDeque};
use zeroize::Zeroizing;

/// Names a write: a number of this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WriteId(pub(crate) u64);

/// What is to be durable.
#[derive(Debug)]
pub(crate) enum Record {
    /// The PRUKs, in the place of those before.
    Slots(Slots),
    /// The state of the USIM, in the place of that before.
    Usim(SqnArray),
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is durable.
    Durable,
    /// It is not, and never will be.
    #[cfg_attr(
        not(any(test, feature = "services")),
        allow(dead_code, reason = "a disk of an exercise never fails")
    )]
    Failed,
}

/// What came from the PKMF to the remote UE itself: over PC8, where it is in coverage.
#[derive(Debug)]
#[allow(dead_code, reason = "remote UEs of exercises fetch their PRUKs before")]
pub(crate) enum News {
    /// A PRUK.
    Pruk(Held),
    /// It may have none.
    Refused,
}

/// The outside of a remote UE's keys. None of it blocks.
pub(crate) trait RemotePort: Send {
    /// Makes something durable, in the order of calls.
    fn write(&mut self, now: UtcTime, write: WriteId, record: Record);

    /// Returns what became of a write, once.
    fn written(&mut self, now: UtcTime) -> Option<(WriteId, Written)>;

    /// Returns what came over PC8, once.
    fn news(&mut self, _now: UtcTime) -> Option<News> {
        None
    }

    /// Learns which PRUK a KEY_REQUEST names from now on.
    fn holds(&mut self, _now: UtcTime, _pruk: Option<PrukId>) {}

    /// Learns why a command gave no KD.
    fn failed(&mut self, _now: UtcTime, _why: Failure) {}
}

/// Settings.
pub(crate) struct RemoteSettings {
    /// Of the machine.
    pub(crate) config: Config,
    /// Digits of the mobile network code of the home PLMN.
    pub(crate) mnc: MncDigits,
    /// Seconds that a KD lives at most; it ends with its link before.
    pub(crate) kd_lifetime: u32,
}

/// Exchanges that are remembered: fewer than the machine has links.
const EXCHANGES: usize = sidelink_network::remote_ue::MOST_LINKS - 4;

/// How far an exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The machine has the command.
    Asked(Ticket),
    /// The relay was told that the USIM is out of step.
    OutOfStep,
    /// The KD was handed out.
    Keyed,
    /// The link with this relay is up under it.
    Up(Layer2Id),
}

/// A command, and what became of it.
struct Exchange {
    link: LinkId,
    nonce_1: [u8; 16],
    /// What the machine calls this UE on this link.
    named: Option<User>,
    stage: Stage,
}

/// What a write is about.
enum Write {
    Slots(SlotTicket),
    Usim,
}

/// The keys of a remote UE, as its links ask for them.
pub(crate) struct RemoteKeys<P> {
    machine: RemoteUe,
    port: P,
    mnc: MncDigits,
    kd_lifetime: u32,
    exchanges: VecDeque<Exchange>,
    writes: BTreeMap<WriteId, Write>,
    next_link: u32,
    next_write: u64,
    answers: VecDeque<NetworkAnswer>,
}

impl<P: RemotePort> RemoteKeys<P> {
    /// With its USIM, and the PRUKs that are durable.
    pub(crate) fn new(settings: RemoteSettings, usim: Usim, slots: Slots, port: P) -> Self {
        let RemoteSettings { config, mnc, kd_lifetime } = settings;
        Self {
            machine: RemoteUe::new(config, usim, slots),
            port,
            mnc,
            kd_lifetime,
            exchanges: VecDeque::new(),
            writes: BTreeMap::new(),
            next_link: 0,
            next_write: 0,
            answers: VecDeque::new(),
        }
    }

    fn refuse(&mut self, ticket: Ticket) {
        self.answers.push_back(NetworkAnswer { ticket, octets: None });
    }

    fn answer(&mut self, ticket: Ticket, answer: &Answer<'_>) {
        let mut octets = Zeroizing::new(Vec::with_capacity(64));
        answer.emit(&mut octets);
        self.answers.push_back(NetworkAnswer { ticket, octets: Some(octets) });
    }

    fn end(&mut self, at: usize) {
        if let Some(exchange) = self.exchanges.remove(at) {
            self.machine.handle_input(Input::Ended(exchange.link));
        }
    }

    /// A new link of the machine.
    fn begin(&mut self, now: UtcTime, service: Code, nonce_1: [u8; 16], stage: Stage) -> LinkId {
        while self.exchanges.len() >= EXCHANGES {
            let oldest = self.exchanges.iter().position(|known| !matches!(known.stage, Stage::Up(_)));
            self.end(oldest.unwrap_or(0));
        }
        let link = LinkId(self.next_link);
        self.next_link = self.next_link.wrapping_add(1);
        self.exchanges.push_back(Exchange { link, nonce_1, named: None, stage });
        self.machine.handle_input(Input::Connect { link, service, nonce_1 });
        self.work(now);
        link
    }

    /// Hands a command to the machine.
    fn derive(&mut self, now: UtcTime, ticket: Ticket, question: &Question<'_>) {
        let Question::Derive { service, user: said, nonce_1, freshness, gpi } = *question else {
            return self.refuse(ticket);
        };
        let Some(said) = user(said, self.mnc) else { return self.refuse(ticket) };
        let same = |known: &&mut Exchange| known.nonce_1 == nonce_1 && known.stage == Stage::OutOfStep;
        let link = match self.exchanges.iter_mut().find(same) {
            Some(known) => {
                known.stage = Stage::Asked(ticket);
                known.link
            }
            None => self.begin(now, Code(service), nonce_1, Stage::Asked(ticket)),
        };
        // Another PRUK took the place of the one that the relay was told of: the next try names it.
        let Some(at) = self.exchanges.iter().position(|known| known.link == link) else { return };
        if self.exchanges[at].named != Some(said) {
            self.end(at);
            return self.refuse(ticket);
        }
        let gpi = (!gpi.is_empty()).then_some(gpi);
        self.machine.handle_input(Input::Command { now, link, freshness, gpi });
        self.work(now);
    }

    /// Does what the machine says until it says nothing more.
    fn work(&mut self, now: UtcTime) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Store { ticket, slots } => {
                    self.write(now, Write::Slots(ticket), Record::Slots(slots));
                }
                Output::StoreUsim(array) => self.write(now, Write::Usim, Record::Usim(array)),
                Output::Request { link, user } => {
                    if let Some(exchange) = self.exchange(link) {
                        exchange.named = Some(user);
                    }
                }
                Output::Kd { link, kd, pruk } => {
                    if let Some(ticket) = self.asked(link, Stage::Keyed) {
                        let (kd, lifetime) = (kd.as_bytes(), self.kd_lifetime);
                        self.answer(ticket, &Answer::Derived { kd, lifetime, pruk_id: pruk.0 });
                    }
                }
                Output::Resynchronise { link, rand, auts } => {
                    if let Some(ticket) = self.asked(link, Stage::OutOfStep) {
                        self.answer(ticket, &Answer::OutOfStep { rand: rand.0, auts: auts.0 });
                    }
                }
                Output::Failed { link, why } => {
                    self.port.failed(now, why);
                    if let Some(at) = self.exchanges.iter().position(|known| known.link == link) {
                        let stage = self.exchanges[at].stage;
                        self.end(at);
                        if let Stage::Asked(ticket) = stage {
                            self.refuse(ticket);
                        }
                    }
                }
                Output::Holds(pruk) => self.port.holds(now, pruk),
            }
        }
    }

    fn write(&mut self, now: UtcTime, write: Write, record: Record) {
        let id = WriteId(self.next_write);
        self.next_write += 1;
        self.writes.insert(id, write);
        self.port.write(now, id, record);
    }

    fn exchange(&mut self, link: LinkId) -> Option<&mut Exchange> {
        self.exchanges.iter_mut().find(|known| known.link == link)
    }

    /// Moves an exchange on; the question that waits for it.
    fn asked(&mut self, link: LinkId, next: Stage) -> Option<Ticket> {
        let exchange = self.exchange(link)?;
        let Stage::Asked(ticket) = exchange.stage else { return None };
        exchange.stage = next;
        Some(ticket)
    }

    /// Takes what the port has.
    fn take(&mut self, now: UtcTime) {
        while let Some((id, written)) = self.port.written(now) {
            let input = match (self.writes.remove(&id), written) {
                (Some(Write::Slots(ticket)), Written::Durable) => Input::Stored(ticket),
                (Some(Write::Slots(ticket)), Written::Failed) => Input::StoreFailed(ticket),
                (Some(Write::Usim), Written::Durable) => Input::UsimStored,
                (Some(Write::Usim), Written::Failed) => Input::UsimStoreFailed,
                (None, _) => continue,
            };
            self.machine.handle_input(input);
            self.work(now);
        }
        while let Some(news) = self.port.news(now) {
            self.machine.handle_input(match news {
                News::Pruk(held) => Input::Provisioned(held),
                News::Refused => Input::Refused,
            });
            self.work(now);
        }
    }

    /// The last exchange that had a KD is the one that came up.
    fn came_up(&mut self, now: UtcTime, peer: Layer2Id) {
        let keyed = self.exchanges.iter_mut().rev().find(|known| known.stage == Stage::Keyed);
        if let Some(exchange) = keyed {
            exchange.stage = Stage::Up(peer);
            let link = exchange.link;
            self.machine.handle_input(Input::Accepted(link));
            self.work(now);
        }
    }

    /// Exchanges of set-ups name no relay: they all end with the one that is being set up.
    fn ended(&mut self, now: UtcTime, peer: Layer2Id) {
        let was_up = self.exchanges.iter().any(|known| known.stage == Stage::Up(peer));
        let over = |known: &Exchange| match known.stage {
            Stage::Up(with) => with == peer,
            _ => !was_up,
        };
        while let Some(at) = self.exchanges.iter().position(over) {
            self.end(at);
        }
        self.work(now);
    }

    /// Somebody said that the relay does not know this UE. No message proves it.
    fn unknown(&mut self, now: UtcTime) {
        let link = self.begin(now, Code([0; 3]), [0; 16], Stage::OutOfStep);
        self.machine.handle_input(Input::Rejected { link, proof: Proof::None });
        self.exchanges.retain(|known| known.link != link);
        self.work(now);
    }
}

impl<P: RemotePort> KeyNetwork for RemoteKeys<P> {
    fn ask(&mut self, now: UtcTime, ticket: Ticket, question: &[u8]) {
        match Question::parse(question) {
            Ok(question) => self.derive(now, ticket, &question),
            Err(_) => self.refuse(ticket),
        }
        self.take(now);
    }

    fn poll(&mut self, now: UtcTime) -> Option<NetworkAnswer> {
        self.take(now);
        self.answers.pop_front()
    }

    fn name_for_relay(&mut self, now: UtcTime, _service: [u8; 3]) -> Option<Identity> {
        self.take(now);
        self.machine.name().as_ref().map(identity)
    }

    fn link_changed(&mut self, now: UtcTime, peer: Layer2Id, standing: LinkStanding) {
        match standing {
            LinkStanding::Up => self.came_up(now, peer),
            LinkStanding::Ended => self.ended(now, peer),
            LinkStanding::Unknown => self.unknown(now),
        }
        self.take(now);
    }
}
