//! Reflection: an outsider without keys uses one UE against itself.

use super::super::*;
use super::rig::{Air, PERIOD, l2};
use sidelink_security::counter::memory::Memory;
use sidelink_security::counter::reserve::{Lease, ReserveConfig};
use sidelink_wire::ids::Lcid;

/// Mary's request comes back to her in John's name from another source, then 1024 others to evict her memory of it, and
/// her own command comes back to her from John's address. With a source lower than hers she answers requests even while
/// she has sent one.
#[test]
pub(super) fn a_request_that_comes_back_brings_no_link_up() {
    for flood in [0u32, 1024] {
        let configure = |_: usize, config: &mut Config| (config.half_open, config.answers) = (4096, 4096);
        let mut air = Air::with(2, configure, |_, _| {});
        air.channel = Box::new(|_| vec![]);
        air.connect(0, 1);
        let mut request = air.log[0].pdu.octets.clone();
        let at = request.windows(4).position(|w| w == b"mary").unwrap();
        request[at..at + 4].copy_from_slice(b"john");
        let elsewhere = l2(1);
        air.inject(elsewhere, 0, Lcid::PC5_S_UNPROTECTED, request.clone());
        air.run(0);
        for number in 0..flood {
            let mut octets = request.clone();
            octets[22..26].copy_from_slice(&number.to_be_bytes());
            air.inject(l2(2), 0, Lcid::PC5_S_UNPROTECTED, octets);
            air.run(0);
        }
        // All her replies are reflected to her from the address that she expects.
        for flying in air.log.clone() {
            air.inject(l2(0x11), 0, flying.pdu.lcid, flying.pdu.octets);
        }
        air.run(0);
        for flying in air.log.clone() {
            air.inject(elsewhere, 0, flying.pdu.lcid, flying.pdu.octets);
        }
        air.run(PERIOD);
        assert!(!air.ues[0].states.iter().any(|(_, state)| matches!(state, State::Up { .. })), "{flood}");
        assert!(air.ues[0].notes.iter().any(|n| matches!(n, Note::Reflected { .. })));
    }
}

/// A faulty RNG and rolled-back counters at both ends: the nonces of an earlier session come again. Its key does not,
/// even if one of the ends has forgotten everything.
#[test]
fn a_session_key_is_not_used_twice_whatever_the_nonces() {
    for forgets in [None, Some(0), Some(1)] {
        let mut air = Air::new(2);
        let firsts: Vec<_> = air.ues.iter().map(|ue| ue.manager.local.numbers.peek()).collect();
        air.connect(0, 1);
        air.run(200);
        let (link, keys) = air.up(0, 1).unwrap();
        let now = air.time(0);
        air.ues[0].manager.handle_input(Input::Release { now, link }).unwrap();
        air.drain(0);
        air.run(1000);
        for (index, ue) in air.ues.iter_mut().enumerate() {
            let local = &mut ue.manager.local;
            let reserve = ReserveConfig { block: 256, low_water: 128 };
            let (stream, mut rolled_back) = (local.numbers.stream(), Memory::default());
            rolled_back.set(stream, firsts[index]);
            local.numbers = Lease::open(stream, 1, 1 << 40, reserve, &mut rolled_back).unwrap();
            assert_eq!(local.numbers.peek(), firsts[index]);
            local.rng = sidelink_security::direct::Entropy::new(&[index as u8; 32]);
            let _ = local.rng.draw(local.numbers.peek());
            if forgets == Some(index) {
                local.sessions.clear();
            }
        }
        if forgets.is_some() {
            air.forget_counts();
        }
        air.connect(0, 1);
        let repeats = air.log.iter().filter(|f| f.message() == Some(1)).map(|f| &f.pdu.octets);
        let nonces: Vec<_> = repeats.map(|octets| octets[16..30].to_vec()).collect();
        assert_eq!(nonces[0], nonces[1], "the RNG is as faulty as this test wants it");
        // If no end forgot, the rig checks that no (key, COUNT) is sent twice.
        air.run(2000);
        let up = |(_, state): &&(LinkId, State)| matches!(state, State::Up { keys: k, .. } if k.fingerprint == keys.fingerprint);
        for ue in &air.ues {
            assert_eq!(ue.states.iter().filter(up).count(), 1, "by the first link alone: {forgets:?}");
        }
    }
}
