//! One-to-one links: PC5 signalling on one side, the states of `sidelink_security::direct` on the other. Read first:
//! TS 24.334 §10.4 and TS 33.303 §6.5 (docs/links.md says where this deviates), TR 33.833 §6.4.1, TS 24.554 §7.2.
//!
//! ```text
//! initiating UE (UE_1)                                  target UE (UE_2)
//!  | DIRECT_COMMUNICATION_REQUEST         LCID 28 ------> |  half open
//!  | <------ 29  SECURITY_MODE_COMMAND, new MAC-I         |
//!  | SECURITY_MODE_COMPLETE, ciphered          29 ------> |  up
//!  | <------ 30  DIRECT_COMMUNICATION_ACCEPT              |
//! up
//!  | REKEYING_REQUEST, old key                 30 ------> |
//!  | <------ 29  SECURITY_MODE_COMMAND, new MAC-I         |  new key opens
//!  | SECURITY_MODE_COMPLETE, new key           29 ------> |  new key sends, old opens
//!  | <------ 30  REKEYING_RESPONSE, new key               |
//!  | IDENTIFIER_UPDATE_REQUEST, old IDs        30 ------> |  receives under both IDs
//!  | <------ 30  IDENTIFIER_UPDATE_ACCEPT, old IDs        |
//!  | IDENTIFIER_UPDATE_ACK, new IDs            30 ------> |  uses the new IDs
//! ```
//!
//! A [`LinkManager`] holds all links of a UE. It has no clock, no source of randomness, no store and no radio: time and
//! seeds are inputs, what must be durable is an output, and the PDUs go through the layer 2 of the driver. The run loop is
//! that of `sidelink_mac::engine`: one [`Input`], then [`LinkManager::poll_output`] until [`Output::Timeout`].
//!
//! ```text
//! manager                     routes PDUs and events                     receive: finds link and key of a PDU
//! link                        a link, and its states                     local: common parts of all links
//! initiating                  set-up, UE_1     request: the request of set-up and of re-keying
//! half_open, target           set-up, UE_2     target: the common states of set-up and re-keying
//! session, timers             a link in use      upper: messages of a machine above, over it
//! rekeying, target_rekeying, identifier_update                           exchanges on a link in use
//! key_establishment, signed, from_network, identity_based, from_ticket, sdes   how a KD comes to be
//! relaying, from_pruk, through_relay                                     links to relays, and their KDs
//! connection                  one-time names
//! admission                   messages with a time: each is taken once   budget: cost of unproven messages
//! config, io, note, cause, kd, ports, frame
//! ```
//!
//! Every state is a struct that owns its keys, and moves by consuming itself. A link in use has one exchange at a time.
//!
//! - **An unproven message ends nothing.** Unprotected refusals are hints, an invalid PDU changes no state, an
//!   unprotected request takes a place in a bounded table and no more.
//! - **Tries** have fresh nonces, bound to a session number that is durable before it is used: neither a crash nor a
//!   faulty RNG makes a session key twice.
//! - **Timers** follow the SC period: see [`Config`].
//! - **Glare**: where both ask for a link, the lower layer-2 identity stays the initiating UE (the text says nothing). Where
//!   both ask to re-key, in LTE the larger Nonce_1 does (TS 24.334 §10.4.8.3), in NR the lower layer-2 identity.
//! - **Identifiers** (NR): layer-2 identities and the name of the session key change together, and SN begin again; the
//!   old ones are still heard for a while, so that nothing is lost.
//! - **Connection identities** (LTE, off at first): a request carries a name that the peer gave for one use, and no other.
//! - **Messages of a machine above** (LTE) go over a link that is up, ciphered and with a MAC-I, and nowhere else; with each
//!   comes the identity that the peer has proven.
//! - **Keys**: a new KD is durable on both sides before its predecessor goes; session keys are never durable. A method
//!   that agrees on a KD is a [`KeyEstablishment`], which may ask a network.
//!
//! ```
//! use sidelink_prose::direct_link::{
//!     Config, Event, Identity, Input, KdRecord, LinkManager, Output, Role, State,
//! };
//! use sidelink_wire::ids::{Layer2Id, Lcid};
//! use sidelink_wire::pdcp::SduType;
//! use sidelink_security::counter::UtcTime;
//! use sidelink_security::counter::memory::Memory;
//! use sidelink_security::direct::KdId;
//! use sidelink_security::keys::Kd;
//!
//! let (mary, john) = (Identity::user("mary"), Identity::user("john"));
//! let ids = [Layer2Id::new(1)?, Layer2Id::new(2)?];
//! let mut ues = Vec::new();
//! for (id, own, peer) in [(ids[0], &mary, &john), (ids[1], &john, &mary)] {
//!     let mut manager = LinkManager::open(Config::new(id, own.clone(), 40), &[id.value() as u8; 32], &mut Memory::default()).unwrap();
//!     manager.add_kd(KdRecord::pre_shared(KdId(7), Kd::from([9; 32]), peer.clone()));
//!     ues.push(manager);
//! }
//!
//! // Each hears what the other sends; here without a radio, and without a store, since no KD is made.
//! let now = UtcTime::from_millis(1_700_000_000_000);
//! let mut heard = Vec::new();
//! ues[0].handle_input(Input::Connect { now, peer: ids[1], identity: john })?;
//! loop {
//!     let mut quiet = true;
//!     for from in 0..2 {
//!         loop {
//!             match ues[from].poll_output() {
//!                 Output::Pdu(pdu) => {
//!                     quiet = false;
//!                     let (source, lcid) = (ids[from], pdu.lcid);
//!                     ues[1 - from].handle_input(Input::Pdu { now, source, lcid, pdu: &pdu.octets })?;
//!                 }
//!                 Output::Event(Event::State { link, state: State::Up { role: Role::Initiating, .. }, .. }) => {
//!                     let (lcid, sdu_type) = (Lcid::new(3)?, SduType::Ip);
//!                     ues[from].handle_input(Input::Send { now, link, lcid, sdu_type, data: b"hello" })?;
//!                 }
//!                 Output::Event(Event::Received(received)) => heard.push(received.data),
//!                 Output::Timeout(_) => break,
//!                 _ => {}
//!             }
//!         }
//!     }
//!     if quiet { break }
//! }
//! assert_eq!(heard, [b"hello"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod admission;
mod budget;
mod cause;
mod config;
mod connection;
mod connection_info;
mod frame;
mod from_network;
mod from_pruk;
mod from_ticket;
mod half_open;
mod identifier_update;
mod identity_based;
mod initiating;
mod io;
mod kd;
mod key_establishment;
mod link;
mod local;
mod manager;
mod note;
mod ports;
mod receive;
mod rekeying;
mod relaying;
mod request;
mod sdes;
mod session;
mod signed;
mod target;
mod target_rekeying;
mod through_relay;
mod timers;
mod upper;

pub use admission::Admission;
pub(crate) use budget::Budget;
pub use cause::{Cause, CauseOf};
pub use config::{Allocation, Config, FailedRekeying, NewKd};
pub use from_network::FromNetwork;
pub use from_pruk::FromPruk;
pub use from_ticket::{FromTicket, TicketAccess};
pub use identity_based::{
    Answer, Coverage, IdentityBased, IdentityKeys, Kms, PeriodKeys, Rules, Variant, Window,
};
pub use io::{
    Closed, Error, Event, Input, Keys, LinkId, Metered, Output, Pdu, Received, Role, State, UpperMessage,
};
pub use kd::{Change, Connection, Identity, KdRecord, MAX_IDENTITY, Method, Ticket};
pub use key_establishment::{
    AgreedKd, Asks, CommandKey, Credentials, Freshness, Heard, KeyEstablishment, Party, Refusal, Step, Steps,
};
pub use manager::LinkManager;
pub use note::{Note, PduError};
pub use ports::KdStore;
pub use relaying::{RelayLink, Serves};
pub use sdes::Sdes;
pub use through_relay::ThroughRelay;

#[cfg(test)]
mod tests;
