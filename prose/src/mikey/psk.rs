//! Messages under a pre-shared key. RFC 3830 §3.1, §5.2, §5.3.
//!
//! ```text
//! HDR (0) | {EXT} | T | RAND | [IDi] | [IDr] | {SP} | KEMAC            and the answer  HDR (1) | T | [IDr] | V
//! ```
//!
//! A later message of the same CSB ID may leave RAND out: the first one still counts (RFC 3830 §4.5). Whether a timestamp is
//! newer than the last is for the caller to say; the entry of a replay list follows the MAC (RFC 3830 §5.4).

use sidelink_security::mikey::MessageKeys;
use sidelink_wire::mikey::{
    CsIdMap, DataType, Encryption, Extension, Header, IdType, KeyData, Mac, Payload, PayloadType, Policy,
    Repr, Signature, SignatureType, Timestamp,
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::suite::{self, Hash, KeyCipher};
use super::{MakeError, Refused, parse};

/// An identity: what it is, and its octets.
pub type Id<'a> = (IdType, &'a [u8]);

/// Whether the receiver has to answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It has.
    Wanted,
    /// It has not.
    #[default]
    NotWanted,
}

/// What a message says.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    /// CSB ID.
    pub csb_id: u32,
    /// Never twice under one pre-shared key: the key stream follows from it.
    pub timestamp: Timestamp,
    /// RAND; empty in a later message of the same CSB ID, with the first one in `earlier_rand`.
    pub rand: &'a [u8],
    /// The sender.
    pub initiator: Option<Id<'a>>,
    /// The receiver, or what the key is for.
    pub responder: Option<Id<'a>>,
    /// General extensions.
    pub extensions: Vec<Extension<'a>>,
    /// Policies.
    pub policies: Vec<Policy<'a>>,
    /// Crypto sessions.
    pub sessions: CsIdMap<'a>,
    /// The keys.
    pub keys: Vec<KeyData<'a>>,
    /// Whether the receiver has to answer.
    pub answer: Answer,
    /// PRF and MAC.
    pub hash: Hash,
    /// How the keys are ciphered.
    pub cipher: KeyCipher,
}

impl<'a> Message<'a> {
    /// A message of this CSB ID and time with nothing in it.
    pub const fn new(csb_id: u32, timestamp: Timestamp, rand: &'a [u8]) -> Self {
        Self {
            csb_id,
            timestamp,
            rand,
            initiator: None,
            responder: None,
            extensions: Vec::new(),
            policies: Vec::new(),
            sessions: CsIdMap::Empty,
            keys: Vec::new(),
            answer: Answer::NotWanted,
            hash: Hash::HmacSha256,
            cipher: KeyCipher::AesCm128,
        }
    }
}

/// Writes a message. `earlier_rand` is that of the first message of the bundle, where this one has none.
///
/// # Errors
/// Keys or fields that do not fit.
pub fn make(psk: &[u8], message: &Message<'_>, earlier_rand: Option<&[u8]>) -> Result<Vec<u8>, MakeError> {
    let (prf, mac) = (message.hash.prf(), message.hash.mac());
    let rand = if message.rand.is_empty() { earlier_rand.unwrap_or_default() } else { message.rand };
    let keys = MessageKeys::derive(psk, prf.1, mac.1, message.csb_id, rand);
    let mut plain = Zeroizing::new(vec![0; KeyData::all_len(&message.keys)]);
    KeyData::emit_all(&message.keys, &mut plain)?;
    let (encryption, cipher) = message.cipher.both();
    let data = match plain.is_empty() {
        true => Vec::new(),
        false => keys.encrypt(cipher, message.timestamp.as_64_bits(), &plain)?,
    };
    let mut payloads: Vec<_> = message.extensions.iter().copied().map(Payload::Extension).collect();
    payloads.push(Payload::Timestamp(message.timestamp));
    payloads.extend((!message.rand.is_empty()).then_some(Payload::Rand(message.rand)));
    let ids = [message.initiator, message.responder].into_iter().flatten();
    payloads.extend(ids.map(|(kind, data)| Payload::Id { kind, data }));
    payloads.extend(message.policies.iter().cloned().map(Payload::Policy));
    let tag = message.hash.no_mac();
    payloads.push(Payload::Kemac { encryption, data: &data, mac: Mac { algorithm: mac.0, tag } });
    let header = Header {
        data_type: DataType::PresharedKey,
        wants_verification: message.answer == Answer::Wanted,
        prf: prf.0,
        csb_id: message.csb_id,
        sessions: message.sessions.clone(),
    };
    let mut octets = Repr { header, payloads }.to_octets()?;
    let covered = octets.len() - tag.len();
    let tag = keys.mac(&[&octets[..covered]]);
    octets[covered..].copy_from_slice(&tag);
    Ok(octets)
}

/// A message: what its octets say. Nothing of it is proven.
#[derive(Debug)]
pub struct Received<'a> {
    octets: &'a [u8],
    header: Header<'a>,
    /// T.
    pub timestamp: Timestamp,
    /// RAND, unless it is that of an earlier message.
    pub rand: Option<&'a [u8]>,
    /// The sender, and the receiver or what the key is for: in the order in which they stand.
    pub ids: Vec<Id<'a>>,
    /// General extensions.
    pub extensions: Vec<Extension<'a>>,
    /// Policies.
    pub policies: Vec<Policy<'a>>,
    kemac: Kemac<'a>,
    signature: Option<&'a [u8]>,
}

#[derive(Debug, Clone, Copy)]
struct Kemac<'a> {
    encryption: Encryption,
    data: &'a [u8],
    mac: Mac<'a>,
    /// Place of its octet of the next payload.
    at: usize,
    /// Place of its MAC.
    mac_at: usize,
}

impl<'a> Received<'a> {
    /// Reads a message whose last payload is KEMAC.
    ///
    /// # Errors
    /// [`Refused::Format`] and [`Refused::Profile`].
    pub fn parse(octets: &'a [u8]) -> Result<Self, Refused> {
        let received = Self::parse_signed(octets)?;
        match received.signature {
            None => Ok(received),
            Some(_) => Err(Refused::Profile("KEMAC as its last payload")),
        }
    }

    /// Reads a message that may have SIGN behind KEMAC.
    pub(super) fn parse_signed(octets: &'a [u8]) -> Result<Self, Refused> {
        let (packet, repr) = parse(octets)?;
        if repr.header.data_type != DataType::PresharedKey {
            return Err(Refused::Profile("the data type of a pre-shared key"));
        }
        let raw = packet.payloads().find(|raw| raw.kind == PayloadType::KEMAC);
        let raw = raw.ok_or(Refused::Profile("KEMAC"))?;
        let end = raw.at + 1 + raw.body.len();
        let (mut timestamp, mut rand, mut kemac, mut signature) = (None, None, None, None);
        let (mut ids, mut extensions, mut policies) = (Vec::new(), Vec::new(), Vec::new());
        for payload in repr.payloads {
            let again = match payload {
                // Behind KEMAC nothing is covered by its MAC.
                Payload::Signature(Signature { kind: SignatureType::Eccsi, octets }) if kemac.is_some() => {
                    signature.replace(octets).is_some()
                }
                _ if kemac.is_some() => true,
                Payload::Timestamp(value) => timestamp.replace(value).is_some(),
                Payload::Rand(octets) => rand.replace(octets).is_some(),
                Payload::Kemac { encryption, data, mac } => {
                    let mac_at = end - mac.tag.len();
                    kemac.replace(Kemac { encryption, data, mac, at: raw.at, mac_at }).is_some()
                }
                Payload::Id { kind, data } => {
                    ids.push((kind, data));
                    ids.len() > 2
                }
                Payload::Extension(extension) => {
                    extensions.push(extension);
                    false
                }
                Payload::Policy(policy) => {
                    policies.push(policy);
                    false
                }
                _ => true,
            };
            if again {
                return Err(Refused::Profile(
                    "EXT, T, RAND, two IDs, SP, KEMAC, and each but EXT and SP once",
                ));
            }
        }
        let timestamp = timestamp.ok_or(Refused::Profile("T"))?;
        let kemac = kemac.ok_or(Refused::Profile("KEMAC"))?;
        let header = repr.header;
        Ok(Self { octets, header, timestamp, rand, ids, extensions, policies, kemac, signature })
    }

    /// CSB ID.
    pub const fn csb_id(&self) -> u32 {
        self.header.csb_id
    }

    /// Whether the sender wants an answer.
    pub const fn answer(&self) -> Answer {
        if self.header.wants_verification { Answer::Wanted } else { Answer::NotWanted }
    }

    /// The whole message.
    pub(super) const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The signature behind KEMAC.
    pub(super) const fn signature(&self) -> Option<&'a [u8]> {
        self.signature
    }

    /// Proves that a holder of the pre-shared key made the message. `earlier_rand` is that of the first message of the
    /// bundle.
    ///
    /// # Errors
    /// [`Refused::WrongMac`]; [`Refused::Profile`] for NULL algorithms, and without any RAND.
    pub fn verify(&self, psk: &[u8], earlier_rand: Option<&[u8]>) -> Result<Proven<'_, 'a>, Refused> {
        let rand =
            self.rand.or(earlier_rand).ok_or(Refused::Profile("a RAND, here or in an earlier message"))?;
        let mac = suite::mac(self.kemac.mac.algorithm)?;
        let keys = MessageKeys::derive(psk, suite::prf(self.header.prf), mac, self.csb_id(), rand);
        let Kemac { at, mac_at, .. } = self.kemac;
        // As it was when the MAC was made: KEMAC the last payload.
        let covered = [&self.octets[..at], &[PayloadType::LAST.0], &self.octets[at + 1..mac_at]];
        keys.verify(&covered, self.kemac.mac.tag).map_err(|_| Refused::WrongMac)?;
        Ok(Proven { received: self, keys })
    }
}

/// A message that a holder of the pre-shared key made: only [`Received::verify`] makes it.
#[derive(Debug)]
pub struct Proven<'r, 'a> {
    received: &'r Received<'a>,
    keys: MessageKeys,
}

impl Proven<'_, '_> {
    /// Deciphers the keys: [`KeyData::parse_all`] reads them.
    ///
    /// # Errors
    /// Keys that are not ciphered, or make no sense.
    pub fn key_data(&self) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let Kemac { encryption, data, .. } = self.received.kemac;
        if data.is_empty() {
            return Ok(Zeroizing::default());
        }
        let timestamp = self.received.timestamp.as_64_bits();
        let plain = self.keys.decrypt(suite::encryption(encryption)?, timestamp, data);
        let plain = plain.map_err(|_| Refused::Profile("keys that unwrap"))?;
        KeyData::parse_all(&plain)?;
        Ok(plain)
    }

    /// Writes the answer: the identities of both, in the order of the message; `idr` is the one that it names, if any.
    /// RFC 3830 §5.2: the MAC covers IDi, IDr and T behind the message.
    ///
    /// # Errors
    /// A field that does not fit.
    pub fn verification(&self, idr: Option<Id<'_>>) -> Result<Vec<u8>, MakeError> {
        let received = self.received;
        let algorithm = received.kemac.mac.algorithm;
        let mut payloads = vec![Payload::Timestamp(received.timestamp)];
        payloads.extend(idr.map(|(kind, data)| Payload::Id { kind, data }));
        let tag = vec![0; algorithm.octets()];
        payloads.push(Payload::Verification(Mac { algorithm, tag: &tag }));
        let header = Header {
            data_type: DataType::PresharedKeyVerification,
            wants_verification: false,
            ..received.header.clone()
        };
        let mut octets = Repr { header, payloads }.to_octets()?;
        let covered = octets.len() - tag.len();
        let mac = self.answer_mac(&octets[..covered]);
        octets[covered..].copy_from_slice(&mac);
        Ok(octets)
    }

    fn answer_mac(&self, covered: &[u8]) -> Vec<u8> {
        let timestamp = self.received.timestamp.octets();
        let ids = self.received.ids.iter().map(|(_, data)| *data);
        let parts: Vec<_> = [covered].into_iter().chain(ids).chain([&timestamp[..]]).collect();
        self.keys.mac(&parts)
    }

    /// Proves that the receiver of this message, our own, has it: its answer says so.
    ///
    /// # Errors
    /// Octets that are no answer, or one to another message.
    pub fn acknowledged(&self, answer: &[u8]) -> Result<(), Refused> {
        let (_, repr) = parse(answer)?;
        if repr.header.data_type != DataType::PresharedKeyVerification {
            return Err(Refused::Profile("the data type of a verification message"));
        }
        let (Some(Payload::Timestamp(timestamp)), Some(Payload::Verification(mac))) =
            (repr.payloads.first(), repr.payloads.last())
        else {
            return Err(Refused::Profile("T and V"));
        };
        let same = *timestamp == self.received.timestamp && repr.header.csb_id == self.received.csb_id();
        let expected = self.answer_mac(&answer[..answer.len() - mac.tag.len()]);
        // NULL has no octets, a MAC always has.
        match same && bool::from(expected.ct_eq(mac.tag)) {
            true => Ok(()),
            false => Err(Refused::WrongMac),
        }
    }
}
