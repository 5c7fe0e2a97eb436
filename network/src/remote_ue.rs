//! The keys of a remote UE for relays of one PKMF: its PRUKs, and the KD of each link. TS 33.303 §6.7.3.1, §6.7.3.2.1.
//!
//! ```text
//!   io.rs   inputs, outputs, what is durable
//!
//!   KEY_RESPONSE            -> current; pending goes
//!   GPI                     -> pending alone, whatever stood there; current stays
//!   link with pending       -> current is pending; pending is empty
//!   link comes to nothing   -> nothing changes
//!   the PKMF refuses        -> both go
//! ```
//!
//! ```text
//!   Connect -> Request: PRUK ID of current, otherwise of pending, otherwise IMSI where the policy lets it
//!   Command, no GPI -> Kd;  Accepted -> pending becomes current
//!   Command, GPI    -> StoreUsim .. Store(pending), Stored -> Kd
//!                   -> Resynchronise once, and another Command
//! ```
//!
//! A PRUK is durable before its KD is handed out, and so before the relay hears of it: a crash after that leaves a PRUK that the
//! PKMF has too. One change of the slots is under way at a time; the others wait.
//!
//! A PRUK that was pushed is not forgotten when the life of the pushed key ends: the PKMF gives another in time.

mod io;

pub use io::{Failure, Held, ImsiPolicy, Input, LinkId, Output, Proof, Slots, Ticket, User};

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sidelink_security::counter::UtcTime;
use sidelink_security::kdf::lte;
use sidelink_security::keys::Pruk;

use crate::gba_push::ue::{self as push, Association, PushUe};
use crate::identity::{Fqdn, Impi};
use crate::pc3::Imsi;
use crate::pc8::{Code, PrukId};
use crate::pkmf::{UA_PROTOCOL, pruk_id};
use crate::usim::Usim;

/// Links at once, and changes of the slots that wait, at most.
pub const MOST_LINKS: usize = 16;

/// Settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who it is, to its network.
    pub impi: Impi,
    /// Who it is, to a relay where it has no PRUK.
    pub imsi: Imsi,
    /// Its PKMF.
    pub pkmf: Fqdn,
    /// When the IMSI is shown.
    pub policy: ImsiPolicy,
}

/// A link.
struct Link {
    service: Code,
    nonce_1: [u8; 16],
    /// The PRUK whose KD it has, or whose name was said.
    id: Option<PrukId>,
    /// Whether AUTS went out.
    resynchronised: bool,
    /// Whether it has its KD.
    keyed: bool,
}

/// A change of the slots.
enum Change {
    Provisioned(Held),
    Pushed { link: LinkId, freshness: [u8; 16], held: Held },
    Succeeded(PrukId),
    Refused,
}

impl Held {
    fn duplicate(&self) -> Self {
        Self { id: self.id, pruk: Pruk::from(*self.pruk.as_bytes()) }
    }
}

impl Slots {
    /// Another copy, for the store.
    pub fn duplicate(&self) -> Self {
        let copy = |held: &Option<Held>| held.as_ref().map(Held::duplicate);
        Self { current: copy(&self.current), pending: copy(&self.pending) }
    }

    fn all(&self) -> impl Iterator<Item = &Held> {
        self.current.iter().chain(&self.pending)
    }

    fn get(&self, id: PrukId) -> Option<&Held> {
        self.all().find(|held| held.id == id)
    }

    /// With a change; none where it changes nothing.
    fn with(&self, change: &Change) -> Option<Self> {
        match change {
            Change::Provisioned(held) => Some(Self { current: Some(held.duplicate()), pending: None }),
            Change::Pushed { held, .. } => Some(Self { pending: Some(held.duplicate()), ..self.duplicate() }),
            Change::Succeeded(id) => {
                let pending = self.pending.as_ref().filter(|pending| pending.id == *id)?;
                Some(Self { current: Some(pending.duplicate()), pending: None })
            }
            Change::Refused => self.all().next().map(|_| Self::default()),
        }
    }
}

/// The keys of a remote UE.
pub struct RemoteUe {
    config: Config,
    push: PushUe,
    slots: Slots,
    links: BTreeMap<LinkId, Link>,
    /// PRUK IDs that the PKMF does not know, as somebody said who is believed.
    unknown: BTreeSet<PrukId>,
    /// Whose GPI is with the USIM.
    opening: Option<(LinkId, [u8; 16])>,
    storing: Option<(Ticket, Slots, Change)>,
    waiting: VecDeque<Change>,
    next_ticket: u64,
    outbox: VecDeque<Output>,
}

impl RemoteUe {
    /// With its USIM, and what is durable.
    pub fn new(config: Config, usim: Usim, slots: Slots) -> Self {
        Self {
            push: PushUe::new(config.impi.clone(), usim),
            config,
            slots,
            links: BTreeMap::new(),
            unknown: BTreeSet::new(),
            opening: None,
            storing: None,
            waiting: VecDeque::new(),
            next_ticket: 0,
            outbox: VecDeque::new(),
        }
    }

    /// Takes an input. Poll the outputs afterwards.
    pub fn handle_input(&mut self, input: Input<'_>) {
        match input {
            // Nobody's name, or more than can wait: the PKMF is asked again.
            Input::Provisioned(held) if held.id.0 == [0; 8] || self.waiting.len() >= MOST_LINKS => {}
            Input::Provisioned(held) => self.change(Change::Provisioned(held)),
            Input::Refused => self.change(Change::Refused),
            Input::Connect { link, service, nonce_1 } => {
                let result = self.connect(link, service, nonce_1);
                self.fail(link, result);
            }
            Input::Command { now, link, freshness, gpi } => {
                let result = self.command(now, link, freshness, gpi);
                self.fail(link, result);
            }
            Input::Rejected { link, proof } => self.rejected(link, proof),
            Input::Accepted(link) => self.accepted(link),
            Input::Ended(link) => _ = self.links.remove(&link),
            Input::Stored(ticket) => self.stored(ticket),
            Input::StoreFailed(ticket) => self.store_failed(ticket),
            Input::UsimStored => self.usim(push::Input::Stored),
            Input::UsimStoreFailed => self.usim(push::Input::StoreFailed),
        }
    }

    /// What is to be done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop_front()
    }

    /// The PRUK ID that a KEY_REQUEST names.
    pub fn holds(&self) -> Option<PrukId> {
        self.slots.all().next().map(|held| held.id)
    }

    /// What it calls itself towards a relay now: the IMSI last, and where the policy lets it. TS 33.303 §6.7.3.2.1.1 step 3.
    pub fn name(&self) -> Option<User> {
        let known = self.slots.all().find(|held| !self.unknown.contains(&held.id));
        let shows_imsi = match self.config.policy {
            ImsiPolicy::Never => false,
            ImsiPolicy::WithoutPruk => self.slots.all().next().is_none(),
            ImsiPolicy::WhenProven | ImsiPolicy::WhenRejected => true,
        };
        known.map(|held| User::Pruk(held.id)).or(shows_imsi.then_some(User::Imsi(self.config.imsi)))
    }

    fn fail(&mut self, link: LinkId, result: Result<(), Failure>) {
        if let Err(why) = result {
            self.links.remove(&link);
            self.outbox.push_back(Output::Failed { link, why });
        }
    }

    fn connect(&mut self, link: LinkId, service: Code, nonce_1: [u8; 16]) -> Result<(), Failure> {
        if self.links.len() >= MOST_LINKS && !self.links.contains_key(&link) {
            return Err(Failure::Busy);
        }
        let user = self.name().ok_or(Failure::NoIdentity)?;
        let id = match user {
            User::Pruk(id) => Some(id),
            User::Imsi(_) => None,
        };
        self.links.insert(link, Link { service, nonce_1, id, resynchronised: false, keyed: false });
        self.outbox.push_back(Output::Request { link, user });
        Ok(())
    }

    /// Who is not believed changes nothing: the next relay hears the same name.
    fn rejected(&mut self, link: LinkId, proof: Proof) {
        let Some(link) = self.links.remove(&link) else { return };
        let believed = match self.config.policy {
            ImsiPolicy::Never | ImsiPolicy::WithoutPruk => false,
            ImsiPolicy::WhenProven => proof == Proof::RelayDiscovery,
            ImsiPolicy::WhenRejected => true,
        };
        if let (true, Some(id)) = (believed && !link.keyed, link.id) {
            self.unknown.insert(id);
        }
    }

    fn command(
        &mut self,
        now: UtcTime,
        link: LinkId,
        freshness: [u8; 16],
        gpi: Option<&[u8]>,
    ) -> Result<(), Failure> {
        let state = self.links.get(&link).filter(|state| !state.keyed).ok_or(Failure::Unexpected)?;
        match (gpi, state.id) {
            (Some(_), _) if self.opening.is_some() || self.waiting.len() >= MOST_LINKS => Err(Failure::Busy),
            (Some(octets), _) => {
                self.opening = Some((link, freshness));
                self.usim(push::Input::Gpi { now, octets });
                Ok(())
            }
            (None, Some(id)) => self.key(link, id, &freshness),
            (None, None) => Err(Failure::NoKey),
        }
    }

    /// Hands out the KD of a link. TS 33.303 §6.7.3.2.1.1 step 5b.
    fn key(&mut self, link: LinkId, id: PrukId, freshness: &[u8; 16]) -> Result<(), Failure> {
        let held = self.slots.get(id).ok_or(Failure::NoKey)?;
        let state = self.links.get_mut(&link).ok_or(Failure::Unexpected)?;
        let kd = lte::relay_kd(&held.pruk, &state.service.0, &state.nonce_1, freshness);
        (state.id, state.keyed) = (Some(id), true);
        self.outbox.push_back(Output::Kd { link, kd, pruk: id });
        Ok(())
    }

    /// Hands something to the part that takes pushed keys, and does what it says.
    fn usim(&mut self, input: push::Input<'_>) {
        self.push.handle_input(input);
        while let Some(output) = self.push.poll_output() {
            if let push::Output::Store(array) = output {
                self.outbox.push_back(Output::StoreUsim(array));
                continue;
            }
            let Some((link, freshness)) = self.opening.take() else { continue };
            let result = match output {
                push::Output::Associated(association) => self.associated(link, freshness, association),
                push::Output::Resynchronise { rand, auts } => match self.links.get_mut(&link) {
                    Some(state) if !state.resynchronised => {
                        state.resynchronised = true;
                        self.outbox.push_back(Output::Resynchronise { link, rand, auts });
                        Ok(())
                    }
                    _ => Err(Failure::OutOfSync),
                },
                push::Output::Dropped(why) => Err(Failure::Gpi(why)),
                push::Output::Store(_) => Ok(()),
            };
            self.fail(link, result);
        }
    }

    fn associated(
        &mut self,
        link: LinkId,
        freshness: [u8; 16],
        association: Association,
    ) -> Result<(), Failure> {
        let Association { naf_id, p_tid, ks_naf, .. } = association;
        if naf_id.fqdn != self.config.pkmf || naf_id.protocol != UA_PROTOCOL {
            return Err(Failure::NotForRelays);
        }
        let id = pruk_id(&p_tid).ok_or(Failure::NotForRelays)?;
        let held = Held { id, pruk: Pruk::from(*ks_naf.as_bytes()) };
        self.change(Change::Pushed { link, freshness, held });
        Ok(())
    }

    fn accepted(&mut self, link: LinkId) {
        let keyed = self.links.get(&link).filter(|state| state.keyed);
        if let Some(id) = keyed.and_then(|state| state.id) {
            self.change(Change::Succeeded(id));
        }
    }

    fn change(&mut self, change: Change) {
        self.waiting.push_back(change);
        self.store_next();
    }

    /// Begins the next change, unless one is under way.
    fn store_next(&mut self) {
        while self.storing.is_none()
            && let Some(change) = self.waiting.pop_front()
        {
            let Some(slots) = self.slots.with(&change) else { continue };
            let ticket = Ticket(self.next_ticket);
            self.next_ticket += 1;
            self.outbox.push_back(Output::Store { ticket, slots: slots.duplicate() });
            self.storing = Some((ticket, slots, change));
        }
    }

    fn take_stored(&mut self, ticket: Ticket) -> Option<(Slots, Change)> {
        let (_, slots, change) = self.storing.take_if(|(stored, ..)| *stored == ticket)?;
        Some((slots, change))
    }

    fn stored(&mut self, ticket: Ticket) {
        let Some((slots, change)) = self.take_stored(ticket) else { return };
        let before = self.holds();
        self.slots = slots;
        self.unknown.clear();
        if self.holds() != before {
            self.outbox.push_back(Output::Holds(self.holds()));
        }
        if let Change::Pushed { link, freshness, held } = change {
            let result = self.key(link, held.id, &freshness);
            self.fail(link, result);
        }
        self.store_next();
    }

    /// As if it had not come: the PKMF still has what is in the slots.
    fn store_failed(&mut self, ticket: Ticket) {
        let Some((_, change)) = self.take_stored(ticket) else { return };
        if let Change::Pushed { link, .. } = change {
            self.fail(link, Err(Failure::Store));
        }
        self.store_next();
    }
}

#[cfg(test)]
mod tests;
