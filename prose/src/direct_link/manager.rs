//! All links of one UE: routes PDUs to them, holds the half-open table, collects the outputs.

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{CommitError, CounterStore, Lease, ReserveConfig, StreamId};
use sidelink_security::direct::signed::{CertificateError, Credential, Trust};
use sidelink_security::kdf::own::stream_id;

use super::admission::Admission;
use super::cause::Cause;
use super::config::Config;
use super::frame;
use super::half_open::HalfOpenTable;
use super::hop::Hop;
use super::initiating;
use super::io::{Closed, Error, Input, Keys, LinkId, Output, Pdu, State as Reported};
use super::kd::{Change, Identity, KdRecord, MAX_IDENTITY, Ticket};
use super::key_establishment::{Credentials, KeyEstablishment};
use super::link::{Common, Link, Next, State};
use super::local::Local;
use super::note::Note;
use super::relaying::{RelayLink, Serves};
use super::session::{Exchange, Releasing, Up};
use super::signed::Signed;
use crate::relay::admission::{AdmissionControl, AdmissionRules};
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pdcp::{MAX_SDU_LEN, SduType};

/// Session numbers of one UE in its life.
const SESSION_LIMIT: u64 = 1 << 48;

/// SN at the end of a key that are reserved for signalling: a release must always be possible.
pub(super) const SIGNALLING_RESERVE: u32 = 64;

/// The links of one UE. It routes, and knows no state. `Debug` shows no secret.
#[derive(Debug)]
pub struct LinkManager {
    pub(super) local: Local,
    pub(super) links: Vec<Link>,
    pub(super) half_open: HalfOpenTable,
    /// Whom this UE takes as its remote UEs, where it says so.
    pub(super) remotes: Option<AdmissionControl>,
}

impl LinkManager {
    /// Makes a UE without links. `seed` has full entropy; session numbers continue from those in `store`. Blocks on the
    /// store, at start only.
    ///
    /// # Errors
    /// The store fails.
    pub fn open<S: CounterStore>(
        config: Config,
        seed: &[u8; 32],
        store: &mut S,
    ) -> Result<Self, CommitError<S::Error>> {
        let stream = StreamId(stream_id(&config.identity.value, config.way.stream()));
        let reserve = ReserveConfig { block: 256, low_water: 128 };
        let numbers = Lease::open(stream, 1, SESSION_LIMIT, reserve, store)?;
        let local = Local::new(config, seed, numbers);
        Ok(Self { local, links: Vec::new(), half_open: HalfOpenTable::default(), remotes: None })
    }

    /// Adds a KD that is durable already: call it for the store's content, in the order in which it was made.
    pub fn add_kd(&mut self, record: KdRecord) {
        // The KD of a remote UE ends with its link, also where the relay did not see the end.
        if record.is_of_relay() {
            self.local.store(vec![Change::Remove(record.id, record.peer)]);
            return;
        }
        self.local.keyring.add(record);
        self.local.keys_changed = true;
    }

    /// Adds the time of the newest message taken from a sender, which is durable already: call it for the store's content.
    pub fn add_admission(&mut self, admission: Admission) {
        self.local.admissions.add(admission);
    }

    /// Lets this UE agree on a KD by signatures with peers with which it shares none, and make a new one in a re-keying.
    pub fn authenticate_with(&mut self, credential: Credential, trust: Trust) {
        self.authenticate(Serves::Peers, credential, trust);
    }

    /// The same for links between remote UE and relay, in the place of links of two UEs. No specification has it: to be compared
    /// with the methods that ask a network.
    pub fn authenticate_relays_with(&mut self, credential: Credential, trust: Trust) {
        self.authenticate(Serves::Relays, credential, trust);
    }

    fn authenticate(&mut self, serves: Serves, credential: Credential, trust: Trust) {
        self.local.credentials = Some(Credentials { credential, trust });
        self.local.keys_changed = true;
        self.establish_by(Box::new(Signed(serves)));
    }

    /// Makes this UE a relay under these rules. Without them it answers whoever asks for a relay, as far as it has a method.
    pub fn serve_as_relay(&mut self, rules: AdmissionRules) {
        self.remotes = Some(AdmissionControl::new(rules));
    }

    /// Adds a method that agrees on a KD, or puts it in the place of the one with its octet. Requests offer the first, and
    /// every method is understood.
    pub fn establish_by(&mut self, method: Box<dyn KeyEstablishment>) {
        match self.local.methods.iter_mut().find(|known| known.method() == method.method()) {
            Some(known) => *known = method,
            None => self.local.methods.push(method),
        }
    }

    /// Installs a revocation list (DER). With the next input the KDs made with the listed certificates are removed, and
    /// their links released.
    ///
    /// # Errors
    /// No trusted root issued it, or it is not newer than the one in use.
    pub fn install_crl(&mut self, der: &[u8]) -> Result<(), CertificateError> {
        self.local.keys_changed = true;
        let roots = self.local.credentials.iter_mut().flat_map(|own| &mut own.trust.roots);
        let mut result = Err(CertificateError::Issuer);
        for root in roots {
            match root.install_crl(der) {
                Err(CertificateError::Issuer) => {}
                installed => result = installed,
            }
        }
        result
    }

    /// Returns the rules.
    pub const fn config(&self) -> &Config {
        &self.local.config
    }

    /// Returns the links with their peers, and the keys of those that are up.
    pub fn links(&self) -> impl Iterator<Item = (LinkId, Layer2Id, Option<Keys>)> + '_ {
        self.links.iter().map(|link| (link.common.id, link.common.remote, link.keys()))
    }

    /// Returns the Relay Service Code of a link between remote UE and relay; `None` for one between two UEs.
    pub fn relay_service(&self, link: LinkId) -> Option<[u8; 3]> {
        let link = self.links.iter().find(|l| l.common.id == link)?;
        link.common.relay.as_ref().map(|relay| relay.service)
    }

    /// Returns the layer-2 identities for which this UE receives: its own, and those of its links. They change with
    /// [`super::State`].
    pub fn addresses(&self) -> impl Iterator<Item = Layer2Id> + '_ {
        [self.local.config.source].into_iter().chain(self.links.iter().flat_map(Link::addresses))
    }

    /// Returns the layer-2 identities of peers of all links and half-open entries. A layer 2 can drop its state for any
    /// other peer once it has sent the queued data: it will not be used again.
    pub fn addresses_in_use(&self) -> impl Iterator<Item = Layer2Id> + '_ {
        self.links.iter().flat_map(Link::remotes).chain(self.half_open.sources())
    }

    /// Returns the peer of a link in its role, and what the request was for, if it is one of a UE-to-UE relay.
    pub fn hop(&self, link: LinkId) -> Option<(&Identity, &Hop)> {
        let common = &self.links.iter().find(|known| known.common.id == link)?.common;
        Some((&common.identity, common.hop.as_ref()?))
    }

    /// Returns the SN that a link has left for sending under its key.
    pub fn left(&self, link: LinkId) -> Option<u32> {
        Some(self.links.iter().find(|l| l.common.id == link)?.state.active()?.left())
    }

    /// Returns the number of requests without proof.
    pub fn half_open(&self) -> usize {
        self.half_open.len()
    }

    /// Takes one input. Drain [`Self::poll_output`] afterwards.
    ///
    /// # Errors
    /// The caller's or the operator's mistake.
    pub fn handle_input(&mut self, input: Input<'_>) -> Result<(), Error> {
        if let Some(now) = input.now() {
            self.advance(now);
        }
        match input {
            Input::Tick { .. } => {}
            Input::Connect { peer, identity, .. } => return self.connect(peer, identity, None, None),
            Input::ConnectToRelay { peer, identity, relay, .. } => {
                return self.connect(peer, identity, Some(relay), None);
            }
            Input::ConnectHop { peer, identity, target, .. } => {
                let Some((_, service)) = identity.role().filter(|_| !self.local.is_nr()) else {
                    return Err(Error::NoHop);
                };
                return self.connect(peer, identity, None, Some(Hop { service, target }));
            }
            Input::Pdu { source, lcid, pdu, .. } => {
                if let Err(error) = self.receive(source, lcid, pdu) {
                    self.local.note(Note::Refused { source, lcid, error });
                }
            }
            Input::Send { link, lcid, sdu_type, data, .. } => return self.send(link, lcid, sdu_type, data),
            Input::SendUpper { link, message, .. } => return self.send_upper(link, message),
            Input::Rekey { link, reauthenticate, .. } => {
                return self.on_up(link, |up, link, local| up.start_rekeying(link, local, reauthenticate));
            }
            Input::TriggerRekey { .. } if self.local.is_nr() => return Err(Error::NotInProfile),
            Input::TriggerRekey { link, .. } => {
                return self.on_up(link, Up::trigger_rekeying);
            }
            Input::UpdateIdentifiers { link, .. } => {
                return self.on_up(link, Up::update_identifiers);
            }
            Input::Release { link, .. } => return self.release(link, Cause::NoLongerNeeded),
            Input::ReleaseFor { link, reason, .. } => return self.release(link, reason),
            Input::Granted { granted, .. } if granted.stream() == self.local.numbers.stream() => {
                self.local.numbers.grant(granted);
            }
            Input::ReservationFailed { stream, .. } if stream == self.local.numbers.stream() => {
                self.local.numbers.failed();
            }
            Input::Granted { .. } | Input::ReservationFailed { .. } => {}
            Input::Stored { ticket, .. } => self.stored(ticket),
            Input::StoreFailed { ticket, .. } => self.not_stored(ticket),
            Input::Answered { ticket, answer, .. } => self.answered(ticket, answer),
            Input::Entropy { seed } => self.local.rng.mix(seed),
        }
        Ok(())
    }

    /// Returns the next output; [`Output::Timeout`] when there is none.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.local.outbox.pop_front() {
            return output;
        }
        match self.local.numbers.wanted() {
            Some(reservation) => Output::Reserve(reservation),
            None => Output::Timeout(self.deadline()),
        }
    }

    fn deadline(&self) -> Option<UtcTime> {
        let links = self.links.iter().map(|link| link.state.deadline(&self.local));
        let first = links.chain(self.half_open.deadline()).min();
        first.map(|timer| self.local.on_clock(timer))
    }

    /// Advances the time, and handles the timers that are due.
    fn advance(&mut self, clock: UtcTime) {
        self.local.set_clock(clock);
        let now = self.local.now;
        for peer in self.half_open.unanswered(now) {
            self.local.note(Note::NetworkSilent { peer });
        }
        if let Some(peer) = self.half_open.expire(now).filter(|_| !self.local.is_nr()) {
            // TS 24.334 §10.4.5.6.1. Within the budget of refusals: a flood of requests makes no flood of these.
            // TS 24.334 §10.4.5.6.1 (1)
            self.local.note(Note::NotCompleted { peer });
            self.refuse_request(peer, Cause::NonResponsive);
        }
        for (kd, identity) in self.local.purge() {
            let of_kd = |link: &Link| {
                link.common.identity == identity && link.keys().is_some_and(|keys| keys.kd == kd)
            };
            if let Some(id) = self.links.iter().find(|link| of_kd(link)).map(|link| link.common.id) {
                // The link is up, therefore it can be released.
                let _ = self.release(id, Cause::NoLongerNeeded);
            }
        }
        let mut index = 0;
        while let Some(link) = self.links.get(index) {
            let id = link.common.id;
            if link.state.deadline(&self.local) <= now {
                self.with(index, |state, link, local| (state.on_time(link, local), ()));
            }
            // Closing a link moves the next one to its index.
            if self.links.get(index).is_some_and(|link| link.common.id == id) {
                index += 1;
            }
        }
    }

    /// Marks the IDs and addresses in use, before an event that may need a free one.
    pub(super) fn mark_in_use(&mut self) {
        let in_use = &mut self.local.in_use;
        in_use.clear();
        in_use.add_address(self.local.config.source);
        self.links.iter().for_each(|link| link.mark(in_use));
        self.half_open.mark(in_use);
    }

    /// Lets the state of a link handle an event: takes the state out, and puts the resulting one back.
    pub(super) fn with<R>(
        &mut self,
        index: usize,
        f: impl FnOnce(State, &mut Common, &mut Local) -> (Next, R),
    ) -> R {
        self.mark_in_use();
        let Link { mut common, state } = self.links.remove(index);
        let (next, result) = f(state, &mut common, &mut self.local);
        match next {
            Next::To(state) => self.links.insert(index, Link { common, state }),
            Next::Close(why) => common.ended(&mut self.local, why),
        }
        result
    }

    /// Calls `f` with a link that is up.
    pub(super) fn on_up(
        &mut self,
        id: LinkId,
        f: impl FnOnce(&mut Up, &mut Common, &mut Local) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.mark_in_use();
        let link = self.links.iter_mut().find(|link| link.common.id == id).ok_or(Error::NotUp(id))?;
        let State::Up(up) = &mut link.state else { return Err(Error::NotUp(id)) };
        f(up, &mut link.common, &mut self.local)
    }

    pub(super) fn index(&self, id: LinkId) -> Option<usize> {
        self.links.iter().position(|link| link.common.id == id)
    }

    pub(super) fn close(&mut self, index: usize, why: Closed) {
        let link = self.links.remove(index);
        link.common.ended(&mut self.local, why);
    }

    /// Returns the layer-2 source of this UE towards a peer.
    pub(super) fn source_towards(&self, peer: Layer2Id) -> Layer2Id {
        let link = self.links.iter().find(|link| link.common.remote == peer);
        link.map_or(self.local.config.source, |link| link.common.local)
    }

    fn connect(
        &mut self,
        peer: Layer2Id,
        identity: Identity,
        relay: Option<RelayLink>,
        hop: Option<Hop>,
    ) -> Result<(), Error> {
        let (user, target) = (relay.as_ref().map(|relay| &relay.user), hop.as_ref().map(|hop| &hop.target));
        for identity in [Some(&identity), user, target].into_iter().flatten() {
            if identity.value.len() > MAX_IDENTITY {
                return Err(Error::IdentityTooLong { len: identity.value.len() });
            }
        }
        let known = |link: &&Link| link.common.remote == peer || link.common.permanent == peer;
        if let Some(link) = self.links.iter().find(known) {
            // TS 24.334 §10.4.2.2 (1)
            return Err(Error::Exists(link.common.id));
        }
        if self.links.len() >= self.local.config.links {
            return Err(Error::TooManyLinks { max: self.local.config.links });
        }
        if self.local.refused_lately(peer) {
            // TS 24.334 §10.4.2.5 (10)
            return Err(Error::RefusedLately { peer });
        }
        let (now, clock, number) = (self.local.now, self.local.clock, self.local.number());
        let shared = self.local.keyring.of_peer(&identity, clock, number).next().is_some();
        let has_method = Serves::of(relay.as_ref(), &identity).first(&self.local.methods).is_some();
        if !has_method && (relay.is_some() || !shared) {
            return Err(Error::NoKey);
        }
        self.mark_in_use();
        let local = &mut self.local;
        let id = local.new_link_id();
        let source = local.source_for_a_link();
        let mut common = Common::new(id, [source, peer], identity, now);
        (common.relay, common.hop) = (relay, hop);
        common.report(local, Reported::Connecting);
        match initiating::request(&mut common, local, initiating::Setup::default(), None) {
            Ok(state) => {
                self.links.push(Link { common, state: State::AwaitingSecurityMode(state) });
            }
            Err(initiating::Setup { unable: true, .. }) => {
                common.report(local, Reported::Closed { why: Closed::CannotAuthenticate });
            }
            // No session number is durable.
            Err(_) => common.report(local, Reported::Closed { why: Closed::Store }),
        }
        Ok(())
    }

    fn send(&mut self, id: LinkId, lcid: Lcid, sdu_type: SduType, data: &[u8]) -> Result<(), Error> {
        let index = self.index(id).ok_or(Error::NotUp(id))?;
        let Link { common, state: State::Up(up) } = &mut self.links[index] else {
            return Err(Error::NotUp(id));
        };
        if data.is_empty() || data.len() > MAX_SDU_LEN || lcid.is_signalling() {
            return Err(Error::Sdu { len: data.len(), lcid });
        }
        let active = &mut up.session.active;
        if active.left() <= SIGNALLING_RESERVE {
            // Sequence numbers end, and no new key came: the peer is told, and the link ends.
            // TS 24.334 §10.4.4.2 (3)
            up.session.send_release(common, &mut self.local, Cause::NotAvailable);
            self.close(index, Closed::Rekeying);
            return Err(Error::Exhausted(id));
        }
        let (source, peer, session) = (common.local, common.remote, Some(active.fingerprint()));
        let octets = frame::seal(active, lcid, sdu_type, data).map_err(|_| Error::Exhausted(id))?;
        let due = active.wants_rekeying();
        self.local.push(Output::Pdu(Pdu { source, peer, lcid, message: None, session, octets }));
        if due {
            return self.on_up(id, |up, link, local| {
                up.rekey_if_due(link, local);
                Ok(())
            });
        }
        Ok(())
    }

    fn release(&mut self, id: LinkId, reason: Cause) -> Result<(), Error> {
        let index = self.index(id).ok_or(Error::NotUp(id))?;
        self.with(index, |state, link, local| match state {
            // Whoever is not available any more waits for nobody: as TS 24.334 §10.4.4.2.
            State::Up(Up { mut session, .. }) if reason == Cause::NotAvailable => {
                session.send_release(link, local, reason);
                (Next::Close(Closed::Released), ())
            }
            // TS 24.334 §10.4.3.5.1 (3)
            State::Up(Up { session, .. }) => (Releasing::new(session, link, local, (reason, 1)).into(), ()),
            state @ State::Releasing(_) => (Next::To(state), ()),
            // TS 24.334 §10.4.2.6.1 (2)
            _ => (Next::Close(Closed::Released), ()),
        });
        Ok(())
    }

    /// Applies changes that are durable now, and continues the exchanges that wait for them.
    fn stored(&mut self, ticket: Ticket) {
        let Some(at) = self.local.storing.iter().position(|(t, _)| *t == ticket) else { return };
        let (_, changes) = self.local.storing.remove(at);
        changes.iter().for_each(|change| self.local.admissions.apply(change));
        changes.into_iter().for_each(|change| self.local.keyring.apply(change));
        self.local.keys_changed = true;
        self.mark_in_use();
        if self.half_open_stored(ticket) {
            return;
        }
        let Some(index) = self.links.iter().position(|link| link.state.stores(ticket)) else { return };
        self.with(index, |state, link, local| match state {
            State::StoringKd(state) => (state.on_stored(link, local), ()),
            State::Up(up) => (up.on_stored(link, local).into(), ()),
            state => (Next::To(state), ()),
        });
    }

    /// Ends the exchanges whose new KD did not become durable.
    fn not_stored(&mut self, ticket: Ticket) {
        self.local.storing.retain(|(t, _)| *t != ticket);
        self.half_open.not_stored(ticket);
        let Some(index) = self.links.iter().position(|link| link.state.stores(ticket)) else { return };
        self.with(index, |state, _, _| match state {
            State::StoringKd(_) => (Next::Close(Closed::Store), ()),
            State::Up(up) => (Up::new(up.session).into(), ()),
            state => (Next::To(state), ()),
        });
    }

    /// Handles the answer to a method's query, or its refusal.
    fn answered(&mut self, ticket: Ticket, answer: Option<&[u8]>) {
        self.mark_in_use();
        if self.half_open_answered(ticket, answer) {
            return;
        }
        let Some(index) = self.links.iter().position(|link| link.state.has_asked(ticket)) else { return };
        self.with(index, |state, link, local| match state {
            State::AwaitingSecurityMode(state) => (state.on_answer(link, local, answer), ()),
            State::Up(up) => (up.on_answer(link, local, answer).into(), ()),
            state => (Next::To(state), ()),
        });
    }
}

impl State {
    /// Whether the store has a pending change with this ticket.
    fn stores(&self, ticket: Ticket) -> bool {
        match self {
            Self::StoringKd(state) => state.ticket == ticket,
            Self::Up(Up { exchange: Exchange::StoringRekeyed(state), .. }) => state.ticket == ticket,
            Self::Up(Up { exchange: Exchange::TargetRekeying(state), .. }) => state.state.stores(ticket),
            _ => false,
        }
    }

    /// Whether a query with this ticket is pending.
    fn has_asked(&self, ticket: Ticket) -> bool {
        match self {
            Self::AwaitingSecurityMode(state) => state.has_asked(ticket),
            Self::Up(up) => up.has_asked(ticket),
            _ => false,
        }
    }
}
