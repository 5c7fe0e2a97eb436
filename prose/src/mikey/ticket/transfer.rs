//! The ticket goes to the responder, which resolves it and answers. RFC 6043 §4.2.2, §4.2.3.

use sidelink_security::mikey as crypto;
use sidelink_security::mikey::ticket::{Direction, Forked, Rands, fork, initiator_data_keys, message_keys};
use sidelink_wire::mikey::{
    CsIdMap, DataType, GenericId, Header, IdRole, Mac, Payload, Policy, RandRole, TicketFlags, TicketTerms,
    Timestamp, emit_inner,
};

use super::request::{Granted, check_kms};
use super::session::{Forking, Session, traffic_rands};
use super::{Fields, INITIATOR, KMS, KmsKey, RESPONDER, TicketKeys, id_role, octets_of, sealed, uri};
use crate::mikey::suite::{self, Hash};
use crate::mikey::{MakeError, Named, NtpTime, Refused, Window};

/// A transfer.
#[derive(Debug, Clone)]
pub struct Transfer<'a> {
    /// CSB ID, chosen at random.
    pub csb_id: u32,
    /// When it is made: never the same twice with one ticket.
    pub time: Timestamp,
    /// RANDRi, 16 or 32 random octets.
    pub rand: &'a [u8],
    /// URI of the responder.
    pub responder: &'a str,
    /// Crypto sessions.
    pub sessions: Vec<GenericId<'a>>,
    /// Their policies.
    pub policies: Vec<Policy<'a>>,
    /// PRF and MAC.
    pub hash: Hash,
}

/// A transfer that waits for its answer.
#[derive(Debug)]
pub struct Transferred<'g> {
    granted: &'g Granted,
    octets: Vec<u8>,
    csb_id: u32,
    rand: Vec<u8>,
    responder: String,
}

/// Writes TRANSFER_INIT.
///
/// # Errors
/// A field that does not fit.
pub fn transfer<'g>(granted: &'g Granted, transfer: &Transfer<'_>) -> Result<Transferred<'g>, MakeError> {
    let rands = Rands::new(transfer.rand, &[])?;
    let ((prf, crypto_prf), (_, mac)) = (transfer.hash.prf(), transfer.hash.mac());
    let mpk_i = granted.keys.initiator();
    let keys = message_keys(mpk_i, crypto_prf, mac, transfer.csb_id, Direction::Initial, &rands);
    let (initiator, responder) = (uri(granted.initiator()), uri(transfer.responder));
    let write = |initiator_data: &[u8]| {
        let mut payloads = vec![
            Payload::Timestamp(transfer.time),
            Payload::RandRole { role: RandRole::Initiator, rand: transfer.rand },
            id_role(IdRole::Initiator)(initiator),
            id_role(IdRole::Responder)(responder),
        ];
        payloads.extend(transfer.policies.iter().cloned().map(Payload::Policy));
        payloads.push(Payload::Ticket(granted.ticket.with(initiator_data)));
        let header = Header {
            data_type: DataType::TransferInit,
            wants_verification: granted.flags().has(TicketFlags::F),
            prf,
            csb_id: transfer.csb_id,
            sessions: CsIdMap::Generic(transfer.sessions.clone()),
        };
        sealed(header, payloads, transfer.hash, &keys, &[initiator.1, responder.1])
    };
    let mut octets = write(&[])?;
    if granted.flags().has(TicketFlags::I) {
        // V does not cover the initiator data, which have a copy of it.
        let v = octets[octets.len() - transfer.hash.no_mac().len()..].to_vec();
        octets = write(&initiator_data(granted, transfer.hash, &v)?)?;
    }
    Ok(Transferred {
        granted,
        octets,
        csb_id: transfer.csb_id,
        rand: transfer.rand.to_vec(),
        responder: transfer.responder.to_owned(),
    })
}

/// Vi and Vr: they prove to the server that the one who sent the ticket had its keys. RFC 6043 §5.3.
fn initiator_data(granted: &Granted, hash: Hash, v: &[u8]) -> Result<Vec<u8>, MakeError> {
    let algorithm = hash.mac().0;
    let payload = |tag| Payload::Verification(Mac { algorithm, tag });
    let mut data = emit_inner(&[payload(v), payload(hash.no_mac())])?;
    let end = data.len() - v.len();
    let mpk_r = granted.keys.responder().ok_or(MakeError::NoResponderKey)?;
    let mac = initiator_data_keys(mpk_r, hash.prf().1, hash.mac().1).mac(&[&data[..end]]);
    data[end..].copy_from_slice(&mac);
    Ok(data)
}

impl Transferred<'_> {
    /// TRANSFER_INIT.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Opens TRANSFER_RESP: its time, its names, its MAC: with flag I under the responder's own
    /// key, else under MPKi. The peer of the session is
    /// the responder that answered, one of those that the ticket admits.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn open(&self, response: &[u8], window: Window) -> Result<Session, Refused> {
        let fields = Fields::parse(response, DataType::TransferResp)?;
        window.check(fields.time.to_utc())?;
        if fields.header.csb_id != self.csb_id {
            return Err(Refused::Profile("the CSB ID of the transfer"));
        }
        let flags = self.granted.flags();
        let responder = fields.ids[RESPONDER].map_or(self.responder.as_bytes(), |(_, id)| id);
        if !self.granted.terms().admits(responder) {
            return Err(Refused::Name(Named::Responder));
        }
        let (rand_r, rand_kms) = (fields.rand(RESPONDER), fields.rand(KMS));
        if flags.has(TicketFlags::G) && rand_r.is_empty() {
            return Err(Refused::Profile("RANDRr, as flag G has it"));
        }
        if flags.has(TicketFlags::I) && (rand_kms.is_empty() || fields.ids[RESPONDER].is_none()) {
            return Err(Refused::Profile("IDRr and RANDRkms, as flag I has them"));
        }
        let (prf, mac) = fields.hash()?;
        let ticket_prf = self.granted.prf();
        let protects = match (flags.has(TicketFlags::I), self.granted.keys.responder()) {
            (true, Some(mpk_r)) => fork(ticket_prf, Forked::MpkR, mpk_r, responder, rand_kms)?,
            (true, None) => return Err(Refused::Profile("MPKr, as flag I has it")),
            (false, _) => self.granted.keys.initiator().to_vec().into(),
        };
        let rands = response_rands(flags, &self.rand, rand_r)?;
        let keys = message_keys(&protects, prf, mac, self.csb_id, Direction::Response, &rands);
        fields.verify(&keys, &[&self.octets])?;
        let forking = match flags.has(TicketFlags::I) {
            true => Forking::For(responder, rand_kms),
            false => Forking::Done,
        };
        let peer = core::str::from_utf8(responder).map_err(|_| Refused::Profile("identities in UTF-8"))?;
        let traffic = traffic_rands(flags, &self.rand, rand_r)?;
        Session::new(peer, (self.csb_id, fields.time), ticket_prf, traffic, &self.granted.keys, &forking)
    }
}

impl Transferred<'_> {
    /// The keys that both users share by a ticket that no responder answers (without flag F): nobody has proven to have it.
    ///
    /// # Errors
    /// A ticket that has to be answered.
    pub fn unanswered(&self, time: NtpTime) -> Result<Session, Refused> {
        let flags = self.granted.flags();
        if flags.has(TicketFlags::F) || flags.has(TicketFlags::I) {
            return Err(Refused::Profile("an answer of the responder, as the ticket demands"));
        }
        let traffic = traffic_rands(flags, &self.rand, &[])?;
        let (named, prf) = ((self.csb_id, time), self.granted.prf());
        Session::new(&self.responder, named, prf, traffic, &self.granted.keys, &Forking::Done)
    }
}

/// RANDs of the keys of TRANSFER_RESP: RANDRr with flag G.
fn response_rands(flags: TicketFlags, initiator: &[u8], responder: &[u8]) -> Result<Rands, Refused> {
    Ok(Rands::new(initiator, if flags.has(TicketFlags::G) { responder } else { &[] })?)
}

/// TRANSFER_INIT: what its octets say. Without the keys of the ticket nothing of it can be proven.
#[derive(Debug)]
pub struct ReceivedTransfer<'a> {
    fields: Fields<'a>,
    ticket: sidelink_wire::mikey::Ticket<'a>,
    /// What the ticket is for.
    pub terms: TicketTerms<'a>,
    /// T.
    pub time: NtpTime,
    /// URI of the initiator, as it says.
    pub initiator: &'a str,
    local: String,
}

impl<'a> ReceivedTransfer<'a> {
    /// Reads TRANSFER_INIT, for this user, and checks what can be checked without keys: its time, that it is for this user,
    /// that the ticket is its sender's and counts now. TS 33.328 Annex B.2.2.2.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn parse(octets: &'a [u8], local: &str, window: Window) -> Result<Self, Refused> {
        let fields = Fields::parse(octets, DataType::TransferInit)?;
        window.check(fields.time.to_utc())?;
        let ticket = fields.ticket.ok_or(Refused::Profile("a ticket"))?;
        ticket.policy.flags.check()?;
        if matches!(fields.header.sessions, CsIdMap::Srtp(_)) {
            return Err(Refused::Profile("no SRTP-ID map, which transfers must not have"));
        }
        if fields.rand(INITIATOR).is_empty() {
            return Err(Refused::Profile("RANDRi"));
        }
        let terms = TicketTerms::parse(ticket.policy.data)?;
        let (_, initiator) = fields.ids[INITIATOR].ok_or(Refused::Profile("IDRi"))?;
        if terms.initiator.is_some_and(|(_, id)| id != initiator) {
            return Err(Refused::Name(Named::Initiator));
        }
        let named = fields.ids[RESPONDER].is_none_or(|(_, id)| id == local.as_bytes());
        if !named || !terms.admits(local.as_bytes()) {
            return Err(Refused::Name(Named::Responder));
        }
        check_period(&terms, fields.time)?;
        let initiator =
            core::str::from_utf8(initiator).map_err(|_| Refused::Profile("identities in UTF-8"))?;
        let time = fields.time;
        Ok(Self { fields, ticket, terms, time, initiator, local: local.to_owned() })
    }

    /// CSB ID.
    pub const fn csb_id(&self) -> u32 {
        self.fields.header.csb_id
    }

    /// Crypto sessions.
    pub const fn sessions(&self) -> &CsIdMap<'a> {
        &self.fields.header.sessions
    }

    /// Flags of the ticket.
    pub const fn flags(&self) -> TicketFlags {
        self.ticket.policy.flags
    }

    /// PRF of keys that the ticket carries, forked or derived: the one of its policy, which the server and both users know.
    const fn prf(&self) -> crypto::Prf {
        suite::prf(self.ticket.policy.prf)
    }

    /// Writes RESOLVE_INIT_PSK.
    ///
    /// # Errors
    /// A field that does not fit.
    pub fn resolve(self, key: KmsKey<'_>, resolve: &Resolve<'_>) -> Result<Resolving<'a>, MakeError> {
        let rands = Rands::new(&[], resolve.rand)?;
        let ((prf, crypto_prf), (_, mac)) = (resolve.hash.prf(), resolve.hash.mac());
        let keys = message_keys(key.key, crypto_prf, mac, resolve.csb_id, Direction::Initial, &rands);
        let (responder, kms) = (uri(&self.local), resolve.kms.map(uri));
        let mut payloads = vec![
            Payload::Timestamp(resolve.time),
            Payload::RandRole { role: RandRole::Responder, rand: resolve.rand },
            id_role(IdRole::Responder)(responder),
        ];
        payloads.extend(kms.map(id_role(IdRole::Kms)));
        payloads.push(Payload::Ticket(self.ticket));
        payloads.extend(key.id.map(id_role(IdRole::PresharedKey)));
        let header = Header {
            data_type: DataType::ResolveInitPsk,
            wants_verification: false,
            prf,
            csb_id: resolve.csb_id,
            sessions: CsIdMap::Empty,
        };
        let octets = sealed(header, payloads, resolve.hash, &keys, &[responder.1, octets_of(kms)])?;
        let (rand, kms) = (resolve.rand.to_vec(), resolve.kms.map(str::to_owned));
        Ok(Resolving { transfer: self, octets, csb_id: resolve.csb_id, rands, rand, kms })
    }
}

/// Checks that a ticket counts at a time.
fn check_period(terms: &TicketTerms<'_>, time: NtpTime) -> Result<(), Refused> {
    let time = time.to_utc();
    let limit = |timestamp: Option<Timestamp>| match timestamp.map(NtpTime::of) {
        Some(None) => Err(Refused::Profile("times, not counters, in the terms of its ticket")),
        Some(Some(limit)) => Ok(Some(limit.to_utc())),
        None => Ok(None),
    };
    let (start, end) = (limit(terms.start)?, limit(terms.end)?);
    if start.is_some_and(|start| time < start) || end.is_some_and(|end| time >= end) {
        return Err(Refused::Time { time });
    }
    Ok(())
}

/// What the responder adds to ask the server.
#[derive(Debug, Clone, Copy)]
pub struct Resolve<'a> {
    /// CSB ID, chosen at random.
    pub csb_id: u32,
    /// When it is made: never the same twice under one key.
    pub time: Timestamp,
    /// RANDRr, 16 or 32 random octets: TRANSFER_RESP has it too.
    pub rand: &'a [u8],
    /// URI of the key management server, if it is named.
    pub kms: Option<&'a str>,
    /// PRF and MAC.
    pub hash: Hash,
}

/// A ticket that the server is asked to resolve.
#[derive(Debug)]
pub struct Resolving<'a> {
    transfer: ReceivedTransfer<'a>,
    octets: Vec<u8>,
    csb_id: u32,
    rands: Rands,
    rand: Vec<u8>,
    kms: Option<String>,
}

impl<'a> Resolving<'a> {
    /// RESOLVE_INIT_PSK.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Opens RESOLVE_RESP: its time, its names, its MAC, its keys; and with them proves TRANSFER_INIT.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn open(self, key: KmsKey<'_>, response: &[u8], window: Window) -> Result<Resolved<'a>, Refused> {
        let fields = Fields::parse(response, DataType::ResolveResp)?;
        window.check(fields.time.to_utc())?;
        if fields.header.csb_id != self.csb_id {
            return Err(Refused::Profile("the CSB ID of the request"));
        }
        check_kms(self.kms.as_deref(), fields.ids[KMS])?;
        let flags = self.transfer.flags();
        let responder = fields.ids[RESPONDER].map(|(_, id)| id);
        if responder.is_some_and(|id| id != self.transfer.local.as_bytes()) {
            return Err(Refused::Name(Named::Responder));
        }
        let (prf, mac) = fields.hash()?;
        let message = message_keys(key.key, prf, mac, self.csb_id, Direction::Response, &self.rands);
        fields.verify(&message, &[&self.octets])?;
        let rand_kms = fields.rand(KMS).to_vec();
        if flags.has(TicketFlags::I) && (rand_kms.is_empty() || responder.is_none()) {
            return Err(Refused::Profile("IDRr and RANDRkms, as flag I has them"));
        }
        let keys = fields.keys(&message)?;
        self.transfer.prove(&keys)?;
        let Self { transfer, rand, .. } = self;
        Ok(Resolved { transfer, keys, rand, rand_kms })
    }
}

impl ReceivedTransfer<'_> {
    /// Proves that a holder of MPKi made it, for this responder.
    fn prove(&self, keys: &TicketKeys) -> Result<(), Refused> {
        let (prf, mac) = self.fields.hash()?;
        let rands = Rands::new(self.fields.rand(INITIATOR), &[])?;
        let message = message_keys(keys.initiator(), prf, mac, self.csb_id(), Direction::Initial, &rands);
        let named = self.fields.ids[RESPONDER].map_or(&[][..], |(_, id)| id);
        self.fields.verify(&message, &[self.initiator.as_bytes(), named])
    }
}

/// A transfer whose initiator is proven, with the keys of its ticket: only [`Resolving::open`] makes it.
#[derive(Debug)]
pub struct Resolved<'a> {
    transfer: ReceivedTransfer<'a>,
    keys: TicketKeys,
    rand: Vec<u8>,
    rand_kms: Vec<u8>,
}

/// What the responder adds to answer the initiator.
#[derive(Debug, Clone)]
pub struct Answer<'a> {
    /// When it is made.
    pub time: Timestamp,
    /// Crypto sessions.
    pub sessions: Vec<GenericId<'a>>,
    /// Their policies.
    pub policies: Vec<Policy<'a>>,
    /// PRF and MAC.
    pub hash: Hash,
}

impl Resolved<'_> {
    /// T of TRANSFER_INIT: the caller compares it with the newest of the initiator.
    pub const fn time(&self) -> NtpTime {
        self.transfer.time
    }

    /// URI of the initiator.
    pub const fn initiator(&self) -> &str {
        self.transfer.initiator
    }

    /// Writes TRANSFER_RESP.
    ///
    /// # Errors
    /// A field that does not fit, or a ticket without MPKr.
    pub fn answer(&self, answer: &Answer<'_>) -> Result<Vec<u8>, MakeError> {
        let flags = self.transfer.flags();
        let (rand_i, csb_id) = (self.transfer.fields.rand(INITIATOR), self.transfer.csb_id());
        let rand_r = if flags.has(TicketFlags::G) { &self.rand[..] } else { &[] };
        let rands = Rands::new(rand_i, rand_r)?;
        let ((prf, crypto_prf), (_, mac)) = (answer.hash.prf(), answer.hash.mac());
        let protects = match flags.has(TicketFlags::I) {
            true => self.keys.responder().ok_or(MakeError::NoResponderKey)?,
            false => self.keys.initiator(),
        };
        let keys = message_keys(protects, crypto_prf, mac, csb_id, Direction::Response, &rands);
        let mut payloads = vec![Payload::Timestamp(answer.time)];
        let rand = |role, rand| Payload::RandRole { role, rand };
        payloads.extend(flags.has(TicketFlags::G).then(|| rand(RandRole::Responder, rand_r)));
        payloads.push(id_role(IdRole::Responder)(uri(&self.transfer.local)));
        payloads.extend(flags.has(TicketFlags::I).then(|| rand(RandRole::Kms, &self.rand_kms[..])));
        payloads.extend(answer.policies.iter().cloned().map(Payload::Policy));
        let header = Header {
            data_type: DataType::TransferResp,
            wants_verification: false,
            prf,
            csb_id,
            sessions: CsIdMap::Generic(answer.sessions.clone()),
        };
        sealed(header, payloads, answer.hash, &keys, &[self.transfer.fields.octets])
    }

    /// The keys that both users share.
    ///
    /// # Errors
    /// RANDs that do not fit a label.
    pub fn session(&self) -> Result<Session, Refused> {
        let rand_i = self.transfer.fields.rand(INITIATOR);
        let rands = traffic_rands(self.transfer.flags(), rand_i, &self.rand)?;
        let named = (self.transfer.csb_id(), self.transfer.time);
        Session::new(self.transfer.initiator, named, self.transfer.prf(), rands, &self.keys, &Forking::Done)
    }
}
