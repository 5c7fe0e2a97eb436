//! The network side of ProSe, without I/O: one machine for each network function. A machine takes an input with
//! `handle_input` and says what is to be done by `poll_output`; time and random octets are arguments. What must survive a
//! crash is an output of its own, and the message that rests on it comes out only after its `Stored` or `Granted` came back.
//!
//! Pinned (the interfaces of [`sbi`] are those of release 18): TS 33.102, TS 33.220, TS 33.223, TS 24.109, TS 33.401, TS 24.334, TS 33.303 and TS 33.246 of release 16. RFC 3310 and RFC 7616, which the
//! digest follows, RFC 3748, RFC 4187 and RFC 9048 of EAP, RFC 2865 and RFC 3579 of RADIUS, TS 102 225, and the names of TS 23.003 are
//! from memory.
//!
//! ```text
//!   UE                                   network
//!   usim <- ub_client  --- Ub (HTTP) ---  bsf  --- Zh --- hss
//!                                          |               |
//!                                          Zn              authentication vectors for MME and AAA
//!                                          |
//!                                         NAF: the ProSe Function, the PKMF
//!   usim <- eap_peer  --- EAP-AKA', carried by RADIUS or a relay ---  aaa  ---  hss
//! ```
//!
//! # The rooms
//!
//! - [`identity`], IMSI and IMPI, the names of network functions
//! - [`aka`], what AKA is made of: SQN, AMF, AUTN, AUTS, quintets
//! - [`usim`], a USIM for tests: it judges challenges and keeps its array of SQN
//! - [`hss`], subscribers and authentication vectors
//! - [`limit`], how often something is done
//! - [`digest`], the header fields of HTTP Digest AKA
//! - [`bootstrapping_info`], the XML document of Ub
//! - [`bsf`], the bootstrapping server function: Ub and Zn
//! - [`ub_client`], the UE's end of Ub
//! - [`gba_push`], keys that a NAF pushes: GPI, at BSF and UE
//! - [`eap_aka`], packets of EAP, EAP-AKA and EAP-AKA'
//! - [`aaa`], the AAA server: EAP-AKA'
//! - [`radius`], RADIUS around the AAA server
//! - [`eap_peer`], the UE's end of EAP-AKA'
//! - [`ota`], packets to a card over the air, and a card
//! - [`pc3`], messages between UE and ProSe Function, XML: TS 24.334 §11.2, §12.2
//! - [`pc3_client`], the UE's end of PC3
//! - [`pc8`], messages between UE and ProSe Key Management Function, XML: TS 33.303 Annex E
//! - [`key_delivery`], keys of groups and discovery by MIKEY: TS 33.303 §6.2.3.3.2.3
//! - [`pkmf`], the ProSe Key Management Function: keys of groups and of public-safety discovery
//! - [`pkmf_client`], the UE's end of it
//! - [`panf`], the ProSe anchor function of 5G: names of CP-PRUKs
//! - [`sbi`], the HTTP and JSON of the 5G core in front of these machines: TS 29.500
//! - [`prose_function`], the ProSe Function: authorises, allots codes and keys, checks match reports
//!
//! # What is not there
//!
//! GBA_U, 2G GBA, GBA_Digest, TMPI, user security settings, Diameter; EAP-AKA (only its packets), the derivation of RFC 9678; 3DES over
//! the air; keys of which two MMEs give a half each; K of 256 bits; the age limit L of a USIM; PRUKs and KDs of relays; of the
//! 5G core Npkmf_Discovery, model B, SUCIs under a protection scheme, OAuth 2.0 (see [`sbi`]).

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod aaa;
pub mod aka;
pub mod bootstrapping_info;
pub mod bsf;
pub mod digest;
pub mod eap_aka;
pub mod eap_peer;
pub mod gba_push;
pub mod hss;
pub mod identity;
pub mod key_delivery;
pub mod limit;
pub mod ota;
pub mod panf;
pub mod pc3;
pub mod pc3_client;
pub mod pc8;
pub mod pkmf;
pub mod pkmf_client;
pub mod prose_function;
pub mod radius;
pub mod sbi;
pub mod ub_client;
pub mod usim;

#[cfg(test)]
mod testing;
