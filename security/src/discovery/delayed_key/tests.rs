use super::super::rotation::RotationPeriod;
use super::super::signature::Scheme;
use super::*;

const START: u64 = 1_700_000_000_000;
const T: u64 = 320;
const CODE: ShortCode = [0xc0; 13];

/// The begin of a slot, and some milliseconds.
fn slot(index: u64, millis: u64) -> UtcTime {
    UtcTime::from_millis(START + (index - 1) * T + millis)
}

fn seed() -> ChainSeed {
    ChainSeed::from([9; 32])
}

fn anchor(delay: u16) -> KeyAnchor {
    anchor_of(delay, 2000)
}

fn anchor_of(delay: u16, length: u32) -> KeyAnchor {
    let plan =
        Plan::new(UtcTime::from_millis(START), RotationPeriod::from_millis(T).unwrap(), length, [1; 8]);
    KeyAnchor::of(plan.unwrap(), delay, &seed())
}

fn pair(delay: u16) -> (KeyChain, KeyChainFollower) {
    let anchor = anchor(delay);
    (KeyChain::new(&anchor, &seed(), slot(1, 0)), KeyChainFollower::new(Verified::new(anchor), 1))
}

fn indexes(received: &Received) -> Vec<u32> {
    received.proven.iter().map(|code| code.index).collect()
}

/// The table of the digest, with T = 320 ms: its formula is the least delay, and RFC 4082's twice as long.
#[test]
fn delays_follow_from_the_difference_of_clocks() {
    for (difference, least, lossless) in [(20, 2, 2), (1000, 5, 8), (32_000, 101, 201)] {
        assert_eq!(least_delay(difference, T), least);
        assert_eq!(lossless_delay(difference, T), lossless);
    }
    // d = 1 never works, with the best of clocks.
    assert_eq!(least_delay(1, T), 2);
}

/// Every difference of clocks and every place in the slot, for the two delays: nothing is lost with the long one, and with the
/// short one only by receivers whose clock is ahead.
#[test]
fn the_long_delay_loses_nothing_and_the_short_one_only_ahead() {
    for difference in [20, 100, 320, 1000] {
        let loses = |delay: u64, error: i64| {
            let anchor = anchor_of(delay as u16, 60);
            let mut chain = KeyChain::new(&anchor, &seed(), slot(50, 0));
            let follower = KeyChainFollower::new(Verified::new(anchor), 1);
            let is_lost = |into: &u64| {
                let sent = slot(50, *into);
                let message = chain.announce(sent, &CODE).unwrap();
                let ours = UtcTime::from_millis(sent.millis().saturating_add_signed(error));
                follower.clone().receive(ours, difference, &message).stored.is_err()
            };
            (0..T).step_by(5).filter(is_lost).count()
        };
        let edge = difference as i64;
        for error in [-edge, -edge / 2, 0, edge / 2, edge] {
            assert_eq!(loses(lossless_delay(difference, T), error), 0, "{difference} ms, {error} ms off");
            let lost = loses(least_delay(difference, T), error);
            assert!(error > 0 || lost == 0, "{difference} ms, {error} ms off: {lost}");
        }
    }
    let (mut chain, mut follower) = pair(least_delay(1000, T) as u16);
    let message = chain.announce(slot(50, 319), &CODE).unwrap();
    let ahead = follower.receive(slot(50, 319).plus_millis(1000), 1000, &message);
    assert_eq!(ahead.stored, Err(Refusal::KeyDisclosed));
}

#[test]
fn a_message_is_proven_when_its_key_comes() {
    for delay in [2, 5, 201] {
        let (mut chain, mut follower) = pair(delay);
        for index in 1..=500 {
            let code = [index as u8; 13];
            let message = chain.announce(slot(index, 10), &code).unwrap();
            let received = follower.receive(slot(index, 10), 20, &message);
            assert_eq!(received.stored, Ok(index as u32));
            let expected = index.checked_sub(u64::from(delay)).filter(|index| *index > 0);
            assert_eq!(
                indexes(&received),
                expected.map(|index| index as u32).into_iter().collect::<Vec<_>>()
            );
            for proven in &received.proven {
                assert_eq!(proven.code, [proven.index as u8; 13]);
            }
            assert!(follower.stored() <= usize::from(delay));
        }
        // One computation a slot for its key.
        assert_eq!(follower.hashes(), 500 - u64::from(delay));
    }
}

#[test]
fn lost_keys_are_computed_from_later_ones() {
    let (mut chain, mut follower) = pair(5);
    let mut received = |index: u64| {
        let message = chain.announce(slot(index, 0), &CODE).unwrap();
        follower.receive(slot(index, 0), 20, &message)
    };
    for index in [1, 2, 3, 5] {
        assert!(indexes(&received(index)).is_empty());
    }
    // 6, 7 and 8 are lost with keys 1 to 3; message 9 brings key 4.
    assert_eq!(indexes(&received(9)), [1, 2, 3]);
    // Much later: what was stored is proven however late its key comes.
    assert_eq!(indexes(&received(400)), [5, 9]);
}

#[test]
fn doubled_and_reordered_messages() {
    let (mut chain, mut follower) = pair(3);
    let messages: Vec<Message> =
        (1..=20).map(|index| chain.announce(slot(index, 0), &CODE).unwrap()).collect();
    let first = follower.receive(slot(1, 0), 20, &messages[0]);
    assert_eq!(first.stored, Ok(1));
    assert_eq!(follower.receive(slot(1, 30), 20, &messages[0]).stored, Err(Refusal::Replay));
    // 3 before 2, in slot 3, which is safe: key 2 is disclosed in slot 5.
    assert_eq!(follower.receive(slot(3, 0), 20, &messages[2]).stored, Ok(3));
    assert_eq!(follower.receive(slot(3, 1), 20, &messages[1]).stored, Ok(2));
    assert_eq!(indexes(&follower.receive(slot(6, 0), 20, &messages[5])), [1, 2, 3]);
    // Proven once.
    assert!(follower.receive(slot(6, 1), 20, &messages[5]).proven.is_empty());
    assert_eq!(follower.receive(slot(6, 2), 20, &messages[2]).stored, Err(Refusal::KeyDisclosed));
}

/// The last millisecond in which a message is stored, and the first in which it is not, for three bounds on the clocks.
#[test]
fn the_safe_test_is_exact() {
    for (delay, difference) in [(2, 20), (2, 320), (5, 1000), (101, 32_000)] {
        let (mut chain, follower) = pair(delay);
        let message = chain.announce(slot(200, 0), &CODE).unwrap();
        let disclosed = slot(200 + u64::from(delay), 0).minus_millis(difference);
        let last = follower.clone().receive(disclosed.minus_millis(1), difference, &message);
        assert_eq!(last.stored, Ok(200), "{delay} {difference}");
        let late = follower.clone().receive(disclosed, difference, &message);
        assert_eq!(late.stored, Err(Refusal::KeyDisclosed), "{delay} {difference}");
    }
}

#[test]
fn a_clock_that_is_not_good_enough_refuses_everything() {
    for (delay, good) in [(2, 320), (3, 640), (5, 1280), (101, 32_000)] {
        let (mut chain, mut follower) = pair(delay);
        let message = chain.announce(slot(200, 0), &CODE).unwrap();
        assert_eq!(follower.check_clock(good), Ok(()));
        assert_eq!(follower.check_clock(good + 1), Err(Refusal::ClockUncertain));
        assert_eq!(follower.receive(slot(200, 0), good + 1, &message).stored, Err(Refusal::ClockUncertain));
        assert_eq!(follower.hashes(), 0, "nothing is computed");
        assert!(follower.receive(slot(200, 0), good, &message).stored.is_ok());
    }
}

#[test]
fn every_bit_counts() {
    let (mut chain, mut follower) = pair(2);
    for index in 1..=9 {
        let message = chain.announce(slot(index, 0), &CODE).unwrap();
        let _ = follower.receive(slot(index, 0), 20, &message);
    }
    let message = chain.announce(slot(10, 0), &CODE).unwrap();
    let opener = chain.announce(slot(12, 0), &CODE).unwrap();
    for bit in 0..232 {
        let mut flipped = message;
        flipped[bit / 8] ^= 1 << (bit % 8);
        let mut follower = follower.clone();
        let _ = follower.receive(slot(10, 0), 20, &flipped);
        let proven = indexes(&follower.receive(slot(12, 0), 20, &opener));
        assert!(!proven.contains(&10), "bit {bit}");
    }
    let _ = follower.receive(slot(10, 0), 20, &message);
    assert!(indexes(&follower.receive(slot(12, 0), 20, &opener)).contains(&10));
}

/// An authorised monitor with everything that was ever public forges nothing (A4).
#[test]
fn a_monitor_cannot_forge() {
    let (mut chain, mut follower) = pair(2);
    let heard: Vec<Message> = (1..=30).map(|index| chain.announce(slot(index, 0), &CODE).unwrap()).collect();
    // Key 28 stands in message 30. With it a MIC for slot 28 is right, and too late.
    let mut key = [0; 10];
    key.copy_from_slice(&heard[29][18..28]);
    let mut forged = heard[27];
    forged[1] ^= 1;
    let right = mic(&anchor(2).plan, &Element { index: 28, value: key }, &forged);
    forged[14..18].copy_from_slice(&right.0);
    assert_eq!(follower.receive(slot(30, 0), 20, &forged).stored, Err(Refusal::KeyDisclosed));
    // For slot 31 no key is known: the forged message is stored, and dropped when the key comes.
    let mut ahead = heard[29];
    ahead[1] ^= 1;
    assert_eq!(follower.receive(slot(30, 1), 20, &ahead).stored, Ok(30));
    let opener = chain.announce(slot(32, 0), &CODE).unwrap();
    let received = follower.receive(slot(32, 0), 20, &opener);
    assert_eq!((indexes(&received), received.forged), (vec![], 1));
    // A false key.
    let mut false_key = chain.announce(slot(33, 0), &CODE).unwrap();
    false_key[20] ^= 1;
    assert_eq!(follower.receive(slot(33, 0), 20, &false_key).stored, Err(Refusal::BadMic));
}

/// A9: with a clock that is further behind than it believes, forgeries are accepted. This protection fails openly.
#[test]
fn a_false_clock_accepts_forgeries() {
    let (mut chain, mut follower) = pair(2);
    let heard: Vec<Message> = (1..=30).map(|index| chain.announce(slot(index, 0), &CODE).unwrap()).collect();
    let mut key = [0; 10];
    key.copy_from_slice(&heard[29][18..28]);
    let mut forged = heard[27];
    forged[1..14].copy_from_slice(&[0xbad_u16 as u8; 13]);
    let right = mic(&anchor(2).plan, &Element { index: 28, value: key }, &forged);
    forged[14..18].copy_from_slice(&right.0);
    // The true time is slot 30; the monitor believes slot 28, and a difference of at most 20 ms.
    assert_eq!(follower.receive(slot(28, 0), 20, &forged).stored, Ok(28));
    let proven = follower.receive(slot(30, 0), 20, &heard[29]).proven;
    assert_eq!(proven.len(), 1, "(X)");
    assert_eq!(proven[0].code, [0xad; 13]);
    // A monitor that knows key 28 already refuses it with any clock.
    let (_, mut knows) = pair(2);
    let _ = knows.receive(slot(30, 0), 20, &heard[29]);
    assert_eq!(knows.receive(slot(28, 0), 20, &forged).stored, Err(Refusal::KeyDisclosed));
}

#[test]
fn a_flood_finds_a_bounded_memory() {
    let (mut chain, mut follower) = pair(5);
    let mut kept = 0;
    for index in 1..=200_u64 {
        let message = chain.announce(slot(index, 0), &CODE).unwrap();
        // Each with the true key of the slot, which everybody has; half of them before the true one.
        for flood in 0..40_u64 {
            let mut forged = message;
            forged[14..18].copy_from_slice(&((index << 8 | flood) as u32).to_be_bytes());
            if flood == 20 {
                forged = message;
            }
            let received = follower.receive(slot(index, flood), 20, &forged);
            kept += received.proven.len();
        }
        assert!(follower.stored() <= CANDIDATES * 7, "{}", follower.stored());
    }
    // A chance of 4 / 40 for each of 195 slots: 19.5 of them, sigma 4.2.
    assert!((5..=36).contains(&kept), "{kept} true ones are proven");
    assert!(follower.dropped() > 195 * 30);
    // Old slots whose keys never come make room for new ones.
    let (mut chain, mut follower) = pair(5);
    for index in 1..=5 {
        let message = chain.announce(slot(index, 0), &CODE).unwrap();
        let _ = follower.receive(slot(index, 0), 20, &message);
    }
    for index in 6..=60_u64 {
        let mut lost_key = chain.announce(slot(index, 0), &CODE).unwrap();
        lost_key[18..28].copy_from_slice(&[0; 10]);
        assert!(follower.receive(slot(index, 0), 20, &lost_key).stored.is_err());
    }
    assert_eq!(follower.stored(), 5);
}

#[test]
fn restarts_of_both_ends() {
    let anchor = anchor(3);
    let (mut chain, mut follower) = pair(3);
    for index in 1..=40 {
        let message = chain.announce(slot(index, 0), &CODE).unwrap();
        let _ = follower.receive(slot(index, 0), 20, &message);
    }
    // The announcer begins again in slot 41: its keys, those it discloses too, follow from the time.
    let mut restarted = KeyChain::new(&anchor, &seed(), slot(41, 0));
    for index in 41..=45 {
        let message = restarted.announce(slot(index, 0), &CODE).unwrap();
        assert_eq!(chain.announce(slot(index, 0), &CODE), Ok(message));
        assert_eq!(indexes(&follower.receive(slot(index, 0), 20, &message)), [index as u32 - 3]);
    }
    assert_eq!(restarted.announce(slot(41, 0), &CODE), Err(Refusal::Clock));
    for prepared in [1, 1500, 3000] {
        let mut after = KeyChain::new(&anchor, &seed(), slot(prepared, 0));
        assert_eq!(after.announce(slot(45, 0), &CODE), chain.announce(slot(45, 0), &CODE));
        assert!(after.announce(slot(1999, 0), &CODE).is_ok(), "a long silence");
    }
    // A monitor that begins again has only the anchor: what it stored is lost, and what comes is proven.
    let mut again = KeyChainFollower::new(Verified::new(anchor), 2);
    for index in 46..=50 {
        let message = chain.announce(slot(index, 0), &CODE).unwrap();
        let expected: Vec<u32> = (index >= 49).then_some(index as u32 - 3).into_iter().collect();
        assert_eq!(indexes(&again.receive(slot(index, 0), 20, &message)), expected);
    }
}

#[test]
fn begin_and_end_of_a_chain() {
    let (mut chain, mut follower) = pair(2);
    assert_eq!(chain.announce(UtcTime::from_millis(START - 1), &CODE), Err(Refusal::Clock));
    let first = chain.announce(slot(1, 0), &CODE).unwrap();
    assert_eq!(first[18..28], anchor(2).key, "key 0 is public");
    assert_eq!(follower.receive(UtcTime::from_millis(START - 21), 20, &first).stored, Err(Refusal::Clock));
    assert_eq!(follower.receive(UtcTime::from_millis(START - 20), 20, &first).stored, Ok(1));
    assert!(chain.announce(slot(2000, 0), &CODE).is_ok());
    assert_eq!(chain.announce(slot(2001, 0), &CODE), Err(Refusal::Expired));
    let mut after = first;
    after[28] = 2001_u32 as u8;
    assert_eq!(follower.receive(slot(2001, 0), 20, &after).stored, Err(Refusal::Expired));
}

#[test]
fn only_the_owner_of_the_key_signs_an_anchor() {
    let anchor = anchor(3);
    let key = |octet| SigningKey::new(Scheme::EcdsaP256, &[octet; 32]).unwrap();
    let signature = anchor.sign(&key(1), [0; 32]);
    assert!(anchor.verify(&key(1).verifying_key(), signature.as_octets()).is_ok());
    assert!(anchor.verify(&key(2).verifying_key(), signature.as_octets()).is_err());
    // A shorter delay would let forgeries through.
    let hasty = KeyAnchor { delay: 2, ..anchor };
    assert!(hasty.verify(&key(1).verifying_key(), signature.as_octets()).is_err());
}

#[test]
fn only_messages_of_this_type_and_of_a_slot_are_taken() {
    let (mut chain, mut follower) = pair(2);
    let message = chain.announce(slot(1, 0), &CODE).unwrap();
    let (mut other, mut before) = (message, message);
    other[0] = 0xD1;
    assert_eq!(follower.receive(slot(1, 0), 20, &other).stored, Err(Refusal::Type));
    before[28] = 0;
    assert_eq!(follower.receive(slot(1, 0), 20, &before).stored, Err(Refusal::Clock));
    assert_eq!(follower.stored(), 0);
}
