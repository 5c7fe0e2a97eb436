//! Tickets: REQUEST_INIT and RESOLVE_INIT over HTTP. TS 33.328 Annexes A, B and D.
//!
//! ```text
//! Mikey -> AskKey (B-TID) -> Key: Ks_NAF, IMPI -> MAC, identity, time, policy or ticket -> Store (seen) -> Stored -> answer
//!                                              -> anything wrong                                       -> error
//! ```

use sha2::{Digest, Sha256};
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Entropy;
use sidelink_wire::mikey::{ErrorNumber, KeyKind, TicketFlags, TicketPolicy, TicketType};
use zeroize::Zeroizing;

use super::Kms;
use super::io::{Change, Event, Holder, Output, Refused, RequestId, Response, SeenRecord, Ticket, Waiting};
use crate::bsf::KeyMaterial;
use crate::identity::BTid;
use crate::kms_messages::Uri;
use crate::mikey_ticket::initial::{Body, Claimed, Exchange, Proven};
use crate::mikey_ticket::ticket::{self, APPLICATION, Chance, Policy};
use crate::mikey_ticket::{self, Key, MAX_KEYS, response};

/// Longest life of a ticket, milliseconds: an hour. Ours.
pub const TICKET_LIFETIME: u64 = 3_600_000;

/// Stands for anybody. TS 33.328 Annex D.3.1.
const ANYBODY: &str = "?@?";

/// A request that waits for its key.
pub(super) struct Asked {
    pub(super) ticket: Ticket,
    pub(super) request: RequestId,
    pub(super) deadline: UtcTime,
    octets: Vec<u8>,
}

/// What a request was refused for: the number that its sender is told, and what is reported.
struct Wrong(ErrorNumber);

impl From<mikey_ticket::Refused> for Wrong {
    fn from(refused: mikey_ticket::Refused) -> Self {
        match refused {
            mikey_ticket::Refused::WrongMac => Self(ErrorNumber::Authentication),
            _ => Self(ErrorNumber::Unspecified),
        }
    }
}

impl Kms {
    /// A message came: it is read, and the BSF is asked for the key that it names.
    pub(super) fn mikey(
        &mut self,
        request: RequestId,
        exchange: Exchange,
        octets: &[u8],
    ) -> Result<(), Refused> {
        self.pay_anybody()?;
        let claimed = Claimed::read(octets).map_err(Refused::NoTicketRequest)?;
        if claimed.exchange != exchange {
            let why = mikey_ticket::Refused::Unexpected("the message that its request type says");
            return Err(Refused::NoTicketRequest(why));
        }
        let name = BTid::new(&claimed.key).map_err(|_| {
            Refused::NoTicketRequest(mikey_ticket::Refused::Unexpected("a B-TID as the name of the key"))
        })?;
        if self.asked.len() + self.storing.len() >= self.config.limits.waiting {
            return Err(Refused::Busy);
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let deadline = self.now.plus_millis(self.config.limits.patience);
        self.asked.push(Asked { ticket, request, deadline, octets: octets.to_vec() });
        self.outbox.push_back(Output::AskKey { ticket, name });
        Ok(())
    }

    /// The BSF answered.
    pub(super) fn key(&mut self, ticket: Ticket, material: Option<KeyMaterial>) {
        let Some(at) = self.asked.iter().position(|asked| asked.ticket == ticket) else { return };
        let asked = self.asked.remove(at);
        let Ok(claimed) = Claimed::read(&asked.octets) else { return };
        let csb_id = claimed.csb_id();
        let answered = match material {
            None => Err(Wrong(ErrorNumber::Authentication)),
            Some(material) => self.judge(&asked, claimed, &material),
        };
        if let Err(Wrong(number)) = answered {
            self.report(Event::TicketRefused { number });
            let octets = mikey_ticket::error(csb_id, self.now, number);
            self.respond(asked.request, Response::Mikey(octets));
        }
    }

    fn judge(&mut self, asked: &Asked, claimed: Claimed<'_>, material: &KeyMaterial) -> Result<(), Wrong> {
        let (time, said) = (claimed.time, claimed.kms.clone());
        let kms = self.config.uri.as_str().to_owned();
        let proven = claimed.prove(material.ks_naf.as_bytes())?;
        // From here on the sender is whoever has the key.
        let holder = Holder::Subscriber(material.impi.clone());
        if said.is_some_and(|said| said != kms) {
            return Err(Wrong(ErrorNumber::Id));
        }
        let user = Uri::new(&proven.user).filter(|user| self.config.of(&holder).contains(user));
        let user = user.filter(|user| !self.revoked.contains(user)).ok_or(Wrong(ErrorNumber::Id))?;
        let seen = self.fresh(&asked.octets, time, material.expires)?;
        let (octets, event) = match proven.body {
            Body::Policy(policy) => {
                (self.grant(&proven, &policy)?, Event::TicketGranted { user: user.clone() })
            }
            Body::Ticket(sealed) => {
                let content = ticket::open(self.masters.tickets.as_bytes(), &sealed);
                let content = content.map_err(|_| Wrong(ErrorNumber::Ticket))?;
                self.check_ticket(&content.policy, &proven.user)?;
                let rand = self.chance_for(&asked.octets, 2);
                let rand = rand.first_chunk::<16>().expect("a draw has 32 octets");
                let octets = response::resolved(&proven, self.now, &kms, &content, rand)?;
                (octets, Event::TicketResolved { user: user.clone() })
            }
        };
        self.seen.insert(seen.name, seen.until);
        let waiting = Waiting::Answer {
            request: asked.request,
            deadline: asked.deadline,
            users: vec![user],
            event,
            response: Response::Mikey(octets),
        };
        self.store(vec![Change::Seen(seen)], waiting);
        Ok(())
    }

    /// Whether a request is new. One with a time is remembered until the time alone refuses it, one with a counter until its key
    /// ends. RFC 6043 §4.1, RFC 3830 §5.4.
    fn fresh(&mut self, octets: &[u8], time: Option<UtcTime>, expires: UtcTime) -> Result<SeenRecord, Wrong> {
        let now = self.now;
        if expires <= now {
            return Err(Wrong(ErrorNumber::Authentication));
        }
        let until = match time {
            Some(time) if time.millis().abs_diff(now.millis()) > self.config.tolerance => {
                return Err(Wrong(ErrorNumber::Timestamp));
            }
            Some(time) => time.plus_millis(self.config.tolerance + 1),
            None => expires,
        };
        self.seen.retain(|_, until| *until > now);
        let name: [u8; 32] = Sha256::digest(octets).into();
        if self.seen.contains_key(&name) {
            return Err(Wrong(ErrorNumber::Timestamp));
        }
        if self.seen.len() >= self.config.limits.seen {
            return Err(Wrong(ErrorNumber::Unspecified));
        }
        Ok(SeenRecord { name, until, now })
    }

    /// A ticket: for one peer, for an hour at most, not to be used again. What is asked for beyond that is taken out, and flag K
    /// says so.
    fn grant(&mut self, proven: &Proven<'_>, asked: &TicketPolicy<'_>) -> Result<Vec<u8>, Wrong> {
        let wrong = |_| Wrong(ErrorNumber::TicketPolicy);
        if ![TicketType::MIKEY_BASE, TicketType::GPP_BASE].contains(&asked.ticket_type) {
            return Err(Wrong(ErrorNumber::Ticket));
        }
        let wanted = Policy::of(asked).map_err(wrong)?;
        let one_peer = matches!(&wanted.responders[..], [peer] if peer != ANYBODY);
        let own = wanted.initiator.as_ref().is_none_or(|initiator| *initiator == proven.user);
        if !wanted.flags.has(TicketFlags::D) || !one_peer || !own || wanted.wanted.len() > MAX_KEYS {
            return Err(Wrong(ErrorNumber::TicketPolicy));
        }
        let latest = self.now.plus_millis(TICKET_LIFETIME);
        let end = wanted.end.map_or(latest, |end| end.min(latest));
        if end <= self.now {
            return Err(Wrong(ErrorNumber::TicketPolicy));
        }
        let drops = TicketFlags::J.with(TicketFlags::L).with(TicketFlags::M).with(TicketFlags::K);
        let kept = wanted.flags.without(drops);
        let is_changed =
            wanted.flags != kept || wanted.end != Some(end) || wanted.start.is_some_and(|s| s > self.now);
        let flags = if is_changed { kept.with(TicketFlags::K) } else { kept };
        let kinds = if wanted.wanted.is_empty() { vec![(KeyKind::Tgk, 16)] } else { wanted.wanted };
        let application =
            if wanted.applications.is_empty() { vec![APPLICATION.to_owned()] } else { wanted.applications };
        let policy = Policy {
            ticket_type: wanted.ticket_type,
            flags,
            kms: Some(self.config.uri.as_str().to_owned()),
            initiator: Some(proven.user.clone()),
            start: Some(self.now),
            end: Some(end),
            applications: application,
            responders: wanted.responders,
            wanted: Vec::new(),
        };
        policy.flags.check().map_err(|_| Wrong(ErrorNumber::TicketPolicy))?;
        self.seal(proven, policy, &kinds)
    }

    fn seal(
        &mut self,
        proven: &Proven<'_>,
        policy: Policy,
        kinds: &[(KeyKind, usize)],
    ) -> Result<Vec<u8>, Wrong> {
        let mut keys = Vec::new();
        for (spi, (kind, octets)) in (1..).zip(kinds) {
            if !matches!((kind, octets), (KeyKind::Tgk | KeyKind::Tek | KeyKind::Gtgk, 16 | 32)) {
                return Err(Wrong(ErrorNumber::TicketPolicy));
            }
            let drawn = self.chance_for(proven.octets, 3);
            keys.push(Key { kind: *kind, key: Zeroizing::new(drawn[..*octets].to_vec()), spi: vec![spi] });
        }
        let (mpk, rand) = (self.chance_for(proven.octets, 0), self.chance_for(proven.octets, 1));
        let header = self.ticket_header();
        let chance = Chance {
            mpk: mpk.first_chunk().expect("a draw has 32 octets"),
            rand: rand.first_chunk().expect("a draw has 32 octets"),
            header: &header,
        };
        let (sealed, content) =
            ticket::seal(self.masters.tickets.as_bytes(), self.now, policy, keys, &chance)?;
        Ok(response::granted(proven, self.now, self.config.uri.as_str(), &sealed, &content)?)
    }

    /// T4.2-2: a ticket is resolved by whom it is for, while it counts.
    fn check_ticket(&self, policy: &Policy, user: &str) -> Result<(), Wrong> {
        if policy.responders != [user] {
            return Err(Wrong(ErrorNumber::Id));
        }
        let begun = policy.start.is_none_or(|start| start.millis() / 1000 <= self.now.millis() / 1000);
        let is_of_us = policy.kms.as_deref() == Some(self.config.uri.as_str());
        if begun && is_of_us && policy.end.is_some_and(|end| self.now < end) {
            Ok(())
        } else {
            Err(Wrong(ErrorNumber::Ticket))
        }
    }

    /// 48 bits that name this server. TS 33.328 Annex D.4.
    fn ticket_header(&self) -> [u8; 6] {
        let digest: [u8; 32] = Sha256::digest(self.config.uri.as_str().as_bytes()).into();
        *digest.first_chunk().expect("a digest has 32 octets")
    }

    /// Chance for one value of one answer, bound to the request: none is taken twice.
    fn chance_for(&mut self, request: &[u8], purpose: u64) -> Zeroizing<[u8; 32]> {
        self.draws += 1;
        let seed = Zeroizing::new(self.chance.draw(self.draws));
        let mut source = Entropy::new(&seed);
        let name: [u8; 32] = Sha256::digest(request).into();
        source.mix(&name);
        Zeroizing::new(source.draw(purpose))
    }

    /// Requests of nobody yet: what they cost is limited for all together.
    fn pay_anybody(&mut self) -> Result<(), Refused> {
        let (limits, now) = (self.config.limits, self.now);
        let all = self.rate.get_or_insert_with(|| crate::limit::Bucket::new(limits.all, now));
        if all.take(limits.all, now) {
            return Ok(());
        }
        self.flood();
        Err(Refused::TooOften)
    }

    /// Refuses what has waited for its key for too long.
    pub(super) fn give_up_keys(&mut self) {
        let now = self.now;
        let late: Vec<_> =
            self.asked.iter().filter(|asked| asked.deadline <= now).map(|a| a.request).collect();
        self.asked.retain(|asked| asked.deadline > now);
        late.into_iter().for_each(|request| self.respond(request, Response::Refused(Refused::Busy)));
    }
}
