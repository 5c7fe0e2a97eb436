//! A member of a group that calls in the name of another member. Capability A4 of the proposals' digest.
//!
//! It has the GMK, so that its message passes for one of the group. What it lacks is the other's signing key: it signs with
//! one that a key management server of its own made for that name.

use sidelink_prose::group_keys::{
    CallMessage, Claim, GmkMessage, GmkOffer, Identity, Kind, Messages, Refusal,
};
use sidelink_security::counter::UtcTime;
use sidelink_security::keys::{Gmk, Gsk};

/// Messages of such a member.
#[derive(Debug)]
pub(crate) struct Impostor {
    /// With its own keys.
    pub(crate) own: Box<dyn Messages>,
    /// With keys for the name of the other, which the group's server did not make.
    pub(crate) forged: Box<dyn Messages>,
    /// The other.
    pub(crate) victim: Identity,
}

impl Messages for Impostor {
    fn may_sign(&self, identity: &Identity, now: UtcTime) -> bool {
        self.own.may_sign(identity, now)
    }

    fn seal_gmk(
        &self,
        message: &GmkOffer<'_>,
        members: &[&Identity],
        seed: &[u8; 32],
    ) -> Result<Vec<Vec<u8>>, Refusal> {
        self.own.seal_gmk(message, members, seed)
    }

    fn seal_call(&self, message: &CallMessage, gmk: &Gmk, seed: &[u8; 32]) -> Result<Vec<u8>, Refusal> {
        let CallMessage { time, csb_id, gmk_id, ref gsk, .. } = *message;
        let gsk = Gsk::from(*gsk.as_bytes());
        let call = CallMessage { caller: self.victim.clone(), time, csb_id, gmk_id, gsk };
        self.forged.seal_call(&call, gmk, seed)
    }

    fn claim(&self, octets: &[u8]) -> Result<(Kind, Claim), Refusal> {
        self.own.claim(octets)
    }

    fn open_gmk(&self, octets: &[u8], now: UtcTime) -> Result<GmkMessage, Refusal> {
        self.own.open_gmk(octets, now)
    }

    fn open_call(&self, octets: &[u8], gmk: &Gmk, now: UtcTime) -> Result<CallMessage, Refusal> {
        self.own.open_call(octets, gmk, now)
    }
}
