//! The network side of ProSe, without I/O: one machine for each network function. A machine takes an input with
//! `handle_input` and says what is to be done by `poll_output`; time and random octets are arguments. What must survive a
//! crash is an output of its own, and the message that rests on it comes out only after its `Stored` or `Granted` came back.
//!
//! Pinned: TS 33.102, TS 33.220, TS 33.223, TS 24.109, TS 33.401, TS 24.334, TS 33.303 and TS 33.246 of release 16, the interfaces
//! of [`sbi`] of release 18. RFC 3310 and RFC 7616, which the digest follows, RFC 3748, RFC 4187 and RFC 9048 of EAP, RFC 2865 and
//! RFC 3579 of RADIUS, TS 102 225, and the names of TS 23.003 are from memory.
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
//! - [`puzzle`], work that a client does first, where too many ask
//! - [`digest`], the header fields of HTTP Digest AKA
//! - [`bootstrapping_info`], the XML document of Ub
//! - [`bsf`], the bootstrapping server function: Ub and Zn
//! - [`ub_client`], the UE's end of Ub
//! - [`gba_push`], keys that a NAF pushes: GPI, at BSF and UE
//! - [`group_naf`], a NAF for group keys: create, join, refresh (TR 33.833 §6.3.2)
//! - [`group_naf_client`], the UE's end of its messages
//! - [`naf_groups`], a UE in such groups: invites members over PC5 until they have joined, joins, notices a missed key
//! - [`eap_aka`], packets of EAP, EAP-AKA and EAP-AKA'
//! - [`aaa`], the AAA server: EAP-AKA'
//! - [`radius`], RADIUS around the AAA server
//! - [`eap_peer`], the UE's end of EAP-AKA'
//! - [`ikev2`], IKEv2 with EAP, and ESP: to be compared with TLS
//! - [`ota`], packets to a card over the air, and a card
//! - [`configuration`], where a UE may use ProSe and with which radio parameters: transfer, seal, check
//! - [`pc3`], messages between UE and ProSe Function, XML: TS 24.334 §11.2, §12.2
//! - [`pc3_client`], the UE's end of PC3
//! - [`pc8`], messages between UE and ProSe Key Management Function, XML: TS 33.303 Annex E
//! - [`kms`], the key management server of identity-based keys: who gets keys of which identity and period; escrow
//! - [`kms_client`], the UE's end of it: fetches keys of identities, and checks them
//! - [`kms_messages`], messages between key management server of identity-based keys and client, XML: TS 33.180 Annex D
//! - [`mikey_ticket`], messages of MIKEY-TICKET between UE and that server: RFC 6043, TS 33.328
//! - [`key_delivery`], keys of groups and discovery by MIKEY: TS 33.303 §6.2.3.3.2.3
//! - [`pkmf`], the ProSe Key Management Function: keys of groups, of public-safety discovery and of relays
//! - [`pkmf_client`], the UE's end of it
//! - [`remote_ue`], PRUKs of a remote UE, and the KD of its links to relays
//! - [`relay_client`], the relay's end of PC8
//! - [`relay_kd`], KDs of PRUKs: as the text, a draft and 5G have them
//! - [`relayed_peer`], a remote UE's end of EAP through a relay, and the KD of its links
//! - [`relay_access`], who may reach the AAA server through which relay, and the KD that it makes for them
//! - [`nas`], messages between UE and MME and their protection, modelled on NAS
//! - [`mme`], the MME's part in direct keying: each network gives half of a KD (TR 33.833 §6.4.1)
//! - [`mme_client`], the UE's end of it
//! - [`epc_discovery`], its EPC-level discovery, as far as registration, with the UE's end
//! - [`app_server`], a ProSe application server: proves which user a UE is
//! - [`usage`], usage logs with a chain of MACs, their upload, both ends compared: TS 24.334 §10.3
//! - [`panf`], the ProSe anchor function of 5G: names of CP-PRUKs
//! - [`sbi`], the HTTP and JSON of the 5G core in front of these machines: TS 29.500
//! - [`public_keys`], public keys of signed discovery: registered, told, revoked (TR 33.833 §6.2.3)
//! - [`prose_function`], the ProSe Function: authorises, allots codes and keys, checks match reports
//!
//! # What is not there
//!
//! GBA_U, 2G GBA, GBA_Digest, TMPI, user security settings, Diameter; EAP-AKA (only its packets), the derivation of RFC 9678; 3DES over
//! the air; NAS beyond what direct keying needs; K of 256 bits; the age limit L of a USIM; of the
//! 5G core Npkmf_Discovery, model B, SUCIs under a protection scheme, OAuth 2.0 (see [`sbi`]).

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod aaa;
pub mod aka;
pub mod app_server;
pub mod bootstrapping_info;
pub mod bsf;
pub mod configuration;
pub mod digest;
pub mod eap_aka;
pub mod eap_peer;
pub mod epc_discovery;
pub mod gba_push;
pub mod group_naf;
pub mod group_naf_client;
pub mod hss;
pub mod identity;
pub mod ikev2;
pub mod key_delivery;
pub mod kms;
pub mod kms_client;
pub mod kms_messages;
pub mod limit;
pub mod mikey_ticket;
pub mod mme;
pub mod mme_client;
pub mod naf_groups;
pub mod nas;
pub mod ota;
pub mod panf;
pub mod pc3;
pub mod pc3_client;
pub mod pc8;
pub mod pkmf;
pub mod pkmf_client;
pub mod prose_function;
pub mod public_keys;
pub mod puzzle;
pub mod radius;
pub mod relay_access;
pub mod relay_client;
pub mod relay_kd;
pub mod relayed_peer;
pub mod remote_ue;
pub mod sbi;
pub mod ub_client;
pub mod usage;
pub mod usim;

#[cfg(test)]
mod testing;
