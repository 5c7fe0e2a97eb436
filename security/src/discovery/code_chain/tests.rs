use super::super::chain::MAX_MISSED;
use super::super::rotation::RotationPeriod;
use super::super::signature::Scheme;
use super::*;

const START: u64 = 1_700_000_000_000;
const UNCERTAINTY: u64 = 20;

/// The begin of a slot of 320 ms, and some milliseconds.
fn slot(index: u64, millis: u64) -> UtcTime {
    UtcTime::from_millis(START + (index - 1) * 320 + millis)
}

fn seed() -> ChainSeed {
    ChainSeed::from([9; 32])
}

fn anchor(length: u32) -> CodeAnchor {
    let period = RotationPeriod::from_millis(320).unwrap();
    CodeAnchor::of(Plan::new(UtcTime::from_millis(START), period, length, [1; 8]).unwrap(), &seed())
}

fn pair(length: u32) -> (CodeChain, CodeChainFollower) {
    let anchor = anchor(length);
    (CodeChain::new(&anchor, &seed(), slot(1, 0)), CodeChainFollower::new(Verified::new(anchor)))
}

#[test]
fn each_code_proves_itself() {
    let (mut chain, mut follower) = pair(500);
    for index in 1..=500 {
        let message = chain.announce(slot(index, 100)).unwrap();
        assert_eq!(message[0], MESSAGE_TYPE);
        assert_eq!(chain.announce(slot(index, 319)), Ok(message), "one code in a slot");
        let code = follower.verify(slot(index, 100), UNCERTAINTY, &message).unwrap();
        assert_eq!(u64::from(code.index), index);
        assert_eq!(code.code[..], message[1..24]);
        // A copy in the same slot, at another place: this protection does not stop it (A3).
        assert!(follower.verify(slot(index, 319), UNCERTAINTY, &message).is_ok());
    }
    assert_eq!(chain.announce(slot(501, 0)), Err(Refusal::Expired));
    // One computation a slot; a copy of the present code costs none.
    assert_eq!(follower.hashes(), 500);
}

#[test]
fn every_bit_counts() {
    let (mut chain, follower) = pair(50);
    let message = chain.announce(slot(7, 100)).unwrap();
    for bit in 0..232 {
        let mut flipped = message;
        flipped[bit / 8] ^= 1 << (bit % 8);
        let result = follower.clone().verify(slot(7, 100), UNCERTAINTY, &flipped);
        assert!(result.is_err(), "bit {bit}: {result:?}");
    }
    assert!(follower.clone().verify(slot(7, 100), UNCERTAINTY, &message).is_ok());
}

#[test]
fn missed_codes_are_computed_and_bounded() {
    let (mut chain, mut follower) = pair(40_000);
    let message = chain.announce(slot(1000, 0)).unwrap();
    assert!(follower.verify(slot(1000, 0), UNCERTAINTY, &message).is_ok());
    assert_eq!(follower.hashes(), 1000);
    let at = 1000 + u64::from(MAX_MISSED);
    let message = chain.announce(slot(at, 0)).unwrap();
    assert!(follower.clone().verify(slot(at, 0), UNCERTAINTY, &message).is_ok());
    let at = 1000 + u64::from(MAX_MISSED) + 600;
    let message = chain.announce(slot(at, 0)).unwrap();
    assert_eq!(follower.verify(slot(at, 0), UNCERTAINTY, &message), Err(Refusal::TooManyMissed));
}

#[test]
fn a_replay_falls_out_by_its_index() {
    let (mut chain, mut follower) = pair(500);
    let messages: Vec<Message> = (1..=300).map(|index| chain.announce(slot(index, 0)).unwrap()).collect();
    // Before any later code is known: by the clock alone.
    let mut fresh = follower.clone();
    for later in [2_u64, 20, 128] {
        let result = fresh.verify(slot(1 + later, 100), UNCERTAINTY, &messages[0]);
        assert_eq!(result, Err(Refusal::Replay), "{later}");
    }
    // 256 slots later the LSB are the same, and stand for another index.
    assert_eq!(fresh.verify(slot(257, 100), UNCERTAINTY, &messages[0]), Err(Refusal::BadMic));
    // Within the uncertainty of the clocks the slot before is accepted, once no later code is known.
    assert!(follower.verify(slot(11, UNCERTAINTY - 1), UNCERTAINTY, &messages[9]).is_ok());
    assert_eq!(
        follower.clone().verify(slot(11, UNCERTAINTY), UNCERTAINTY, &messages[9]),
        Err(Refusal::Replay)
    );
    assert!(follower.verify(slot(11, 15), UNCERTAINTY, &messages[10]).is_ok());
    assert_eq!(follower.verify(slot(11, 16), UNCERTAINTY, &messages[9]), Err(Refusal::Replay));
}

/// A code that comes before its slot is refused, and not remembered.
#[test]
fn a_code_before_its_slot_is_refused() {
    let (mut chain, mut follower) = pair(50);
    let message = chain.announce(slot(9, 0)).unwrap();
    assert_eq!(follower.verify(slot(8, 299), UNCERTAINTY, &message), Err(Refusal::Clock));
    assert!(follower.verify(slot(8, 300), UNCERTAINTY, &message).is_ok());
}

/// A9: a monitor whose clock is behind takes codes of slots that are over, until it knows a later one.
#[test]
fn a_false_clock_accepts_an_old_code_until_a_later_one_is_known() {
    let (mut chain, follower) = pair(500);
    let old = chain.announce(slot(10, 0)).unwrap();
    let new = chain.announce(slot(100, 0)).unwrap();
    assert!(
        follower.clone().verify(slot(10, 50), UNCERTAINTY, &old).is_ok(),
        "(X): the clock is 90 slots behind"
    );
    let mut knows = follower;
    assert!(knows.verify(slot(100, 0), UNCERTAINTY, &new).is_ok());
    assert_eq!(knows.verify(slot(10, 50), UNCERTAINTY, &old), Err(Refusal::Replay));
}

/// The position follows from the time alone: after a crash the same slot has the same code, and no slot that is over is
/// announced again in the same run.
#[test]
fn a_restart_goes_on_where_the_time_is() {
    let anchor = anchor(500);
    let mut before = CodeChain::new(&anchor, &seed(), slot(1, 0));
    for index in 1..=60 {
        before.announce(slot(index, 0)).unwrap();
    }
    let message = before.announce(slot(61, 0)).unwrap();
    for restart in [1, 60, 61] {
        let mut after = CodeChain::new(&anchor, &seed(), slot(restart, 0));
        assert_eq!(after.announce(slot(61, 200)), Ok(message), "restart in slot {restart}");
        assert_eq!(after.announce(slot(60, 0)), Err(Refusal::Clock));
    }
    // Prepared for a time that was false: nothing was announced yet, and the codes are computed anew.
    for prepared in [1, 400, 2000] {
        let mut after = CodeChain::new(&anchor, &seed(), slot(prepared, 0));
        assert_eq!(after.announce(slot(61, 200)), Ok(message), "prepared for slot {prepared}");
        assert!(after.announce(slot(499, 0)).is_ok(), "a long silence");
    }
    let mut early = CodeChain::new(&anchor, &seed(), UtcTime::from_millis(0));
    assert_eq!(early.announce(UtcTime::from_millis(START - 1)), Err(Refusal::Clock));
    assert!(early.announce(slot(1, 0)).is_ok());
}

#[test]
fn another_chain_is_unknown() {
    let (_, mut follower) = pair(50);
    let plan = Plan::new(UtcTime::from_millis(START), RotationPeriod::from_millis(320).unwrap(), 50, [2; 8]);
    let other = CodeAnchor::of(plan.unwrap(), &seed());
    let message = CodeChain::new(&other, &seed(), slot(5, 0)).announce(slot(5, 0)).unwrap();
    assert_eq!(follower.verify(slot(5, 0), UNCERTAINTY, &message), Err(Refusal::Unknown));
    // With the hint of this chain it is a forgery.
    let mut forged = message;
    forged[24..28].copy_from_slice(&follower.hint());
    assert_eq!(follower.verify(slot(5, 0), UNCERTAINTY, &forged), Err(Refusal::BadMic));
    // A code of the chain in place of the next one, which a monitor cannot compute.
    let (mut chain, _) = pair(50);
    let mut ahead = chain.announce(slot(5, 0)).unwrap();
    ahead[28] = 6;
    assert_eq!(follower.verify(slot(6, 0), UNCERTAINTY, &ahead), Err(Refusal::BadMic));
}

#[test]
fn only_the_owner_of_the_key_signs_an_anchor() {
    let anchor = anchor(50);
    let key = |octet| SigningKey::new(Scheme::Ed25519, &[octet; 32]).unwrap();
    let signature = anchor.sign(&key(1), [0; 32]);
    assert_eq!(anchor.octets().len() + 1 + signature.as_octets().len(), 110, "the scheme's octet with it");
    assert!(anchor.verify(&key(1).verifying_key(), signature.as_octets()).is_ok());
    assert!(anchor.verify(&key(2).verifying_key(), signature.as_octets()).is_err());
    let longer = CodeAnchor {
        plan: Plan::new(anchor.plan.start(), anchor.plan.period(), 51, [1; 8]).unwrap(),
        ..anchor
    };
    assert!(longer.verify(&key(1).verifying_key(), signature.as_octets()).is_err());
}

/// The anchor is public, and no code of a slot: not before the start either, where the clock is almost there.
#[test]
fn the_anchor_is_no_code() {
    let (mut chain, mut follower) = pair(3);
    let mut message = chain.announce(slot(1, 0)).unwrap();
    message[1..24].copy_from_slice(&anchor(3).code);
    message[28] = 0;
    for millis in [START - 10, START, START + 10] {
        let heard = follower.verify(UtcTime::from_millis(millis), UNCERTAINTY, &message);
        assert_eq!(heard, Err(Refusal::Replay), "{millis}");
    }
}

#[test]
fn after_the_end_nothing_is_computed() {
    let (mut chain, mut follower) = pair(3);
    let mut message = chain.announce(slot(3, 0)).unwrap();
    message[28] = 4;
    assert_eq!(follower.verify(slot(4, 0), UNCERTAINTY, &message), Err(Refusal::Expired));
    assert_eq!(follower.hashes(), 0);
}
