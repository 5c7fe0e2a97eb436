//! PC8: KEY_REQUEST and KEY_RESPONSE between UE and ProSe Key Management Function, in the XML of TS 33.303 Annex E.
//!
//! ```text
//! request.rs  KEY_REQUEST
//! response.rs KEY_RESPONSE
//! values.rs   parameters of Annex E.5.2.2
//! ```
//!
//! Documents are read and written as those of [`crate::pc3`], with its bounds and its errors: what is unknown is passed over
//! (Annex E.3), what is known must stand where the schema says. Where Annex E.4 spells a name differently
//! (`GroupKeyRequest`), and where it lets an element come more often (`PSDKId` of a discovery group), the schema counts.
//!
//! Where Annex E leaves something open: a "24-bit long string" (relay service code, Discovery Group ID, Key Type ID) is six
//! hexadecimal digits; no media type is named.

pub mod request;
pub mod response;
mod values;

pub use crate::pc3::Error;
pub use values::{
    Algorithms, Auts, Code, CodeNumber, DiscoveryCapabilities, ErrorCode, Gpi, HeldId, MemberId, Msisdn,
    NotDigits, OtherId, ProtectionProfile, PrukId, SelectedAlgorithm,
};

use zeroize::Zeroizing;

use crate::pc3::element::Element;
use crate::pc3::fields::{Value, only_message};
use request::KeyRequest;
use response::KeyResponse;

/// Target namespace of the schema. TS 33.303 Annex E.3.
pub const NAMESPACE: &str = "urn:3GPP:ns:ProSe:KeyManagement:2014";

/// Media type that is sent: as IANA registers the one of the 5G twin.
pub const MEDIA_TYPE: &str = "application/vnd.3gpp-prose-pc8+xml";

/// Whether a body of this type is taken: [`MEDIA_TYPE`], or as TS 24.334 §11.2.2 names that of PC3; parameters do not count.
pub fn is_media_type(content_type: &str) -> bool {
    let name = content_type.split(';').next().unwrap_or_default().trim();
    [MEDIA_TYPE, crate::pc3::MEDIA_TYPE].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// A message. TS 33.303 Annex E.4.
#[derive(Debug)]
pub enum Message {
    /// UE to PKMF.
    KeyRequest(KeyRequest),
    /// The answer.
    KeyResponse(KeyResponse),
}

const ROOT: &str = "prose-key-management-message";

impl Message {
    /// From a document.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn from_xml(document: &[u8]) -> Result<Self, Error> {
        let message = &only_message(document, NAMESPACE, ROOT)?;
        let name = message.name.as_str();
        let read = match name {
            "KEY_REQUEST" => KeyRequest::read(message).map(Self::KeyRequest),
            "KEY_RESPONSE" => KeyResponse::read(message).map(Self::KeyResponse),
            "message-ext" => return Err(Error::Unsupported { message: name.to_owned() }),
            _ => return Err(Error::Root),
        };
        read.map_err(|e| e.within(name))
    }

    /// To a document. It may hold keys.
    pub fn to_xml(&self) -> Zeroizing<String> {
        let mut root = Element::new(ROOT);
        match self {
            Self::KeyRequest(message) => root.one("KEY_REQUEST", message),
            Self::KeyResponse(message) => root.one("KEY_RESPONSE", message),
        }
        root.emit(NAMESPACE)
    }
}

#[cfg(test)]
mod tests;
