//! Announcing UE, model A.

use sidelink_security::counter::{LsbWidth, UtcCounter, UtcTime};
use sidelink_security::discovery::code_chain::CodeChain;
use sidelink_security::discovery::delayed_key::{KeyChain, ShortCode};
use sidelink_security::discovery::open::OpenKey;
use sidelink_security::discovery::ota::{OtaConfig, OtaIdentity, ProseId};
use sidelink_security::discovery::restricted::Sender;
use sidelink_security::discovery::rotation::RotationPeriod;
use sidelink_security::discovery::{Message, Refusal};
use sidelink_security::keys::ApplicationKey;

use super::pointer::PointerAnnouncer;
use super::signed::SignedSender;
use super::{AirTime, TimePolicy};
use sidelink_wire as wire;
use sidelink_wire::pc5_discovery::{Content, LEN, Repr};
use sidelink_wire::rng::Rng;

/// Largest nonce that a changing identifier sends, octets.
const MAX_NONCE: usize = 16;

/// Protection of the announcements.
// One per announced code, built once.
#[allow(clippy::large_enum_variant)]
pub enum AnnouncerKey {
    /// None: MIC and keystream are absent, the counter is sent.
    Unprotected,
    /// Open discovery: a MIC that the network checks.
    Open(OpenKey),
    /// Restricted discovery, or public safety: DUIK, DUCK, DUSK as given.
    Restricted(Sender),
    /// A one-way changing identifier; it is the whole message, there is no code. See [`Announcer::changing`].
    Changing(OtaConfig, OtaIdentity),
    /// Signed, in fragments: each message is one of them. See [`Announcer::signed`].
    Signed(SignedSender),
    /// A code whose MIC is proven by a key that is disclosed later. See [`Announcer::delayed`].
    Delayed(KeyChain, ShortCode),
    /// The codes of a signed chain. See [`Announcer::of_chain`].
    Chain(CodeChain),
    /// A code that is signed on the SL-SCH. See [`Announcer::pointing`].
    Pointer(PointerAnnouncer),
}

impl AnnouncerKey {
    /// Returns the time for which one message stays the same on air.
    const fn period(&self) -> RotationPeriod {
        match self {
            Self::Changing(config, _) => config.period(),
            Self::Delayed(chain, _) => chain.plan().period(),
            Self::Chain(chain) => chain.plan().period(),
            _ => RotationPeriod::SECOND,
        }
    }
}

/// Whether a code is announced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Announcing {
    /// In every discovery period.
    #[default]
    On,
    /// Nobody wants it now.
    Off,
}

/// One announced code with its key and validity.
pub struct Announcer {
    plain: Message,
    key: AnnouncerKey,
    valid_until: UtcCounter,
    /// The latest slot of an announcement: with a clock behind it nothing is announced.
    latest: UtcTime,
    sent: u64,
    announcing: Announcing,
}

impl Announcer {
    /// Announces `content` (ignored for a changing identifier) under `key` until `valid_until`.
    ///
    /// # Errors
    /// A field with a reserved value.
    pub fn new(content: &Content, key: AnnouncerKey, valid_until: UtcCounter) -> Result<Self, wire::Error> {
        content.check()?;
        let mut plain = [0; LEN];
        Repr::Standard { content: *content, mic: [0; 4], utc_lsb: 0 }.emit(&mut plain)?;
        let (latest, announcing) = (UtcTime::from_millis(0), Announcing::On);
        Ok(Self { plain, key, valid_until, latest, sent: 0, announcing })
    }

    /// Makes an announcer of a changing identifier.
    pub fn changing(config: OtaConfig, id: ProseId, key: &ApplicationKey, valid_until: UtcCounter) -> Self {
        let key = AnnouncerKey::Changing(config, OtaIdentity::new(config, id, key));
        let (latest, announcing) = (UtcTime::from_millis(0), Announcing::On);
        Self { plain: [0; LEN], key, valid_until, latest, sent: 0, announcing }
    }

    /// Makes an announcer of a signed code: one fragment an opportunity.
    pub fn signed(sender: SignedSender, valid_until: UtcCounter) -> Self {
        let (latest, announcing) = (UtcTime::from_millis(0), Announcing::On);
        Self { plain: [0; LEN], key: AnnouncerKey::Signed(sender), valid_until, latest, sent: 0, announcing }
    }

    /// Makes an announcer of a key that has its whole message.
    pub(super) const fn of_key(key: AnnouncerKey, valid_until: UtcCounter) -> Self {
        let (latest, announcing) = (UtcTime::from_millis(0), Announcing::On);
        Self { plain: [0; LEN], key, valid_until, latest, sent: 0, announcing }
    }

    pub(super) const fn key(&mut self) -> &mut AnnouncerKey {
        &mut self.key
    }

    /// Replaces code, identifier or key, as after a revocation: every announcement from now on uses the new one, and
    /// the old one is dropped. One that is off stays off.
    pub fn replace(&mut self, with: Self) {
        let (latest, sent) = (self.latest, self.sent);
        *self = Self { announcing: self.announcing, ..with };
        self.latest = self.latest.max(latest);
        self.sent += sent;
    }

    /// Returns the time of the next change of the message: the next edge of the rotation period.
    pub fn next_edge(&self, now: &AirTime) -> UtcTime {
        let period = self.key.period();
        period.start(period.index(now.slot).next())
    }

    /// Says whether it is announced from now on.
    pub const fn set_announcing(&mut self, announcing: Announcing) {
        self.announcing = announcing;
    }

    /// Whether it is announced.
    pub const fn announcing(&self) -> Announcing {
        self.announcing
    }

    /// Returns the number of announcements so far.
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns the message for the slot of `now`. It is the same within one rotation period, unless a nonce is sent.
    ///
    /// Refused: [`Refusal::Expired`] after the validity, [`Refusal::OutsideMaxOffset`] when air clock and ProSe clock
    /// disagree, [`Refusal::Clock`] when the air clock has gone back behind an earlier announcement. The UE is silent
    /// then.
    pub fn announce(
        &mut self,
        now: &AirTime,
        policy: &TimePolicy,
        entropy: &mut (impl Rng + ?Sized),
    ) -> Result<Message, Refusal> {
        let freshness = policy.freshness(now);
        freshness.may_announce()?;
        if freshness.slot >= self.valid_until {
            // TS 33.303 §6.1.3.3.1 step 5 (1)
            return Err(Refusal::Expired);
        }
        if now.slot < self.latest {
            return Err(Refusal::Clock);
        }
        let mut message = self.plain;
        match &mut self.key {
            AnnouncerKey::Signed(sender) => message = sender.fragment(&policy.sets, now, entropy),
            AnnouncerKey::Unprotected => {
                message[LEN - 1] = freshness.slot.lsb(LsbWidth::of(message[0]));
            }
            AnnouncerKey::Open(key) => key.protect(&freshness, &mut message)?,
            // TS 24.334 §10A.2.2.2 (2); TS 33.303 §6.1.3.4.2.1 step 11 (1)
            AnnouncerKey::Restricted(sender) => sender.protect(&freshness, &mut message)?,
            AnnouncerKey::Changing(config, identity) => {
                let nonce_len = config.nonce_bits() as usize / 8;
                let mut nonce = [0; MAX_NONCE];
                for octets in nonce.chunks_mut(8) {
                    octets.copy_from_slice(&entropy.next_u64().to_be_bytes());
                }
                // `OtaConfig` allows no nonce above 16 octets, and the length is its own: never `None`.
                let nonce = &nonce[..nonce_len.min(MAX_NONCE)];
                message = identity.announce(now.slot, nonce).ok_or(Refusal::Type)?;
            }
            AnnouncerKey::Delayed(chain, code) => message = chain.announce(now.slot, code)?,
            AnnouncerKey::Chain(chain) => message = chain.announce(now.slot)?,
            AnnouncerKey::Pointer(pointer) => message = pointer.announce(now, entropy),
        }
        self.latest = now.slot;
        self.sent += 1;
        Ok(message)
    }
}
