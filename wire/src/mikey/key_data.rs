//! Key data: what KEMAC carries once it is deciphered. RFC 3830 §6.13, §6.14, RFC 6043 §6.2.1.

use core::fmt;

use super::cursor::{Cursor, Writer};
use super::{Error, PayloadType, room};
use crate::fits;

/// Most keys of a KEMAC. Ours.
pub const MAX_KEYS: usize = 16;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Others are derived from it: TGK.
    Tgk,
    /// It is used itself: TEK.
    Tek,
    /// A TGK of a group. RFC 6043.
    Gtgk,
    /// The key that protects a ticket's messages, always without salt: MPK. RFC 6043 §6.2.1.
    Mpk,
}

/// When a key counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity<'a> {
    /// Always.
    Always,
    /// For this SPI, at most 255 octets.
    Spi(&'a [u8]),
    /// Between two limits, each at most 255 octets.
    Interval {
        /// The lower.
        from: &'a [u8],
        /// The upper.
        to: &'a [u8],
    },
}

impl<'a> Validity<'a> {
    pub(super) fn parse(kind: u8, cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let what = "key validity of MIKEY";
        match kind {
            0 => Ok(Self::Always),
            1 => Ok(Self::Spi(cursor.short(what)?)),
            2 => Ok(Self::Interval { from: cursor.short(what)?, to: cursor.short(what)? }),
            _ => Err(Error::Reserved { what: "key validity type of MIKEY", value: kind.into() }),
        }
    }

    pub(super) const fn number(&self) -> u8 {
        match self {
            Self::Always => 0,
            Self::Spi(_) => 1,
            Self::Interval { .. } => 2,
        }
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        let what = "key validity of MIKEY";
        match self {
            Self::Always => {}
            Self::Spi(spi) => writer.short(what, spi),
            Self::Interval { from, to } => {
                writer.short(what, from);
                writer.short(what, to);
            }
        }
    }
}

/// A key. `Debug` shows neither it nor its salt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyData<'a> {
    /// What it is for.
    pub kind: KeyKind,
    /// The key, at most 65535 octets.
    pub key: &'a [u8],
    /// Its salt, at most 65535 octets.
    pub salt: Option<&'a [u8]>,
    /// When it counts.
    pub validity: Validity<'a>,
}

impl fmt::Debug for KeyData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyData")
            .field("kind", &self.kind)
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

impl<'a> KeyData<'a> {
    /// Parses all keys of a KEMAC; none where it is empty.
    pub fn parse_all(bytes: &'a [u8]) -> Result<Vec<Self>, Error> {
        let mut cursor = Cursor::new(bytes);
        let (mut keys, mut next) = (Vec::new(), PayloadType::KEY_DATA);
        if bytes.is_empty() {
            return Ok(keys);
        }
        while next == PayloadType::KEY_DATA {
            if keys.len() == MAX_KEYS {
                return Err(Error::TooMany { what: "keys of MIKEY", max: MAX_KEYS });
            }
            next = PayloadType(cursor.octet("key data of MIKEY")?);
            keys.push(Self::parse(&mut cursor)?);
        }
        if next != PayloadType::LAST {
            return Err(Error::Reserved { what: "payload of MIKEY behind a key", value: next.0.into() });
        }
        cursor.end("key data of MIKEY")?;
        Ok(keys)
    }

    fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let what = "key data of MIKEY";
        let types = cursor.octet(what)?;
        let kind = match types >> 5 {
            0 => KeyKind::Tgk,
            1 => KeyKind::Tek,
            2 => KeyKind::Gtgk,
            3 if types & 0x10 == 0 => KeyKind::Mpk,
            _ => return Err(Error::Reserved { what: "key type of MIKEY", value: (types >> 4).into() }),
        };
        let key = cursor.long(what)?;
        let salt = (types & 0x10 != 0).then(|| cursor.long(what)).transpose()?;
        Ok(Self { kind, key, salt, validity: Validity::parse(types & 0xf, cursor)? })
    }

    /// Returns the length of all keys in octets.
    pub fn all_len(keys: &[Self]) -> usize {
        let mut writer = Writer::new(None);
        Self::write_all(keys, &mut writer);
        writer.position()
    }

    /// Writes all keys over the first [`Self::all_len`] octets.
    pub fn emit_all(keys: &[Self], buffer: &mut [u8]) -> Result<(), Error> {
        let mut counted = Writer::new(None);
        Self::write_all(keys, &mut counted);
        let len = counted.finish()?;
        fits("keys of MIKEY", keys.len() as u32, MAX_KEYS as u32)?;
        room(len, buffer.len())?;
        Self::write_all(keys, &mut Writer::new(Some(buffer)));
        Ok(())
    }

    fn write_all(keys: &[Self], writer: &mut Writer<'_>) {
        for (index, key) in keys.iter().enumerate() {
            let next = if index + 1 < keys.len() { PayloadType::KEY_DATA } else { PayloadType::LAST };
            let kind = match key.kind {
                KeyKind::Tgk => 0,
                KeyKind::Tek => 1,
                KeyKind::Gtgk => 2,
                KeyKind::Mpk => 3,
            };
            if key.kind == KeyKind::Mpk && key.salt.is_some() {
                writer.refuse("an MPK of MIKEY with a salt");
            }
            writer.put(&[next.0, kind << 5 | u8::from(key.salt.is_some()) << 4 | key.validity.number()]);
            writer.long("key of MIKEY", key.key);
            key.salt.iter().for_each(|salt| writer.long("salt of MIKEY", salt));
            key.validity.write(writer);
        }
    }
}
