//! PGKs and PSDKs on their way to a UE: MIKEY as TS 33.303 §6.2.3.3.2.3 and §6.6.4.2.3 use it, over UDP port 2269.
//!
//! ```text
//! PKMF -> UE   HDR (V, empty map) | T: counter of the PMK | RAND | IDi: what the key is for and its ID | IDr: PMK ID | KEMAC
//! UE -> PKMF   HDR | T: the same | IDr: PMK ID | V
//! ```
//!
//! - A message carries one key with its validity, or deletes one (both limits are the same), or carries none and asks the UE
//!   for a KEY_REQUEST (ID 0).
//! - What a message is believed after is in the types: [`Received`] is what its octets say, [`Proven`] what a holder of the
//!   PMK said, [`Acknowledged`] that the UE has it.
//!
//! Where the texts leave something open: the NAI of IDi is eight hexadecimal digits, service and ID, before `@` and the name
//! of the PKMF, that of IDr sixteen. Of PRF and MAC both suites are understood; [`Suite::HmacSha1`] is what RFC 3830 has
//! everybody have. A message that deletes a key carries 32 zeros in its place, one that carries none an empty KEMAC
//! (TS 33.246 §6.3.2.2.4). The limits are seconds from 1900 on, as TS 24.334 §12.2.2.18 counts. A MAC of V covers the data of
//! both identities and of T behind the message (RFC 3830 §5.2, from memory).

use std::fmt;
use std::num::NonZeroU8;

use sidelink_security::counter::UtcCounter;
use sidelink_security::keys::{Pmk, Secret256};
use sidelink_security::mikey::{self as crypto, MessageKeys};
use sidelink_wire::mikey::{
    self as wire, CsIdMap, DataType, Encryption, Header, IdType, KeyData, KeyKind, Mac, MacAlgorithm, Packet,
    Payload, Prf, Repr, Timestamp, Validity,
};
use zeroize::Zeroizing;

use crate::identity::Fqdn;

/// Names a PMK within its PKMF: 64 bits. TS 33.303 §6.2.3.2, Annex E.5.2.2.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PmkId(pub [u8; 8]);

/// What keys are for: the Group Identity of a group (TS 33.303 §6.2.3.2) or the Key Type ID of discoveries (§6.6.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(pub [u8; 3]);

impl ServiceId {
    /// From a number of 24 bits.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number.to_be_bytes() {
            [0, a, b, c] => Some(Self([a, b, c])),
            _ => None,
        }
    }

    /// As a number.
    pub const fn number(self) -> u32 {
        let [a, b, c] = self.0;
        u32::from_be_bytes([0, a, b, c])
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}", self.number())
    }
}

/// A key: PGK ID or PSDK ID within its service. 0 names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName {
    /// What it is for.
    pub service: ServiceId,
    /// PGK ID or PSDK ID.
    pub id: NonZeroU8,
}

/// When a key counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// First second.
    pub from: UtcCounter,
    /// First second after it.
    pub to: UtcCounter,
}

/// PRF and MAC of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Suite {
    /// MIKEY-1 and HMAC-SHA-1-160.
    #[default]
    HmacSha1,
    /// The same with HMAC-SHA-256. RFC 6043.
    HmacSha256,
}

impl Suite {
    const fn prf(self) -> (Prf, crypto::Prf) {
        match self {
            Self::HmacSha1 => (Prf::Mikey1, crypto::Prf::Mikey1),
            Self::HmacSha256 => (Prf::HmacSha256, crypto::Prf::HmacSha256),
        }
    }

    const fn mac(self) -> (MacAlgorithm, crypto::MacAlgorithm) {
        match self {
            Self::HmacSha1 => (MacAlgorithm::HmacSha1, crypto::MacAlgorithm::HmacSha1),
            Self::HmacSha256 => (MacAlgorithm::HmacSha256, crypto::MacAlgorithm::HmacSha256),
        }
    }

    fn of(prf: Prf, mac: MacAlgorithm) -> Result<Self, Refused> {
        [Self::HmacSha1, Self::HmacSha256]
            .into_iter()
            .find(|suite| suite.prf().0 == prf && suite.mac().0 == mac)
            .ok_or(Refused::Profile("PRF and MAC of one suite"))
    }

    fn keys(self, pmk: &Pmk, csb_id: u32, rand: &[u8]) -> MessageKeys {
        MessageKeys::derive(pmk.as_bytes(), self.prf().1, self.mac().1, csb_id, rand)
    }

    const fn tag_octets(self) -> usize {
        self.mac().0.octets()
    }
}

/// Why a message is not believed: the bytes first, then what they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// No MIKEY message.
    Format(sidelink_wire::Error),
    /// Not as TS 33.303 uses MIKEY: what it should have.
    Profile(&'static str),
    /// Of another PKMF.
    Pkmf,
    /// Not by a holder of the PMK, or altered.
    WrongMac,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(error) => write!(f, "no MIKEY message: {error}"),
            Self::Profile(what) => write!(f, "not MIKEY as TS 33.303 uses it, which has {what}"),
            Self::Pkmf => f.write_str("the message is of another key management function"),
            Self::WrongMac => f.write_str("the MAC is wrong: another PMK, or an altered message"),
        }
    }
}

impl std::error::Error for Refused {}

impl From<sidelink_wire::Error> for Refused {
    fn from(error: sidelink_wire::Error) -> Self {
        Self::Format(error)
    }
}

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    /// Here is a key.
    Key(KeyName, Secret256, Period),
    /// Delete this key.
    Delete(KeyName),
    /// Send a KEY_REQUEST.
    Solicit(ServiceId),
}

/// Names of a message apart from its PMK: what makes it different from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The counter of the PMK, never twice under it.
    pub counter: u32,
    /// CSB ID, chosen at random.
    pub csb_id: u32,
    /// RAND, chosen at random.
    pub rand: [u8; 16],
}

/// Whether the UE is to say that it has the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is.
    Wanted,
    /// It is not.
    NotWanted,
}

/// Who speaks under which key.
#[derive(Clone, Copy, Debug)]
pub struct Peers<'a> {
    /// The PKMF.
    pub pkmf: &'a Fqdn,
    /// Name of the PMK.
    pub pmk_id: PmkId,
    /// The PMK.
    pub pmk: &'a Pmk,
}

impl Peers<'_> {
    fn idr(&self) -> String {
        format!("{}@{}", hex::encode(self.pmk_id.0), self.pkmf)
    }
}

fn idi(service: ServiceId, id: u8, pkmf: &Fqdn) -> String {
    format!("{service}{id:02x}@{pkmf}")
}

/// What [`acknowledged`] needs of a message that was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    stamp: Stamp,
    suite: Suite,
    service: ServiceId,
    id: u8,
}

impl Sent {
    /// Which of the messages under its PMK.
    pub const fn counter(&self) -> u32 {
        self.stamp.counter
    }
}

/// The datagram that says `content`. TS 33.303 §6.2.3.3.2.3.2.
pub fn protect(
    peers: Peers<'_>,
    stamp: Stamp,
    suite: Suite,
    content: &Content,
    answer: Answer,
) -> (Vec<u8>, Sent) {
    let no_key = Secret256::from([0; 32]);
    let zero = UtcCounter::new(0);
    let (service, id, key) = match content {
        Content::Key(name, key, period) => (name.service, name.id.get(), Some((key, *period))),
        Content::Delete(name) => {
            (name.service, name.id.get(), Some((&no_key, Period { from: zero, to: zero })))
        }
        Content::Solicit(service) => (*service, 0, None),
    };
    let keys = suite.keys(peers.pmk, stamp.csb_id, &stamp.rand);
    let mut data = key.map_or_else(Zeroizing::default, |(key, period)| key_data(key, period));
    keys.cipher(stamp.counter.into(), &mut data);
    let (idi, idr, tag) = (idi(service, id, peers.pkmf), peers.idr(), vec![0; suite.tag_octets()]);
    let repr = Repr {
        header: header(DataType::PresharedKey, answer == Answer::Wanted, suite, stamp.csb_id),
        payloads: vec![
            Payload::Timestamp(Timestamp::Counter(stamp.counter)),
            Payload::Rand(&stamp.rand),
            Payload::Id { kind: IdType::Nai, data: idi.as_bytes() },
            Payload::Id { kind: IdType::Nai, data: idr.as_bytes() },
            Payload::Kemac {
                encryption: Encryption::AesCm128,
                data: &data,
                mac: Mac { algorithm: suite.mac().0, tag: &tag },
            },
        ],
    };
    (sealed(&repr, suite, |message| keys.mac(&[message])), Sent { stamp, suite, service, id })
}

fn header(data_type: DataType, wants_verification: bool, suite: Suite, csb_id: u32) -> Header<'static> {
    Header { data_type, wants_verification, prf: suite.prf().0, csb_id, sessions: CsIdMap::Empty }
}

/// The octets of a message whose last field is its MAC.
fn sealed(repr: &Repr<'_>, suite: Suite, mac: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut octets = vec![0; repr.buffer_len()];
    repr.emit(&mut octets).expect("names have at most 280 octets and a key 48: all fields fit");
    let covered = octets.len() - suite.tag_octets();
    let tag = mac(&octets[..covered]);
    octets[covered..].copy_from_slice(&tag);
    octets
}

/// Seconds from 1900-01-01 to 1970-01-01.
const SINCE_1900: u64 = 2_208_988_800;
/// Octets of a limit: 40 bits.
const LIMIT: usize = 5;

fn limit(at: UtcCounter) -> [u8; LIMIT] {
    let [_, _, _, octets @ ..] = (u64::from(at.value()) + SINCE_1900).to_be_bytes();
    octets
}

/// The nearest that our clocks show, 1970 to 2106.
fn from_limit(octets: &[u8]) -> Result<UtcCounter, Refused> {
    let octets: [u8; LIMIT] = octets.try_into().map_err(|_| Refused::Profile("limits of 40 bits"))?;
    let seconds = octets.iter().fold(0, |value, octet| value << 8 | u64::from(*octet));
    Ok(UtcCounter::new(u32::try_from(seconds.saturating_sub(SINCE_1900)).unwrap_or(u32::MAX)))
}

/// Type 2 (TEK), KV 2 (interval).
fn key_data(key: &Secret256, period: Period) -> Zeroizing<Vec<u8>> {
    let (from, to) = (limit(period.from), limit(period.to));
    let validity = Validity::Interval { from: &from, to: &to };
    let data = [KeyData { kind: KeyKind::Tek, key: key.as_bytes(), salt: None, validity }];
    let mut octets = Zeroizing::new(vec![0; KeyData::all_len(&data)]);
    KeyData::emit_all(&data, &mut octets).expect("one key of 32 octets and two limits of 5 fit");
    octets
}

/// A message of a PKMF: what its octets say. TS 33.303 §6.2.3.3.2.3.3.
#[derive(Debug)]
pub struct Received<'a> {
    octets: &'a [u8],
    header: Header<'a>,
    suite: Suite,
    /// The counter of its PMK.
    pub counter: u32,
    /// Which PMK.
    pub pmk_id: PmkId,
    service: ServiceId,
    id: u8,
    rand: &'a [u8],
    ids: [&'a [u8]; 2],
    data: &'a [u8],
    tag: &'a [u8],
}

/// What a holder of the PMK said.
#[derive(Debug)]
pub struct Proven {
    /// What.
    pub content: Content,
    /// The datagram to send back, if one is wanted, once the key is durable.
    pub answer: Option<Vec<u8>>,
}

impl<'a> Received<'a> {
    /// From a datagram, of this PKMF.
    ///
    /// # Errors
    /// [`Refused`], never [`Refused::WrongMac`].
    pub fn parse(octets: &'a [u8], pkmf: &Fqdn) -> Result<Self, Refused> {
        let repr = parse(octets, DataType::PresharedKey)?;
        // An extension is nobody's business here. TS 33.246 §6.5.3.
        let payloads: Vec<_> =
            repr.payloads.iter().filter(|payload| !matches!(payload, Payload::Extension { .. })).collect();
        let [
            Payload::Timestamp(Timestamp::Counter(counter)),
            Payload::Rand(rand),
            Payload::Id { kind: IdType::Nai, data: idi },
            Payload::Id { kind: IdType::Nai, data: idr },
            Payload::Kemac { encryption, data, mac },
        ] = payloads[..]
        else {
            return Err(Refused::Profile("a counter, RAND, two NAIs and KEMAC"));
        };
        if !matches!(repr.payloads.last(), Some(Payload::Kemac { .. })) {
            return Err(Refused::Profile("KEMAC as its last payload"));
        }
        if *encryption != Encryption::AesCm128 {
            return Err(Refused::Profile("AES-CM-128, never NULL"));
        }
        if rand.len() != 16 {
            return Err(Refused::Profile("a RAND of 128 bits"));
        }
        let [a, b, c, id] = name(idi, pkmf)?;
        let suite = Suite::of(repr.header.prf, mac.algorithm)?;
        Ok(Self {
            octets,
            suite,
            counter: *counter,
            pmk_id: PmkId(name(idr, pkmf)?),
            service: ServiceId([a, b, c]),
            id,
            rand,
            ids: [idi, idr],
            data,
            tag: mac.tag,
            header: repr.header,
        })
    }

    /// What it says, if a holder of the PMK that it names made it. The caller has compared [`Self::counter`] with the last.
    ///
    /// # Errors
    /// [`Refused::WrongMac`], or [`Refused::Profile`] where what was proven makes no sense.
    pub fn verify(&self, pmk: &Pmk) -> Result<Proven, Refused> {
        let keys = self.suite.keys(pmk, self.header.csb_id, self.rand);
        let covered = &self.octets[..self.octets.len() - self.tag.len()];
        keys.verify(&[covered], self.tag).map_err(|_| Refused::WrongMac)?;
        let mut data = Zeroizing::new(self.data.to_vec());
        keys.cipher(self.counter.into(), &mut data);
        let content = self.content(&data)?;
        Ok(Proven { content, answer: self.header.wants_verification.then(|| self.answer(&keys)) })
    }

    fn content(&self, data: &[u8]) -> Result<Content, Refused> {
        let Some(id) = NonZeroU8::new(self.id) else { return Ok(Content::Solicit(self.service)) };
        let name = KeyName { service: self.service, id };
        let [KeyData { kind: KeyKind::Tek, key, salt: None, validity }] = KeyData::parse_all(data)?[..]
        else {
            return Err(Refused::Profile("one key, a TEK"));
        };
        let Validity::Interval { from, to } = validity else {
            return Err(Refused::Profile("a validity between two limits"));
        };
        if from == to {
            return Ok(Content::Delete(name));
        }
        let key = Secret256::try_from(key).map_err(|_| Refused::Profile("a key of 256 bits"))?;
        Ok(Content::Key(name, key, Period { from: from_limit(from)?, to: from_limit(to)? }))
    }

    /// The verification message. TS 33.303 §6.2.3.3.2.3.4.
    fn answer(&self, keys: &MessageKeys) -> Vec<u8> {
        let [idi, idr] = self.ids;
        let tag = vec![0; self.suite.tag_octets()];
        let repr = Repr {
            header: header(DataType::PresharedKeyVerification, false, self.suite, self.header.csb_id),
            payloads: vec![
                Payload::Timestamp(Timestamp::Counter(self.counter)),
                Payload::Id { kind: IdType::Nai, data: idr },
                Payload::Verification(Mac { algorithm: self.suite.mac().0, tag: &tag }),
            ],
        };
        sealed(&repr, self.suite, |message| keys.mac(&[message, idi, idr, &self.counter.to_be_bytes()]))
    }
}

fn parse(octets: &[u8], data_type: DataType) -> Result<Repr<'_>, Refused> {
    let repr = Repr::parse(&Packet::new_checked(octets)?)?;
    if repr.header.data_type != data_type {
        return Err(Refused::Profile("messages of the pre-shared key, each in its direction"));
    }
    if repr.header.sessions != CsIdMap::Empty {
        return Err(Refused::Profile("an empty CS ID map"));
    }
    Ok(repr)
}

/// The octets before `@` of a NAI whose realm is the PKMF.
fn name<const N: usize>(nai: &[u8], pkmf: &Fqdn) -> Result<[u8; N], Refused> {
    let what = Refused::Profile("NAIs of hexadecimal digits @ the PKMF");
    let at = nai.iter().position(|octet| *octet == b'@').ok_or(what)?;
    let (digits, realm) = (&nai[..at], &nai[at + 1..]);
    let mut octets = [0; N];
    hex::decode_to_slice(digits, &mut octets).map_err(|_| what)?;
    if realm.eq_ignore_ascii_case(pkmf.as_str().as_bytes()) { Ok(octets) } else { Err(Refused::Pkmf) }
}

/// A verification message: what its octets say.
#[derive(Debug)]
pub struct Verification<'a> {
    octets: &'a [u8],
    /// The counter of the message that it answers.
    pub counter: u32,
    /// Which PMK.
    pub pmk_id: PmkId,
    tag: &'a [u8],
}

/// A UE has what was sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Acknowledged(());

impl<'a> Verification<'a> {
    /// From a datagram, for this PKMF.
    ///
    /// # Errors
    /// [`Refused`], never [`Refused::WrongMac`].
    pub fn parse(octets: &'a [u8], pkmf: &Fqdn) -> Result<Self, Refused> {
        let repr = parse(octets, DataType::PresharedKeyVerification)?;
        let [
            Payload::Timestamp(Timestamp::Counter(counter)),
            Payload::Id { kind: IdType::Nai, data: idr },
            Payload::Verification(mac),
        ] = repr.payloads[..]
        else {
            return Err(Refused::Profile("a counter, a NAI and V"));
        };
        Ok(Self { octets, counter, pmk_id: PmkId(name(idr, pkmf)?), tag: mac.tag })
    }

    /// Proves that the UE has what was sent.
    ///
    /// # Errors
    /// [`Refused::WrongMac`]: it answers something else, or is not the UE's.
    pub fn verify(&self, peers: Peers<'_>, sent: &Sent) -> Result<Acknowledged, Refused> {
        let Sent { stamp, suite, service, id } = sent;
        // Its own fields are covered too: an answer to another message has another MAC.
        let keys = suite.keys(peers.pmk, stamp.csb_id, &stamp.rand);
        let covered = &self.octets[..self.octets.len() - self.tag.len()];
        let (idi, idr) = (idi(*service, *id, peers.pkmf), peers.idr());
        let parts = [covered, idi.as_bytes(), idr.as_bytes(), &stamp.counter.to_be_bytes()];
        keys.verify(&parts, self.tag).map(|()| Acknowledged(())).map_err(|_| Refused::WrongMac)
    }
}

/// UDP port of both ends.
pub const PORT: u16 = wire::PORT;

#[cfg(test)]
mod tests;
