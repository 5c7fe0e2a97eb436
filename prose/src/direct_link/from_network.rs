//! Method 4 as steps: the networks of the two UEs agree on a KD (flow N of TR 33.833 §6.4.1). Nothing of it is on the air
//! but the name of the connection in the request, so that it takes no transport block: what the networks say goes another
//! way, and each end asks for the result by a question of [`sidelink_wire::direct_keying`].
//!
//! ```text
//! key information  | 4 | connection id of the initiating UE 4 | [cookie 16] |
//! ```
//!
//! The link's own messages prove that the peer has the KD, and the networks vouch for its identity: the question names the
//! peer as the request claims it.

use sidelink_security::counter::UtcTime;
use sidelink_wire::direct_keying::{Answer, ConnectionId, Question, Side};

use super::cause::Cause;
use super::connection_info;
use super::kd::Identity;
use super::key_establishment::{
    AgreedKd, Asks, Credentials, Heard, KeyEstablishment, Party, Refusal, Step, Steps,
};
use sidelink_security::keys::Kd;

/// Method 4: the KD comes from the networks of the UEs.
#[derive(Debug, Clone, Copy)]
pub struct FromNetwork;

impl FromNetwork {
    /// Octet of this method in the containers, and of its key information.
    pub const METHOD: u8 = 4;
}

impl KeyEstablishment for FromNetwork {
    fn method(&self) -> u8 {
        Self::METHOD
    }

    fn asks(&self) -> Asks {
        Asks::Network
    }

    fn initiate(
        &self,
        _: UtcTime,
        _: Option<&Credentials>,
        seed: [u8; 32],
        cookie: Option<[u8; 16]>,
    ) -> Option<(Box<dyn Steps>, Vec<u8>)> {
        let connection = connection_info::connection(&seed)?;
        let info = connection_info::emit(Self::METHOD, connection, cookie);
        Some((Box::new(End { side: Side::Initiating, connection }), info))
    }

    fn understands(&self, info: &[u8]) -> bool {
        connection_info::parse(Self::METHOD, info).is_some()
    }

    fn cookie(&self, info: &[u8]) -> Option<[u8; 16]> {
        connection_info::parse(Self::METHOD, info)?.1
    }

    fn answer(&self, info: &[u8], _: [u8; 32]) -> Option<Box<dyn Steps>> {
        let (connection, _) = connection_info::parse(Self::METHOD, info)?;
        Some(Box::new(End { side: Side::Target, connection }))
    }
}

/// One end.
#[derive(Debug)]
struct End {
    side: Side,
    connection: ConnectionId,
}

impl Steps for End {
    fn step(&mut self, party: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal> {
        let refused = |why: String| Refusal { cause: Cause::AuthenticationFailure, why };
        match heard {
            Heard::Begin if party.remote.kind != Identity::USER => {
                let kind = party.remote.kind;
                Err(refused(format!("a network names users, not identities of type {kind}")))
            }
            Heard::Begin => {
                let (side, connection) = (self.side, self.connection);
                let question = Question { side, connection, expression: &party.remote.value };
                question.emit().map(Step::Ask).map_err(|error| refused(error.to_string()))
            }
            Heard::Answer(octets) => {
                let Answer { kd, lifetime } =
                    Answer::parse(octets).map_err(|error| refused(error.to_string()))?;
                let lifetime = Some(u64::from(lifetime) * 1000);
                Ok(Step::Agreed(AgreedKd { lifetime, ..Kd::from(*kd).into() }))
            }
            // The method has neither containers nor times.
            Heard::Container(_)
            | Heard::Admitted
            | Heard::Command { .. }
            | Heard::Freshness { .. }
            | Heard::OutOfStep { .. } => Ok(Step::Wait),
        }
    }
}
