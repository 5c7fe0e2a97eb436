//! Restricted discovery: integrity by DUIK, message-specific confidentiality by DUCK, scrambling by DUSK, in this
//! order at the sender and backwards at the receiver. TS 33.303 §6.1.3.4.3.
//!
//! Scrambling covers all 216 bits between message type and counter LSB: they are XORed with the 27 last octets of the
//! KDF's output. (The 5G text prefixes 16 bits of ones to the sequence. Taken literally that inverts type and LSB; here
//! those two octets are not changed.)
//!
//! [`Received`] states the conclusion that a receiver may draw; it is never `Verified` without a key that proves it.

use super::{
    Announcement, Code, CodeFilter, Freshness, Message, Mic, Profile, Refusal, Verified, join, split,
};
use crate::counter::UtcCounter;
use crate::hmac::Keyed;
use crate::kdf::lte::{confidentiality_input, mic_input, scrambling_input};
use crate::keys::{Duck, Duik, Dusk};

/// Encrypted_bits_mask: 184 bits, 1 marks a bit of the code that DUCK encrypts. TS 24.334 §12.2.2.37.
pub type EncryptedBitmask = [u8; 23];

/// Code-sending or code-receiving security material: each key is optional. TS 29.345 §6.3.75 to §6.3.81 (through an
/// implementation).
#[derive(Debug, Default)]
// TS 33.303 §6.1.2
pub struct Material {
    /// Scrambles the whole message.
    pub dusk: Option<Dusk>,
    /// Keys the MIC.
    pub duik: Option<Duik>,
    /// Encrypts the marked bits.
    pub duck: Option<(Duck, EncryptedBitmask)>,
}

/// The material with its keys absorbed.
// TS 33.303 §6.1.3.4.3.1 (1)
pub(crate) struct Absorbed {
    dusk: Option<Keyed>,
    duik: Option<Keyed>,
    duck: Option<(Keyed, EncryptedBitmask)>,
    profile: Profile,
}

/// The announcing side, or the side that sends queries or responses.
pub struct Sender(Absorbed);

impl Sender {
    /// Absorbs the keys.
    pub fn new(material: &Material, profile: Profile) -> Self {
        Self(Absorbed::new(material, profile))
    }

    /// Protects `message`, whose type and code are set, for the slot of `freshness`. Without a DUIK the MIC is zero
    /// (TS 33.303 §6.1.3.4.3.2; 5G sends random bits).
    ///
    /// Refused with [`Refusal::OutsideMaxOffset`]: the UE stays silent.
    pub fn protect(&self, freshness: &Freshness, message: &mut Message) -> Result<(), Refusal> {
        freshness.may_announce()?;
        let (message_type, code, _, _) = split(message, self.0.profile.layout);
        *message = self.0.seal(message_type, &code, freshness.slot);
        Ok(())
    }
}

/// The place where the MIC is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// TS 24.334 §12.2.2.37
pub enum MicCheck {
    /// The UE, with the DUIK of its material. Without a DUIK the MIC is not checked and means nothing, because a
    /// receiver without a DUIK may receive from a sender with one (TS 33.303 §6.1.3.4.3.3 note 2, Annex G).
    Local,
    /// The ProSe Function, by match report (MIC-Check-Indicator = 1). TS 29.345 §6.3.54 (through an implementation).
    ByProseFunction,
}

/// The monitoring side: its material and the filters for its codes.
pub struct Receiver {
    keys: Absorbed,
    mic_check: MicCheck,
    filters: Vec<CodeFilter>,
}

/// A message that passed every check that this receiver can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Received {
    /// The MIC is right under DUIK: the message is authentic.
    Verified(Verified<Announcement>),
    /// The filter matches; the MIC must be checked by match report before the message is reported to an application.
    ToReport(Announcement),
    /// The filter matches but integrity is not protected: the material has no DUIK.
    Unprotected(Announcement),
}

impl Receiver {
    /// Absorbs the keys. At least one of `filters` must match.
    pub fn new(material: &Material, mic_check: MicCheck, filters: Vec<CodeFilter>, profile: Profile) -> Self {
        Self { keys: Absorbed::new(material, profile), mic_check, filters }
    }

    /// Undoes scrambling and encryption, matches the filters, checks the MIC.
    ///
    /// Refused: outside MAX_OFFSET (or the strict window), [`Refusal::Unknown`] when no filter matches,
    /// [`Refusal::BadMic`] when one does and the MIC is wrong.
    pub fn verify(&self, freshness: &Freshness, message: &Message) -> Result<Received, Refusal> {
        // TS 24.334 §12.2.2.22 (2)
        let counter = freshness.rebuild(message[0], message[self.keys.profile.layout.lsb()])?;
        let (announcement, expected) = self.keys.open(message, counter);
        let wanted = self.filters.iter().fold(false, |any, f| any | f.matches(&announcement.code));
        let right = expected == announcement.mic;
        match (wanted, self.mic_check, right) {
            (false, ..) => Err(Refusal::Unknown),
            // TS 33.303 §6.1.3.4.2.1 step 13
            (true, MicCheck::ByProseFunction, _) => Ok(Received::ToReport(announcement)),
            // TS 33.303 §6.1.3.4.3.3 step 5 (2), NOTE 2; TS 33.303 §G.2-1 row 1, 2; TS 33.303 §G.2-1 row 3, 5
            (true, MicCheck::Local, _) if self.keys.duik.is_none() => Ok(Received::Unprotected(announcement)),
            // TS 33.303 §6.1.3.4.3.3 step 5 (1)
            (true, MicCheck::Local, false) => Err(Refusal::BadMic),
            // TS 33.303 §G.2-1 row 4, 6, 7
            (true, MicCheck::Local, true) => Ok(Received::Verified(Verified::new(announcement))),
        }
    }
}

impl Absorbed {
    pub(crate) fn new(material: &Material, profile: Profile) -> Self {
        Self {
            dusk: material.dusk.as_ref().map(|key| Keyed::new(key.as_bytes())),
            duik: material.duik.as_ref().map(|key| Keyed::new(key.as_bytes())),
            duck: material.duck.as_ref().map(|(key, mask)| (Keyed::new(key.as_bytes()), *mask)),
            profile,
        }
    }

    /// Returns the protected message.
    // TS 24.334 §10A.2.2.2 (5); TS 33.303 §6.1.3.4.3.2 step 3, 4, 5
    pub(crate) fn seal(&self, message_type: u8, code: &Code, counter: UtcCounter) -> Message {
        let mic = self.mic(message_type, code, counter);
        let mut code = *code;
        self.encrypt(&mut code, mic, counter);
        let mut message = join(message_type, &code, mic, counter, self.profile.layout);
        self.scramble(&mut message, counter);
        message
    }

    /// Opens a message; returns it with the MIC that it should carry.
    // TS 24.334 §10A.2.3.2 (1); TS 33.303 §6.1.3.4.3.3 step 1 to 4
    fn open(&self, message: &Message, counter: UtcCounter) -> (Announcement, Mic) {
        let mut message = *message;
        self.scramble(&mut message, counter);
        let (message_type, mut code, mic, _) = split(&message, self.profile.layout);
        self.encrypt(&mut code, mic, counter);
        let expected = self.mic(message_type, &code, counter);
        (Announcement { message_type, code, mic, counter }, expected)
    }

    // TS 33.303 §6.1.3.4.3.4
    fn mic(&self, message_type: u8, code: &Code, counter: UtcCounter) -> Mic {
        // TS 33.303 §6.1.3.4.3.2 step 2
        let Some(duik) = &self.duik else { return Mic([0; 4]) };
        let input = mic_input(message_type, code, counter);
        self.profile.mic(&duik.mac_short(&input))
    }

    /// XORs the keystream under the mask: both ways, because the keystream is derived from the bits outside the mask.
    /// TS 33.303 §6.1.3.4.3.6, §A.6.
    /// TS 33.303 §6.1.3.4.3.6, §A.6.
    fn encrypt(&self, code: &mut Code, mic: Mic, counter: UtcCounter) {
        let Some((duck, mask)) = &self.duck else { return };
        let input = confidentiality_input(counter, code, mask, &mic.0);
        let keystream = duck.mac_short(&input);
        for (i, octet) in code.iter_mut().enumerate() {
            // TS 24.334 §12.2.2.37; TS 33.303 §6.1.3.4.3.6 step 3
            *octet ^= keystream[32 - 23 + i] & mask[i];
        }
    }

    /// XORs the time-hash-bitsequence onto the 216 bits: both ways. TS 33.303 §6.1.3.4.3.5, §A.5.
    // TS 33.303 §6.1.3.4.3.5 step 1; TS 33.303 §6.1.3.4.3.5 step 2, 3
    fn scramble(&self, message: &mut Message, counter: UtcCounter) {
        let Some(dusk) = &self.dusk else { return };
        let input = scrambling_input(self.profile.scrambling.counter(counter));
        let sequence = dusk.mac_short(&input);
        for (octet, bits) in message[self.profile.layout.protected()].iter_mut().zip(&sequence[32 - 27..]) {
            *octet ^= bits;
        }
    }
}
