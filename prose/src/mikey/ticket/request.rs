//! The initiator asks for a ticket. RFC 6043 §4.2.1.

use sidelink_security::mikey::ticket::{Direction, Rands, message_keys};
use sidelink_security::mikey::{MessageKeys, Prf};
use sidelink_wire::mikey::{
    CsIdMap, DataType, Header, Id, IdRole, Payload, RandRole, TicketFlags, TicketPolicy, TicketTerms,
    TicketType, Timestamp,
};

use super::{Fields, IssuedTicket, KMS, KmsKey, TicketKeys, id_role, octets_of, sealed, uri};
use crate::mikey::suite::{self, Hash};
use crate::mikey::{MakeError, Named, NtpTime, Refused, Window};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// CSB ID, chosen at random.
    pub csb_id: u32,
    /// When it is made: never the same twice under one key.
    pub time: Timestamp,
    /// RANDRi, 16 or 32 random octets.
    pub rand: &'a [u8],
    /// URI of this user.
    pub initiator: &'a str,
    /// URI of the key management server, if it is named.
    pub kms: Option<&'a str>,
    /// Which kind of ticket.
    pub ticket_type: TicketType,
    /// Flags that are wanted.
    pub flags: TicketFlags,
    /// What the ticket is to be for.
    pub terms: TicketTerms<'a>,
    /// PRF and MAC.
    pub hash: Hash,
}

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Requested {
    octets: Vec<u8>,
    csb_id: u32,
    rands: Rands,
    kms: Option<String>,
    initiator: String,
    ticket_type: TicketType,
    wanted: TicketFlags,
}

/// Writes REQUEST_INIT_PSK.
///
/// # Errors
/// Flags that contradict each other, or a field that does not fit.
pub fn request(key: KmsKey<'_>, request: &Request<'_>) -> Result<Requested, MakeError> {
    request.flags.check()?;
    let rands = Rands::new(request.rand, &[])?;
    let ((prf, crypto_prf), (_, mac)) = (request.hash.prf(), request.hash.mac());
    let keys = message_keys(key.key, crypto_prf, mac, request.csb_id, Direction::Initial, &rands);
    let terms = request.terms.emit()?;
    let (initiator, kms) = (uri(request.initiator), request.kms.map(uri));
    let policy = TicketPolicy { ticket_type: request.ticket_type, prf, flags: request.flags, data: &terms };
    let mut payloads = vec![
        Payload::Timestamp(request.time),
        Payload::RandRole { role: RandRole::Initiator, rand: request.rand },
        id_role(IdRole::Initiator)(initiator),
    ];
    payloads.extend(kms.map(id_role(IdRole::Kms)));
    payloads.push(Payload::TicketPolicy(policy));
    payloads.extend(key.id.map(id_role(IdRole::PresharedKey)));
    let header = Header {
        data_type: DataType::RequestInitPsk,
        wants_verification: false,
        prf,
        csb_id: request.csb_id,
        sessions: CsIdMap::Empty,
    };
    let octets = sealed(header, payloads, request.hash, &keys, &[initiator.1, octets_of(kms)])?;
    Ok(Requested {
        octets,
        csb_id: request.csb_id,
        rands,
        kms: request.kms.map(str::to_owned),
        initiator: request.initiator.to_owned(),
        ticket_type: request.ticket_type,
        wanted: request.flags,
    })
}

/// A ticket that this user got, and its keys: only [`Requested::open`] makes it.
#[derive(Debug)]
pub struct Granted {
    pub(super) ticket: IssuedTicket,
    pub(super) keys: TicketKeys,
    initiator: String,
    wanted: TicketFlags,
    time: NtpTime,
}

impl Requested {
    /// REQUEST_INIT_PSK.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    fn keys(&self, key: &[u8], fields: &Fields<'_>) -> Result<MessageKeys, Refused> {
        let (prf, mac) = fields.hash()?;
        Ok(message_keys(key, prf, mac, self.csb_id, Direction::Response, &self.rands))
    }

    /// Opens REQUEST_RESP: its time, its names, its MAC, then its keys.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn open(&self, key: KmsKey<'_>, response: &[u8], window: Window) -> Result<Granted, Refused> {
        let fields = Fields::parse(response, DataType::RequestResp)?;
        window.check(fields.time.to_utc())?;
        if fields.header.csb_id != self.csb_id {
            return Err(Refused::Profile("the CSB ID of the request"));
        }
        check_kms(self.kms.as_deref(), fields.ids[KMS])?;
        let keys = self.keys(key.key, &fields)?;
        fields.verify(&keys, &[&self.octets])?;
        let ticket = fields.ticket.ok_or(Refused::Profile("a ticket"))?;
        if ticket.policy.ticket_type != self.ticket_type {
            return Err(Refused::Profile("a ticket of the type that was asked for"));
        }
        ticket.policy.flags.check()?;
        if !ticket.policy.flags.has(TicketFlags::D) {
            return Err(Refused::Profile("flag D: the server made the ticket"));
        }
        let terms = TicketTerms::parse(ticket.policy.data)?;
        if terms.initiator.is_some_and(|(_, id)| id != self.initiator.as_bytes()) {
            return Err(Refused::Name(Named::Initiator));
        }
        let keys = fields.keys(&keys)?;
        if ticket.policy.flags.has(TicketFlags::I) && keys.responder().is_none() {
            return Err(Refused::Profile("MPKr, as flag I has it"));
        }
        Ok(Granted {
            ticket: IssuedTicket::new(&ticket),
            keys,
            initiator: self.initiator.clone(),
            wanted: self.wanted,
            time: fields.time,
        })
    }
}

/// Checks the name of the key management server, where the message has one.
pub(super) fn check_kms(expected: Option<&str>, named: Option<Id<'_>>) -> Result<(), Refused> {
    match (expected, named) {
        (Some(expected), Some((_, kms))) if kms != expected.as_bytes() => Err(Refused::Name(Named::Kms)),
        _ => Ok(()),
    }
}

impl Granted {
    /// Flags.
    pub const fn flags(&self) -> TicketFlags {
        self.ticket.head.flags
    }

    /// PRF of keys that the ticket carries.
    pub(super) const fn prf(&self) -> Prf {
        suite::prf(self.ticket.head.prf)
    }

    /// Type.
    pub const fn ticket_type(&self) -> TicketType {
        self.ticket.head.ticket_type
    }

    /// What the ticket is for.
    pub fn terms(&self) -> TicketTerms<'_> {
        // They were parsed when the ticket was opened.
        TicketTerms::parse(&self.ticket.policy).unwrap_or_default()
    }

    /// Whether the server changed what was asked for: it says so, or flags are others.
    pub fn is_changed(&self) -> bool {
        self.flags().has(TicketFlags::K) || self.flags() != self.wanted
    }

    /// URI of this user.
    pub fn initiator(&self) -> &str {
        &self.initiator
    }

    /// When the server answered.
    pub const fn time(&self) -> NtpTime {
        self.time
    }
}
