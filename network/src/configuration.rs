//! The configuration of a UE: where it may use ProSe, and with which radio parameters where no E-UTRAN serves it. TR 33.833 §6.1.1
//! (solution 1.1), TS 24.334 §5.1.3.
//!
//! ```text
//! content.rs   what it is made of: the nodes of the management object of TS 24.333 §5
//! place.rs     places and areas
//! message.rs   how a UE asks for it, and the answer
//! source.rs    who may say what it is: an operator, proven by NAF_Id or certificate
//! function.rs  the ProSe Function's end
//! client.rs    the UE's end: what is newer, valid and an operator's is stored whole, then used
//! sealed.rs    the file of a UE: whole, under a MAC
//! permit.rs    whether a transmission is within it: what a UE asks before it starts
//! ```
//!
//! TS 24.334 §5.1.3 has the UE fetch the ProSe Public Safety Direct Services Provisioning MO over PC3, by OMA DM. OMA DM is not
//! spoken here: an XML document with the names of TS 24.333 carries the same nodes, `<X>` being an element that comes more than
//! once. Ours are the root, the messages, `Version`, `Issued`, `Valid-Until` and `Nonce`, which the MO does not have. Its
//! RadioParametersContents is SL-Preconfiguration of TS 36.331 in packed encoding; here it is three fields of it as elements, and
//! the carrier is a frequency in Hz, as the carriers of this testbed are.
//!
//! # What it stops
//!
//! A server that is no operator's, a replayed or older answer, an answer to another UE or another request, an answer from another
//! time, and a file that somebody edited. Not stopped: somebody who can write the UE's file puts an older one back whose time has
//! not ended ([`Failure::NotNewer`] counts from the file). TR 33.833 §5.1.1.3 f is met as far as the seal's key is kept.

mod client;
mod content;
mod function;
mod message;
mod permit;
mod place;
mod sealed;
mod source;

pub use client::{ConfigurationClient, Failure, Input, Output};
pub use content::{
    Address, Bandwidth, Configuration, Content, GroupParameters, Hertz, NotInEutran, Policy, Power,
    RadioParameters, RadioParametersOfArea, Range, Version,
};
pub use function::{
    Config as FunctionConfig, ConfigurationFunction, Input as FunctionInput, Output as FunctionOutput,
    Provision, Refused, Response,
};
pub use message::{Answer, ConfigurationRequest, ConfigurationResponse, Message, Nonce, RefusedCause};
pub use permit::{NotPermitted, Transmission, Use};
pub use place::{Latitude, Longitude, Place, Polygon};
pub use sealed::{SealError, SealingKey};
pub use source::{Certified, NotTrusted, Role, Source, Trust};

/// Name space of the document. Ours.
pub const NAMESPACE: &str = "urn:testbed:prose:configuration:1";

/// Media type of a body. Ours.
pub const MEDIA_TYPE: &str = "application/x-prose-configuration+xml";

#[cfg(test)]
mod tests;
