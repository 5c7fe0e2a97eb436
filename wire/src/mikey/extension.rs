//! The general extension. RFC 3830 §6.15, and the list of key identifiers in it, RFC 4563 §4.

use super::Error;
use super::cursor::Cursor;
use super::ticket::emitted;

/// Type of a general extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExtensionType(pub u8);

impl ExtensionType {
    /// Of a vendor.
    pub const VENDOR: Self = Self(0);
    /// Identifiers of SDP.
    pub const SDP_IDS: Self = Self(1);
    /// The initial key of TESLA. RFC 4442.
    pub const TESLA_KEY: Self = Self(2);
    /// Key identifiers: [`key_ids`]. RFC 4563.
    pub const KEY_IDS: Self = Self(3);
    /// A CSB ID. RFC 4738.
    pub const CSB_ID: Self = Self(4);
    /// OMA BCAST. RFC 5410.
    pub const OMA_BCAST: Self = Self(5);
    /// The same key for the sender: [`super::Sakke::parse_to_self`]. TS 33.180 §E.5.
    pub const SAKKE_TO_SELF: Self = Self(6);
    /// Parameters of the key: [`super::ProtectedParameters`]. TS 33.180 §E.6.1.
    pub const KEY_PARAMETERS: Self = Self(7);
}

/// A general extension. One of a type that nobody knows is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Its type.
    pub kind: ExtensionType,
    /// The data, at most 65535 octets.
    pub data: &'a [u8],
}

/// Most key identifiers of an extension. Ours.
pub const MAX_KEY_IDS: usize = 16;

/// What a key identifier names. RFC 4563 §4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyIdKind {
    /// A key domain.
    Domain,
    /// A service key, as the MSK of MBMS.
    ServiceKey,
    /// A traffic key, as the MTK of MBMS.
    TrafficKey,
    /// Something private, 241 to 255.
    Private(u8),
}

impl KeyIdKind {
    const fn from_octet(octet: u8) -> Result<Self, Error> {
        match octet {
            0 => Ok(Self::Domain),
            1 => Ok(Self::ServiceKey),
            2 => Ok(Self::TrafficKey),
            241..=255 => Ok(Self::Private(octet)),
            _ => Err(Error::Reserved { what: "key ID type of MIKEY", value: octet as u32 }),
        }
    }

    const fn octet(self) -> u8 {
        match self {
            Self::Domain => 0,
            Self::ServiceKey => 1,
            Self::TrafficKey => 2,
            Self::Private(octet) => octet,
        }
    }
}

/// A key identifier: what it names, and at most 255 octets.
pub type KeyId<'a> = (KeyIdKind, &'a [u8]);

/// Parses the data of an extension of type [`ExtensionType::KEY_IDS`].
///
/// # Errors
/// Malformed octets.
pub fn key_ids(data: &[u8]) -> Result<Vec<KeyId<'_>>, Error> {
    let mut cursor = Cursor::new(data);
    let mut ids = Vec::new();
    while cursor.left() > 0 {
        if ids.len() == MAX_KEY_IDS {
            return Err(Error::TooMany { what: "key IDs of MIKEY", max: MAX_KEY_IDS });
        }
        let kind = KeyIdKind::from_octet(cursor.octet("key ID of MIKEY")?)?;
        ids.push((kind, cursor.short("key ID of MIKEY")?));
    }
    Ok(ids)
}

/// Writes the data of such an extension.
///
/// # Errors
/// An identifier above 255 octets, a private type outside of its range, too many of them.
pub fn emit_key_ids(ids: &[KeyId<'_>]) -> Result<Vec<u8>, Error> {
    emitted(|writer| {
        writer.limit("key IDs of MIKEY", ids.len(), MAX_KEY_IDS);
        for (kind, id) in ids {
            if matches!(kind, KeyIdKind::Private(0..=240)) {
                writer.refuse("a private key ID of MIKEY below 241");
            }
            writer.put(&[kind.octet()]);
            writer.short("key ID of MIKEY", id);
        }
    })
}
