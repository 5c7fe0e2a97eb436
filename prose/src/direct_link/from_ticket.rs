//! Method 5 as steps: a ticket of a key management server (MIKEY-TICKET, RFC 6043). TR 33.833 §6.4.2.
//!
//! ```text
//! key information  | 5 | [cookie 16] |
//! UE_1 -- REQUEST_INIT --> KMS;  UE_1 <-- REQUEST_RESP -- KMS          questions, no message on the air
//! UE_1 -- 0xE1 TRANSFER_INIT --> UE_2
//! UE_2 -- RESOLVE_INIT --> KMS;  UE_2 <-- RESOLVE_RESP -- KMS          questions
//! UE_1 <-- 0xE0 TRANSFER_RESP -- UE_2, and the command
//! ```
//!
//! A ticket is asked for when it is wanted, for one peer, and serves once. KD = KDF(TEK, identities): as strong as the TEK of
//! 128 bits. What UE_2 got by TRANSFER_INIT is proven by the keys of RESOLVE_RESP; then its time is taken once, and only then
//! does TRANSFER_RESP leave. Who asks the server for whom is in the MACs of both: see [`crate::mikey::ticket`].

use core::fmt;
use std::sync::Arc;

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Entropy;
use sidelink_security::direct::keying::kd_from_tek;
use sidelink_security::direct::signed::Subject;
use sidelink_security::keys::Kd;
use sidelink_security::mikey::TrafficKey;
use sidelink_wire::mikey::{IdType, TicketFlags, TicketTerms, TicketType, Timestamp};
use zeroize::Zeroizing;

use super::identity_based::{Window, user_of};
use super::key_establishment::{Asks, Credentials, Heard, KeyEstablishment, Party, Refusal, Step, Steps};
use crate::mikey::suite::Hash;
use crate::mikey::ticket::{
    self, Answer, Granted, KmsKey, ReceivedTransfer, Request, Requested, Resolve, Session, Transfer,
    Transferred,
};
use crate::mikey::{NtpTime, Refused, Window as Times};

/// Milliseconds that a ticket counts.
const TICKET_LIFE: u64 = 3_600_000;

/// CS ID of the TEK.
const CS_ID: u8 = 1;

/// The way of a UE to its key management server. `Debug` shows no secret.
pub struct TicketAccess {
    /// URI of the server.
    pub kms: String,
    /// The key that the UE shares with it, such as a Ks_NAF.
    pub key: Zeroizing<Vec<u8>>,
    /// The name of that key, such as a B-TID.
    pub key_id: Option<Vec<u8>>,
    /// How far the time in a message may be from the clock.
    pub window: Window,
}

impl fmt::Debug for TicketAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketAccess").field("kms", &self.kms).finish_non_exhaustive()
    }
}

impl TicketAccess {
    fn shared(&self) -> KmsKey<'_> {
        KmsKey { key: &self.key, id: self.key_id.as_deref().map(|id| (IdType::Octets, id)) }
    }

    fn times(&self, clock: UtcTime) -> Times {
        Times::around(clock, self.window.millis(), self.window.millis())
    }
}

/// Method 5: a ticket of a key management server.
#[derive(Debug)]
pub struct FromTicket(Arc<TicketAccess>);

impl FromTicket {
    /// Octet of this method in the containers, and of its key information.
    pub const METHOD: u8 = 5;

    /// Returns the method with the way of this UE to its server.
    pub const fn new(access: Arc<TicketAccess>) -> Self {
        Self(access)
    }
}

impl KeyEstablishment for FromTicket {
    fn method(&self) -> u8 {
        Self::METHOD
    }

    fn asks(&self) -> Asks {
        Asks::Network
    }

    fn initiate(
        &self,
        _: UtcTime,
        _: Option<&Credentials>,
        seed: [u8; 32],
        cookie: Option<[u8; 16]>,
    ) -> Option<(Box<dyn Steps>, Vec<u8>)> {
        let mut info = vec![Self::METHOD];
        info.extend(cookie.into_iter().flatten());
        let (access, draws) = (Arc::clone(&self.0), Draws::new(seed));
        Some((Box::new(Initiating { access, draws, state: Waiting::Start }), info))
    }

    fn understands(&self, info: &[u8]) -> bool {
        parse(info).is_some()
    }

    fn cookie(&self, info: &[u8]) -> Option<[u8; 16]> {
        parse(info)?
    }

    fn answer(&self, info: &[u8], seed: [u8; 32]) -> Option<Box<dyn Steps>> {
        parse(info)?;
        let (access, draws) = (Arc::clone(&self.0), Draws::new(seed));
        Some(Box::new(Target { access, draws, state: Resolution::Start }))
    }
}

/// Returns the cookie of key information.
fn parse(info: &[u8]) -> Option<Option<[u8; 16]>> {
    match info.strip_prefix(&[FromTicket::METHOD])? {
        [] => Some(None),
        cookie => Some(Some(cookie.try_into().ok()?)),
    }
}

/// Random values of one end.
#[derive(Debug, Clone, Copy)]
struct Draws {
    /// CSB IDs of the message to the server, and of that to the peer.
    csb_ids: [u32; 2],
    /// RANDs of both.
    rands: [[u8; 16]; 2],
}

impl Draws {
    fn new(seed: [u8; 32]) -> Self {
        let mut rng = Entropy::new(&seed);
        let (ids, rands) = (rng.draw(0), rng.draw(1));
        let [a, b, c, d, e, f, g, h, ..] = ids;
        let mut draws =
            Self { csb_ids: [[a, b, c, d], [e, f, g, h]].map(u32::from_be_bytes), rands: [[0; 16]; 2] };
        draws.rands[0].copy_from_slice(&rands[..16]);
        draws.rands[1].copy_from_slice(&rands[16..]);
        draws
    }
}

const fn stamp(time: UtcTime) -> Timestamp {
    Timestamp::NtpUtc(NtpTime::from_utc(time).0)
}

/// Derives KD of the session of a transfer.
fn kd(session: &Session, [initiating, target]: [Subject<'_>; 2]) -> Result<Kd, Refusal> {
    let mut tek = Zeroizing::new([0; 16]);
    session.derive(TrafficKey::Tek, CS_ID, &mut *tek)?;
    Ok(kd_from_tek(&*tek, [initiating, target]))
}

/// This UE and the peer, as KD names them.
fn ends<'a>(party: &Party<'a>) -> [Subject<'a>; 2] {
    [party.local, party.remote].map(|end| Subject { kind: end.kind, value: &end.value })
}

/// State of the initiating UE.
#[derive(Debug)]
enum Waiting {
    Start,
    /// For the ticket.
    Requested(Requested),
    /// For TRANSFER_RESP.
    Transferred {
        granted: Box<Granted>,
        at: Timestamp,
    },
}

/// The initiating UE.
#[derive(Debug)]
struct Initiating {
    access: Arc<TicketAccess>,
    draws: Draws,
    state: Waiting,
}

impl Initiating {
    fn request(&mut self, party: &Party<'_>) -> Result<Step, Refusal> {
        let (local, remote) = (user_of(party.local)?, user_of(party.remote)?);
        let (kms, now) = (self.access.kms.as_str(), party.clock);
        let uri = |text: &'_ str| -> Vec<u8> { text.as_bytes().to_vec() };
        let [named_kms, named_local, named_remote] = [uri(kms), uri(&local), uri(&remote)];
        let terms = TicketTerms {
            kms: Some((IdType::Uri, &named_kms)),
            initiator: Some((IdType::Uri, &named_local)),
            start: Some(stamp(now.minus_millis(self.access.window.millis()))),
            end: Some(stamp(now.plus_millis(TICKET_LIFE))),
            responders: vec![(IdType::Uri, &named_remote)],
            ..TicketTerms::default()
        };
        let request = Request {
            csb_id: self.draws.csb_ids[0],
            time: stamp(now),
            rand: &self.draws.rands[0],
            initiator: &local,
            kms: Some(kms),
            ticket_type: TicketType::GPP_BASE,
            // The server makes it, the target UE has it resolved and answers, both RANDs enter the TEK, and its keys are
            // forked for that UE.
            flags: TicketFlags::GPP_BASE,
            terms,
            hash: Hash::HmacSha256,
        };
        let requested = ticket::request(self.access.shared(), &request)?;
        let question = requested.octets().to_vec();
        self.state = Waiting::Requested(requested);
        Ok(Step::Ask(question))
    }

    fn on_ticket(&mut self, party: &Party<'_>, octets: &[u8]) -> Result<Step, Refusal> {
        let Waiting::Requested(requested) = &self.state else { return Ok(Step::Wait) };
        let granted = requested.open(self.access.shared(), octets, self.access.times(party.clock))?;
        let at = stamp(party.clock);
        let transfer = self.transferred(&granted, at, party)?.octets().to_vec();
        self.state = Waiting::Transferred { granted: Box::new(granted), at };
        Ok(Step::Send(transfer))
    }

    /// The transfer of a ticket, which is the same each time.
    fn transferred<'g>(
        &self,
        granted: &'g Granted,
        time: Timestamp,
        party: &Party<'_>,
    ) -> Result<Transferred<'g>, Refusal> {
        let transfer = Transfer {
            csb_id: self.draws.csb_ids[1],
            time,
            rand: &self.draws.rands[1],
            responder: &user_of(party.remote)?,
            sessions: Vec::new(),
            policies: Vec::new(),
            hash: Hash::HmacSha256,
        };
        Ok(ticket::transfer(granted, &transfer)?)
    }

    fn on_response(&self, party: &Party<'_>, octets: &[u8]) -> Result<Step, Refusal> {
        let Waiting::Transferred { granted, at } = &self.state else { return Ok(Step::Wait) };
        let transferred = self.transferred(granted, *at, party)?;
        let session = transferred.open(octets, self.access.times(party.clock))?;
        Ok(Step::Agreed(kd(&session, ends(party))?.into()))
    }
}

impl Steps for Initiating {
    fn step(&mut self, party: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal> {
        match heard {
            Heard::Begin => self.request(party),
            Heard::Answer(octets) => self.on_ticket(party, octets),
            Heard::Container(octets) => self.on_response(party, octets),
            Heard::Admitted | Heard::Command { .. } | Heard::Freshness { .. } | Heard::OutOfStep { .. } => {
                Ok(Step::Wait)
            }
        }
    }
}

/// State of the target UE.
#[derive(Debug)]
enum Resolution {
    Start,
    /// The server is asked about TRANSFER_INIT.
    Asked {
        transfer: Vec<u8>,
        at: UtcTime,
    },
    /// TRANSFER_RESP and KD, while the time of TRANSFER_INIT becomes durable.
    Proven {
        response: Vec<u8>,
        kd: Kd,
    },
    Ended,
}

/// The target UE.
#[derive(Debug)]
struct Target {
    access: Arc<TicketAccess>,
    draws: Draws,
    state: Resolution,
}

impl Target {
    fn on_transfer(&mut self, party: &Party<'_>, octets: &[u8]) -> Result<Step, Refusal> {
        if !matches!(self.state, Resolution::Start) {
            return Ok(Step::Wait);
        }
        let local = user_of(party.local)?;
        let received = self.received(party, octets, (&local, party.clock))?;
        let question = received.resolve(self.access.shared(), &self.resolve(party.clock))?.octets().to_vec();
        self.state = Resolution::Asked { transfer: octets.to_vec(), at: party.clock };
        Ok(Step::Ask(question))
    }

    /// Reads a transfer of the peer, which was not taken before.
    fn received<'a>(
        &self,
        party: &Party<'_>,
        octets: &'a [u8],
        (local, at): (&str, UtcTime),
    ) -> Result<ReceivedTransfer<'a>, Refusal> {
        let received = ReceivedTransfer::parse(octets, local, self.access.times(at))?;
        if received.initiator != user_of(party.remote)? {
            return Err(Refused::Name(crate::mikey::Named::Initiator).into());
        }
        if received.time.0 <= party.newest {
            let why = "a transfer of this time, or a newer one, was taken before: a replay".to_owned();
            return Err(Refusal { cause: super::Cause::AuthenticationFailure, why });
        }
        Ok(received)
    }

    /// What the server is asked with, at a time.
    fn resolve(&self, at: UtcTime) -> Resolve<'_> {
        Resolve {
            csb_id: self.draws.csb_ids[0],
            time: stamp(at),
            rand: &self.draws.rands[0],
            kms: Some(&self.access.kms),
            hash: Hash::HmacSha256,
        }
    }

    /// Proves the transfer by the server's answer, and makes the response. It waits until the time of the transfer is taken.
    fn on_resolved(&mut self, party: &Party<'_>, octets: &[u8]) -> Result<Step, Refusal> {
        let Resolution::Asked { transfer, at } = &self.state else { return Ok(Step::Wait) };
        let local = user_of(party.local)?;
        let received = self.received(party, transfer, (&local, *at))?;
        let resolving = received.resolve(self.access.shared(), &self.resolve(*at))?;
        let resolved = resolving.open(self.access.shared(), octets, self.access.times(party.clock))?;
        let answer = Answer {
            time: stamp(party.clock),
            sessions: Vec::new(),
            policies: Vec::new(),
            hash: Hash::HmacSha256,
        };
        let response = resolved.answer(&answer)?;
        let [own, other] = ends(party);
        let kd = kd(&resolved.session()?, [other, own])?;
        let time = resolved.time().0;
        self.state = Resolution::Proven { response, kd };
        Ok(Step::Admit(time))
    }

    fn on_admitted(&mut self) -> Step {
        match core::mem::replace(&mut self.state, Resolution::Ended) {
            Resolution::Proven { response, kd } => Step::SendAgreed(response, kd.into()),
            _ => Step::Wait,
        }
    }
}

impl Steps for Target {
    fn step(&mut self, party: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal> {
        match heard {
            Heard::Container(octets) => self.on_transfer(party, octets),
            Heard::Answer(octets) => self.on_resolved(party, octets),
            Heard::Admitted => Ok(self.on_admitted()),
            Heard::Begin | Heard::Command { .. } | Heard::Freshness { .. } | Heard::OutOfStep { .. } => {
                Ok(Step::Wait)
            }
        }
    }
}
