//! Every fuzz target for some seconds on the stable compiler: its seeds, which must be understood, then random bytes and
//! seeds that were damaged. The order of the inputs is always the same; how far it gets depends on the machine.
#![allow(clippy::disallowed_methods)]

#[path = "../fuzz/src/lib.rs"]
pub mod fuzz;

use fuzz::{TARGETS, Target};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// Inputs of one target at most.
const INPUTS: u64 = 4000;

/// Time of one target at most.
const TIME: Duration = Duration::from_secs(3);

fn smoke(name: &str) {
    let target = TARGETS.iter().find(|t| t.name == name).expect("a target of that name");
    let seeds = (target.seeds)();
    for (i, seed) in seeds.iter().enumerate() {
        assert!(survive(target, i as u64, seed), "{name}: seed {i} was not understood");
    }
    let started = Instant::now();
    let (mut inputs, mut understood) = (0, 0);
    while inputs < INPUTS && started.elapsed() < TIME {
        let mut random = ChaCha8Rng::seed_from_u64(inputs);
        let input = if inputs % 4 == 0 { any_bytes(&mut random) } else { damaged(&mut random, &seeds) };
        understood += u64::from(survive(target, inputs, &input));
        inputs += 1;
    }
    eprintln!("{name}: {inputs} inputs, {understood} of them understood");
    assert!(inputs >= 20, "{name}: only {inputs} inputs in {TIME:?}");
}

/// Run a target; a panic names its input.
fn survive(target: &Target, number: u64, input: &[u8]) -> bool {
    match catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
        Ok(understood) => understood,
        Err(_) => {
            let path = std::env::temp_dir().join(format!("sidelink-fuzz-{}-{number}", target.name));
            let kept = std::fs::write(&path, input);
            panic!(
                "{}: input {number} of {} bytes; kept in {}: {kept:?}",
                target.name,
                input.len(),
                path.display()
            );
        }
    }
}

fn any_bytes(random: &mut ChaCha8Rng) -> Vec<u8> {
    let len = match random.random_range(0..4) {
        0 => random.random_range(0..8),
        1 => random.random_range(0..64),
        2 => random.random_range(0..512),
        _ => random.random_range(0..8192),
    };
    (0..len).map(|_| random.random()).collect()
}

/// One to four kinds of damage to a seed.
fn damaged(random: &mut ChaCha8Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.random_range(0..seeds.len())].clone();
    for _ in 0..random.random_range(1..=4) {
        if bytes.is_empty() {
            break;
        }
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..9) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = random.random(),
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'0', b'9', b'"'][random.random_range(0..8)],
            3 => bytes.truncate(at),
            4 => bytes.extend((0..random.random_range(1..20)).map(|_| random.random::<u8>())),
            5 => {
                let end = (at + random.random_range(1..16)).min(bytes.len());
                bytes.drain(at..end);
            }
            6 => {
                let end = (at + random.random_range(1..64)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            7 => {
                let other = &seeds[random.random_range(0..seeds.len())];
                let from = at.min(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            // numbers in a text
            _ => {
                let number = bytes.iter().skip(at).position(u8::is_ascii_digit).map(|i| at + i);
                let with = ["-1", "0", "1e400", "18446744073709551616", "99999", "0.5", "nan"];
                let with = with[random.random_range(0..with.len())];
                if let Some(i) = number {
                    bytes.splice(i..i + 1, with.bytes());
                }
            }
        }
    }
    bytes
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                smoke(stringify!($name));
            }
        )*

        #[test]
        fn every_target_is_smoked_and_built() {
            let named: Vec<_> = TARGETS.iter().map(|t| t.name).collect();
            assert_eq!(named, [$(stringify!($name)),*]);
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
            let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            for name in named {
                let path = format!("fuzz_targets/{name}.rs");
                assert!(manifest.contains(&format!("path = \"{path}\"")), "{name} is not in the manifest");
                let text = std::fs::read_to_string(folder.join(path)).unwrap();
                assert!(text.contains("fuzz_target!"), "{name}");
            }
        }
    };
}

targets!(
    wire_sl_sch,
    wire_rlc_um,
    wire_pdcp,
    wire_mib_sl,
    wire_pc5_discovery,
    wire_pc5_signalling,
    wire_mikey,
    wire_long_message,
    wire_group_owner,
    wire_group_keys,
    sigmf_meta,
    sigmf_pair,
    sigmf_archive,
    raw_samples,
    config_radio,
    config_scenario,
    keystore,
    links,
    network_sbi,
    network_xml,
    network_digest,
    network_eap,
    network_radius,
    network_ike,
    network_card,
    network_keying,
    sci,
    control_llrs,
    transport_llrs,
    psbch,
    pscch,
    psdch,
    pssch,
    stream,
    antennas,
    collision,
);
