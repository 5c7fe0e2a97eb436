//! REKEYING_TRIGGER, requests that are repeated or cross, and what becomes of a link whose re-keying fails.

use super::super::*;
use super::authentication::equip;
use super::rig::{Air, PERIOD};

fn trigger(air: &mut Air) -> Result<(), Error> {
    let (link, _) = air.up(0, 1).unwrap();
    let now = air.time(0);
    let begun = air.ues[0].manager.handle_input(Input::TriggerRekey { now, link });
    air.drain(0);
    begun
}

fn types(air: &Air) -> Vec<u8> {
    air.log.iter().filter_map(|f| f.message()).collect()
}

/// TS 24.334 §10.4.8.2: a trigger asks for a new KD, which methods make.
#[test]
// TS 24.334 §10.4.8.2 (6)
fn a_trigger_refreshes_kd() {
    let mut air = Air::without_keys(2, |_, _| {}, equip);
    air.connect(0, 1);
    air.run(2000);
    let (_, old) = air.up(0, 1).unwrap();
    trigger(&mut air).unwrap();
    assert_eq!(trigger(&mut air), Err(Error::RekeyingTooSoon));
    air.run(2000);
    assert!(air.agreed(0, 1));
    assert_ne!(air.up(0, 1).unwrap().1.kd, old.kd);
    let exchange = [17, 15, 0xe0, 0xe1, 12, 13, 16];
    assert!(types(&air).windows(exchange.len()).any(|part| part == exchange), "{:?}", types(&air));
}

/// T4113: a trigger that is lost comes again, as often as every message, and no more.
#[test]
fn a_trigger_is_repeated_until_the_request_comes() {
    for lost in [1, 2, 9] {
        let mut air = Air::linked();
        air.run(1000);
        let (_, old) = air.up(0, 1).unwrap();
        let mut left = lost;
        air.channel = Box::new(move |flying| {
            let hit = flying.message() == Some(17) && left > 0;
            left -= i32::from(hit);
            if hit { vec![] } else { vec![flying] }
        });
        trigger(&mut air).unwrap();
        air.run(20 * PERIOD);
        let sent = types(&air).iter().filter(|kind| **kind == 17).count();
        assert_eq!(sent, if lost < 3 { lost as usize + 1 } else { 3 });
        assert!(air.agreed(0, 1));
        assert_eq!(air.up(0, 1).unwrap().1.fingerprint != old.fingerprint, lost < 3);
    }
}

/// The operator may spare a link whose re-keying had no answer.
#[test]
// TS 24.334 §10.4.8.6.1
fn a_link_may_outlive_a_re_keying_that_fails() {
    let configure = |_: usize, config: &mut Config| config.failed_rekeying = FailedRekeying::KeepKey;
    let mut air = Air::with(2, configure, |_, _| {});
    air.connect(0, 1);
    air.run(1400);
    let before = air.up(0, 1).unwrap();
    air.channel = Box::new(|flying| if flying.message() == Some(15) { vec![] } else { vec![flying] });
    air.rekey(0, 1, false).unwrap();
    air.run(3000);
    assert_eq!(air.up(0, 1), Some(before));
    assert!(air.agreed(0, 1));
}

/// Every try repeats the same message: requests that cross are compared by the same nonces each time.
#[test]
// TS 24.334 §10.4.8.6.1
fn every_try_repeats_the_request() {
    let mut air = Air::linked();
    air.run(1000);
    air.channel = Box::new(|flying| if flying.message() == Some(15) { vec![] } else { vec![flying] });
    air.rekey(0, 1, false).unwrap();
    let request = |air: &Air| match &air.ues[0].manager.links[0].state {
        link::State::Up(up) => up.exchange.request().map(|request| request.offer().nonce_1),
        _ => None,
    };
    let first = request(&air).unwrap();
    while types(&air).iter().filter(|kind| **kind == 15).count() < 3 {
        air.run(PERIOD);
        assert_eq!(request(&air), Some(first));
    }
}

/// Two UEs that want new keys a moment after the last ones: the one whose request yields answers the other.
#[test]
// TS 24.334 §10.4.8.3 (2)
fn requests_that_cross_are_answered_however_recent_the_last_re_keying_is() {
    let mut air = Air::linked();
    air.run(1000);
    air.rekey(0, 1, false).unwrap();
    air.run(5 * PERIOD);
    let (_, old) = air.up(0, 1).unwrap();
    let sent = air.log.len();
    air.rekey(0, 1, false).unwrap();
    air.rekey(1, 0, false).unwrap();
    air.run(5 * PERIOD);
    assert!(air.agreed(0, 1));
    assert_ne!(air.up(0, 1).unwrap().1.fingerprint, old.fingerprint, "{:?}", &types(&air)[sent..]);
}

/// An authentication that stops half way is begun anew, with a new request.
#[test]
fn an_authentication_that_stops_half_way_begins_again() {
    let configure = |_: usize, config: &mut Config| config.rekey_interval = 100;
    let mut air = Air::without_keys(2, configure, equip);
    air.connect(0, 1);
    air.run(2000);
    let (_, old) = air.up(0, 1).unwrap();
    // The target UE gives up: the container of the initiating UE does not come while it waits.
    let until = air.now + 16 * PERIOD;
    air.channel = Box::new(move |flying| {
        let hit = flying.message() == Some(0xe1) && flying.at < until;
        if hit { vec![] } else { vec![flying] }
    });
    air.rekey(0, 1, true).unwrap();
    air.run(4000);
    assert!(air.agreed(0, 1), "{:?}", types(&air));
    assert_ne!(air.up(0, 1).unwrap().1.kd, old.kd, "{:?}", types(&air));
}
