//! What owner and member share: clock, random octets, trust, revocation lists, outputs.

use core::fmt;
use std::collections::{BTreeMap, VecDeque};

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{CommitError, CounterStore, Lease, ReserveConfig, StreamId};
use sidelink_security::direct::Entropy;
use sidelink_security::direct::signed::{Credential, Statement, Subject, Trust, Vouched, digest};
use sidelink_security::kdf::own::{group_owner_mac, stream_id};
use sidelink_security::keys::Kd;
use sidelink_wire::group_owner::{Body, Kind, MAC, MAX_CREDENTIAL, MAX_IDENTITY, Packet, Repr, SIGNATURE};
use sidelink_wire::ids::Layer2Id;

use super::config::{Config, WhenDegraded};
use super::io::{Error, Event, Input, ListNumber, Metered, Outgoing, Output, Revocations};
use super::note::Note;
use crate::direct_link::{Budget, Identity, Ticket};

/// Signed by an owner in its challenge.
pub(super) const CHALLENGE: &[u8] = b"sidelink PC5 group owner, challenge";
/// Signed by a member in its proof.
pub(super) const PROOF: &[u8] = b"sidelink PC5 group owner, proof";
/// Signed by an owner with keys.
pub(super) const KEYS: &[u8] = b"sidelink PC5 group owner, keys";

/// Signed by an owner with a notice.
pub(super) const NOTICE: &[u8] = b"sidelink PC5 group owner, notice";

/// Outputs that may wait before lines for the log and meters are dropped.
const WAITING: usize = 1024;

/// An owner or a member cannot start.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError<E> {
    /// The operator: an identity that no certificate can prove.
    Identity {
        /// Its type.
        kind: u8,
        /// Its length in octets.
        len: usize,
    },
    /// The operator: a raw key, or a certificate of more than [`MAX_CREDENTIAL`] octets.
    Credential {
        /// Octets of the credential in a message.
        len: usize,
    },
    /// The operator: the revocation list of a root is older than one that was used before, or missing. A revoked
    /// certificate would be accepted again.
    OldList {
        /// The first 4 octets of the root's key.
        root: [u8; 4],
        /// The number that was used.
        used: u64,
        /// The number of this list; 0 without one.
        now: u32,
    },
    /// The machine: the store.
    Store(CommitError<E>),
}

impl<E: fmt::Display> fmt::Display for OpenError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity { kind, len } => Error::Identity { kind: *kind, len: *len }.fmt(f),
            Self::Credential { len } => write!(
                f,
                "a credential of {len} octets: give a certificate, of at most {MAX_CREDENTIAL} octets with its length"
            ),
            Self::OldList { root: [a, b, c, d], used, now } => write!(
                f,
                "the revocation list of root {a:02x}{b:02x}{c:02x}{d:02x}.. has number {now}, {used} was in use: give the newer one"
            ),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for OpenError<E> {}

/// A peer that has proven itself.
pub(super) struct Proven {
    pub(super) vouched: Vouched,
    pub(super) revocations: Revocations,
}

pub(super) struct Common {
    pub(super) config: Config,
    pub(super) credential: Credential,
    pub(super) trust: Trust,
    pub(super) now: UtcTime,
    rng: Entropy,
    /// A number that no other run of this UE has, and draws of this run.
    session: u64,
    drawn: u32,
    outbox: VecDeque<Output>,
    next_ticket: u64,
    /// Numbers of lists that are not durable yet.
    storing: Vec<(Ticket, ListNumber)>,
    unsaved: Vec<ListNumber>,
    answers: Budget,
    judged: Budget,
}

/// Returns the stream in which the numbers of a root's revocation lists are durable (D11): the same as that of the key
/// store's `remember_lists`.
pub fn list_stream(root: &[u8; 32]) -> StreamId {
    StreamId(stream_id(root, b"crlnum"))
}

/// Returns whether a certificate can prove an identity.
pub(super) fn provable(identity: &Identity) -> bool {
    identity.kind == Identity::USER && (1..=MAX_IDENTITY).contains(&identity.value.len())
}

impl Common {
    /// Starts, and takes a number from `stream` that no earlier run had.
    pub(super) fn open<S: CounterStore>(
        config: Config,
        seed: &[u8; 32],
        (credential, trust): (Credential, Trust),
        (stream, reserve): (StreamId, ReserveConfig),
        store: &mut S,
    ) -> Result<(Self, Lease), OpenError<S::Error>> {
        if !provable(&config.identity) {
            let Identity { kind, value } = &config.identity;
            return Err(OpenError::Identity { kind: *kind, len: value.len() });
        }
        let encoded = credential.encoded();
        if encoded.first() != Some(&1) || encoded.len() > MAX_CREDENTIAL {
            return Err(OpenError::Credential { len: encoded.len() });
        }
        check_lists(&trust, store)?;
        let mut numbers =
            Lease::open(stream, 1, u64::from(u32::MAX), reserve, store).map_err(OpenError::Store)?;
        let session = numbers.take().map_err(|_| OpenError::Store(CommitError::Conflict))?;
        let (answers, judged) = (Budget::default(), Budget::default());
        let common = Self {
            config,
            credential,
            trust,
            now: UtcTime::from_millis(0),
            rng: Entropy::new(seed),
            session,
            drawn: 0,
            outbox: VecDeque::new(),
            next_ticket: 0,
            storing: Vec::new(),
            unsaved: Vec::new(),
            answers,
            judged,
        };
        Ok((common, numbers))
    }

    /// Handles what is the same for both roles.
    pub(super) fn begin(&mut self, input: &Input<'_>) {
        self.now = input.now().map_or(self.now, |now| now.max(self.now));
        match input {
            Input::Entropy { seed } => self.rng.mix(seed),
            Input::StoreFailed { ticket, .. } => {
                let (failed, left): (Vec<_>, Vec<_>) =
                    self.storing.drain(..).partition(|(known, _)| known == ticket);
                self.storing = left;
                self.unsaved.extend(failed.into_iter().map(|(_, number)| number));
                self.note(Note::NotDurable { what: "the number of a revocation list" });
            }
            Input::Tick { .. } => {
                let again: Vec<_> = self.unsaved.drain(..).collect();
                again.into_iter().for_each(|number| self.store(number));
            }
            _ => {}
        }
    }

    /// Draws 32 octets that were never drawn before.
    pub(super) fn draw(&mut self) -> [u8; 32] {
        self.drawn = self.drawn.wrapping_add(1);
        self.rng.draw(self.session << 32 | u64::from(self.drawn))
    }

    pub(super) fn draw_nonce(&mut self) -> [u8; 16] {
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&self.draw()[..16]);
        nonce
    }

    /// Draws a number for a back-off.
    pub(super) fn draw_number(&mut self) -> u64 {
        let mut number = [0; 8];
        number.copy_from_slice(&self.draw()[..8]);
        u64::from_be_bytes(number)
    }

    /// Whether a UE without proof may get a reply now.
    pub(super) fn may_answer(&mut self) -> bool {
        self.answers.spend(self.now, self.config.sc_period, self.config.answers)
    }

    /// Whether the signature of a UE without proof may be checked now.
    pub(super) fn may_judge(&mut self) -> bool {
        self.judged.spend(self.now, self.config.sc_period, self.config.judged)
    }

    /// Parses a message of this group.
    pub(super) fn parse<'a>(&mut self, from: Layer2Id, message: &'a [u8]) -> Option<Body<'a>> {
        match Packet::new_checked(message).and_then(|packet| Repr::parse(&packet)) {
            Ok(repr) if repr.group == self.config.group.group_id && from != self.config.layer2 => {
                Some(repr.body)
            }
            Ok(repr) => {
                self.note(Note::Unexpected { from, kind: repr.body.kind() });
                None
            }
            Err(error) => {
                self.note(Note::Malformed { from, error });
                None
            }
        }
    }

    /// Returns the octets of a message. Identities and credentials were checked when they came.
    pub(super) fn emit(&self, body: Body<'_>) -> Vec<u8> {
        let repr = Repr { group: self.config.group.group_id, body };
        let mut out = vec![0; repr.buffer_len()];
        let emitted = repr.emit(&mut out);
        debug_assert!(emitted.is_ok(), "{emitted:?}");
        out
    }

    /// Returns the octets of a message that ends with a signature.
    pub(super) fn emit_signed(&self, body: Body<'_>, label: &'static [u8], transcript: &[u8; 32]) -> Vec<u8> {
        let mut out = self.emit(body);
        let at = out.len() - SIGNATURE;
        let signature = self.credential.attest(&Statement { label, transcript, content: &out[..at] });
        out[at..].copy_from_slice(&signature);
        out
    }

    pub(super) fn send(&mut self, to: Layer2Id, kind: Kind, octets: Vec<u8>) {
        self.meter(to, true, kind, octets.len());
        self.push(Output::Message(Outgoing { to, kind, octets }));
    }

    /// Counts a message that was sent or believed.
    pub(super) fn meter(&mut self, peer: Layer2Id, sent: bool, kind: Kind, octets: usize) {
        if self.outbox.len() < WAITING {
            self.event(Event::Message(Metered { peer, sent, kind, octets }));
        }
    }

    /// Checks a signed message of a peer: signature, certificate, revocation, and the age of the revocation list. `None`
    /// is noted.
    pub(super) fn prove(
        &mut self,
        (from, kind): (Layer2Id, Kind),
        (label, transcript): (&'static [u8], &[u8; 32]),
        message: &[u8],
        (identity, credential): (&Identity, &[u8]),
    ) -> Option<Proven> {
        let (content, signature) = message.split_last_chunk::<SIGNATURE>()?;
        let statement = Statement { label, transcript, content };
        let subject = Subject { kind: identity.kind, value: &identity.value };
        let vouched = match self.trust.check(&statement, signature, (subject, credential), self.now) {
            Ok(Some(vouched)) => vouched,
            Ok(None) => {
                self.note(Note::NoCertificate { from });
                return None;
            }
            Err(failure) => {
                self.note(Note::NotBelieved { from, kind, failure });
                return None;
            }
        };
        let revocations = self.revocations(&vouched);
        if (revocations, self.config.when_degraded) == (Revocations::Degraded, WhenDegraded::Refuse) {
            self.note(Note::Degraded { from });
            return None;
        }
        self.meter(from, false, kind, message.len());
        Some(Proven { vouched, revocations })
    }

    /// Returns what is known of the revocations of the issuer of a certificate.
    pub(super) fn revocations(&self, vouched: &Vouched) -> Revocations {
        let issued = self.trust.list_of(vouched);
        match issued.is_some_and(|issued| self.now <= issued.plus_millis(self.config.list_age)) {
            true => Revocations::Fresh,
            false => Revocations::Degraded,
        }
    }

    /// Returns the first moment at which a certificate is not valid any more, the clocks' difference included.
    pub(super) const fn end_of(&self, vouched: &Vouched) -> UtcTime {
        vouched.end.plus_millis(self.trust.after_the_end())
    }

    /// Installs a revocation list. It counts from now on; members that it names are removed when its number is durable.
    pub(super) fn install_list(&mut self, der: &[u8]) -> Result<(), Error> {
        let before: Vec<u32> = self.trust.roots.iter().map(|root| root.crl_number()).collect();
        self.trust.install_crl(der).map_err(Error::List)?;
        let roots = self.trust.roots.iter().zip(before);
        let changed = roots.filter(|(root, before)| root.crl_number() != *before);
        let numbers: BTreeMap<[u8; 32], u32> =
            changed.map(|(root, _)| (*root.public(), root.crl_number())).collect();
        for (root, number) in numbers {
            self.store(ListNumber { stream: list_stream(&root), number: u64::from(number) });
        }
        Ok(())
    }

    fn store(&mut self, number: ListNumber) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.storing.push((ticket, number));
        self.push(Output::Store { ticket, number });
    }

    /// Returns whether the ticket is that of a list whose number is durable now.
    pub(super) fn stored(&mut self, ticket: Ticket) -> bool {
        let Some(at) = self.storing.iter().position(|(known, _)| *known == ticket) else { return false };
        let (_, number) = self.storing.remove(at);
        // Of 32 bits.
        self.event(Event::List { number: number.number as u32 });
        true
    }

    /// Returns a time for outputs that have to be tried again.
    pub(super) fn unsaved_due(&self) -> Option<UtcTime> {
        (!self.unsaved.is_empty()).then(|| self.now.plus_millis(self.config.retry))
    }

    pub(super) fn push(&mut self, output: Output) {
        self.outbox.push_back(output);
    }

    pub(super) fn event(&mut self, event: Event) {
        self.push(Output::Event(event));
    }

    /// Reports a line for the log, if outputs are polled.
    pub(super) fn note(&mut self, note: Note) {
        if self.outbox.len() < WAITING {
            self.event(Event::Note(note));
        }
    }

    pub(super) fn pop(&mut self) -> Option<Output> {
        self.outbox.pop_front()
    }
}

/// Makes the numbers of the lists in use durable, and refuses a list that is older than one that was used.
fn check_lists<S: CounterStore>(trust: &Trust, store: &mut S) -> Result<(), OpenError<S::Error>> {
    let mut numbers = BTreeMap::<[u8; 32], u32>::new();
    for root in &trust.roots {
        let number = numbers.entry(*root.public()).or_default();
        *number = root.crl_number().max(*number);
    }
    for (root, now) in numbers {
        let number = ListNumber { stream: list_stream(&root), number: u64::from(now) };
        let failed = |error| OpenError::Store(CommitError::Store(error));
        let used = store.reserved(&number.stream).map_err(failed)?;
        if number.number < used {
            let [a, b, c, d, ..] = root;
            return Err(OpenError::OldList { root: [a, b, c, d], used, now });
        }
        number.commit(store).map_err(failed)?;
    }
    Ok(())
}

/// Writes the MAC of a message that ends with one, under K_unicast and the transcript of a join.
pub(super) fn put_mac(kd: &Kd, kind: Kind, transcript: &[u8; 32], message: &mut [u8]) {
    let at = message.len() - MAC;
    let mac = group_owner_mac(kd, &[kind.octet()], transcript, &message[..at]);
    message[at..].copy_from_slice(&mac);
}

/// Returns whether the MAC of a message is right.
pub(super) fn has_mac(kd: &Kd, kind: Kind, transcript: &[u8; 32], message: &[u8]) -> bool {
    let Some((content, mac)) = message.split_last_chunk::<MAC>() else { return false };
    sidelink_security::kdf::own::is_group_owner_mac(kd, &[kind.octet()], transcript, (content, mac))
}

/// Returns the transcript that a confirm covers: that of the join, and the keys.
pub(super) fn confirmed(transcript: &[u8; 32], keys: &[u8]) -> [u8; 32] {
    digest(&[transcript, keys])
}
