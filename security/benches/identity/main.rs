//! Time of ECCSI and SAKKE on one core: `cargo bench -p sidelink-security`. With `--features compare-openssl`, beside
//! each line the same formulas over OpenSSL's arithmetic in the same run (libssl-dev and pkg-config).
//!
//! Each line is the median and the least of the calls in about a second, in µs.
#![allow(clippy::disallowed_methods, clippy::print_stdout, missing_docs)]

#[cfg(feature = "compare-openssl")]
mod openssl;

use std::hint::black_box;
use std::time::{Duration, Instant};

use sidelink_security::identity::eccsi::{self, Peer};
use sidelink_security::identity::master::{AuthenticationSecret, EncryptionSecret};
use sidelink_security::identity::sakke::{self, Backend, Encapsulator, ReceiverKey};

/// Calls of a line take about this long.
const BUDGET: Duration = Duration::from_secs(1);

fn line(name: &str, per_call: u32, mut f: impl FnMut()) {
    f();
    let mut times = Vec::new();
    let start = Instant::now();
    while times.len() < 10 || start.elapsed() < BUDGET {
        let before = Instant::now();
        f();
        times.push(before.elapsed().as_secs_f64() * 1e6 / f64::from(per_call));
    }
    times.sort_by(f64::total_cmp);
    println!("{name:52} {:10.1} {:10.1}", times[times.len() / 2], times[0]);
}

fn eccsi_lines() {
    let kms = AuthenticationSecret::generate(&[1; 64]).expect("a secret");
    let key = kms.issue(b"user", &[2; 64]).expect("a key");
    let peer = Peer::new(kms.public_key(), b"user", key.pvt()).expect("a peer");
    let signature = key.sign(b"message", [3; 32]);
    line("ECCSI sign", 1, || _ = black_box(key.sign(black_box(b"message"), [3; 32])));
    line("ECCSI verify", 1, || {
        _ = black_box(eccsi::verify(kms.public_key(), b"user", b"message", black_box(&signature)));
    });
    line("ECCSI verify, peer known", 1, || _ = black_box(peer.verify(b"message", black_box(&signature))));
    line("ECCSI issue SSK, PVT", 1, || _ = black_box(kms.issue(b"user", black_box(&[4; 64]))));
}

fn sakke_lines(kms: &EncryptionSecret, backend: Backend) {
    let z = kms.public_key();
    let rsk = kms.issue(b"user").expect("a key").to_octets();
    let encapsulator = Encapsulator::with_backend(z, backend);
    let key = ReceiverKey::with_backend(z, b"user", &*rsk, backend).expect("a key");
    let data = encapsulator.encapsulate(b"user", &[5; 16]).expect("an encapsulation");
    let batch = [(&b"user"[..], &[5; 16]); 8];
    let name = |what: &str| format!("SAKKE {what}, {backend:?}");
    line(&name("encapsulate"), 1, || _ = black_box(encapsulator.encapsulate(b"user", black_box(&[5; 16]))));
    line(&name("encapsulate, each of 8"), 8, || {
        _ = black_box(encapsulator.encapsulate_batch(black_box(&batch)));
    });
    line(&name("decapsulate"), 1, || _ = black_box(key.decapsulate(black_box(&data))));
    line(&name("table of a public key"), 1, || _ = black_box(Encapsulator::with_backend(z, backend)));
    line(&name("check of an RSK"), 1, || {
        _ = black_box(ReceiverKey::with_backend(z, b"user", &*rsk, backend));
    });
}

fn main() {
    println!("{:52} {:>10} {:>10}", "µs", "median", "least");
    eccsi_lines();
    #[cfg(feature = "compare-openssl")]
    openssl::p256_lines();
    let kms = EncryptionSecret::generate(&[6; 144]).expect("a secret");
    for backend in Backend::ALL.into_iter().filter(|backend| backend.is_available()) {
        sakke_lines(&kms, backend);
    }
    line("SAKKE encapsulate, no table", 1, || {
        _ = black_box(sakke::encapsulate(kms.public_key(), b"user", black_box(&[5; 16])));
    });
    line("SAKKE issue RSK", 1, || _ = black_box(kms.issue(black_box(b"user"))));
    #[cfg(feature = "compare-openssl")]
    openssl::sakke_lines();
}
