//! A record, and the chain of records.

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sidelink_security::counter::UtcTime;
use sidelink_security::keys::AccountingKey;
use subtle::ConstantTimeEq;

use crate::pc3::Imsi;
use crate::pc3::fields::Lexical;

/// A ProSe UE ID or ProSe Layer-2 Group ID. TS 24.334 §12.4.2.9, §12.4.2.12.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Layer2Id(pub [u8; 3]);

/// With whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// One-to-many, with a group.
    Group(Layer2Id),
    /// One-to-one, with a UE.
    Peer(Layer2Id),
}

/// What goes in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flow {
    /// From this UE.
    Sent(Party),
    /// To this UE, in a group from one of its members.
    Received {
        /// The group, or the peer.
        party: Party,
        /// Who sent it.
        from: Layer2Id,
    },
}

/// What went in one direction during a collection period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Which direction.
    pub flow: Flow,
    /// Octets.
    pub octets: u64,
    /// PDCP SN of the first packet.
    pub first_sn: u32,
    /// PDCP SN of the last packet.
    pub last_sn: u32,
    /// When the first packet went.
    pub first_at: UtcTime,
}

/// What is recorded of a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// What went, none where nothing did.
    Usage(Vec<Line>),
    /// The UE stopped without a word, and what it had counted in this period is lost.
    Lost,
}

/// A record of a collection period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the chain, which goes on over power cycles. Own.
    pub seq: u64,
    /// The sequence number of the standard, 0 with each power up. TS 24.334 §12.4.2.3.
    pub number: u32,
    /// Layer-2 identity of the UE itself.
    pub local: Layer2Id,
    /// Whether the UE was in coverage.
    pub in_coverage: super::RadioCoverage,
    /// Begin of the period.
    pub from: UtcTime,
    /// Its end.
    pub to: UtcTime,
    /// What is recorded.
    pub content: Content,
}

/// The last MAC of a chain.
#[derive(Clone, Copy)]
pub struct Head(pub [u8; 32]);

impl PartialEq for Head {
    /// Compares in constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Head {}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Names an accounting key, without saying anything of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(pub [u8; 4]);

impl KeyName {
    /// Of a key.
    pub fn of(key: &AccountingKey) -> Self {
        let [a, b, c, d, ..] = mac(key, &[b"name"]);
        Self([a, b, c, d])
    }
}

impl Head {
    /// Before the first record of a UE. No key goes into it: the first key may change before the first record.
    pub fn start(ue: Imsi) -> Self {
        let mut head = [0; 32];
        head.iter_mut().zip(ue.to_string().bytes()).for_each(|(to, from)| *to = from);
        Self(head)
    }

    /// After one more record.
    #[must_use]
    pub fn after(&self, key: &AccountingKey, record: &Record) -> Self {
        Self(mac(key, &[&self.0, &record.octets()]))
    }
}

fn mac(key: &AccountingKey, parts: &[&[u8]]) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes());
    let mut mac = mac.expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

impl Record {
    /// What the MAC covers: all of it, each part of fixed length behind its number.
    pub fn octets(&self) -> Vec<u8> {
        let mut out = self.seq.to_be_bytes().to_vec();
        out.extend(self.number.to_be_bytes());
        out.extend(self.local.0);
        out.push(self.in_coverage as u8);
        out.extend(self.from.millis().to_be_bytes());
        out.extend(self.to.millis().to_be_bytes());
        let Content::Usage(lines) = &self.content else {
            out.push(1);
            return out;
        };
        out.push(0);
        out.extend((lines.len() as u64).to_be_bytes());
        for line in lines {
            let (kind, party, from) = match line.flow {
                Flow::Sent(party) => (0, party, Layer2Id([0; 3])),
                Flow::Received { party, from } => (1, party, from),
            };
            let (of, id) = match party {
                Party::Group(id) => (0, id),
                Party::Peer(id) => (2, id),
            };
            out.push(kind | of);
            out.extend(id.0.into_iter().chain(from.0));
            out.extend(line.octets.to_be_bytes());
            out.extend(line.first_sn.to_be_bytes().into_iter().chain(line.last_sn.to_be_bytes()));
            out.extend(line.first_at.millis().to_be_bytes());
        }
        out
    }

    /// What went; nothing where it is lost.
    pub fn lines(&self) -> &[Line] {
        match &self.content {
            Content::Usage(lines) => lines,
            Content::Lost => &[],
        }
    }
}

macro_rules! hexadecimal {
    ($($type:ident: $expected:literal;)*) => {$(
        impl Lexical for $type {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Option<Self> {
                let mut value = Self(Default::default());
                hex::decode_to_slice(text.trim(), &mut value.0).ok()?;
                Some(value)
            }

            fn to_text(&self) -> String {
                hex::encode_upper(self.0)
            }
        }
    )*};
}

hexadecimal! {
    Layer2Id: "3 octets";
    KeyName: "4 octets";
    Head: "32 octets";
}
