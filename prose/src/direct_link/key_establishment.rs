//! Agreement of two UEs on a KD if they share none, or want a new one: the steps of a method over the containers of
//! DIRECT AUTH AND KEY ESTABLISHMENT (0xE0 to 0xE2). The machine of links knows none of the methods.
//!
//! ```text
//! initiating UE                                         target UE
//!   initiate() -> key information  -- request -->         understands(), answer()
//!                                  <-- 0xE0 ---           step(Begin) -> Send
//!   step(Container) -> SendAgreed  --- 0xE1 -->           step(Container) -> Agreed
//! ```
//!
//! A step may need knowledge from outside, such as that of a network function: it returns [`Step::Ask`], the machine
//! puts out [`super::Output::Ask`] with a ticket, and passes [`super::Input::Answered`] on as [`Heard::Answer`]. A
//! refusal ends the exchange; without an answer the timer of the exchange does. Both ends wait for
//! [`super::Config::network_time`] where a method [`KeyEstablishment::asks`] a network. The initiating UE may ask as soon as its
//! request is sent ([`Heard::Begin`]): a command that comes before the answer waits for it.
//!
//! A method whose messages carry a time has the target UE take each once: [`Step::Admit`], after the message is proven. The
//! machine refuses a time that is not newer than every one that it took from this sender, makes the new one durable, and
//! continues with [`Heard::Admitted`].
//!
//! TS 33.303 §6.5.7 has no containers: the request carries a signature ([`Steps::sign_request`]), and the command the key
//! ([`CommandKey`], [`Heard::Command`]).

use core::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Capabilities;
use sidelink_security::direct::signed::{Credential, Trust, Vouched};
use sidelink_security::keys::Kd;
use sidelink_wire::pc5_signalling::{SIGNATURE_LEN, UserInfo};

use super::cause::Cause;
use super::kd::Identity;
use super::relaying::{RelayLink, Serves};

/// Credential of a UE, and the issuers and keys that it trusts.
#[derive(Debug)]
pub struct Credentials {
    /// Its own key, with a certificate or without.
    pub credential: Credential,
    /// Roots and keys of others.
    pub trust: Trust,
}

/// The two ends of an exchange, and its request.
#[derive(Debug)]
pub struct Party<'a> {
    /// Present time of the clock.
    pub clock: UtcTime,
    /// This UE.
    pub local: &'a Identity,
    /// The peer; at the target UE as claimed.
    pub remote: &'a Identity,
    /// The complete request message: a direct communication request, or a re-keying request.
    pub request: &'a [u8],
    /// Algorithms of this UE.
    pub capabilities: Capabilities,
    /// Credentials of this UE, if it has any.
    pub credentials: Option<&'a Credentials>,
    /// Time of the newest message taken from the peer: NTP-UTC of 64 bits, 0 for none.
    pub newest: u64,
    /// What makes it a link between remote UE and relay, if it is one.
    pub relay: Option<&'a RelayLink>,
}

/// A key that a command carries, signed and encrypted. TS 33.303 §6.5.7.3.1 step 2, TS 24.334 §12.5.1.33, §12.5.1.34.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandKey {
    /// Signature.
    pub signature: [u8; SIGNATURE_LEN],
    /// Encrypted payload.
    pub payload: Vec<u8>,
}

/// What a command carries for a KD of the network: TS 33.303 §6.7.3.2.1.1 step 5a, TS 24.334 §12.5.1.29, §12.5.1.36.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    /// KD freshness parameter.
    pub parameter: [u8; 16],
    /// GPI, where the remote UE has no PRUK yet or gets a new one.
    pub gpi: Option<Vec<u8>>,
}

/// Whom a method asks for what makes a KD.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Asks {
    /// Nobody: all of it goes between the two UEs.
    #[default]
    Nobody,
    /// The network of one of the UEs, or of both.
    Network,
}

/// Input of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard<'a> {
    /// The request: first step of the target UE, and of the initiating UE once it is sent.
    Begin,
    /// A container of the peer, unproven.
    Container(&'a [u8]),
    /// The answer to a query.
    Answer(&'a [u8]),
    /// The time of [`Step::Admit`] is durable.
    Admitted,
    /// The key in a command, unproven: at the initiating UE.
    Command {
        /// User Info of the target UE, if the command has one.
        user_info: Option<UserInfo<'a>>,
        /// Signature.
        signature: &'a [u8; SIGNATURE_LEN],
        /// Encrypted payload.
        payload: &'a [u8],
    },
    /// What a command carries for a KD of the network, unproven: at the remote UE.
    Freshness {
        /// KD freshness parameter.
        parameter: &'a [u8; 16],
        /// GPI, if there is one.
        gpi: Option<&'a [u8]>,
    },
    /// The USIM of the remote UE is out of step, as an unproven message says: at the relay.
    OutOfStep {
        /// RAND.
        rand: &'a [u8; 16],
        /// AUTS.
        auts: &'a [u8; 14],
    },
}

/// Result of a step.
#[derive(Debug)]
pub enum Step {
    /// Wait for more input.
    Wait,
    /// Send this container to the peer.
    Send(Vec<u8>),
    /// Query the network.
    Ask(Vec<u8>),
    /// Take the proven message of this time (NTP-UTC of 64 bits), once: at the target UE.
    Admit(u64),
    /// Both ends can have the KD now.
    Agreed(AgreedKd),
    /// Both ends can have the KD once the peer has this container.
    SendAgreed(Vec<u8>, AgreedKd),
    /// Tell the relay that the USIM is out of step: at the remote UE. TS 33.303 §6.7.3.2.1.2.
    OutOfStep {
        /// RAND.
        rand: [u8; 16],
        /// AUTS.
        auts: [u8; 14],
    },
}

/// A KD on which a method agreed.
#[derive(Debug)]
pub struct AgreedKd {
    /// The key.
    pub kd: Kd,
    /// The certificate that vouched for the peer, if any: the KD ends with it.
    pub vouched: Option<Vouched>,
    /// Algorithms that the peer provably accepts, if the method shows them: its command must keep to them.
    pub capabilities: Option<Capabilities>,
    /// Milliseconds that the key lives, if the method says so: never longer than the configuration says. Much less than
    /// that is not wanted: a new key is asked for when a quarter of the configured life is left.
    pub lifetime: Option<u64>,
    /// The key as the command carries it to the initiating UE, if it does.
    pub command: Option<CommandKey>,
    /// What the command carries for a KD of the network, if it does.
    pub freshness: Option<Freshness>,
    /// PRUK ID by which this UE is known to the network of a relay from now on, if it is another.
    pub pruk_id: Option<[u8; 8]>,
}

impl From<Kd> for AgreedKd {
    fn from(kd: Kd) -> Self {
        Self {
            kd,
            vouched: None,
            capabilities: None,
            lifetime: None,
            command: None,
            freshness: None,
            pruk_id: None,
        }
    }
}

/// Reason why a method does not agree on a KD with a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Cause for the peer.
    pub cause: Cause,
    /// Reason for the operator.
    pub why: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Refusal {}

/// One end of one exchange.
pub trait Steps: fmt::Debug + Send {
    /// Takes a step. A refused container changes no state: anybody can send one, and the next may be the right one.
    ///
    /// # Errors
    /// The peer did not prove itself, or the network refuses.
    fn step(&mut self, party: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal>;

    /// Returns the signature that the request of a set-up carries; the request of `party` is still without it.
    ///
    /// # Errors
    /// This UE cannot sign now.
    fn sign_request(&mut self, party: &Party<'_>) -> Result<Option<[u8; SIGNATURE_LEN]>, Refusal> {
        let _ = party;
        Ok(None)
    }
}

/// A method that agrees on a KD.
pub trait KeyEstablishment: fmt::Debug + Send {
    /// Returns the first octet of its containers, and of its key information.
    fn method(&self) -> u8;

    /// Returns the links whose KD it makes.
    fn serves(&self) -> Serves {
        Serves::Peers
    }

    /// Whether it proves the role of a peer at a UE-to-UE relay, and not only its name.
    fn proves_roles(&self) -> bool {
        false
    }

    /// Returns whom the ends ask: both wait longer where that is a network ([`super::Config::network_time`]).
    fn asks(&self) -> Asks {
        Asks::Nobody
    }

    /// Returns the initiating UE's steps, and the key information of its request; the request has none where that is
    /// empty. `seed` is used for nothing else,
    /// `cookie` is the one that the target UE demanded.
    fn initiate(
        &self,
        clock: UtcTime,
        credentials: Option<&Credentials>,
        seed: [u8; 32],
        cookie: Option<[u8; 16]>,
    ) -> Option<(Box<dyn Steps>, Vec<u8>)>;

    /// Whether key information of a request is of this method; it is empty where the request has a signature alone.
    fn understands(&self, info: &[u8]) -> bool;

    /// Returns the cookie in key information.
    fn cookie(&self, info: &[u8]) -> Option<[u8; 16]>;

    /// Returns the target UE's steps.
    fn answer(&self, info: &[u8], seed: [u8; 32]) -> Option<Box<dyn Steps>>;
}
