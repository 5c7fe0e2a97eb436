//! Parameters of a key, and the protected payload that carries them in an extension. TS 33.180 §E.6.1, §8.5.4.
//!
//! ```text
//! | message type | date and time (5) | payload ID (4) | sequence number | algorithm | IV (16) | DPPK-ID (4) |
//! | IEI 0 | length (2) | ciphertext, tag (16) |
//!
//! plain:  [IEI, length (2)] | key type | status (4) | activation (5) | expiry (5) | length (2), text |
//!         [length (2), count, {IEI 7B, length (2), group}] [IEI, length (2), reserved]
//! ```
//!
//! The clause wraps the plain parameters in an element with an identifier and a length; two makers leave both out
//! ([`Framing`]). The values of the layout of the protected payload are those of their messages.

use super::Error;
use super::cursor::{Cursor, Writer};
use super::ticket::emitted;

/// Octets of the protected payload that are authenticated but not ciphered.
pub const ASSOCIATED_OCTETS: usize = 32;
/// Octets of the tag behind the ciphertext.
pub const TAG_OCTETS: usize = 16;
/// Most groups of a key: their number is an octet.
pub const MAX_GROUPS: usize = 255;

const WHAT: &str = "key parameters of MIKEY";
/// AES-128-GCM.
const AES_128_GCM: u8 = 1;
/// Of the payload.
const PAYLOAD_IEI: u8 = 0;
/// Of a group. TS 24.282 §15.2.14.
const GROUP_IEI: u8 = 0x7b;
/// The first identifier of elements whose length has two octets. TS 24.007 §11.2.4.
const FIRST_LONG_IEI: u8 = 0x70;

/// The protected payload of an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtectedParameters<'a> {
    /// Its message type; makers have 0x40 or 0x43.
    pub message_type: u8,
    /// When it was made: 40 bits.
    pub date_time: u64,
    /// Payload ID: 0 from a sender, of no meaning to a receiver, but authenticated.
    pub payload_id: u32,
    /// Sequence number: the same.
    pub sequence: u8,
    /// IV of AES-128-GCM.
    pub iv: [u8; 16],
    /// DPPK-ID, which is the CSB ID.
    pub key_id: u32,
    /// [`KeyParameters`], ciphered, and the tag: at least [`TAG_OCTETS`], at most 65535 octets.
    pub data: &'a [u8],
}

impl<'a> ProtectedParameters<'a> {
    /// Parses the data of an extension of type [`super::ExtensionType::KEY_PARAMETERS`].
    ///
    /// # Errors
    /// Malformed octets, or another algorithm than AES-128-GCM.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(bytes);
        let message_type = cursor.octet(WHAT)?;
        let date_time = forty_bits(&mut cursor)?;
        let (payload_id, sequence) = (cursor.u32(WHAT)?, cursor.octet(WHAT)?);
        let algorithm = cursor.octet(WHAT)?;
        if algorithm != AES_128_GCM {
            return Err(Error::Reserved {
                what: "algorithm of key parameters of MIKEY",
                value: algorithm.into(),
            });
        }
        let (iv, key_id) = (cursor.take(WHAT)?, cursor.u32(WHAT)?);
        let element = cursor.octet(WHAT)?;
        if element != PAYLOAD_IEI {
            return Err(Error::Reserved {
                what: "payload element of key parameters of MIKEY",
                value: element.into(),
            });
        }
        let data = cursor.long(WHAT)?;
        cursor.end(WHAT)?;
        if data.len() < TAG_OCTETS {
            let needed = bytes.len() + TAG_OCTETS - data.len();
            return Err(Error::Truncated { what: WHAT, needed, have: bytes.len() });
        }
        Ok(Self { message_type, date_time, payload_id, sequence, iv, key_id, data })
    }

    /// What the tag covers besides the ciphertext, as this is written.
    pub fn associated(&self) -> [u8; ASSOCIATED_OCTETS] {
        let mut octets = [0; ASSOCIATED_OCTETS];
        octets[0] = self.message_type;
        octets[1..6].copy_from_slice(&self.date_time.to_be_bytes()[3..]);
        octets[6..10].copy_from_slice(&self.payload_id.to_be_bytes());
        octets[10] = self.sequence;
        octets[11] = AES_128_GCM;
        octets[12..28].copy_from_slice(&self.iv);
        octets[28..].copy_from_slice(&self.key_id.to_be_bytes());
        octets
    }

    /// Writes the data of such an extension.
    ///
    /// # Errors
    /// A date above 40 bits, or data of a length that does not fit.
    pub fn emit(&self) -> Result<Vec<u8>, Error> {
        emitted(|writer| {
            if self.date_time >> 40 != 0 {
                writer.refuse("a date of key parameters of MIKEY above 40 bits");
            }
            if self.data.len() < TAG_OCTETS {
                writer.refuse("key parameters of MIKEY shorter than their tag");
            }
            writer.put(&self.associated());
            writer.put(&[PAYLOAD_IEI]);
            writer.long(WHAT, self.data);
        })
    }
}

/// What a key is. TS 33.180 §E.6.11; the first four bits of its ID are the same number, §5.2.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// A group master key.
    Gmk,
    /// A key of a private call.
    Pck,
    /// A client-server key.
    Csk,
    /// A signalling protection key.
    Spk,
    /// A key of floor control for multicast.
    Mkfc,
    /// A key of a multicast sub-channel.
    Mscck,
    /// A multicast signalling key.
    MuSik,
}

impl KeyType {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] =
        [Self::Gmk, Self::Pck, Self::Csk, Self::Spk, Self::Mkfc, Self::Mscck, Self::MuSik];

    const fn from_octet(octet: u8) -> Result<Self, Error> {
        match Self::ALL {
            all if (octet as usize) < all.len() => Ok(all[octet as usize]),
            _ => Err(Error::Reserved { what: "key type of key parameters of MIKEY", value: octet as u32 }),
        }
    }

    /// The key type of a key ID, if it has one.
    pub const fn of_key_id(key_id: u32) -> Option<Self> {
        match Self::from_octet((key_id >> 28) as u8) {
            Ok(kind) => Some(kind),
            Err(_) => None,
        }
    }

    /// The number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Whether parameters of this type name groups.
    pub const fn has_groups(self) -> bool {
        matches!(self, Self::Gmk | Self::Mkfc | Self::MuSik)
    }
}

/// Status of a key, 32 bits of which two are defined. TS 33.180 §E.6.9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyStatus(pub u32);

/// How the revocation bit of a status is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum StatusReading {
    /// As the clause has it: a key without the bit is revoked.
    #[default]
    Standard,
    /// As one maker has it: a live key has no bit set, so that the bit says nothing.
    AlwaysLive,
}

impl KeyStatus {
    /// A key that counts.
    pub const LIVE: Self = Self(1);
    /// A key that must not be used.
    pub const REVOKED: Self = Self(0);

    /// Whether the key must not be used.
    pub const fn is_revoked(self, reading: StatusReading) -> bool {
        match reading {
            StatusReading::Standard => self.0 & 1 == 0,
            StatusReading::AlwaysLive => false,
        }
    }

    /// Whether a security gateway has the key.
    pub const fn is_shared_with_gateway(self) -> bool {
        self.0 & 2 != 0
    }
}

/// Whether the plain parameters are wrapped in an element.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Framing {
    /// They are not: as makers send them.
    #[default]
    Bare,
    /// They are, behind this identifier, 0x70 to 0xff, and a length.
    Element(u8),
}

/// Parameters of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyParameters<'a> {
    /// Whether they are wrapped.
    pub framing: Framing,
    /// What the key is.
    pub key_type: KeyType,
    /// Its status.
    pub status: KeyStatus,
    /// First second in which it may be sent with, since 1970: 40 bits. 0 is the time of the message.
    pub activation: u64,
    /// First second in which it must not be used, since 1970: 40 bits. 0 is never.
    pub expiry: u64,
    /// Its name for people, UTF-8 by intent, at most 65535 octets.
    pub text: &'a [u8],
    /// Its groups, at most [`MAX_GROUPS`]; none at all where the field is absent.
    pub groups: Option<Vec<&'a [u8]>>,
    /// An element that the clause reserves, and its identifier.
    pub reserved: Option<(u8, &'a [u8])>,
}

impl<'a> KeyParameters<'a> {
    /// Parses deciphered parameters, wrapped or bare.
    ///
    /// # Errors
    /// Malformed octets, a reserved key type, groups of a key that has none.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(bytes);
        let framing = match bytes.first() {
            Some(&element) if element >= FIRST_LONG_IEI => {
                cursor.octet(WHAT)?;
                let inside = cursor.long(WHAT)?;
                cursor.end(WHAT)?;
                cursor = Cursor::new(inside);
                Framing::Element(element)
            }
            _ => Framing::Bare,
        };
        let parameters = Self::parse_bare(&mut cursor, framing)?;
        cursor.end(WHAT)?;
        Ok(parameters)
    }

    fn parse_bare(cursor: &mut Cursor<'a>, framing: Framing) -> Result<Self, Error> {
        let key_type = KeyType::from_octet(cursor.octet(WHAT)?)?;
        let status = KeyStatus(cursor.u32(WHAT)?);
        let (activation, expiry) = (forty_bits(cursor)?, forty_bits(cursor)?);
        let text = cursor.long(WHAT)?;
        let groups = match cursor.left() {
            0 => None,
            _ if key_type.has_groups() => Some(groups(cursor.long("groups of a key of MIKEY")?)?),
            _ => None,
        };
        let reserved = match cursor.left() {
            0 => None,
            _ => {
                let element = cursor.octet(WHAT)?;
                if element < FIRST_LONG_IEI {
                    return Err(Error::Reserved {
                        what: "element of key parameters of MIKEY",
                        value: element.into(),
                    });
                }
                Some((element, cursor.long(WHAT)?))
            }
        };
        Ok(Self { framing, key_type, status, activation, expiry, text, groups, reserved })
    }

    /// Writes the parameters.
    ///
    /// # Errors
    /// A field that does not fit, or groups of a key that has none.
    pub fn emit(&self) -> Result<Vec<u8>, Error> {
        let bare = emitted(|writer| self.write_bare(writer))?;
        match self.framing {
            Framing::Bare => Ok(bare),
            Framing::Element(element) => emitted(|writer| {
                if element < FIRST_LONG_IEI {
                    writer.refuse("an element of key parameters of MIKEY below 70");
                }
                writer.put(&[element]);
                writer.long(WHAT, &bare);
            }),
        }
    }

    fn write_bare(&self, writer: &mut Writer<'_>) {
        if (self.activation | self.expiry) >> 40 != 0 {
            writer.refuse("a time of key parameters of MIKEY above 40 bits");
        }
        writer.put(&[self.key_type.number()]);
        writer.put(&self.status.0.to_be_bytes());
        writer.put(&self.activation.to_be_bytes()[3..]);
        writer.put(&self.expiry.to_be_bytes()[3..]);
        writer.long("text of a key of MIKEY", self.text);
        match &self.groups {
            Some(groups) if self.key_type.has_groups() => write_groups(groups, writer),
            Some(_) => writer.refuse("groups of a key of MIKEY that has none"),
            // An element that stands here would be read as groups.
            None if self.key_type.has_groups() && self.reserved.is_some() => {
                writer.refuse("a reserved element of a key of MIKEY without its groups");
            }
            None => {}
        }
        if let Some((element, data)) = self.reserved {
            if element < FIRST_LONG_IEI {
                writer.refuse("an element of key parameters of MIKEY below 70");
            }
            writer.put(&[element]);
            writer.long(WHAT, data);
        }
    }
}

fn groups(bytes: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let what = "groups of a key of MIKEY";
    let mut cursor = Cursor::new(bytes);
    let count = cursor.octet(what)?;
    let groups = (0..count)
        .map(|_| match cursor.octet(what)? {
            GROUP_IEI => cursor.long(what),
            element => Err(Error::Reserved { what: "group element of MIKEY", value: element.into() }),
        })
        .collect::<Result<_, _>>()?;
    cursor.end(what)?;
    Ok(groups)
}

fn write_groups(groups: &[&[u8]], writer: &mut Writer<'_>) {
    let what = "groups of a key of MIKEY";
    let len = 1 + groups.iter().map(|group| 3 + group.len()).sum::<usize>();
    writer.limit(what, len, 0xffff);
    writer.limit(what, groups.len(), MAX_GROUPS);
    writer.put(&(len as u16).to_be_bytes());
    writer.put(&[groups.len() as u8]);
    for group in groups {
        writer.put(&[GROUP_IEI]);
        writer.long(what, group);
    }
}

fn forty_bits(cursor: &mut Cursor<'_>) -> Result<u64, Error> {
    let octets: [u8; 5] = cursor.take(WHAT)?;
    Ok(octets.iter().fold(0, |value, octet| value << 8 | u64::from(*octet)))
}
