//! Scrambled announcements as an outsider without keys can link them: for how many pairs of messages of one UE the XOR
//! of codes shows that one UE sent both. Seeds are fixed; the output is the table of docs/security.md: `cargo test -p
//! sidelink-security --test linkability -- --nocapture`.
#![allow(clippy::print_stdout)] // the table

use sidelink_security::counter::UtcCounter;
use sidelink_security::discovery::restricted::{Material, Sender};
use sidelink_security::discovery::{Freshness, Message, Profile, Scrambling};
use sidelink_security::keys::{Duck, Duik, Dusk};

/// Number of UEs in a trial.
const UES: usize = 20;
/// Number of announcements of each UE.
const ANNOUNCEMENTS: u32 = 64;
/// Start of a window of 16 seconds.
const BEGIN: UtcCounter = UtcCounter::from_air(0xea6a_5300);

struct Draws(u64);

impl Draws {
    fn octets<const N: usize>(&mut self) -> [u8; N] {
        [(); N].map(|()| {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 32) as u8
        })
    }
}

/// Distribution of DUSKs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Dusks {
    Each,
    One,
}

struct Heard {
    ue: usize,
    counter: UtcCounter,
    message: Message,
}

impl Heard {
    fn code(&self) -> [u8; 23] {
        std::array::from_fn(|i| self.message[1 + i])
    }
}

fn xor(a: &[u8; 23], b: &[u8; 23]) -> [u8; 23] {
    std::array::from_fn(|i| a[i] ^ b[i])
}

/// Returns 64 seconds on the air, in which each UE announces its code once a second, and the codes, which no outsider
/// sees.
fn air(seed: u64, dusks: Dusks, scrambling: Scrambling, masked: bool) -> (Vec<Heard>, Vec<[u8; 23]>) {
    let mut draws = Draws(seed);
    let shared: [u8; 32] = draws.octets();
    let profile = Profile { scrambling, ..Profile::default() };
    let (mut heard, mut codes) = (Vec::new(), Vec::new());
    for ue in 0..UES {
        let own: [u8; 32] = draws.octets();
        let material = Material {
            dusk: Some(Dusk::from(if dusks == Dusks::One { shared } else { own })),
            duik: Some(Duik::from(draws.octets::<32>())),
            duck: masked.then(|| (Duck::from(draws.octets::<32>()), [0xff; 23])),
        };
        let (sender, code) = (Sender::new(&material, profile), draws.octets::<23>());
        codes.push(code);
        for second in 0..ANNOUNCEMENTS {
            let counter = BEGIN.plus(second);
            let mut message = [0; 29];
            message[0] = 0x81;
            message[1..24].copy_from_slice(&code);
            sender.protect(&Freshness::at(counter), &mut message).unwrap();
            heard.push(Heard { ue, counter, message });
        }
    }
    (heard, codes)
}

/// Returns the outsider's name for the sender of each message. In one sequence equal codes are one sender. Under a DUSK
/// that many UEs share the differences of codes outlast the sequence: a value that turns three or more codes of one
/// sequence into codes of the next turns all of them, and the names continue.
fn names(heard: &[Heard], lasts: u32) -> Vec<usize> {
    let mut names = vec![0; heard.len()];
    let (mut next, mut before) = (0, Vec::<([u8; 23], usize)>::new());
    for sequence in 0..ANNOUNCEMENTS / lasts {
        let mut now = Vec::<([u8; 23], usize)>::new();
        let within = |h: &Heard| (h.counter.value() - BEGIN.value()) / lasts == sequence;
        for (_, h) in heard.iter().enumerate().filter(|(_, h)| within(h)) {
            if now.iter().all(|(code, _)| *code != h.code()) {
                now.push((h.code(), usize::MAX));
            }
        }
        // Tries every difference between a code of the last sequence and the first code of this one.
        let turned =
            |turn: &[u8; 23], code: &[u8; 23]| before.iter().find(|(old, _)| xor(old, turn) == *code);
        let turns = before.iter().flat_map(|(old, _)| now.iter().take(1).map(|(new, _)| xor(old, new)));
        let fits = |turn: &[u8; 23]| now.iter().filter(|(code, _)| turned(turn, code).is_some()).count();
        let best = turns.max_by_key(fits).filter(|turn| fits(turn) >= 3);
        for (code, name) in &mut now {
            let known = best.and_then(|turn| turned(&turn, code)).map(|(_, name)| *name);
            *name = known.unwrap_or_else(|| {
                next += 1;
                next
            });
        }
        for (at, h) in heard.iter().enumerate().filter(|(_, h)| within(h)) {
            names[at] = now.iter().find(|(code, _)| *code == h.code()).map_or(0, |(_, name)| *name);
        }
        before = now;
    }
    names
}

/// Counts the pairs with one name, of one UE and of two, in one sequence of the standard (`within`) or in different
/// ones.
fn linked(heard: &[Heard], names: &[usize], within: bool) -> [(usize, usize); 2] {
    let mut counts = [(0, 0); 2];
    for (i, a) in heard.iter().enumerate() {
        for (k, b) in heard[..i].iter().enumerate() {
            if (a.counter.on_air() >> 4 == b.counter.on_air() >> 4) != within {
                continue;
            }
            let (said, all) = &mut counts[usize::from(a.ue != b.ue)];
            *said += usize::from(names[i] == names[k]);
            *all += 1;
        }
    }
    counts
}

#[test]
fn what_an_outsider_links_within_a_sequence_and_beyond() {
    println!(
        "| DUSK | DUCK | sequence | pairs of one UE that are linked, within 16 s | beyond | pairs of two UEs |"
    );
    println!("|---|---|---|---|---|---|");
    for dusks in [Dusks::Each, Dusks::One] {
        for masked in [false, true] {
            for scrambling in [Scrambling::SixteenSeconds, Scrambling::OneSecond] {
                let heard: Vec<_> = (1..=2).flat_map(|seed| air(seed, dusks, scrambling, masked).0).collect();
                // Trials are separate: no UE of one is in another.
                let trials = heard.chunks(UES * ANNOUNCEMENTS as usize);
                let [mut within, mut beyond, mut others] = [(0, 0); 3];
                let add = |sum: &mut (usize, usize), more: (usize, usize)| {
                    *sum = (sum.0 + more.0, sum.1 + more.1);
                };
                let lasts = if scrambling == Scrambling::OneSecond { 1 } else { 16 };
                for trial in trials {
                    let names = names(trial, lasts);
                    let [[own_within, two_within], [own_beyond, two_beyond]] =
                        [linked(trial, &names, true), linked(trial, &names, false)];
                    add(&mut within, own_within);
                    add(&mut beyond, own_beyond);
                    add(&mut others, two_within);
                    add(&mut others, two_beyond);
                }
                let percent = |(said, all): (usize, usize)| 100.0 * said as f64 / all as f64;
                println!(
                    "| {} | {} | {} | {:.1} % | {:.1} % | {:.1} % |",
                    if dusks == Dusks::Each { "each its own" } else { "one for 20 UEs" },
                    if masked { "all bits" } else { "none" },
                    if scrambling == Scrambling::OneSecond { "1 s (ours)" } else { "16 s (TS 33.303)" },
                    percent(within),
                    percent(beyond),
                    percent(others)
                );
                let (sixteen, one) = (scrambling == Scrambling::SixteenSeconds, dusks == Dusks::One);
                let expected = |links| if links && !masked { 100.0 } else { 0.0 };
                assert_eq!(percent(within), expected(sixteen || one));
                assert_eq!(percent(beyond), expected(one));
                assert_eq!(percent(others), 0.0);
            }
        }
    }
}

/// With one DUSK for many UEs the XOR of two messages of one sequence is that of two codes: one known code opens the
/// others.
#[test]
fn who_knows_one_code_under_a_shared_dusk_reads_the_others() {
    for (scrambling, seconds) in [(Scrambling::SixteenSeconds, 16), (Scrambling::OneSecond, 1)] {
        let (heard, codes) = air(9, Dusks::One, scrambling, false);
        let sequence: Vec<u8> = heard[0].message[1..24].iter().zip(codes[0]).map(|(a, b)| a ^ b).collect();
        let reads = |h: &&Heard| {
            let found = h.message[1..24].iter().zip(&sequence).map(|(a, b)| a ^ b);
            found.eq(codes[h.ue].iter().copied())
        };
        for ue in 1..UES {
            let read = heard.iter().filter(|h| h.ue == ue).filter(reads).count();
            assert_eq!(read, seconds, "{scrambling:?}");
        }
    }
}
