use std::num::NonZeroU32;
use std::sync::LazyLock;

use sidelink_security::identity::eccsi::SigningKey;
use sidelink_security::identity::master::{AuthenticationSecret, EncryptionSecret};
use sidelink_security::identity::sakke::ReceiverKey;
use sidelink_security::key_period::KeyPeriods;

use super::i_message::{Draws, Sender};
use super::identity::{Kms, PublicKey};
use super::*;

mod any_octets;
mod group_call;
mod i_message;
mod psk;
mod ticket;

const ALICE: &str = "sip:alice@example.org";
const BOB: &str = "sip:bob@example.org";
/// 2026-11-29 22:00:00 UTC.
const NOW: UtcTime = UtcTime::from_millis(1_795_989_600_000);

/// Someone with keys of one period.
struct User {
    identity: &'static str,
    signing: SigningKey,
    receiving: ReceiverKey,
}

/// A key management server and two users, with keys of the present.
struct Domain {
    uri: &'static str,
    periods: KeyPeriods,
    authentication: AuthenticationSecret,
    encryption: EncryptionSecret,
    alice: User,
    bob: User,
}

impl Domain {
    fn new(uri: &'static str, periods: KeyPeriods, seed: u8) -> Self {
        let authentication = AuthenticationSecret::generate(&[seed; 64]).unwrap();
        let encryption = EncryptionSecret::generate(&[seed; 144]).unwrap();
        let kms = Kms { uri, periods, kpak: authentication.public_key() };
        let user = |identity: &'static str, random| {
            let identifier = kms.identifier(identity, NOW).unwrap();
            User {
                identity,
                signing: authentication.issue(&identifier, &[random; 64]).unwrap(),
                receiving: encryption.issue(&identifier).unwrap(),
            }
        };
        let (alice, bob) = (user(ALICE, seed + 1), user(BOB, seed + 2));
        Self { uri, periods, authentication, encryption, alice, bob }
    }

    fn kms(&self) -> Kms<'_> {
        Kms { uri: self.uri, periods: self.periods, kpak: self.authentication.public_key() }
    }

    fn sender<'a>(&'a self, user: &'a User) -> Sender<'a> {
        Sender { identity: user.identity, kms: self.kms(), key: &user.signing }
    }

    fn public_key(&self) -> PublicKey<'_> {
        PublicKey::Once(self.encryption.public_key())
    }
}

static WEEKLY: LazyLock<Domain> = LazyLock::new(|| {
    let length = NonZeroU32::new(604_800).unwrap();
    Domain::new("kms.example.org", KeyPeriods::Seconds { length, offset: 432_000 }, 3)
});

static MONTHLY: LazyLock<Domain> = LazyLock::new(|| Domain::new("kms.example.net", KeyPeriods::Months, 7));

fn draws() -> Draws {
    Draws { rand: [0x11; 16], iv: [0x22; 16], nonce: [0x33; 32] }
}

#[test]
fn a_time_comes_back() {
    for time in [NOW, NOW.plus_millis(1), NOW.plus_millis(999), UtcTime::from_millis(0)] {
        assert_eq!(NtpTime::from_utc(time).to_utc(), time);
    }
    assert_eq!(NtpTime::from_utc(NOW).0 >> 32, 1_795_989_600 + 2_208_988_800);
    // 2036-02-07 06:28:16 begins the next era.
    let era = UtcTime::from_millis(2_085_978_496_000);
    assert_eq!((NtpTime::from_utc(era).0, NtpTime(0).to_utc()), (0, era));
    assert_eq!(NtpTime(u64::MAX).to_utc(), era.minus_millis(1));
}
