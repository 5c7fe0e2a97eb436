//! PC3 of direct discovery: the messages between UE and ProSe Function, in the XML of TS 24.334 §11.2.3.
//!
//! ```text
//! element.rs      a document as a small tree: bounds, no document type, no entities of its own
//! fields.rs       complex types as tables: what must, may and may repeatedly be there, in which order
//! values.rs       simple parameters of §12.2.2
//! identity.rs     PLMN, IMSI
//! filters.rs      filters, suffixes, key material
//! request.rs      DISCOVERY_REQUEST
//! response.rs     DISCOVERY_RESPONSE
//! match_report.rs MATCH_REPORT, MATCH_REPORT_ACK
//! update.rs       DISCOVERY_UPDATE_REQUEST, DISCOVERY_UPDATE_RESPONSE
//! registration.rs UE_REGISTRATION and APPLICATION_REGISTRATION of EPC-level discovery, with the proof of our own
//! error.rs        what is wrong with a document
//! ```
//!
//! Names are those of the schema; where its semantics (§11.2.4) spell one differently, and where it is misspelt
//! (`ProSe-Rquery-Code`), the schema counts. What it does not know is passed over, elements and attributes; what it knows must
//! stand where it says, once. A reserved or unused value refuses the message (§12.1A). Not here: EPC-level
//! discovery beyond registration, and alerts of announcing on demand.
//!
//! Keys are types of [`sidelink_security::keys`], wiped as they are; so is the text of a message that holds them.

pub(crate) mod element;
mod error;
pub(crate) mod fields;
pub mod filters;
mod identity;
pub mod match_report;
pub mod registration;
pub mod request;
pub mod response;
pub mod update;
pub(crate) mod values;

pub use element::{MAX_ATTRIBUTES, MAX_DEPTH, MAX_ELEMENTS, MAX_OCTETS, NAMESPACE, OWN_NAMESPACE};
pub use error::Error;
pub use fields::MAX_LIST;
pub use identity::{Imsi, Plmn};
pub use values::{
    AnnouncingType, ApplicationCode, ApplicationId, Bits, Cause, Command, Container, DiscoveryType, EntryId,
    Extension, MAX_HEX_OCTETS, MaxOffset, MessageType, Metadata, MetadataIndicator, Minutes, Model, OsAppId,
    OutOfRange, Pc5Technology, RequestedTimer, RestrictedCode, Rpauid, TransactionId, TransactionMethod,
};

use zeroize::Zeroizing;

use element::Element;
use fields::{Value, only_message};
use match_report::{MatchReportAcks, MatchReports};
use registration::{
    ApplicationRegistrationRequest, ApplicationRegistrationResponse, UeRegistrationRequest,
    UeRegistrationResponse,
};
use request::DiscoveryRequest;
use response::DiscoveryResponse;
use update::{DiscoveryUpdateRequest, DiscoveryUpdateResponse};

/// Media type of a body. TS 24.334 §11.2.2; IANA registers it as `application/vnd.3gpp-prose+xml`.
pub const MEDIA_TYPE: &str = "application/3gpp-prose+xml";

/// A message. TS 24.334 §11.2.3.
#[derive(Debug)]
pub enum Message {
    /// UE to ProSe Function.
    DiscoveryRequest(DiscoveryRequest),
    /// The answer.
    DiscoveryResponse(DiscoveryResponse),
    /// UE to ProSe Function.
    MatchReport(MatchReports),
    /// The answer.
    MatchReportAck(MatchReportAcks),
    /// ProSe Function to UE.
    DiscoveryUpdateRequest(DiscoveryUpdateRequest),
    /// The answer.
    DiscoveryUpdateResponse(DiscoveryUpdateResponse),
    /// UE to ProSe Function.
    UeRegistrationRequest(UeRegistrationRequest),
    /// The answer.
    UeRegistrationResponse(UeRegistrationResponse),
    /// UE to ProSe Function.
    ApplicationRegistrationRequest(ApplicationRegistrationRequest),
    /// The answer.
    ApplicationRegistrationResponse(ApplicationRegistrationResponse),
}

/// Messages of the schema that have no type here.
const UNSUPPORTED: [&str; 12] = [
    "ANNOUNCING_ALERT_REQUEST",
    "ANNOUNCING_ALERT_RESPONSE",
    "PROXIMITY_REQUEST",
    "PROXIMITY_REQUEST_RESPONSE",
    "PROXIMITY_ALERT",
    "UE_DEREGISTRATION_REQUEST",
    "UE_DEREGISTRATION_RESPONSE",
    "CANCEL_PROXIMITY_REQUEST",
    "CANCEL_PROXIMITY_RESPONSE",
    "PROXIMITY_REQUEST_VALIDATION",
    "PROXIMITY_REQUEST_VALIDATION_RESPONSE",
    "message-ext",
];

impl Message {
    /// From a document.
    pub fn from_xml(document: &[u8]) -> Result<Self, Error> {
        let message = &only_message(document, NAMESPACE, "prose-discovery-message")?;
        let name = message.name.as_str();
        let read = match name {
            "DISCOVERY_REQUEST" => DiscoveryRequest::read(message).map(Self::DiscoveryRequest),
            "DISCOVERY_RESPONSE" => DiscoveryResponse::read(message).map(Self::DiscoveryResponse),
            "MATCH_REPORT" => MatchReports::read(message).map(Self::MatchReport),
            "MATCH_REPORT_ACK" => MatchReportAcks::read(message).map(Self::MatchReportAck),
            "DISCOVERY_UPDATE_REQUEST" => {
                DiscoveryUpdateRequest::read(message).map(Self::DiscoveryUpdateRequest)
            }
            "DISCOVERY_UPDATE_RESPONSE" => {
                DiscoveryUpdateResponse::read(message).map(Self::DiscoveryUpdateResponse)
            }
            "UE_REGISTRATION_REQUEST" => {
                UeRegistrationRequest::read(message).map(Self::UeRegistrationRequest)
            }
            "UE_REGISTRATION_RESPONSE" => {
                UeRegistrationResponse::read(message).map(Self::UeRegistrationResponse)
            }
            "APPLICATION_REGISTRATION_REQUEST" => {
                ApplicationRegistrationRequest::read(message).map(Self::ApplicationRegistrationRequest)
            }
            "APPLICATION_REGISTRATION_RESPONSE" => {
                ApplicationRegistrationResponse::read(message).map(Self::ApplicationRegistrationResponse)
            }
            _ if UNSUPPORTED.contains(&name) => return Err(Error::Unsupported { message: name.to_owned() }),
            _ => return Err(Error::Root),
        };
        read.map_err(|e| e.within(name))
    }

    /// To a document. It may hold keys.
    pub fn to_xml(&self) -> Zeroizing<String> {
        let mut root = Element::new("prose-discovery-message");
        match self {
            Self::DiscoveryRequest(message) => root.one("DISCOVERY_REQUEST", message),
            Self::DiscoveryResponse(message) => root.one("DISCOVERY_RESPONSE", message),
            Self::MatchReport(message) => root.one("MATCH_REPORT", message),
            Self::MatchReportAck(message) => root.one("MATCH_REPORT_ACK", message),
            Self::DiscoveryUpdateRequest(message) => root.one("DISCOVERY_UPDATE_REQUEST", message),
            Self::DiscoveryUpdateResponse(message) => root.one("DISCOVERY_UPDATE_RESPONSE", message),
            Self::UeRegistrationRequest(message) => root.one("UE_REGISTRATION_REQUEST", message),
            Self::UeRegistrationResponse(message) => root.one("UE_REGISTRATION_RESPONSE", message),
            Self::ApplicationRegistrationRequest(message) => {
                root.one("APPLICATION_REGISTRATION_REQUEST", message);
            }
            Self::ApplicationRegistrationResponse(message) => {
                root.one("APPLICATION_REGISTRATION_RESPONSE", message);
            }
        }
        root.emit(NAMESPACE)
    }
}

#[cfg(test)]
mod tests;
