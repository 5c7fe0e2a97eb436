//! Keys, ciphers, discovery protection and counters of LTE sidelink. Pure functions and states: time, counters and
//! nonces are arguments; no clock, random number, thread or file is used here.
//!
//! Pinned: TS 33.303, TS 33.220 and TS 33.401 of release 16, TS 36.323 and TS 24.334 of release 15, TS 33.536 and
//! TS 33.503 of release 18 for the 5G twins, and the proposals of TR 33.833. Statements that rest on memory or on an
//! implementation say so, and [`kdf::fc::TABLE`] has the provenance of every FC value.
//!
//! # The keys
//!
//! ```text
//! key management function      ProSe Function                two UEs
//!   |            |               |        |                       |
//!  PGK         PSDK       Discovery   DUSK DUIK DUCK              KD
//!   | member,    | RSC or   Key        (code sending,             |
//!   | PTK id,    | group     |         code receiving)            |
//!   | group      | id        |          |    |    |               | Nonce_1, Nonce_2
//!   v            v          MIC    scramble MIC  mask             v
//!  PTK    DUSK DUIK DUCK                                       KD-sess
//!   | algorithm                                                   | algorithm
//!   v                                                             v
//!  PEK [PIK, own]                                              PEK, PIK
//!
//! ProSe ID + ProSe Application Key --period, nonce--> over-the-air id         (TR 33.833 §6.2.1.4)
//! pre-shared secret --role, query code--> DUIK of requests, DUIK of responses (TR 33.833 §6.2.2.2)
//! K --RAND, SQN, AMF--> CK, IK --> Ks --> Ks_NAF;  CK', IK' --> MSK, EMSK      (MILENAGE, GBA, EAP-AKA')
//! ```
//!
//! # What is protected, and what is not
//!
//! | | secrecy | integrity | replay | unlinkable |
//! |---|---|---|---|---|
//! | open discovery | no | by the network, 32 bits | MAX_OFFSET | no |
//! | restricted discovery, a DUSK a code | all but type and LSB | - | - | from 16 s to 16 s; a shared DUSK: no |
//! | ... and DUIK | | 32 bits, against outsiders | MAX_OFFSET, or the strict window | |
//! | ... and DUCK | the marked bits, also from holders of DUSK | | | |
//! | rotating ids | yes | all 232 bits, against outsiders | a rotation period | from period to period |
//! | request and response | no | 32 bits, roles apart | once; bound to its request if chosen | no |
//! | signed discovery | no, or the code by a group key | yes, also against those who can check | signed time | no |
//! | one-to-many | data | **none** (own MAC-I: yes, against outsiders) | window of 64 | no: PTK id, SN, source |
//! | one-to-one | data | signalling | window | no |
//!
//! "Against outsiders": keys are symmetric, so anyone who can verify can also forge. The message type, the counter's
//! LSB, lengths, timing, power and carrier frequency are never hidden; a frame that is repeated at once at another
//! place (a wormhole) is accepted by every protection here.
//!
//! Comparisons of secrets are in constant time. SNOW 3G and ZUC look up tables by secret values, AES does so where the
//! processor has no instruction for it; the tables of [`discovery::matching`] show by their timing whether a frame
//! matched, never which bits of a code were right.
//!
//! # The rooms
//!
//! - [`keys`], a type per key, wiped when dropped
//! - [`kdf`], the generic derivation, one function per derivation, the table of FC
//! - [`cipher`], 128-EEA0..3, 128-EIA0..3, MILENAGE
//! - [`counter`], COUNT, UTC-based counter, replay windows, reservation ahead, the clock guard
//! - [`discovery`], the 29 octets of PC5_DISCOVERY, and a million of them
//! - [`group`], one-to-many
//! - [`pdu`], a receiver's result for a PDU: the reason of a refusal, or the assurance
//! - [`mikey`], keys, ciphers and MACs of MIKEY: pre-shared keys, tickets, parameters of identity-based keys
//! - [`hpke`], encryption to a public key
//! - [`outcome`], the words of reports for all of these, and their counters
//! - [`direct`], one-to-one: KD, KD-sess, PEK and PIK, a type per state
//! - [`srtp`], media between users under keys of their own
//! - [`key_period`], months and other periods of identity-based keys
//! - [`identity`], ECCSI, SAKKE, the UID of 3GPP, and the secrets of a key management server

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod cipher;
pub mod counter;
pub mod direct;
pub mod discovery;
pub mod group;
mod hmac;
pub mod hpke;
pub mod identity;
pub mod kdf;
pub mod key_period;
pub mod keys;
pub mod mikey;
pub mod outcome;
pub mod pdu;
pub mod srtp;
