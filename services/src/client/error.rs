//! Why a UE gets no answer.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use sidelink_network::{kms_client, pc3, ub_client};

use super::{KeyFileError, SqnFileError};
use crate::tls::TlsClientError;

/// Why a UE gets no answer: by blame of the network, of the operator, of the machine.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// The server cannot be reached.
    Connect {
        /// Where.
        address: SocketAddr,
        /// Why.
        why: std::io::Error,
    },
    /// It did not answer in time.
    TimedOut(SocketAddr),
    /// It answered something that is not HTTP, or too much.
    Malformed,
    /// TLS.
    Tls(TlsClientError),
    /// Bootstrapping.
    Bootstrap(ub_client::Failure),
    /// The ProSe Function or the key management function refused.
    Refused {
        /// How.
        status: StatusCode,
        /// What it says.
        why: String,
        /// When to try again.
        retry_after: Option<Duration>,
    },
    /// The answer is no message of PC3.
    Message(pc3::Error),
    /// The answer to a request for a PRUK has none, and no reason.
    NoPruk,
    /// The key management server of identities refuses, or its keys are wrong.
    Identities(kms_client::Failure),
    /// What is to be sent to the key management server is no request of MIKEY-TICKET.
    TicketMessage(sidelink_network::mikey_ticket::Refused),
    /// There is no key, or it has expired.
    NoKey,
    /// The state of the USIM cannot be stored.
    Sqn(SqnFileError),
    /// Keys cannot be stored.
    Keys(KeyFileError),
    /// The port of MIKEY cannot be listened on.
    Mikey {
        /// Where.
        address: SocketAddr,
        /// Why.
        why: std::io::Error,
    },
    /// The system gives no random octets.
    NoRandomness,
    /// The system gives no thread.
    Thread(std::io::Error),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { address, why } => write!(f, "cannot connect to {address}: {why}; does it run?"),
            Self::TimedOut(address) => write!(f, "{address} does not answer in time"),
            Self::Malformed => f.write_str("the answer is not HTTP, or longer than any"),
            Self::Tls(error) => error.fmt(f),
            Self::Bootstrap(why) => why.fmt(f),
            Self::Refused { status, why, .. } => write!(f, "the network refuses: {status}: {why}"),
            Self::Message(error) => write!(f, "the answer is no message of PC3: {error}"),
            Self::NoPruk => f.write_str("the key management function says neither yes nor no to a PRUK"),
            Self::Identities(why) => why.fmt(f),
            Self::TicketMessage(why) => write!(f, "no request for a ticket: {why}"),
            Self::NoKey => f.write_str("there is no bootstrapped key: bootstrap first"),
            Self::Sqn(error) => error.fmt(f),
            Self::Keys(error) => error.fmt(f),
            Self::Mikey { address, why } => write!(
                f,
                "cannot listen for MIKEY on UDP {address}: {why}; does another fetch run? give this one another address"
            ),
            Self::NoRandomness => f.write_str("the system gives no random octets; is there /dev/urandom?"),
            Self::Thread(why) => write!(f, "the system gives no thread: {why}"),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect { why, .. } | Self::Mikey { why, .. } | Self::Thread(why) => Some(why),
            Self::Tls(error) => Some(error),
            Self::Bootstrap(error) => Some(error),
            Self::Message(error) => Some(error),
            Self::Identities(error) => Some(error),
            Self::TicketMessage(error) => Some(error),
            Self::Sqn(error) => Some(error),
            Self::Keys(error) => Some(error),
            _ => None,
        }
    }
}
