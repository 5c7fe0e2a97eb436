//! Time of identity-based signatures and key encapsulation, for each arithmetic that this machine runs.

use super::{Row, figure};
use crate::bench::timing::{Timing, time};
use sidelink_security::identity::eccsi::{self, Peer};
use sidelink_security::identity::master::{AuthenticationSecret, EncryptionSecret};
use sidelink_security::identity::sakke::{Backend, Encapsulator, ReceiverKey};
use std::hint::black_box;
use std::time::Duration;

/// Names of the lines, to select measurements.
pub(super) const NAMES: [&str; 2] = ["ECCSI", "SAKKE"];

const USER: &[u8] = b"user";

pub(super) fn run(budget: Duration, done: &mut dyn FnMut(Row)) {
    // Refusals would be once in 2^255 secrets: then these lines are missing.
    _ = eccsi_lines(budget, done);
    if let Ok(kms) = EncryptionSecret::generate(&[6; 144]) {
        for backend in Backend::ALL.into_iter().filter(|backend| backend.is_available()) {
            _ = sakke_lines(budget, &kms, backend, done);
        }
    }
}

fn row(timing: &Timing, calls: f64) -> Row {
    let figures =
        [("median_us", figure(timing.median_us / calls)), ("p99_us", figure(timing.p99_us / calls))];
    Row::new("identity", timing.name.clone(), &figures)
}

fn eccsi_lines(budget: Duration, done: &mut dyn FnMut(Row)) -> Result<(), eccsi::Error> {
    let kms = AuthenticationSecret::generate(&[1; 64])?;
    let key = kms.issue(USER, &[2; 64])?;
    let peer = Peer::new(kms.public_key(), USER, key.pvt())?;
    let signature = key.sign(b"message", [3; 32]);
    let sign = || _ = black_box(key.sign(black_box(b"message"), [3; 32]));
    done(row(&time("ECCSI sign", budget, sign), 1.0));
    let verify = || _ = black_box(eccsi::verify(kms.public_key(), USER, b"message", black_box(&signature)));
    done(row(&time("ECCSI verify", budget, verify), 1.0));
    let verify = || _ = black_box(peer.verify(b"message", black_box(&signature)));
    done(row(&time("ECCSI verify, peer known", budget, verify), 1.0));
    let issue = || _ = black_box(kms.issue(USER, black_box(&[4; 64])));
    done(row(&time("ECCSI issue SSK and PVT", budget, issue), 1.0));
    Ok(())
}

fn sakke_lines(
    budget: Duration,
    kms: &EncryptionSecret,
    backend: Backend,
    done: &mut dyn FnMut(Row),
) -> Result<(), sidelink_security::identity::sakke::Error> {
    let z = kms.public_key();
    let rsk = kms.issue(USER)?.to_octets();
    let encapsulator = Encapsulator::with_backend(z, backend);
    let key = ReceiverKey::with_backend(z, USER, &*rsk, backend)?;
    let data = encapsulator.encapsulate(USER, &[5; 16])?;
    let batch = [(USER, &[5; 16]); 8];
    let name = |what: &str| format!("SAKKE {what}, {backend:?}");
    let one = || _ = black_box(encapsulator.encapsulate(USER, black_box(&[5; 16])));
    done(row(&time(name("encapsulate"), budget, one), 1.0));
    let eight = || _ = black_box(encapsulator.encapsulate_batch(black_box(&batch)));
    done(row(&time(name("encapsulate, each of 8"), budget, eight), 8.0));
    let open = || _ = black_box(key.decapsulate(black_box(&data)));
    done(row(&time(name("decapsulate"), budget, open), 1.0));
    let check = || _ = black_box(ReceiverKey::with_backend(z, USER, &*rsk, backend));
    done(row(&time(name("check of an RSK"), budget, check), 1.0));
    Ok(())
}
