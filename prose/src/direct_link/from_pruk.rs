//! Method 8 as steps: the KD of a remote UE and its relay from the PRUK of the remote UE. TS 33.303 §6.7.3.2.1.
//!
//! ```text
//! remote UE -- request: PRUK ID or IMSI, Relay Service Code --> relay
//!                               relay -- KEY_REQUEST --> PKMF          a question, no message on the air
//! remote UE <-- command: KD freshness, [GPI] -- relay
//! the remote UE's keys: PRUK, GPI -> KD                                a question
//! ```
//!
//! The method has neither containers nor key information, as the specification has none. The command is proven by the KD that
//! its own content leads to; a forged one leads to another KD, and the next command is heard. Whether the USIM is out of step
//! anybody can claim: the relay asks once more, no more than once an exchange.

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Nonce;
use sidelink_wire::relay_keying::{Answer, Denial, Question, User};

use super::Cause;
use super::key_establishment::{
    AgreedKd, Asks, Credentials, Freshness, Heard, KeyEstablishment, Party, Refusal, Step, Steps,
};
use super::relaying::{RelayLink, SERVICE_ALONE, Serves, agreed, link_of, refused};

/// Method 8: the KD of a remote UE and its relay from a PRUK.
#[derive(Debug, Clone, Copy)]
pub struct FromPruk;

impl FromPruk {
    /// Number of this method: it is on no air.
    pub const METHOD: u8 = 8;
}

impl KeyEstablishment for FromPruk {
    fn method(&self) -> u8 {
        Self::METHOD
    }

    fn asks(&self) -> Asks {
        Asks::Network
    }

    fn serves(&self) -> Serves {
        Serves::Relays
    }

    fn initiate(
        &self,
        _: UtcTime,
        _: Option<&Credentials>,
        _: [u8; 32],
        _: Option<[u8; 16]>,
    ) -> Option<(Box<dyn Steps>, Vec<u8>)> {
        Some((Box::new(RemoteUe), Vec::new()))
    }

    fn understands(&self, info: &[u8]) -> bool {
        info == SERVICE_ALONE
    }

    fn cookie(&self, _: &[u8]) -> Option<[u8; 16]> {
        None
    }

    fn answer(&self, info: &[u8], _: [u8; 32]) -> Option<Box<dyn Steps>> {
        self.understands(info).then(|| Box::new(Relay::default()) as Box<dyn Steps>)
    }
}

fn user_of(link: &RelayLink) -> User<'_> {
    User { kind: link.user.kind, value: &link.user.value }
}

/// The remote UE's end.
#[derive(Debug)]
struct RemoteUe;

impl Steps for RemoteUe {
    fn step(&mut self, party: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal> {
        match heard {
            Heard::Freshness { parameter, gpi } => {
                let (link, nonce_1) = link_of(party)?;
                let (user, gpi) = (user_of(link), gpi.unwrap_or_default());
                let question =
                    Question::Derive { service: link.service, user, nonce_1, freshness: *parameter, gpi };
                question.emit().map(Step::Ask).map_err(refused)
            }
            Heard::Answer(octets) => match Answer::parse(octets).map_err(refused)? {
                Answer::Derived { kd, lifetime, pruk_id } => {
                    Ok(Step::Agreed(AgreedKd { pruk_id: Some(pruk_id), ..agreed(kd, lifetime) }))
                }
                Answer::OutOfStep { rand, auts } => Ok(Step::OutOfStep { rand, auts }),
                _ => Err(refused("the keys of this UE give no KD for the command: see their events")),
            },
            // The request says all; the method has neither containers nor times.
            Heard::Begin
            | Heard::Container(_)
            | Heard::Admitted
            | Heard::Command { .. }
            | Heard::OutOfStep { .. } => Ok(Step::Wait),
        }
    }
}

/// Returns what a remote UE is told. TS 24.334 has no cause for a PRUK ID that is not known: an authentication failure comes
/// closest, and only that makes a remote UE think of its IMSI.
fn denied(reason: Denial) -> Refusal {
    let (cause, why) = match reason {
        Denial::Unknown => (Cause::AuthenticationFailure, "the network does not know this remote UE"),
        Denial::NotAllowed => (Cause::NotAllowed, "the network does not let this relay serve the remote UE"),
        Denial::Unreachable => (Cause::LackOfResources, "the network does not answer"),
    };
    Refusal { cause, why: why.to_owned() }
}

/// Whether the relay asked the network once more.
#[derive(Debug, Default, PartialEq, Eq)]
enum Rounds {
    #[default]
    First,
    Resynchronised,
}

/// The relay's end.
#[derive(Debug, Default)]
struct Relay {
    rounds: Rounds,
}

impl Relay {
    fn ask(link: &RelayLink, nonce_1: Nonce) -> Result<Step, Refusal> {
        let question = Question::Grant { service: link.service, user: user_of(link), nonce_1 };
        question.emit().map(Step::Ask).map_err(refused)
    }
}

impl Steps for Relay {
    fn step(&mut self, party: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal> {
        match heard {
            Heard::Begin => {
                let (link, nonce_1) = link_of(party)?;
                Self::ask(link, nonce_1)
            }
            Heard::Answer(octets) => match Answer::parse(octets).map_err(refused)? {
                Answer::Granted { kd, lifetime, freshness, gpi } => {
                    let gpi = (!gpi.is_empty()).then(|| gpi.to_vec());
                    let freshness = Some(Freshness { parameter: *freshness, gpi });
                    Ok(Step::Agreed(AgreedKd { freshness, ..agreed(kd, lifetime) }))
                }
                Answer::Denied(reason) => Err(denied(reason)),
                _ => Err(refused("the network grants this remote UE no link")),
            },
            Heard::OutOfStep { .. } if self.rounds == Rounds::Resynchronised => Ok(Step::Wait),
            // TS 33.303 §6.7.3.2.1.2
            Heard::OutOfStep { rand, auts } => {
                self.rounds = Rounds::Resynchronised;
                let question = Question::Resynchronise { rand: *rand, auts: *auts };
                question.emit().map(Step::Ask).map_err(refused)
            }
            Heard::Container(_) | Heard::Admitted | Heard::Command { .. } | Heard::Freshness { .. } => {
                Ok(Step::Wait)
            }
        }
    }
}
