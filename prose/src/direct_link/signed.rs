//! Method 2 as steps: signed ephemeral keys of `sidelink_security::direct::signed`.

use core::mem;

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::signed::{
    Challenged, Ephemeral, Failure, KeyInfo, METHOD, Response, Subject, Vouched, challenge, respond,
};

use super::cause::Cause;
use super::kd::Identity;
use super::key_establishment::{AgreedKd, Credentials, Heard, KeyEstablishment, Party, Refusal, Step, Steps};
use super::relaying::Serves;

/// Method 2: signed ephemeral keys, for these links.
#[derive(Debug)]
pub(super) struct Signed(pub(super) Serves);

impl KeyEstablishment for Signed {
    fn method(&self) -> u8 {
        METHOD
    }

    fn proves_roles(&self) -> bool {
        true
    }

    fn serves(&self) -> Serves {
        self.0
    }

    fn initiate(
        &self,
        _: UtcTime,
        credentials: Option<&Credentials>,
        seed: [u8; 32],
        cookie: Option<[u8; 16]>,
    ) -> Option<(Box<dyn Steps>, Vec<u8>)> {
        let ephemeral = Ephemeral::new(seed);
        let info = KeyInfo::new(&ephemeral, &credentials?.trust, cookie).emit();
        Some((Box::new(Initiating(ephemeral)), info))
    }

    fn understands(&self, info: &[u8]) -> bool {
        KeyInfo::parse(info).is_some()
    }

    fn cookie(&self, info: &[u8]) -> Option<[u8; 16]> {
        KeyInfo::parse(info)?.cookie
    }

    fn answer(&self, info: &[u8], seed: [u8; 32]) -> Option<Box<dyn Steps>> {
        let (info, ephemeral) = (KeyInfo::parse(info)?, Ephemeral::new(seed));
        Some(Box::new(Target::Asked { info, ephemeral }))
    }
}

/// The initiating UE, waiting for 0xE0.
#[derive(Debug)]
struct Initiating(Ephemeral);

impl Steps for Initiating {
    fn step(&mut self, party: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal> {
        let (Heard::Container(content), Some(own)) = (heard, party.credentials) else {
            return Ok(Step::Wait);
        };
        let remote = subject(party.remote);
        let Credentials { credential, trust } = own;
        let Response { content: answer, kd, capabilities } =
            respond(&self.0, credential, trust, party.clock, remote, party.request, content)?;
        let vouched = Vouched::of_challenge(content);
        Ok(Step::SendAgreed(answer, AgreedKd { vouched, capabilities: Some(capabilities), ..kd.into() }))
    }
}

/// The target UE.
#[derive(Debug)]
enum Target {
    /// Before 0xE0.
    Asked { info: KeyInfo, ephemeral: Ephemeral },
    /// After it.
    Challenged(Challenged),
    /// Signing failed.
    Ended,
}

impl Steps for Target {
    fn step(&mut self, party: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal> {
        let Some(Credentials { credential, trust }) = party.credentials else { return Ok(Step::Wait) };
        can_be_certified(party)?;
        match (heard, &*self) {
            (Heard::Begin, Self::Asked { .. }) => {
                let Self::Asked { info, ephemeral } = mem::replace(self, Self::Ended) else {
                    return Ok(Step::Wait);
                };
                let (challenged, content) =
                    challenge(credential, trust, party.request, &info, party.capabilities, ephemeral)?;
                *self = Self::Challenged(challenged);
                Ok(Step::Send(content))
            }
            (Heard::Container(content), Self::Challenged(challenged)) => {
                let own = party.local.towards(party.remote);
                let (remote, local) = (subject(party.remote), subject(&own));
                let kd = challenged.finish(trust, party.clock, remote, local, content)?;
                Ok(Step::Agreed(AgreedKd { vouched: Vouched::of_response(content), ..kd.into() }))
            }
            _ => Ok(Step::Wait),
        }
    }
}

/// Checks that an identity can be certified: certificates and raw keys name users, not identities of another type, such
/// as an IMSI.
fn can_be_certified(party: &Party<'_>) -> Result<(), Refusal> {
    if party.remote.kind == Identity::USER || party.remote.role().is_some() {
        return Ok(());
    }
    let why = format!("a credential names users, not identities of type {}", party.remote.kind);
    Err(Refusal { cause: Cause::AuthenticationFailure, why })
}

fn subject(identity: &Identity) -> Subject<'_> {
    Subject { kind: identity.kind, value: &identity.value }
}

impl From<&Failure> for Cause {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Expired { .. } | Failure::NotYetValid { .. } => Self::Expired,
            Failure::Revoked => Self::Revoked,
            Failure::UnknownIssuer { .. } | Failure::NoCommonRoot => Self::UnknownIssuer,
            _ => Self::AuthenticationFailure,
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { cause: Cause::from(&failure), why: failure.to_string() }
    }
}
