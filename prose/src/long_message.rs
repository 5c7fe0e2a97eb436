//! Long messages over PC5: up to 8000 octets, for MIKEY and for group owner mode, sent in one of three ways.
//!
//! ```text
//! Whole     one PDU, which RLC cuts into n transport blocks       arrives if all n do
//! Repeated  the same PDU several times                            arrives if all n of one copy do
//! Coded     K + parity PDUs of one transport block each           arrives if any K of them do
//! ```
//!
//! RLC UM of the sidelink has neither acknowledgements nor a way to ask for one block again: of a message sent whole one
//! lost block loses everything. [`delivery`] computes what each way gives.
//!
//! [`Sender`] is the iterator of the PDUs of one message; each is a PC5-S message for a PDCP SDU
//! ([`sidelink_wire::long_message`]). [`Receiver`] takes PDUs of all three ways, in any order and from many senders, and
//! gives each message once.
//!
//! **What an attacker can do.** Nothing here proves a sender; the message itself must. Fragments with another header
//! belong to another set, and sets do not mix. A forged fragment with the right header spoils a choice of K fragments:
//! the receiver then tries others, within [`Config::work`] for each PDU and [`Config::choices`] for each set, and never
//! gives a message whose check differs. Under many forged fragments, or many forged sources, messages are lost, as under
//! jamming; memory stays within [`Config::octets`]. A recorded message is given again when its memory has faded: replays
//! are for the message's own protection to notice.

mod config;
pub mod delivery;
mod receiver;
mod sender;
mod set;

pub use config::Config;
pub use receiver::{Message, Receiver, Refused, Statistics};
pub use sender::{Error, Sender, Way};

#[cfg(test)]
mod tests;
