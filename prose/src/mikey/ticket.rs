//! MIKEY-TICKET, the ends of both users. RFC 6043, TS 33.328 Annex B, Annex D.
//!
//! ```text
//! initiator -> KMS        REQUEST_INIT_PSK   T, RANDRi, IDRi, [IDRkms], TP, [IDRpsk], V              [`request`]
//! initiator <- KMS        REQUEST_RESP       T, [IDRkms], TICKET, KEMAC, V                           [`Requested::open`]
//! initiator -> responder  TRANSFER_INIT      T, RANDRi, IDRi, IDRr, {SP}, TICKET, V                  [`transfer`]
//!              responder -> KMS   RESOLVE_INIT_PSK  T, RANDRr, IDRr, [IDRkms], TICKET, [IDRpsk], V   [`ReceivedTransfer::resolve`]
//!              responder <- KMS   RESOLVE_RESP      T, [IDRkms], KEMAC, [IDRr], [RANDRkms], V        [`Resolving::open`]
//! initiator <- responder  TRANSFER_RESP      T, [RANDRr], IDRr, [RANDRkms], {SP}, V                  [`Resolved::answer`], [`Transferred::open`]
//! ```
//!
//! Both ask the key management server (mode 1), each under a key that it shares with it. With flag I the responder's keys are
//! forked for it: one of several responders learns nothing of what another gets. There is an MPKr with flag I alone; without
//! it MPKi protects both messages between the users.
//!
//! What RFC 6043 leaves open is decided here: the V bit says in TRANSFER_INIT whether an answer has to come, is 0 elsewhere,
//! and is ignored on receipt; the IV of a KEMAC takes T of the message that carries it; keys are forked and derived with
//! the PRF of the policy of the ticket, which the server and both users know.
//!
//! A ticket that may serve again (flag J) is unsafe where members come and go (RFC 6043 §5.3, §12.5): [`transfer`] does not
//! look at it, whoever keeps tickets does.

use sidelink_security::mikey::MessageKeys;
use sidelink_security::mikey::ticket::TooLong;
use sidelink_wire::mikey::{
    DataType, Encryption, Header, Id, IdRole, IdType, KeyData, KeyKind, Mac, MacAlgorithm, Payload, Policy,
    RandRole, Repr, Ticket, TicketPolicy, Timestamp, initiator_data_range,
};
use zeroize::Zeroizing;

use super::suite::{self, Hash};
use super::{MakeError, NtpTime, Refused, parse};

mod request;
mod session;
mod transfer;

pub use request::{Granted, Request, Requested, request};
pub use session::{Session, SharedKey};
pub use transfer::{Answer, ReceivedTransfer, Resolve, Resolved, Resolving, Transfer, Transferred, transfer};

/// A key that a user shares with the key management server: a Ks_NAF under its B-TID, or one by hand.
#[derive(Clone, Copy)]
pub struct KmsKey<'a> {
    /// The key.
    pub key: &'a [u8],
    /// IDRpsk: names it, if the server needs a name.
    pub id: Option<Id<'a>>,
}

impl core::fmt::Debug for KmsKey<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("KmsKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Octets of an identity, or none.
fn octets_of<'a>(id: Option<Id<'a>>) -> &'a [u8] {
    id.map_or(&[], |(_, data)| data)
}

fn id_role(role: IdRole) -> impl Fn(Id<'_>) -> Payload<'_> {
    move |(kind, data)| Payload::IdRole { role, kind, data }
}

/// Writes payloads and V behind them; the MAC covers them and `tail`, but not the initiator data of a ticket.
fn sealed(
    header: Header<'_>,
    mut payloads: Vec<Payload<'_>>,
    hash: Hash,
    keys: &MessageKeys,
    tail: &[&[u8]],
) -> Result<Vec<u8>, MakeError> {
    let tag = hash.no_mac();
    payloads.push(Payload::Verification(Mac { algorithm: hash.mac().0, tag }));
    let mut octets = Repr { header, payloads }.to_octets()?;
    let end = octets.len() - tag.len();
    let mac = keys.mac(&parts(&octets, end, tail));
    octets[end..].copy_from_slice(&mac);
    Ok(octets)
}

/// What a MAC covers of a message that ends at `end`.
fn parts<'o>(octets: &'o [u8], end: usize, tail: &[&'o [u8]]) -> Vec<&'o [u8]> {
    let left_out = sidelink_wire::mikey::Packet::new_checked(octets)
        .ok()
        .and_then(|packet| {
            let transfer = packet.data_type() == DataType::TransferInit;
            packet.payloads().find_map(|raw| initiator_data_range(&raw)).filter(|_| transfer)
        })
        .unwrap_or(end..end);
    [&octets[..left_out.start], &octets[left_out.end..end]].into_iter().chain(tail.iter().copied()).collect()
}

/// The payloads of one of the six messages, each at most once; V is the last.
#[derive(Debug)]
struct Fields<'a> {
    octets: &'a [u8],
    header: Header<'a>,
    timestamp: Timestamp,
    time: NtpTime,
    rands: [Option<&'a [u8]>; 3],
    ids: [Option<Id<'a>>; 3],
    policies: Vec<Policy<'a>>,
    ticket: Option<Ticket<'a>>,
    kemac: Option<(Encryption, &'a [u8])>,
    mac: Mac<'a>,
}

/// Places of identities and RANDs.
const INITIATOR: usize = 0;
const RESPONDER: usize = 1;
const KMS: usize = 2;

impl<'a> Fields<'a> {
    fn parse(octets: &'a [u8], data_type: DataType) -> Result<Self, Refused> {
        let (_, mut repr) = parse(octets)?;
        if repr.header.data_type == DataType::Error {
            let number = repr.payloads.iter().find_map(|payload| match payload {
                Payload::Error(number) => Some(*number),
                _ => None,
            });
            return Err(number.map_or(Refused::Profile("an error"), Refused::Error));
        }
        if repr.header.data_type != data_type {
            return Err(Refused::Profile("the data type of the message that is expected"));
        }
        let Some(Payload::Verification(mac)) = repr.payloads.pop() else {
            return Err(Refused::Profile("V as its last payload"));
        };
        let Some(Payload::Timestamp(timestamp)) = repr.payloads.first().cloned() else {
            return Err(Refused::Profile("T as its first payload"));
        };
        let time = NtpTime::of(timestamp).ok_or(Refused::Profile("a time, not a counter"))?;
        let mut fields = Self {
            octets,
            header: repr.header,
            timestamp,
            time,
            rands: [None; 3],
            ids: [None; 3],
            policies: Vec::new(),
            ticket: None,
            kemac: None,
            mac,
        };
        repr.payloads.into_iter().skip(1).try_for_each(|payload| fields.take(payload))?;
        Ok(fields)
    }

    fn take(&mut self, payload: Payload<'a>) -> Result<(), Refused> {
        let again = match payload {
            Payload::RandRole { role, rand } => {
                let place = match role {
                    RandRole::Initiator => INITIATOR,
                    RandRole::Responder => RESPONDER,
                    RandRole::Kms => KMS,
                };
                self.rands[place].replace(rand).is_some()
            }
            Payload::IdRole { role, kind, data } => {
                let place = match role {
                    IdRole::Initiator => INITIATOR,
                    IdRole::Responder => RESPONDER,
                    IdRole::Kms => KMS,
                    _ => return Err(Refused::Profile("identities of both users and the server alone")),
                };
                self.ids[place].replace((kind, data)).is_some()
            }
            Payload::Policy(policy) => {
                self.policies.push(policy);
                false
            }
            Payload::Ticket(ticket) => self.ticket.replace(ticket).is_some(),
            Payload::Kemac { encryption, data, mac } => {
                if mac.algorithm != MacAlgorithm::Null {
                    return Err(Refused::Profile("KEMAC without a MAC: V has it"));
                }
                self.kemac.replace((encryption, data)).is_some()
            }
            Payload::Extension(_) => false,
            _ => return Err(Refused::Profile("RANDR, IDR, SP, TICKET, KEMAC and EXT between T and V")),
        };
        if again { Err(Refused::Profile("each payload once")) } else { Ok(()) }
    }

    fn rand(&self, place: usize) -> &'a [u8] {
        self.rands[place].unwrap_or_default()
    }

    /// PRF and MAC, as keys are derived with them.
    fn hash(
        &self,
    ) -> Result<(sidelink_security::mikey::Prf, sidelink_security::mikey::MacAlgorithm), Refused> {
        Ok((suite::prf(self.header.prf), suite::mac(self.mac.algorithm)?))
    }

    /// Checks V.
    fn verify(&self, keys: &MessageKeys, tail: &[&[u8]]) -> Result<(), Refused> {
        let end = self.octets.len() - self.mac.tag.len();
        keys.verify(&parts(self.octets, end, tail), self.mac.tag).map_err(|_| Refused::WrongMac)
    }

    /// Deciphers the KEMAC, and finds MPKi, MPKr and at least one other key in it.
    fn keys(&self, keys: &MessageKeys) -> Result<TicketKeys, Refused> {
        let (encryption, data) = self.kemac.ok_or(Refused::Profile("KEMAC"))?;
        let plain = keys
            .decrypt(suite::encryption(encryption)?, self.timestamp.as_64_bits(), data)
            .map_err(|_| Refused::Profile("keys that unwrap"))?;
        TicketKeys::new(plain)
    }
}

/// MPKi, MPKr and keys, as a KEMAC has them.
struct TicketKeys(Zeroizing<Vec<u8>>);

impl TicketKeys {
    fn new(plain: Zeroizing<Vec<u8>>) -> Result<Self, Refused> {
        let keys = KeyData::parse_all(&plain)?;
        let mpks = keys.iter().take_while(|key| key.kind == KeyKind::Mpk).count();
        let others = keys.iter().skip(mpks);
        if !(1..=2).contains(&mpks) || others.clone().any(|key| key.kind == KeyKind::Mpk) {
            return Err(Refused::Profile("MPKi, an MPKr, and other keys behind them"));
        }
        if keys.len() == mpks || keys.iter().any(|key| key.key.is_empty()) {
            return Err(Refused::Profile("a key besides those of messages, and none that is empty"));
        }
        Ok(Self(plain))
    }

    fn all(&self) -> Vec<KeyData<'_>> {
        // They were parsed when this was made.
        KeyData::parse_all(&self.0).unwrap_or_default()
    }

    fn mpk(&self, index: usize) -> Option<&[u8]> {
        self.all().get(index).filter(|key| key.kind == KeyKind::Mpk).map(|key| key.key)
    }

    /// MPKi.
    fn initiator(&self) -> &[u8] {
        self.mpk(0).expect("it was there when this was made")
    }

    /// MPKr.
    fn responder(&self) -> Option<&[u8]> {
        self.mpk(1)
    }

    /// The other keys.
    fn others(&self) -> Vec<KeyData<'_>> {
        self.all().into_iter().filter(|key| key.kind != KeyKind::Mpk).collect()
    }
}

impl core::fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("TicketKeys(redacted)")
    }
}

impl From<TooLong> for Refused {
    fn from(_: TooLong) -> Self {
        Self::Profile("RANDs and identities that fit a label")
    }
}

/// A ticket without its initiator data, kept as octets.
#[derive(Debug, Clone, PartialEq, Eq)]
struct IssuedTicket {
    policy: Vec<u8>,
    data: Vec<u8>,
    head: TicketPolicy<'static>,
}

impl IssuedTicket {
    fn new(ticket: &Ticket<'_>) -> Self {
        let head = TicketPolicy { data: &[], ..ticket.policy };
        Self { policy: ticket.policy.data.to_vec(), data: ticket.data.to_vec(), head }
    }

    fn with<'a>(&'a self, initiator_data: &'a [u8]) -> Ticket<'a> {
        let policy = TicketPolicy { data: &self.policy, ..self.head };
        Ticket { policy, data: &self.data, initiator_data }
    }
}

/// A URI as an identity.
const fn uri(text: &str) -> Id<'_> {
    (IdType::Uri, text.as_bytes())
}
