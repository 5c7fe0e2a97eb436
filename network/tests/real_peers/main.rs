//! Programs of other makers as the other end: `eapol_test` and `hostapd` of wpa 2.10, and `tshark` as the judge of what was sent.
//! Without them a test says that it was skipped, and passes.
#![allow(clippy::disallowed_methods)]

mod auc;
mod capture;
mod charon;
mod eapol;
mod hostapd;
mod relay;
mod server;

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use sidelink_network::identity::Imsi;
use sidelink_security::cipher::milenage::Subscriber;
use sidelink_security::counter::UtcTime;

/// The shared secret of RADIUS.
const SECRET: &str = "radius";

/// The example of hostapd's own documentation.
fn keys() -> Subscriber {
    let hex = |digits| sidelink_wire::hex::bytes(digits).unwrap().try_into().unwrap();
    Subscriber::with_opc(hex("90dca4eda45b53cf0f12d7c9c3bc6a89"), hex("cb9cccc4b9258e6dca4760379fb82581"))
}

fn imsi() -> Imsi {
    Imsi::new("232010000000000").unwrap()
}

const REALM: &str = "wlan.mnc010.mcc232.3gppnetwork.org";

fn now() -> UtcTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
    UtcTime::from_millis(since.as_millis() as u64)
}

/// Octets that differ from run to run.
fn rng() -> impl FnMut() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let state = RandomState::new();
    let mut count = 0_u64;
    move || {
        count += 1;
        let mut hasher = state.build_hasher();
        hasher.write_u64(count);
        hasher.finish()
    }
}

/// Whether a program is there; otherwise the test is skipped, and says so.
fn has(program: &str, package: &str) -> bool {
    let found =
        Command::new("sh").args(["-c", &format!("PATH=$PATH:/usr/sbin command -v {program}")]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("SKIPPED: no {program} (install {package})");
    }
    found
}
