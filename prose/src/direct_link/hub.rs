//! All links of one UE: routes PDUs to them, keeps their timers, collects what they want done.

use std::collections::VecDeque;

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{
    CommitError, CounterStore, Lease, ReserveConfig, StreamId, TakeError,
};
use sidelink_security::direct::{Entropy, Fingerprint, KdSessId, Profile};
use sidelink_security::kdf::own::stream_id;
use sidelink_security::keys::Secret256;

use super::config::Config;
use super::frame;
use super::io::{Closed, Error, Input, Keys, LinkId, Metered, Output, Pdu, State};
use super::kd::{Change, KdRecord, Keyring, MAX_IDENTITY, Ticket};
use super::link::{Asked, HalfOpen, Link, Signer, Stage};
use super::note::Note;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{Body, MessageType};
use sidelink_wire::pdcp::{MAX_SDU_LEN, SduType};

/// Session numbers that one UE may use in its life.
const SESSION_LIMIT: u64 = 1 << 48;

/// Session keys that are remembered.
const USED: usize = 1024;

/// SN that user data leaves to signalling at the end of a key: a release must always be possible.
const SIGNALLING_RESERVE: u32 = 64;

/// The links of one UE. `Debug` shows no secret.
#[derive(Debug)]
pub struct Hub {
    pub(super) config: Config,
    pub(super) now: UtcTime,
    pub(super) entropy: Entropy,
    /// Numbers of sessions: durable, so that no nonce comes twice.
    pub(super) numbers: Lease,
    pub(super) keyring: Keyring,
    pub(super) links: Vec<Link>,
    pub(super) half_open: VecDeque<HalfOpen>,
    /// Changes that are on their way to the store.
    pub(super) storing: Vec<(Ticket, Vec<Change>)>,
    outbox: VecDeque<Output>,
    next_ticket: u64,
    next_link: u32,
    /// What this UE proves itself with, where no KD is shared.
    pub(super) signer: Option<Signer>,
    /// The secret of cookies.
    pub(super) cookies: Secret256,
    /// The session keys of late, so that none is used twice whatever the nonces.
    used: VecDeque<Fingerprint>,
    /// When an unproven request was last refused in words: once a period is enough.
    pub(super) refused: Option<UtcTime>,
}

impl Hub {
    /// The links of a UE that has none yet. `seed` is of full strength; session numbers go on where `store` says.
    /// Waits for the medium: at start only.
    pub fn open<S: CounterStore>(
        config: Config,
        seed: &[u8; 32],
        store: &mut S,
    ) -> Result<Self, CommitError<S::Error>> {
        let stream = StreamId(stream_id(&config.identity.value, b"direct"));
        let reserve = ReserveConfig { block: 256, low_water: 128 };
        let numbers = Lease::open(stream, 1, SESSION_LIMIT, reserve, store)?;
        let mut entropy = Entropy::new(seed);
        let cookies = Secret256::from(entropy.draw(numbers.peek()));
        Ok(Self {
            signer: None,
            cookies,
            config,
            now: UtcTime::from_millis(0),
            entropy,
            numbers,
            keyring: Keyring::default(),
            links: Vec::new(),
            half_open: VecDeque::new(),
            storing: Vec::new(),
            outbox: VecDeque::new(),
            next_ticket: 0,
            next_link: 0,
            used: VecDeque::with_capacity(USED),
            refused: None,
        })
    }

    /// Adds a KD that is durable already: what the store holds, in the order in which it was made.
    pub fn add_kd(&mut self, record: KdRecord) {
        self.keyring.add(record);
    }

    /// The rules.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The links with their peers, and the keys of those that are up.
    pub fn links(&self) -> impl Iterator<Item = (LinkId, Layer2Id, Option<Keys>)> + '_ {
        self.links.iter().map(|link| {
            let up = link.stage == Stage::Up;
            (link.id, link.peer, link.keys().filter(|_| up))
        })
    }

    /// The layer-2 identities at which this UE listens: its own, and those of its links. They change with
    /// [`super::State`].
    pub fn addresses(&self) -> impl Iterator<Item = Layer2Id> + '_ {
        [self.config.source].into_iter().chain(self.links.iter().flat_map(Link::addresses))
    }

    /// SN that a link has left for sending under its key.
    pub fn left(&self, link: LinkId) -> Option<u32> {
        self.links.iter().find(|l| l.id == link)?.active.as_ref().map(|active| active.left())
    }

    /// Requests that wait for their proof.
    pub fn half_open(&self) -> usize {
        self.half_open.len()
    }

    /// Takes one event. Drain [`Self::poll_output`] afterwards.
    pub fn handle_input(&mut self, input: Input<'_>) -> Result<(), Error> {
        match input {
            Input::Tick { now } => self.advance(now),
            Input::Connect { now, peer, identity } => {
                self.advance(now);
                if identity.value.len() > MAX_IDENTITY {
                    return Err(Error::IdentityTooLong { len: identity.value.len() });
                }
                return self.connect(peer, identity);
            }
            Input::Pdu { now, source, lcid, pdu } => {
                self.advance(now);
                if let Err(error) = self.receive(source, lcid, pdu) {
                    self.note(Note::Refused { source, lcid, error });
                }
            }
            Input::Send { now, link, lcid, sdu_type, data } => {
                self.advance(now);
                return self.send(link, lcid, sdu_type, data);
            }
            Input::Rekey { now, link, reauthenticate } => {
                self.advance(now);
                let index = self.up(link)?;
                return self.start_rekeying(index, reauthenticate);
            }
            Input::TriggerRekey { now, link } => {
                self.advance(now);
                if self.config.profile == Profile::Nr {
                    return Err(Error::NotInProfile);
                }
                let index = self.up(link)?;
                self.send_protected(index, Lcid::PC5_S_PROTECTED, Body::RekeyingTrigger);
            }
            Input::UpdateIdentifiers { now, link } => {
                self.advance(now);
                let index = self.up(link)?;
                return self.update_identifiers(index);
            }
            Input::Release { now, link } => {
                self.advance(now);
                return self.release(link);
            }
            Input::Granted { now, granted } => {
                if granted.stream() == self.numbers.stream() {
                    self.numbers.grant(granted);
                }
                self.advance(now);
            }
            Input::ReservationFailed { now, stream } => {
                if stream == self.numbers.stream() {
                    self.numbers.failed();
                }
                self.advance(now);
            }
            Input::Stored { now, ticket } => {
                self.advance(now);
                if let Some(at) = self.storing.iter().position(|(t, _)| *t == ticket) {
                    let (_, changes) = self.storing.remove(at);
                    changes.into_iter().for_each(|change| self.keyring.apply(change));
                    self.stored(ticket);
                }
            }
            Input::StoreFailed { now, ticket } => {
                self.advance(now);
                self.storing.retain(|(t, _)| *t != ticket);
                self.not_stored(ticket);
            }
            Input::Entropy { seed } => self.entropy.mix(seed),
        }
        Ok(())
    }

    /// The next thing to do; [`Output::Timeout`] when there is none.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outbox.pop_front() {
            return output;
        }
        match self.numbers.wanted() {
            Some(reservation) => Output::Reserve(reservation),
            None => Output::Timeout(self.deadline()),
        }
    }

    fn deadline(&self) -> Option<UtcTime> {
        let half_open = self.half_open.iter().map(|half| half.answering.deadline);
        half_open.chain(self.links.iter().map(|link| self.link_deadline(link))).min()
    }

    fn link_deadline(&self, link: &Link) -> UtcTime {
        let asking = link.asking.iter().map(|asking| asking.deadline);
        let answering = link.answering.iter().map(|answering| answering.deadline);
        let release = link.release.iter().map(|release| release.deadline);
        let retired = link.retired.iter().map(|old| old.until);
        let update = link.update.iter().map(|update| update.repeat().deadline);
        let privacy = self.privacy_deadline(link);
        let keepalive = (link.stage == Stage::Up).then(|| match link.keepalive {
            Some(repeat) if repeat.tries < self.config.tries => repeat.deadline,
            Some(_) => UtcTime::from_millis(u64::MAX),
            None => link.heard.plus_millis(self.config.keepalive),
        });
        let gone = link.heard.plus_millis(self.config.inactivity);
        let gone = if link.stage == Stage::Up { gone } else { UtcTime::from_millis(u64::MAX) };
        let exchanges = asking.chain(answering).chain(release).chain(update).chain(privacy);
        exchanges.chain(retired).chain(keepalive).fold(gone, UtcTime::min)
    }

    /// Time goes on, never back: what is due is done.
    fn advance(&mut self, now: UtcTime) {
        self.now = self.now.max(now);
        let now = self.now;
        self.half_open.retain(|half| half.answering.deadline > now);
        let mut index = 0;
        while let Some(link) = self.links.get_mut(index) {
            let id = link.id;
            link.retired.retain(|old| old.until > now);
            if link.asking.as_ref().is_some_and(|asking| asking.deadline <= now) {
                self.asking_due(index);
            }
            self.with(id, |hub, index| {
                if hub.links[index].answering.as_ref().is_some_and(|answering| answering.deadline <= now) {
                    hub.answering_due(index);
                }
            });
            self.with(id, Self::update_due);
            self.with(id, Self::upkeep_due);
            // A link that was closed made room for the next at its place.
            if self.links.get(index).is_some_and(|link| link.id == id) {
                index += 1;
            }
        }
    }

    /// Calls `f` with the place of a link, if it still exists.
    pub(super) fn with(&mut self, id: LinkId, f: impl FnOnce(&mut Self, usize)) {
        if let Some(index) = self.links.iter().position(|link| link.id == id) {
            f(self, index);
        }
    }

    fn up(&self, id: LinkId) -> Result<usize, Error> {
        let index = self.links.iter().position(|link| link.id == id && link.stage == Stage::Up);
        index.ok_or(Error::NotUp(id))
    }

    fn send(&mut self, id: LinkId, lcid: Lcid, sdu_type: SduType, data: &[u8]) -> Result<(), Error> {
        let index = self.up(id)?;
        if data.is_empty() || data.len() > MAX_SDU_LEN || lcid.is_signalling() {
            return Err(Error::Sdu { len: data.len(), lcid });
        }
        let link = &mut self.links[index];
        let (source, peer) = (link.own, link.peer);
        let Some(active) = &mut link.active else { return Err(Error::NotUp(id)) };
        if active.left() <= SIGNALLING_RESERVE {
            self.give_up_keys(index);
            return Err(Error::Exhausted(id));
        }
        let session = Some(active.fingerprint());
        let octets = frame::seal(active, lcid, sdu_type, data).map_err(|_| Error::Exhausted(id))?;
        self.push(Output::Pdu(Pdu { source, peer, lcid, message: None, session, octets }));
        self.rekey_if_due(index);
        Ok(())
    }

    /// Asks for changes to be made durable.
    pub(super) fn store(&mut self, changes: Vec<Change>) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let copy = changes.iter().map(Change::copy).collect();
        self.storing.push((ticket, changes));
        self.push(Output::Store { ticket, changes: copy });
        ticket
    }

    /// Sends a message of the link under its key.
    pub(super) fn send_protected(&mut self, index: usize, lcid: Lcid, body: Body<'_>) {
        let profile = self.config.profile;
        let link = &mut self.links[index];
        let message = frame::message(profile, link.next_sequence(), body);
        let peer = link.peer;
        let Some(active) = &mut link.active else { return };
        // Exhausted keys were given up before: nothing is sent then.
        let Ok(octets) = frame::seal(active, lcid, SduType::Pc5Signalling, &message) else { return };
        let session = Some(active.fingerprint());
        self.send_octets(peer, lcid, body.message_type(), session, message.len(), octets);
    }

    /// Sends a message without protection.
    pub(super) fn send_plain(&mut self, peer: Layer2Id, kind: MessageType, message: &[u8]) {
        self.send_octets(peer, Lcid::PC5_S_UNPROTECTED, kind, None, message.len(), frame::plain(message));
    }

    pub(super) fn send_octets(
        &mut self,
        peer: Layer2Id,
        lcid: Lcid,
        kind: MessageType,
        session: Option<Fingerprint>,
        l3: usize,
        octets: Vec<u8>,
    ) {
        self.meter(peer, true, kind, l3, octets.len());
        let link = self.links.iter().find(|link| link.peer == peer);
        let source = link.map_or(self.config.source, |link| link.own);
        self.push(Output::Pdu(Pdu { source, peer, lcid, message: Some(kind), session, octets }));
    }

    pub(super) fn meter(&mut self, peer: Layer2Id, sent: bool, message: MessageType, l3: usize, pdu: usize) {
        self.push(Output::Meter(Metered { peer, sent, message, l3_octets: l3, pdu_octets: pdu }));
    }

    pub(super) fn push(&mut self, output: Output) {
        self.outbox.push_back(output);
    }

    pub(super) fn note(&mut self, note: Note) {
        self.push(Output::Note(note));
    }

    pub(super) fn state(&mut self, index: usize, state: State) {
        let Link { id, peer, .. } = self.links[index];
        self.push(Output::State { link: id, peer, state });
    }

    pub(super) fn close(&mut self, index: usize, why: Closed) {
        self.state(index, State::Closed { why });
        self.links.remove(index);
    }

    pub(super) const fn new_link_id(&mut self) -> LinkId {
        self.next_link += 1;
        LinkId(self.next_link)
    }

    /// 32 octets for a nonce and wishes for halves; none until a session number is durable.
    pub(super) fn draw(&mut self) -> Option<[u8; 32]> {
        match self.numbers.take() {
            Ok(number) => Some(self.entropy.draw(number)),
            Err(TakeError::Waiting | TakeError::Exhausted) => None,
            Err(_) => None,
        }
    }

    /// Whether a session key is new; it is remembered.
    pub(super) fn is_new(&mut self, session: Fingerprint) -> bool {
        let new = !self.used.contains(&session);
        if new {
            if self.used.len() >= USED {
                self.used.pop_front();
            }
            self.used.push_back(session);
        }
        new
    }

    /// Whether a half of a KD-sess ID is in use here.
    pub(super) fn half_taken(&self, half: impl Fn(KdSessId) -> u8, value: u16) -> bool {
        let half_open = self.half_open.iter().filter_map(|h| h.answering.id());
        self.links.iter().flat_map(Link::ids).chain(half_open).any(|id| u16::from(half(id)) == value)
            || self.links.iter().filter_map(|l| l.asking.as_ref()).any(|asking| {
                matches!(asking.phase, Asked::Requested) && u16::from(asking.requested.offer().msb) == value
            })
    }
}

impl Change {
    fn copy(&self) -> Self {
        match self {
            Self::Put(record) => Self::Put(record.copy()),
            Self::Remove(id, peer) => Self::Remove(*id, peer.clone()),
        }
    }
}
