//! The network side of ProSe on real sockets: threads, HTTP, TLS and a database around the machines of `sidelink-network`.
//!
//! ```text
//!   UE ---- Ub: HTTP ----> ub -----> BSF --Zh--> HSS       each function a thread with its machine
//!   UE -- PC3: TLS-PSK --> pc3 --+   ^            ^        and its store; Zh, Zn, PC4a are channels,
//!          (tls: the key)  |     |   |            |        or, between processes, HTTP
//!                          |     +--> ProSe Function --PC4a
//!   UE -- PC8: TLS-PSK --> pc8 --Zn--+
//!                          +--> PKMF --> mikey: UDP port 2269 --> UE
//!   UE -- keys of identities: TLS-PSK --> kms --> KMS --Zn--> BSF
//!   UE -- keys of groups: TLS-PSK --> group_naf --> NAF --Zn, Zpn--> BSF
//!   UE -- EAP-AKA': NAS -- radius: UDP port 1812 --> AAA --SWx--> HSS <-- auc: hostapd
//! ```
//!
//! # The rooms
//!
//! - [`network`], start, orders of the operator, end
//! - [`config`], settings from TOML; faults say what, where and what to do
//! - [`store`], what is durable: SQLite or PostgreSQL, each commit synchronised before anybody is answered
//! - `runtime`, the threads of the functions, and the commits that they share
//! - `http`, servers whose connections are bounded; `ub`, `pc3`, `pc8` and `sbi`, what they serve
//! - `udp`, datagrams that are bounded; `mikey` and `radius`, whose they are; `auc`, vectors for hostapd
//! - [`peers`], functions in different processes of one machine
//! - `kms`, keys of identities and tickets, over TLS with GBA or with certificates
//! - `group_naf`, keys of groups that their owners make, over TLS with GBA
//! - `configuration`, what a UE may send on, over PC3 with GBA or with certificates
//! - [`tls`], TLS 1.2 and 1.3 with pre-shared keys of GBA, TLS 1.3 with certificates
//! - [`orders`], what an operator says to functions that run, over a socket of this machine
//! - [`client`], a UE that bootstraps and asks
//! - [`status`], what has happened, in numbers
//! - [`error`], why nothing starts
//!
//! # TLS
//!
//! By the OpenSSL of the system (`libssl-dev`, `pkg-config` to build), through the `openssl` crate: rustls has neither the PSK
//! suites of TLS 1.2 nor external PSKs in TLS 1.3. Nothing else of the project depends on this crate unless it is asked to, so
//! that the project builds without system packages.
//!
//! # Faults
//!
//! A database that fails costs answers (503), never wrong ones: a machine hears `Stored` or `Granted` only after the commit, and a
//! database that comes back is used again. Not noticed: an older copy of the database put in its place between two starts, or a
//! replica of PostgreSQL that lacks the last commits; the sequence numbers go back then, and the USIMs resynchronise.
//!
//! # PostgreSQL
//!
//! `database = "postgres://USER@localhost/NAME"`, or `postgres:///NAME?user=USER&host=FOLDER` for its socket. The tables are made
//! at the first start by the user of the address, who needs the right to create them. A network has a database of its own.
//!
//! # What is not there
//!
//! A NAF of groups without a BSF in its process, OAuth 2.0 and TLS on the service-based interfaces (a token on loopback is there), interfaces that ask functions of other processes
//! but the HSS for bootstrapping,
//! Diameter on Zh, Zn, SWx and PC4a, functions on different machines without a tunnel, EAP-AKA' of hostapd with our HSS (it would
//! derive CK' and IK' itself), accounting and RadSec of RADIUS, TLS to a PostgreSQL on
//! another machine (an SSH tunnel leads there), passwords of
//! PostgreSQL elsewhere than in its address (`PGPASSWORD`, `.pgpass`), messages that the ProSe Function
//! begins (OMA Push, long polling), EPC-level discovery and usage reports (PC2, PC3ch; the machines are there), UEs of another PLMN than the ProSe Function's, an IMSI of less than 15 digits, lists of revoked certificates,
//! TLS on Ub, the GBA hint with an address of the BSF.

#![allow(clippy::disallowed_methods)]
#![deny(unsafe_code)]
#![warn(missing_docs)]

mod auc;
pub mod client;
pub mod config;
mod configuration;
pub mod error;
mod group_naf;
mod http;
mod kms;
mod mikey;
pub mod network;
pub mod orders;
mod pc3;
mod pc8;
pub mod peers;
mod radius;
mod runtime;
mod sbi;
pub mod status;
pub mod store;
pub mod tls;
mod ub;
mod udp;

pub use config::Config;
pub use error::StartError;
pub use http::Limits;
pub use network::{Handle, Network};
pub use pc3::REGISTERED_MEDIA_TYPE;
pub use runtime::{AddError, IdentityError, MemberError, SubscribeError};
pub use status::Status;
