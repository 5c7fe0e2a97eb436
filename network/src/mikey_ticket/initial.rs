//! REQUEST_INIT and RESOLVE_INIT under a pre-shared key. RFC 6043 §4.2.1.1, §4.2.3.1.

use sidelink_security::counter::UtcTime;
use sidelink_security::mikey::ticket::{Direction, Rands, message_keys};
use sidelink_wire::mikey::{
    CsIdMap, DataType, IdRole, MacAlgorithm, Packet, Payload, Prf, RandRole, Repr, Ticket, TicketPolicy,
    Timestamp,
};

use super::{MAX_OCTETS, Refused, id, mac, prf, text, time_of, without_tag};
use sidelink_security::mikey::MessageKeys;

/// What a UE asks a server for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// A ticket.
    Request,
    /// What is in one.
    Resolve,
}

impl Exchange {
    const fn id_role(self) -> IdRole {
        match self {
            Self::Request => IdRole::Initiator,
            Self::Resolve => IdRole::Responder,
        }
    }

    const fn rand_role(self) -> RandRole {
        match self {
            Self::Request => RandRole::Initiator,
            Self::Resolve => RandRole::Responder,
        }
    }

    fn rands(self, rand: &[u8]) -> Result<Rands, Refused> {
        Ok(match self {
            Self::Request => Rands::new(rand, &[])?,
            Self::Resolve => Rands::new(&[], rand)?,
        })
    }
}

/// A message that was read, of which nothing is proven.
#[derive(Debug)]
pub struct Claimed<'a> {
    octets: &'a [u8],
    message: Repr<'a>,
    /// What it asks for.
    pub exchange: Exchange,
    /// Who it says it is from.
    pub user: String,
    /// Which key it says it is under: the B-TID.
    pub key: String,
    /// Which server it says it is for.
    pub kms: Option<String>,
    /// When it says it was made; none for a counter.
    pub time: Option<UtcTime>,
}

/// What a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// A ticket of this policy.
    Policy(TicketPolicy<'a>),
    /// What is in this ticket.
    Ticket(Ticket<'a>),
}

/// A message whose sender has the key.
#[derive(Debug)]
pub struct Proven<'a> {
    /// The message, whole.
    pub octets: &'a [u8],
    /// What it asks for.
    pub exchange: Exchange,
    /// Who it is from, as its key lets it say.
    pub user: String,
    /// CSB ID.
    pub csb_id: u32,
    /// PRF.
    pub prf: Prf,
    /// MAC.
    pub mac: MacAlgorithm,
    /// What it asks for.
    pub body: Body<'a>,
    /// Keys of the answer.
    pub(super) answer_keys: MessageKeys,
}

impl<'a> Claimed<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// It is none of both.
    pub fn read(octets: &'a [u8]) -> Result<Self, Refused> {
        if octets.len() > MAX_OCTETS {
            return Err(Refused::Unexpected("at most 16 KiB"));
        }
        let message = Repr::parse(&Packet::new_checked(octets)?)?;
        let exchange = match message.header.data_type {
            DataType::RequestInitPsk => Exchange::Request,
            DataType::ResolveInitPsk => Exchange::Resolve,
            _ => return Err(Refused::Unexpected("REQUEST_INIT_PSK or RESOLVE_INIT_PSK")),
        };
        if message.header.sessions != CsIdMap::Empty {
            return Err(Refused::Unexpected("no crypto session"));
        }
        let payloads = &message.payloads;
        let named = |role| id(payloads, role).and_then(text);
        let (Some(user), Some(key)) = (named(exchange.id_role()), named(IdRole::PresharedKey)) else {
            return Err(Refused::Unexpected("the identity of the sender and the name of its key"));
        };
        let Some(Payload::Timestamp(timestamp)) = payloads.first() else {
            return Err(Refused::Unexpected("T first"));
        };
        let (kms, time) = (named(IdRole::Kms), time_of(*timestamp));
        if time.is_none() && !matches!(timestamp, Timestamp::Counter(_)) {
            return Err(Refused::Unexpected("a time from 1970 on"));
        }
        Ok(Self { octets, exchange, user, key, kms, time, message })
    }

    /// CSB ID, for an error.
    pub const fn csb_id(&self) -> u32 {
        self.message.header.csb_id
    }

    /// Proves it with the key of its name.
    ///
    /// # Errors
    /// Its MAC is wrong, or it is not as it must be.
    pub fn prove(self, key: &[u8]) -> Result<Proven<'a>, Refused> {
        let (exchange, header) = (self.exchange, &self.message.header);
        let payloads = &self.message.payloads;
        let rand = payloads.iter().find_map(|payload| match payload {
            Payload::RandRole { role, rand } if *role == exchange.rand_role() => Some(*rand),
            _ => None,
        });
        let rand = rand.filter(|rand| rand.len() >= 16).ok_or(Refused::Unexpected("a RAND of 128 bits"))?;
        let Some(Payload::Verification(v)) = payloads.last() else {
            return Err(Refused::Unexpected("V last"));
        };
        let (function, algorithm) = (prf(header.prf), mac(v.algorithm)?);
        let rands = exchange.rands(rand)?;
        let keys = |direction| message_keys(key, function, algorithm, header.csb_id, direction, &rands);
        // A message that does not name the server covers no name of it.
        let kms = id(payloads, IdRole::Kms).unwrap_or_default();
        let covered = without_tag(self.octets, v.tag);
        keys(Direction::Initial).verify(&[covered, self.user.as_bytes(), kms], v.tag)?;
        let body = payloads.iter().find_map(|payload| match (exchange, payload) {
            (Exchange::Request, Payload::TicketPolicy(policy)) => Some(Body::Policy(*policy)),
            (Exchange::Resolve, Payload::Ticket(ticket)) => Some(Body::Ticket(*ticket)),
            _ => None,
        });
        Ok(Proven {
            octets: self.octets,
            exchange,
            user: self.user,
            csb_id: header.csb_id,
            prf: header.prf,
            mac: v.algorithm,
            body: body.ok_or(Refused::Unexpected("a policy in a request, a ticket in a resolve"))?,
            answer_keys: keys(Direction::Response),
        })
    }
}
