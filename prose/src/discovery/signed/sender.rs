//! The announcing side: signs once a set, and gives one fragment an opportunity.

use sidelink_security::discovery::signature::{Hint, SigningKey, VerifyingKey};
use sidelink_security::discovery::{Code, Message};
use sidelink_security::keys::Duck;
use sidelink_wire::pc5_discovery::Repr;
use sidelink_wire::rng::Rng;

use super::timing::tag;
use super::{CODE_OCTETS, FRAGMENT_OCTETS, Rotation, SetTiming, fragments};
use crate::discovery::AirTime;
use crate::erasure;

/// A code that is announced with signatures.
pub struct SignedSender {
    key: SigningKey,
    public: VerifyingKey,
    hint: Hint,
    code: Code,
    rotation: Rotation,
    group: Option<Duck>,
    /// The number of the set that was signed last, and its octets.
    set: Option<(u64, Vec<u8>)>,
    signatures: u64,
}

impl SignedSender {
    /// Makes a sender of `code` that has signed nothing yet.
    pub fn new(key: SigningKey, code: Code, rotation: Rotation) -> Self {
        let public = key.verifying_key();
        let hint = public.hint();
        Self { key, public, hint, code, rotation, group: None, set: None, signatures: 0 }
    }

    /// Conceals the code from all but the holders of a group's key. TR 33.833 §6.2.3 leaves restricted use open.
    #[must_use]
    pub fn concealed(mut self, group: Duck) -> Self {
        self.group = Some(group);
        self
    }

    /// Returns the public key.
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    /// Returns the number of signatures so far: one a set.
    pub const fn signatures(&self) -> u64 {
        self.signatures
    }

    /// Returns the message of the discovery period of `now`.
    pub(in crate::discovery) fn fragment(
        &mut self,
        timing: &SetTiming,
        now: &AirTime,
        entropy: &mut (impl Rng + ?Sized),
    ) -> Message {
        let place = timing.place(now, 0, self.hint);
        let needed = fragments(self.key.scheme());
        if self.set.as_ref().is_none_or(|(number, _)| *number != place.number) {
            let time = place.signed_time(0);
            let code = match &self.group {
                Some(group) => self.public.conceal(group, time, &self.code),
                None => self.code,
            };
            let mut nonce = [0; 32];
            for octets in nonce.chunks_mut(8) {
                octets.copy_from_slice(&entropy.next_u64().to_be_bytes());
            }
            let signature = self.key.announce(&code, time, nonce);
            let mut set = vec![0; needed * FRAGMENT_OCTETS];
            set[..CODE_OCTETS].copy_from_slice(&code);
            set[CODE_OCTETS..][..signature.as_octets().len()].copy_from_slice(signature.as_octets());
            self.set = Some((place.number, set));
            self.signatures += 1;
        }
        let set = self.set.as_ref().map_or(&[][..], |(_, set)| set);
        let data = fragment_of(set, needed, self.rotation.fragment(place.index, needed));
        block(place.index, tag(self.hint.0, place.number), data)
    }
}

/// Returns a fragment of a set that needs `needed` of them.
pub(super) fn fragment_of(set: &[u8], needed: usize, index: u8) -> [u8; FRAGMENT_OCTETS] {
    let mut data = [0; FRAGMENT_OCTETS];
    let code = erasure::Code::new(needed, erasure::MAX_FRAGMENTS - needed);
    // K and the size are those of this module, and an index is below 255: never an error.
    if let Ok(fragment) = code.and_then(|code| code.fragment(set, index)) {
        data.copy_from_slice(&fragment);
    }
    data
}

fn block(index: u8, set: [u8; 2], data: [u8; FRAGMENT_OCTETS]) -> Message {
    let mut message = [0; 29];
    // The buffer has the length of a message: never an error.
    let _ = Repr::Fragment { index, set, data }.emit(&mut message);
    message
}
