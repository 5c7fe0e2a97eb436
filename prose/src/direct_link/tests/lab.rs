//! A key management server of the tests, and the keys that it made.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use sidelink_security::counter::UtcTime;
use sidelink_security::identity::master::{AuthenticationSecret, EncryptionSecret};
use sidelink_security::key_period::KeyPeriods;

use super::super::*;
use super::rig::{T0, name};

/// Secrets of the server.
pub(super) struct Lab {
    pub(super) signing: AuthenticationSecret,
    pub(super) encryption: EncryptionSecret,
    pub(super) uri: &'static str,
}

pub(super) static LAB: LazyLock<Lab> = LazyLock::new(|| Lab::new("kms.example.org", 0x31));

/// The server of nobody here.
pub(super) static OTHER: LazyLock<Lab> = LazyLock::new(|| Lab::new("kms.example.org", 0x32));

/// Periods of 30 days.
pub(super) const PERIODS: KeyPeriods =
    KeyPeriods::Seconds { length: NonZeroU32::new(2_592_000).unwrap(), offset: 0 };

/// Number of the period of a time.
pub(super) fn period(millis: u64) -> u32 {
    PERIODS.at(UtcTime::from_millis(millis)).unwrap().number
}

impl Lab {
    fn new(uri: &'static str, octet: u8) -> Self {
        Self {
            signing: AuthenticationSecret::generate(&[octet; 64]).unwrap(),
            encryption: EncryptionSecret::generate(&[octet; 144]).unwrap(),
            uri,
        }
    }

    /// Makes the keys of a user for some periods.
    pub(super) fn issue(&self, user: &Identity, periods: &[u32]) -> IdentityKeys {
        let kms = || Kms::new(self.uri, PERIODS, *self.signing.public_key(), self.encryption.public_key());
        let user = format!("ProSe:{}", String::from_utf8_lossy(&user.value));
        let made = periods.iter().map(|number| {
            let period = PERIODS.numbered(*number).unwrap();
            let uid = kms().identifier(&user, &period).unwrap();
            let signing = self.signing.issue(&uid, &[*number as u8 | 1; 64]).unwrap();
            PeriodKeys { number: *number, signing, receiving: self.encryption.issue(&uid).unwrap() }
        });
        IdentityKeys::new(kms(), made.collect())
    }
}

/// Returns the keys of a UE for the present period, made once.
pub(super) fn keys(index: usize) -> Arc<IdentityKeys> {
    static MADE: Mutex<BTreeMap<usize, Arc<IdentityKeys>>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || Arc::new(LAB.issue(&name(index), &[period(T0)]));
    Arc::clone(made.entry(index).or_insert_with(make))
}
