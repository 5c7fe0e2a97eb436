//! KmsRequest and KmsResponse between key management client and key management server of identity-based keys, in the XML of
//! TS 33.180 Annex D.
//!
//! ```text
//! resource.rs what a request is for: the path of its POST
//! request.rs  KmsRequest
//! response.rs KmsResponse: KmsInit, KmsKeyProv, KmsCertCache, KmsError
//! values.rs   certificates, key sets, and their parameters
//! ```
//!
//! Documents are read and written as those of [`crate::pc3`], with its bounds and its errors. A signed document
//! (`SignedKmsRequest`, `SignedKmsResponse`, `SignedKmsCertificate`) is read for what is in it: its signature is not
//! checked, TLS says who speaks. Not here: keys that are encrypted under a transport key (TrK), the integrity key (InK),
//! redirects (KrrList), KmsLookup, keys of security gateways.
//!
//! The schema is that of the text, Annex D.3.5.1. It has no numbers of errors: [`ErrorCode`] is ours. Times are read with
//! and without a zone, as the examples have them, and written with one; a UserID is base64 as Annex D.3.3.2 says, and read
//! as hexadecimal digits too, which one public implementation writes.

mod request;
mod resource;
mod response;
mod values;

pub use crate::pc3::Error;
pub use request::KmsRequest;
pub use resource::{NoResource, Resource};
pub use response::{
    ErrorCode, ErrorInfo, KmsCertCache, KmsInit, KmsKeyProv, KmsMessage, KmsResponse, SignedKmsCertificate,
};
pub use values::{
    Domains, IdFormat, KeyOctets, KmsCertificate, KmsKeySet, KmsTime, Number, Role, Text, Uri, UserId,
};

use zeroize::Zeroizing;

use crate::pc3::element::Element;
use crate::pc3::fields::Value;

/// Target namespace of the schema. TS 33.180 Annex D.3.5.1.
pub const NAMESPACE: &str = "urn:3gpp:ns:mcsecKMSInterface:1.0";

/// Media type of a body.
pub const MEDIA_TYPE: &str = "application/xml";

/// Where resources begin. TS 33.180 Annex D.2.1.
pub const ROOT_PATH: &str = "/keymanagement/identity/v1/";

/// Instances of the schema: key contents are of an abstract type and say which they are.
const XSI: (&str, &str) = ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance");

/// Whether a body of this type is taken; parameters do not count.
pub fn is_media_type(content_type: &str) -> bool {
    let name = content_type.split(';').next().unwrap_or_default().trim();
    [MEDIA_TYPE, "text/xml"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// A document that is a root of the schema.
trait Document: Value {
    /// Its element.
    const NAME: &'static str;
    /// Its element with a signature beside it.
    const SIGNED: &'static str;

    fn from_document(document: &[u8]) -> Result<Self, Error> {
        let root = Element::parse(document, NAMESPACE)?;
        let message = match &root.children[..] {
            _ if root.name == Self::NAME => &root,
            // The signature is of another namespace.
            [message] if root.name == Self::SIGNED && message.name == Self::NAME => message,
            _ => return Err(Error::Root),
        };
        Self::read(message).map_err(|e| e.within(Self::NAME))
    }

    fn to_document(&self) -> Zeroizing<String> {
        let mut root = Element::new(Self::NAME);
        root.attributes.push((XSI.0.to_owned(), XSI.1.to_owned()));
        self.write(&mut root);
        root.emit(NAMESPACE)
    }
}

impl Document for KmsRequest {
    const NAME: &'static str = "KmsRequest";
    const SIGNED: &'static str = "SignedKmsRequest";
}

impl Document for KmsResponse {
    const NAME: &'static str = "KmsResponse";
    const SIGNED: &'static str = "SignedKmsResponse";
}

impl KmsRequest {
    /// From a document.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn from_xml(document: &[u8]) -> Result<Self, Error> {
        Self::from_document(document)
    }

    /// To a document.
    pub fn to_xml(&self) -> Zeroizing<String> {
        self.to_document()
    }
}

impl KmsResponse {
    /// From a document.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn from_xml(document: &[u8]) -> Result<Self, Error> {
        Self::from_document(document)
    }

    /// To a document. It may hold keys.
    pub fn to_xml(&self) -> Zeroizing<String> {
        self.to_document()
    }
}

#[cfg(test)]
mod tests;
