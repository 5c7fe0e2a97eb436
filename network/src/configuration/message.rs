//! How a UE asks for its configuration, and the answer.

use zeroize::Zeroizing;

use super::NAMESPACE;
use super::content::{Configuration, Version};
use crate::pc3::element::Element;
use crate::pc3::fields::{Lexical, Value, only_message, records};
use crate::pc3::values::{choices, integer};
use crate::pc3::{Error, Imsi};

/// Binds an answer to its request: 16 octets of chance.
pub type Nonce = [u8; 16];

choices! {
    /// Why there is no configuration.
    RefusedCause, "a cause, 1 or 2" {
        /// The UE is not the one that it says, or may not use ProSe.
        NotAuthorised = 1,
        /// The operator has said nothing yet.
        NothingThere = 2,
    }
}

records! {
    /// CONFIGURATION_REQUEST.
    ConfigurationRequest {
        /// Who asks.
        ue: Imsi = one "UE-identity",
        /// See there.
        nonce: Nonce = one "Nonce",
        /// What the UE holds.
        held: Option<Version> = maybe "Version",
    }

    /// CONFIGURATION_RESPONSE, with a configuration or a cause.
    ConfigurationResponse {
        /// That of the request.
        nonce: Nonce = one "Nonce",
        /// Why not.
        cause: Option<RefusedCause> = maybe "Cause",
        /// The configuration.
        configuration: Option<Configuration> = maybe "Configuration",
    }
}

/// What an answer says.
#[derive(Debug)]
pub enum Answer {
    /// This.
    Configuration(Configuration),
    /// Nothing, for this reason.
    Refused(RefusedCause),
}

impl ConfigurationResponse {
    /// `None` where it says both or neither.
    pub fn answer(self) -> Option<Answer> {
        match (self.configuration, self.cause) {
            (Some(configuration), None) => Some(Answer::Configuration(configuration)),
            (None, Some(cause)) => Some(Answer::Refused(cause)),
            _ => None,
        }
    }
}

/// A message.
#[derive(Debug)]
pub enum Message {
    /// UE to ProSe Function.
    Request(ConfigurationRequest),
    /// The answer.
    Response(ConfigurationResponse),
}

const ROOT: &str = "prose-configuration-message";

impl Message {
    /// From a document, within the bounds of those of [`crate::pc3`].
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn from_xml(document: &[u8]) -> Result<Self, Error> {
        let message = &only_message(document, NAMESPACE, ROOT)?;
        let name = message.name.as_str();
        let read = match name {
            "CONFIGURATION_REQUEST" => ConfigurationRequest::read(message).map(Self::Request),
            "CONFIGURATION_RESPONSE" => ConfigurationResponse::read(message).map(Self::Response),
            _ => return Err(Error::Root),
        };
        read.map_err(|e| e.within(name))
    }

    /// To a document.
    pub fn to_xml(&self) -> Zeroizing<String> {
        let mut root = Element::new(ROOT);
        match self {
            Self::Request(message) => root.one("CONFIGURATION_REQUEST", message),
            Self::Response(message) => root.one("CONFIGURATION_RESPONSE", message),
        }
        root.emit(NAMESPACE)
    }
}

/// A value alone in a document, under its own root.
pub(super) fn document<T: Value>(root: &'static str, value: &T) -> Zeroizing<String> {
    let mut element = Element::new(root);
    value.write(&mut element);
    element.emit(NAMESPACE)
}

/// A value from its document.
pub(super) fn from_document<T: Value>(root: &'static str, document: &[u8]) -> Result<T, Error> {
    let element = Element::parse(document, NAMESPACE)?;
    if element.name != root {
        return Err(Error::Root);
    }
    T::read(&element).map_err(|e| e.within(root))
}
