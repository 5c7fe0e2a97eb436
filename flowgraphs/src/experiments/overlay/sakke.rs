//! Overlay C by SAKKE: UE_1 sends the key in an I_MESSAGE, and voice behind it. RFC 6509, TS 33.328 as a model.
//!
//! The keys of both users come from the key management server of their organisation, before the case begins. It is no server of
//! the operator. The message is sent again until voice of UE_2 proves that it has the key.

use super::media::{self, Media};
use super::packet::{MIKEY_PORT, VOICE_PORT, datagram, udp};
use super::protocol::{Fault, NAMES, Protocol, Taken};
use anyhow::Context;
use sidelink_prose::mikey::i_message::{
    self, Content, Draws, Form, OpenAs, Opened, Received, Recipient, Sender, Trust,
};
use sidelink_prose::mikey::identity::{Kms, PublicKey};
use sidelink_prose::mikey::{NtpTime, SignatureLeniency, Window};
use sidelink_security::counter::UtcTime;
use sidelink_security::identity::eccsi::{PublicAuthenticationKey, SigningKey};
use sidelink_security::identity::master::{AuthenticationSecret, EncryptionSecret};
use sidelink_security::identity::sakke::{self, ReceiverKey, SSV_OCTETS};
use sidelink_security::key_period::KeyPeriods;
use sidelink_security::mikey::{CryptoSession, Prf, TrafficKey, traffic_key};
use sidelink_security::srtp::MasterKey;
use sidelink_ue::air_rng::AirRng;
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// URI of the server of the users' organisation.
const KMS: &str = "kms.users.example";

/// Seconds of a period of its keys.
const PERIOD: NonZeroU32 = NonZeroU32::new(7 * 86_400).expect("not zero");
const PERIODS: KeyPeriods = KeyPeriods::Seconds { length: PERIOD, offset: 0 };

/// CS ID of voice.
const CS_ID: u8 = 1;

/// Milliseconds that the time in a message may be from the clock.
const WINDOW: u64 = 60_000;

fn uri(number: usize) -> String {
    format!("sip:{}@users.example", NAMES[number])
}

/// The server of the users' organisation. Its secrets are none.
pub(super) struct Organisation {
    signing: AuthenticationSecret,
    encryption: EncryptionSecret,
}

impl Organisation {
    /// Makes its secrets.
    ///
    /// # Errors
    /// They do not serve.
    pub(super) fn new() -> anyhow::Result<Self> {
        let signing = AuthenticationSecret::generate(&[0x63; 64])?;
        Ok(Self { signing, encryption: EncryptionSecret::generate(&[0x63; 144])? })
    }

    /// The end of a user, with the keys of its identity at a time.
    ///
    /// # Errors
    /// A time without a period.
    pub(super) fn end(&self, number: usize, start: UtcTime, patience: u64) -> anyhow::Result<SakkeEnd> {
        let kpak = *self.signing.public_key();
        let kms = Kms { uri: KMS, periods: PERIODS, kpak: &kpak };
        let identifier = kms.identifier(&uri(number), start).context("the time has no key period")?;
        let mut rng = AirRng::of_system()?;
        let random = Zeroizing::new(rng.octets());
        Ok(SakkeEnd {
            number,
            signing: self.signing.issue(&identifier, &random)?,
            receiving: self.encryption.issue(&identifier)?,
            kpak,
            public_key: *self.encryption.public_key(),
            rng,
            patience,
            message: None,
            due: UtcTime::from_millis(0),
            is_answered: false,
            newest: None,
            media: None,
        })
    }
}

/// One end.
pub(super) struct SakkeEnd {
    number: usize,
    signing: SigningKey,
    receiving: ReceiverKey,
    kpak: PublicAuthenticationKey,
    public_key: sakke::PublicKey,
    rng: AirRng,
    patience: u64,
    /// The I_MESSAGE of UE_1, and when it goes out next.
    message: Option<Vec<u8>>,
    due: UtcTime,
    is_answered: bool,
    /// T of the message that was taken.
    newest: Option<NtpTime>,
    media: Option<Media>,
}

impl SakkeEnd {
    fn kms(&self) -> Kms<'_> {
        Kms { uri: KMS, periods: PERIODS, kpak: &self.kpak }
    }

    /// The message, and with it the keys of UE_1.
    fn make(&mut self, now: UtcTime) -> Option<Vec<u8>> {
        let key = Zeroizing::new(self.rng.octets::<SSV_OCTETS>());
        let draws = Draws { rand: self.rng.octets(), iv: self.rng.octets(), nonce: self.rng.octets() };
        let csb_id = self.rng.next_u64() as u32;
        let (own, other) = (uri(self.number), uri(1 - self.number));
        let content = Content::new(csb_id, NtpTime::from_utc(now));
        let sender = Sender { identity: &own, kms: self.kms(), key: &self.signing };
        let public_key = PublicKey::Once(&self.public_key);
        let recipient = Recipient { identity: &other, kms: self.kms(), public_key };
        let message = i_message::make(&sender, &recipient, &key, &content, &Form::default(), &draws).ok()?;
        self.media = Some(Media::shared(self.number, &master(Prf::HmacSha256, &key, csb_id, &draws.rand)));
        Some(message)
    }

    fn take_message(&mut self, now: UtcTime, octets: &[u8]) -> Taken {
        let received = match Received::parse(octets) {
            Ok(received) => received,
            Err(why) => return Taken::Refused(why.to_string()),
        };
        if self.newest.is_some_and(|newest| received.time.0 <= newest.0) {
            // The same one again: its sender has not heard voice yet.
            return Taken::Handshake;
        }
        match self.open(now, &received) {
            Ok(opened) => {
                self.newest = Some(opened.time());
                let prf = prf_of(opened.prf());
                let master = master(prf, opened.key(), opened.csb_id(), opened.rand());
                self.media = Some(Media::shared(self.number, &master));
                Taken::Handshake
            }
            Err(why) => Taken::Refused(why.to_string()),
        }
    }

    fn open(&self, now: UtcTime, received: &Received<'_>) -> Result<Opened, sidelink_prose::mikey::Refused> {
        let (own, other) = (uri(self.number), uri(1 - self.number));
        received.open(&Trust {
            window: Window::around(now, WINDOW, WINDOW),
            sender_kms: self.kms(),
            sender: Some(&other),
            local_kms: self.kms(),
            local: &own,
            key: &self.receiving,
            recipient: OpenAs::Responder,
            signatures: SignatureLeniency::default(),
        })
    }
}

const fn prf_of(prf: sidelink_wire::mikey::Prf) -> Prf {
    match prf {
        sidelink_wire::mikey::Prf::Mikey1 => Prf::Mikey1,
        sidelink_wire::mikey::Prf::HmacSha256 => Prf::HmacSha256,
    }
}

/// Master key and salt of voice. RFC 3830 §4.1.3.
fn master(prf: Prf, tgk: &[u8; SSV_OCTETS], csb_id: u32, rand: &[u8]) -> MasterKey {
    let session = CryptoSession { cs_id: CS_ID, csb_id };
    let (mut key, mut salt) = (Zeroizing::new([0; 16]), Zeroizing::new([0; 14]));
    traffic_key(prf, TrafficKey::Tek, tgk, session, rand, &mut *key);
    traffic_key(prf, TrafficKey::Salt, tgk, session, rand, &mut *salt);
    MasterKey::new(*key, *salt)
}

impl Protocol for SakkeEnd {
    fn work(&mut self, now: UtcTime) -> Vec<Vec<u8>> {
        if self.number != 0 || self.is_answered || now < self.due {
            return Vec::new();
        }
        if self.message.is_none() {
            self.message = self.make(now);
        }
        self.due = now.plus_millis(self.patience);
        self.message.iter().map(|message| udp(self.number, MIKEY_PORT, message)).collect()
    }

    fn take(&mut self, now: UtcTime, packet: &[u8]) -> Taken {
        match datagram(packet) {
            Some((MIKEY_PORT, message)) if self.number == 1 => self.take_message(now, message),
            Some((VOICE_PORT, rtp)) => {
                let taken = media::open(&mut self.media, rtp);
                self.is_answered |= matches!(taken, Taken::Voice(_));
                taken
            }
            _ => Taken::Refused("a packet of no use here".to_owned()),
        }
    }

    fn is_ready(&self) -> bool {
        self.media.is_some()
    }

    fn protect(&mut self, packet: &[u8]) -> Result<Vec<u8>, Fault> {
        media::protect(&mut self.media, packet)
    }
}
