//! Signatures of discovery: time to sign and to verify with each scheme, and what they take on the air.

use super::{Row, figure};
use crate::bench::timing::time;
use sidelink_prose::discovery::signed::{FRAGMENT_OCTETS, fragments};
use sidelink_security::counter::UtcCounter;
use sidelink_security::discovery::signature::{Error, Scheme, SignedTime, SigningKey};
use sidelink_security::identity::master::AuthenticationSecret;
use std::hint::black_box;
use std::time::Duration;

/// Names of the lines, to select measurements.
pub(super) const NAMES: [&str; 5] =
    ["ed25519", "ecdsa-p256", "eccsi-full", "eccsi-compressed", "eccsi-cached-pvt"];

pub(super) fn run(budget: Duration, done: &mut dyn FnMut(Row)) {
    for scheme in Scheme::ALL {
        // Refused once in 2^32 secrets: then its line is missing.
        if let Ok(row) = line(budget, scheme) {
            done(row);
        }
    }
}

fn line(budget: Duration, scheme: Scheme) -> Result<Row, Error> {
    let key = if scheme.is_eccsi() {
        let kms = AuthenticationSecret::generate(&[1; 64])?;
        SigningKey::eccsi(scheme, kms.public_key(), &kms.issue(&[7; 32], &[2; 64])?)?
    } else {
        SigningKey::new(scheme, &[3; 32])?
    };
    let (code, public) = ([5; 23], key.verifying_key());
    let announced = SignedTime { counter: UtcCounter::new(1_700_000_000), dfn: 7, subframe: 3 };
    let signature = key.announce(&code, announced, [4; 32]);
    let _ = public.verify_announcement(&code, announced, signature.as_octets())?;
    let sign = time("sign", budget / 2, || _ = black_box(key.announce(black_box(&code), announced, [4; 32])));
    let verify = time("verify", budget / 2, || {
        _ = black_box(public.verify_announcement(&code, announced, black_box(signature.as_octets())));
    });
    let figures = [
        ("sign_us", figure(sign.median_us)),
        ("verify_us", figure(verify.median_us)),
        ("signature_octets", scheme.octets().into()),
        ("public_key_octets", public.to_octets().len().into()),
        ("fragments", fragments(scheme).into()),
        ("air_octets", (fragments(scheme) * (FRAGMENT_OCTETS + 4)).into()),
    ];
    Ok(Row::new("signature", scheme.as_str(), &figures))
}
