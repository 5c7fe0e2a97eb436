//! Tests of the baseline (T2.0), of changing identifiers (T2.1) and of request and response (T2.2) that need neither
//! air nor network. "X" marks an attack that a protection does not stop: it is measured.

mod backends;
mod changing;
mod request_response;
mod scale;

use super::open::{MatchReport, OpenKey, receive};
use super::public_safety::{PsdkUse, PublicSafetyKey};
use super::restricted::{Material, MicCheck, Received, Receiver, Sender};
use super::*;
use crate::kdf::{fc, kdf};
use crate::keys::{DiscoveryKey, Duck, Duik, Dusk, Psdk};
use proptest::prelude::*;

pub(super) const NOW: UtcCounter = UtcCounter::new(1_700_000_000);

/// Returns octets that look random and are the same each time.
pub(super) fn pseudo_random<const N: usize>(seed: u64) -> [u8; N] {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    [(); N].map(|()| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
}

pub(super) fn flip(message: &Message, bit: usize) -> Message {
    let mut flipped = *message;
    flipped[bit / 8] ^= 0x80 >> (bit % 8);
    flipped
}

fn plain(code: Code) -> Message {
    join(0x81, &code, Mic([0; 4]), UtcCounter::new(0), Layout::LsbLast)
}

const DUSK: [u8; 16] = [0x11; 16];
const DUIK: [u8; 16] = [0x22; 16];
const DUCK: [u8; 16] = [0x33; 16];

fn material(dusk: bool, duik: bool, mask: Option<[u8; 23]>) -> Material {
    Material {
        dusk: dusk.then(|| Dusk::from(DUSK)),
        duik: duik.then(|| Duik::from(DUIK)),
        duck: mask.map(|mask| (Duck::from(DUCK), mask)),
    }
}

fn receiver(material: &Material, code: Code) -> Receiver {
    Receiver::new(material, MicCheck::Local, vec![CodeFilter::exact(code)], Profile::default())
}

fn sealed(material: &Material, code: Code, at: UtcCounter) -> Message {
    let mut message = plain(code);
    Sender::new(material, Profile::default()).protect(&Freshness::at(at), &mut message).unwrap();
    message
}

#[test]
// TS 24.334 §10A.2.2.2 (5); TS 24.334 §10A.2.3.2 (1); TS 24.334 §12.2.2.22 (2); TS 33.303 §6.1.3.4.2.1 step 11 (2)
// TS 33.303 §6.1.3.4.3.2 step 3, 4, 5; TS 33.303 §6.1.3.4.3.4; TS 33.303 §A.2 (1); TS 33.303 §A.2 (2)
fn restricted_discovery_equals_the_formulas_written_out() {
    let (code, mask): (Code, Code) = (pseudo_random(1), pseudo_random(2));
    let counter = NOW.on_air().to_be_bytes();
    // Step by step with the generic KDF, as in the clause: MIC, mask, scrambling.
    let mic = kdf(&DUIK, fc::MIC, &[&[0x81], &code, &counter]).unwrap()[28..].to_vec();
    let clear: Vec<u8> = code.iter().zip(mask).map(|(code, mask)| code & !mask).chain(mic.clone()).collect();
    let keystream = kdf(&DUCK, fc::CONFIDENTIALITY, &[&counter, &clear]).unwrap();
    let slow = (NOW.on_air() & 0xffff_fff0).to_be_bytes();
    let bits = kdf(&DUSK, fc::SCRAMBLING, &[&slow]).unwrap();
    let mut expected = vec![0x81];
    for i in 0..23 {
        expected.push(code[i] ^ keystream[9 + i] & mask[i] ^ bits[5 + i]);
    }
    for i in 0..4 {
        expected.push(mic[i] ^ bits[28 + i]);
    }
    expected.push(NOW.on_air() as u8);
    assert_eq!(sealed(&material(true, true, Some(mask)), code, NOW).to_vec(), expected);
}

/// T2.0-1: mask all zeros, all ones, random: exactly the marked bits change, and the receiver restores them.
#[test]
// TS 24.334 §12.2.2.37; TS 33.303 §6.1.3.4.3.6 step 3
fn exactly_the_marked_bits_are_encrypted() {
    let code = pseudo_random(3);
    for mask in [[0; 23], [0xff; 23], pseudo_random(4), pseudo_random(5)] {
        let clear = sealed(&material(false, true, None), code, NOW);
        let mut ever = [0; 23];
        for second in 0..64 {
            let at = NOW.plus(second);
            let hidden = sealed(&material(false, true, Some(mask)), code, at);
            for i in 0..23 {
                ever[i] |= hidden[1 + i] ^ clear[1 + i];
            }
            let receiver = receiver(&material(false, true, Some(mask)), code);
            let Ok(Received::Verified(opened)) = receiver.verify(&Freshness::at(at), &hidden) else {
                panic!("not verified")
            };
            assert_eq!(opened.code, code);
        }
        assert_eq!(ever, mask, "over 64 keystreams every marked bit changed, no other");
    }
}

/// Two codes in one second with equal MICs, as without a DUIK, have the same keystream only if all bits that are not
/// encrypted are equal. A receiver derives the keystream from the same bits.
#[test]
// TS 33.303 §6.1.3.4.3.6 step 1, 2
fn the_keystream_follows_from_the_bits_in_clear() {
    let mask: Code = std::array::from_fn(|i| if i < 11 { 0 } else { 0xff });
    let material = material(false, false, Some(mask));
    let keystream = |code: Code| {
        let sealed = sealed(&material, code, NOW);
        let receiver = receiver(&material, code);
        assert!(matches!(receiver.verify(&Freshness::at(NOW), &sealed), Ok(Received::Unprotected(_))));
        std::array::from_fn::<u8, 12, _>(|i| sealed[12 + i] ^ code[11 + i])
    };
    let code: Code = pseudo_random(20);
    let (mut in_clear, mut hidden) = (code, code);
    in_clear[0] ^= 1;
    hidden[22] ^= 1;
    assert_eq!(keystream(code), keystream(hidden));
    assert_ne!(keystream(code), keystream(in_clear));
}

/// T2.0-2: a receiver with one key missing, or one wrong, never reports a verified match.
#[test]
// TS 24.334 §10A.2.3.2 (1); TS 33.303 §6.1.2; TS 33.303 §6.1.3.4.3.1 (1); TS 33.303 §6.1.3.4.3.3 step 5 (2), NOTE 2
// TS 33.303 §G.2-1 row 1, 2; TS 33.303 §G.2-1 row 3, 5; TS 33.303 §G.2-1 row 4, 6, 7
fn one_key_less_is_no_match() {
    let code = pseudo_random(6);
    let mask = Some([0x0f; 23]);
    for (dusk, duik, duck) in
        [(true, false, None), (false, true, None), (true, true, mask), (true, true, None)]
    {
        for second in 0..200 {
            let at = NOW.plus(second);
            let message = sealed(&material(dusk, duik, duck), code, at);
            let verify = |m: &Material| receiver(m, code).verify(&Freshness::at(at), &message);
            match verify(&material(dusk, duik, duck)).unwrap() {
                Received::Verified(_) => assert!(duik),
                Received::Unprotected(_) => assert!(!duik),
                Received::ToReport(_) => panic!("nobody asked for a report"),
            }
            if dusk {
                assert_eq!(verify(&material(false, duik, duck)), Err(Refusal::Unknown));
            }
            if duik {
                // This receiver does not check the MIC: the filter alone must match.
                let unchecked = verify(&material(dusk, false, duck));
                assert!(matches!(unchecked, Ok(Received::Unprotected(a)) if a.code == code));
            }
            if duck.is_some() {
                assert_eq!(verify(&material(dusk, duik, None)), Err(Refusal::Unknown));
            }
            let mut wrong = material(dusk, duik, duck);
            if duik {
                wrong.duik = Some(Duik::from([0x23; 16]));
                assert_eq!(verify(&wrong), Err(Refusal::BadMic));
            }
        }
    }
}

/// T2.0-3: without keys only type and LSB are readable, in either layout; every other bit is balanced.
#[test]
// TS 33.303 §6.1.2; TS 33.303 §6.1.3.4.3.5 step 2, 3
fn an_outsider_reads_only_type_and_lsb() {
    let code = [0; 23];
    for layout in [Layout::LsbLast, Layout::LsbSecond] {
        let profile = Profile { layout, ..Profile::default() };
        let sender = Sender::new(&material(true, true, None), profile);
        let mut ones = [0_u32; 232];
        for window in 0..4096 {
            let at = NOW.plus(16 * window + window % 16);
            let mut message = plain(code);
            sender.protect(&Freshness::at(at), &mut message).unwrap();
            assert_eq!((message[0], message[layout.lsb()]), (0x81, at.on_air() as u8));
            for (bit, count) in ones.iter_mut().enumerate() {
                *count += u32::from(message[bit / 8] >> (7 - bit % 8) & 1);
            }
        }
        for bit in layout.protected().flat_map(|octet| 8 * octet..8 * octet + 8) {
            // 4096 tosses: mean 2048, standard deviation 32; six standard deviations.
            assert!(ones[bit].abs_diff(2048) < 192, "bit {bit}: {} ones", ones[bit]);
        }
    }
}

/// By the standard one sequence is valid for 16 seconds, beginning where the counter's 4 LSB are zero; by our own rule
/// for one.
#[test]
// TS 33.303 §6.1.3.4.3.5 step 1
fn a_scrambling_sequence_lasts_as_long_as_the_profile_says() {
    let code = pseudo_random(21);
    let begin = UtcCounter::new(NOW.value() & !0xf);
    for (scrambling, lasts) in [(Scrambling::SixteenSeconds, 16), (Scrambling::OneSecond, 1)] {
        let profile = Profile { scrambling, ..Profile::default() };
        let sender = Sender::new(&material(true, true, None), profile);
        let filter = vec![CodeFilter::exact(code)];
        let receiver = Receiver::new(&material(true, true, None), MicCheck::Local, filter, profile);
        let sent = |second| {
            let (mut message, freshness) = (plain(code), Freshness::at(begin.plus(second)));
            sender.protect(&freshness, &mut message).unwrap();
            assert!(matches!(receiver.verify(&freshness, &message), Ok(Received::Verified(_))));
            message[1..24].to_vec()
        };
        for second in 0..40 {
            assert_eq!(sent(second) == sent(0), second < lasts, "{scrambling:?} {second}");
        }
    }
}

/// T2.0-5: two codes with a common prefix under different keys: each is reported once, under its own key.
#[test]
// TS 24.334 §12.2.2.12; TS 33.303 §6.1.3.4.3.3 step 1 to 4
fn codes_with_a_common_prefix_are_told_apart() {
    let mut codes: [Code; 2] = [pseudo_random(7), pseudo_random(7)];
    codes[1][22] ^= 1;
    let mask = std::array::from_fn(|i| if i < 11 { 0xff } else { 0 });
    let keys = [[1; 16], [2; 16]];
    let materials =
        keys.map(|key| Material { dusk: Some(Dusk::from(key)), duik: Some(Duik::from(key)), duck: None });
    let receivers = materials.each_ref().map(|m| {
        Receiver::new(m, MicCheck::Local, vec![CodeFilter { code: codes[0], mask }], Profile::default())
    });
    for (i, code) in codes.iter().enumerate() {
        let message = sealed(&materials[i], *code, NOW);
        for (j, receiver) in receivers.iter().enumerate() {
            match receiver.verify(&Freshness::at(NOW), &message) {
                Ok(Received::Verified(a)) => assert!(i == j && a.code == *code),
                other => assert!(i != j && other == Err(Refusal::Unknown), "{i} {j} {other:?}"),
            }
        }
    }
}

/// T2.2-4 for the baseline: 232 flipped bits, none accepted, whatever keys besides DUIK are in use.
#[test]
// TS 33.303 §6.1.3.4.3.1 (1); TS 33.303 §6.1.3.4.3.3 step 5 (1); TS 33.303 §G.2-1 row 4, 6, 7
fn no_flipped_bit_is_accepted() {
    let code = pseudo_random(8);
    for (dusk, mask) in
        [(false, None), (true, None), (false, Some([0xff; 23])), (true, Some(pseudo_random(9)))]
    {
        let material = material(dusk, true, mask);
        let exact = receiver(&material, code);
        let any = CodeFilter { code, mask: [0; 23] };
        let any = Receiver::new(&material, MicCheck::Local, vec![any], Profile::default());
        for second in 0..20 {
            let at = NOW.plus(second);
            let message = sealed(&material, code, at);
            assert!(matches!(any.verify(&Freshness::at(at), &message), Ok(Received::Verified(_))));
            for bit in 0..232 {
                for receiver in [&exact, &any] {
                    assert!(receiver.verify(&Freshness::at(at), &flip(&message, bit)).is_err(), "{bit}");
                }
            }
        }
    }
}

#[test]
// TS 33.303 §6.1.3.4.3.2 step 2
fn without_duik_the_filter_is_all_that_checks() {
    let code = pseudo_random(8);
    let material = material(true, false, None);
    let message = sealed(&material, code, NOW);
    let receiver = receiver(&material, code);
    assert!(matches!(receiver.verify(&Freshness::at(NOW), &message), Ok(Received::Unprotected(_))));
    // No key covers the type, the MIC, and the counter within the 16 seconds of a sequence here (X); the filter covers
    // the code and the rest of the counter.
    for bit in (8..192).chain(224..228) {
        assert!(receiver.verify(&Freshness::at(NOW), &flip(&message, bit)).is_err(), "{bit}");
    }
    for bit in (192..224).chain([7, 228, 229, 230, 231]) {
        assert!(receiver.verify(&Freshness::at(NOW), &flip(&message, bit)).is_ok(), "{bit}");
    }
}

#[test]
// TS 24.334 §12.2.2.37; TS 33.303 §6.1.3.4.2.1 step 13
fn mic_check_by_the_prose_function_is_reported_not_believed() {
    let code = pseudo_random(10);
    let message = sealed(&material(true, true, None), code, NOW);
    let receiver = Receiver::new(
        &material(true, false, None),
        MicCheck::ByProseFunction,
        vec![CodeFilter::exact(code)],
        Profile::default(),
    );
    let Ok(Received::ToReport(a)) = receiver.verify(&Freshness::at(NOW), &message) else { panic!() };
    let function = OpenKey::new(&DiscoveryKey::from(DUIK), Profile::default());
    assert!(function.verify(&MatchReport(a), NOW, 32, 10).is_ok(), "the Function holds the DUIK");
    let forged = Announcement { mic: Mic([0; 4]), ..a };
    assert_eq!(function.verify(&MatchReport(forged), NOW, 32, 10), Err(Refusal::BadMic));
}

fn open_message() -> (OpenKey, Message) {
    let key = OpenKey::new(&DiscoveryKey::from([7; 16]), Profile::default());
    let mut message = join(0x41, &pseudo_random(11), Mic([0; 4]), UtcCounter::new(0), Layout::LsbLast);
    key.protect(&Freshness::at(NOW), &mut message).unwrap();
    (key, message)
}

#[test]
// TS 24.334 §12.2.2.22 (1); TS 33.303 §6.1.3.3.1 step 5 (2); TS 33.303 §6.1.3.3.1 step 5 (3)
fn open_discovery_end_to_end() {
    let (key, message) = open_message();
    assert_eq!(message[1..24], pseudo_random::<23>(11), "the code is in clear");
    let report = receive(&Freshness::at(NOW.plus(7)), &message, &Profile::default()).unwrap();
    assert_eq!(report.0.counter, NOW, "rebuilt from four bits, 7 s later");
    assert_eq!(key.verify(&report, NOW.plus(25), 32, 10).unwrap().code, pseudo_random(11));
    for bit in 0..232 {
        let accepted = receive(&Freshness::at(NOW), &flip(&message, bit), &Profile::default())
            .and_then(|report| key.verify(&report, NOW, 32, 10));
        // Four bits of the last octet are spare: sent as zero, and ignored.
        let spare = (224..228).contains(&bit);
        assert_eq!(accepted.is_ok(), spare, "bit {bit}");
        assert!(!spare || message[bit / 8] & 0x80 >> (bit % 8) == 0);
    }
}

/// The four bits give the counter nearest to the monitor's slot: a copy from 8 s on, and a message that is early by 9 s
/// or more, get another counter than that of their MIC. At a tie of 8 s the earlier counter is taken.
#[test]
fn a_copy_of_an_open_announcement_serves_for_eight_seconds() {
    let (key, message) = open_message();
    for offset in -40..=40_i64 {
        let slot = UtcCounter::new((i64::from(NOW.value()) + offset) as u32);
        let report = receive(&Freshness::at(slot), &message, &Profile::default()).unwrap();
        let accepted = key.verify(&report, slot, 32, 10);
        assert_eq!(accepted.is_ok(), (-7..=8).contains(&offset), "{offset}");
        assert!(report.0.counter.distance(slot) <= 8);
    }
}

#[test]
// TS 33.303 §6.1.3.3.1 step 5 (1)
fn open_discovery_obeys_max_offset_at_all_three() {
    let (key, message) = open_message();
    let profile = Profile::default();
    for (offset, fits) in [(31, true), (32, true), (33, false), (127, false)] {
        let later = NOW.plus(offset);
        // Neither announcer nor monitor trusts an air clock that is further than MAX_OFFSET from its ProSe clock.
        let freshness = Freshness { clock: later, ..Freshness::at(NOW) };
        assert_eq!(receive(&freshness, &message, &profile).is_ok(), fits, "{offset}");
        assert_eq!(key.protect(&freshness, &mut message.clone()).is_ok(), fits);
        let report = receive(&Freshness::at(NOW), &message, &profile).unwrap();
        assert_eq!(key.verify(&report, later, 32, 0).is_ok(), fits);
    }
}

/// A restricted message that fits the ProSe clock is not received either while the air clock does not fit.
#[test]
// TS 33.303 §6.1.3.3.1 step 10; TS 33.303 §6.1.3.4.2.1 step 12
fn a_slot_outside_max_offset_hears_nothing() {
    let code = pseudo_random(22);
    let material = material(true, true, None);
    let receiver = receiver(&material, code);
    let message = sealed(&material, code, NOW);
    for (slot, fits) in [(NOW.plus(32), true), (NOW.plus(33), false), (NOW.plus(127), false)] {
        let freshness = Freshness { slot, ..Freshness::at(NOW) };
        let heard = receiver.verify(&freshness, &message);
        assert_eq!(heard.is_ok(), fits, "{slot}");
        assert!(fits || heard == Err(Refusal::OutsideMaxOffset));
    }
}

/// T2.1-3 for the baseline: within MAX_OFFSET a replay passes (X), in strict mode only in its own second; the alias of
/// eight bits at 256 s does not.
#[test]
fn replays_are_bounded_by_the_window_in_force() {
    let code = pseudo_random(12);
    let material = material(true, true, None);
    let message = sealed(&material, code, NOW);
    let receiver = receiver(&material, code);
    for (delay, baseline, strict) in [
        (0, Ok(()), Ok(())),
        (1, Ok(()), Err(Refusal::Replay)),
        (5, Ok(()), Err(Refusal::Replay)),
        (31, Ok(()), Err(Refusal::Replay)),
        (33, Err(Refusal::OutsideMaxOffset), Err(Refusal::OutsideMaxOffset)),
        (256, Err(Refusal::BadMic), Err(Refusal::BadMic)),
    ] {
        let at = Freshness::at(NOW.plus(delay));
        let check = |freshness| receiver.verify(&freshness, &message).map(|_| ());
        // At 256 s the LSB give the present second, whose scrambling differs: not even the filter matches.
        let unscrambled =
            |r: Result<(), Refusal>| r.map_err(|e| if e == Refusal::Unknown { Refusal::BadMic } else { e });
        assert_eq!(unscrambled(check(at)), baseline, "{delay}");
        assert_eq!(unscrambled(check(Freshness { strict: Some(0), ..at })), strict, "{delay}");
    }
    let early = Freshness { strict: Some(1), ..Freshness::at(NOW) };
    let ahead = sealed(&material, code, NOW.plus(2));
    assert_eq!(receiver.verify(&early, &ahead), Err(Refusal::Clock));
}

#[test]
// TS 33.303 §6.6.3.1
fn public_safety_keys_serve_until_they_expire() {
    let key = |serves| PublicSafetyKey {
        psdk: Psdk::from([5; 32]),
        serves,
        expiry: NOW.plus(10),
        scramble: true,
        integrity: true,
        confidentiality: Some([0xff; 23]),
    };
    let code = pseudo_random(13);
    let kinds = [PsdkUse::KeyType, PsdkUse::Identity([0, 0, 1]), PsdkUse::Identity([0, 0, 2])];
    let materials = kinds.map(|serves| key(serves).material(NOW).unwrap());
    for (i, material) in materials.iter().enumerate() {
        let message = sealed(material, code, NOW);
        for (j, other) in materials.iter().enumerate() {
            let heard = receiver(other, code).verify(&Freshness::at(NOW), &message);
            assert!(if i == j { heard.is_ok() } else { heard == Err(Refusal::Unknown) }, "{i} {j}");
        }
    }
    assert!(key(PsdkUse::KeyType).material(NOW.plus(9)).is_some());
    assert!(key(PsdkUse::KeyType).material(NOW.plus(10)).is_none());
}

/// T2.2-7: with fewer bits of MIC a blind forger succeeds as often as calculated.
#[test]
fn forging_scales_with_the_bits_of_the_mic() {
    let profile = Profile { mic_bits: 8, ..Profile::default() };
    let code = pseudo_random(14);
    let receiver =
        Receiver::new(&material(false, true, None), MicCheck::Local, vec![CodeFilter::exact(code)], profile);
    let tries = 1 << 16;
    let forged = (0..tries)
        .filter(|i| {
            let at = NOW.plus(i / 256);
            let message = join(0x81, &code, Mic([0, 0, 0, *i as u8]), at, Layout::LsbLast);
            receiver.verify(&Freshness::at(at), &message).is_ok()
        })
        .count();
    // In each second all 256 values are tried and exactly one is right.
    assert_eq!(forged, tries as usize / 256);
}

proptest! {
    #[test]
    fn any_octets_are_answered(octets in proptest::collection::vec(any::<u8>(), 29), slot: u32, clock: u32,
                               max_offset: u32, strict: Option<u32>) {
        let message: Message = octets.try_into().unwrap();
        let freshness =
            Freshness { slot: UtcCounter::new(slot), clock: UtcCounter::new(clock), max_offset, strict };
        for layout in [Layout::LsbLast, Layout::LsbSecond] {
            let profile = Profile { layout, ..Profile::default() };
            let _ = receive(&freshness, &message, &profile);
            let receiver = Receiver::new(
                &material(true, true, Some([0x5a; 23])),
                MicCheck::Local,
                vec![CodeFilter { code: [0; 23], mask: [0; 23] }],
                profile,
            );
            prop_assert!(receiver.verify(&freshness, &message).is_err());
        }
    }
}
