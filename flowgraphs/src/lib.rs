//! The parts of the `sidelink` command. Threads, files and clocks are here and in the crate `radio`, random seeds only
//! here.
//!
//! ```text
//! main.rs       calls commands::main
//! commands/     parse the arguments, log, print the error; one file a sub-command: arguments and wiring only
//! args.rs       arguments that several sub-commands share
//! config.rs     the radio configuration: TOML, SigMF `sidelink:` keys and flags, one set of types     config/
//! readable.rs   octets and times in readable form: text beside hex, dates beside seconds
//! antennas.rs   samples of several antennas, and their quality
//! input.rs      a recording opened with all knowledge of its metadata, a file and the flags
//! receive.rs    a recording through the receiver                                                      receive/
//! report.rs     events, for people, programs and Wireshark                                            report/
//! bench.rs      speed, sensitivity and security measured                                              bench/
//! scenario.rs   transmissions: from TOML to samples with their ground truth, subframe by subframe     scenario/
//! inspect.rs    the look of a recording from outside                                                  inspect/
//! open.rs       content of transport blocks, with keys or without: MAC, RLC, PDCP, discovery          open/
//! outputs.rs    all outputs of a command as a set, checked and opened before anything runs            outputs/
//! control.rs    status, metrics and commands of a UE over local HTTP                                  control/
//! naf_groups.rs groups whose keys a NAF gives, for the stack of a UE
//! relay_eap.rs  links between remote UE and relay whose KD comes of EAP, and their ends of the network      relay_eap/
//! network_leg.rs  codes, keys and checked matches of a UE from the network, on sockets                network_leg/
//! attacks.rs    radios that violate the rules                                                         attacks/
//! experiments.rs  exercises, and their costs                                                          experiments/
//! terminal.rs   colours, width and progress, only where there is a terminal
//! ```
//!
//! # Errors
//!
//! An operator's mistake is a [`config::ConfigError`] or a [`sidelink_recordings::Error`]: what, where, and what to do.
//! `main` prints it after `error: ` and ends with status 1, or 2 if the command line itself is wrong.

#![deny(unsafe_code)]
// This crate may use files, clocks and threads (ARCHITECTURE.md).
#![allow(clippy::disallowed_methods)]

pub mod antennas;
pub mod args;
pub mod attacks;
pub mod bench;
pub mod commands;
pub mod config;
pub mod control;
pub mod experiments;
pub mod input;
pub mod inspect;
mod lock;
mod naf_groups;
#[cfg(feature = "services")]
mod network_leg;
pub mod open;
pub mod outputs;
mod readable;
pub mod receive;
mod relay_eap;
mod relay_keys;
pub mod report;
pub mod scenario;
pub mod terminal;

/// One complex baseband sample.
pub type Sample = num_complex::Complex32;
