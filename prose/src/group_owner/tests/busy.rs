//! Many at once: turns, back-off, notices; and nobody is left behind.

use std::collections::BTreeSet;

use sidelink_security::counter::memory::Memory;
use sidelink_wire::group_owner::{Body, Cause, Kind, Notice, Packet, Repr};
use sidelink_wire::ids::Layer2Id;

use super::super::*;
use super::rig::*;

fn notice(sent: &Sent) -> Option<Notice> {
    let packet = Packet::new_checked(&sent.octets[..]).unwrap();
    match Repr::parse(&packet).unwrap().body {
        Body::Notice(notice) => Some(notice),
        _ => None,
    }
}

/// Of twelve that ask at once two are answered at once, the others in their order, and nobody asks twice: the owner has said
/// how long it takes.
#[test]
fn the_owner_answers_in_the_order_of_the_requests() {
    let mut rig = Rig::new(12);
    for ue in 1..=12 {
        rig.join(ue);
    }
    let (mut order, mut waits, mut most) = (Vec::new(), Vec::new(), 0);
    for _ in 0..100 {
        rig.period(&mut |sent| {
            waits.extend(notice(&sent).map(|notice| notice.wait).filter(|wait| *wait > 0));
            if sent.kind == Kind::Challenge {
                order.push(sent.to);
            }
            vec![sent]
        });
        most = most.max(rig.ues[0].owner().half_open());
    }
    assert_eq!(most, config(0).serving, "that many at once");
    assert_eq!(order, (1..=12).map(layer2).collect::<Vec<_>>());
    assert!(!waits.is_empty());
    (1..=12).for_each(|ue| rig.assert_in(ue));
    assert_eq!(rig.old.len(), 12 * 5, "nothing twice");
}

/// A request whose turn has not come is not answered, comes again after a random time, and its copies take no place.
#[test]
fn requests_wait_in_a_bounded_queue() {
    let short = |ue| Config { queue: 2, serving: 1, ..config(ue) };
    let mut rig = Rig::with(5, short, |_| trust());
    for ue in 1..=5 {
        rig.join(ue);
    }
    // Nobody hears challenges: the first one keeps its place.
    rig.run_with(2 * PERIOD, |sent| {
        if sent.kind == Kind::Challenge { Vec::new() } else { vec![sent.clone(), sent] }
    });
    assert_eq!((rig.ues[0].owner().queued(), rig.ues[0].owner().half_open()), (2, 1));
    let full = |note: &&Note| matches!(note, Note::NoRoom { .. });
    assert_eq!(rig.ues[0].notes().filter(full).count(), 4, "two requests, and their copies");
    // Another join of a source takes the place of its older one.
    let now = rig.time();
    rig.input(2, Input::Leave { now }).unwrap();
    rig.join(2);
    rig.run_with(PERIOD, |sent| if sent.kind == Kind::Challenge { Vec::new() } else { vec![sent] });
    assert_eq!(rig.ues[0].owner().queued(), 2);
    // An expelled one has none.
    let now = rig.time();
    rig.input(0, Input::Expel { now, member: name(2) }).unwrap();
    assert_eq!(rig.ues[0].owner().queued(), 1);
    rig.run(20_000);
    [1, 3, 4, 5].into_iter().for_each(|ue| rig.assert_in(ue));
    rig.assert_out(2);
}

/// Times at which a member asks, when nobody answers.
fn asked(seed: u8) -> Vec<u64> {
    let mut rig = Rig::new(1);
    let rules = Config { requests: 7, ..config(1) };
    rig.ues[1] = start(1, rules, credential(1, &issuer(), &name(1)), trust(), Memory::default(), seed);
    rig.join(1);
    let mut at = vec![0];
    for _ in 0..3000 {
        let before = rig.old.len();
        rig.period(&mut |_| Vec::new());
        if rig.old.len() > before {
            at.push(rig.now - T0);
        }
    }
    rig.assert_out(1);
    at
}

/// Binary exponential back-off: each distance is random, in a window that doubles; two members do not stay together.
#[test]
fn requests_come_again_at_random_times_in_growing_windows() {
    let (one, other) = (asked(1), asked(2));
    assert_eq!((one.len(), other.len()), (7, 7));
    assert_ne!(one, other);
    let mut beyond = 0;
    for times in [&one, &other] {
        for (sent, pair) in times.windows(2).enumerate() {
            let (distance, retry) = (pair[1] - pair[0], config(1).retry);
            assert!((retry..=(retry << (sent + 1)) + PERIOD).contains(&distance), "{times:?}");
            beyond += usize::from(distance > 2 * retry + PERIOD);
        }
    }
    assert!(beyond > 2, "{one:?} {other:?}");
}

/// A forged notice delays a request, and not for ever.
#[test]
fn a_forged_notice_of_a_busy_owner_is_believed_for_a_while_only() {
    let limits = |ue| Config { longest_wait: 3000, ..config(ue) };
    let mut rig = Rig::with(1, limits, |_| trust());
    rig.run(1000);
    rig.join(1);
    rig.air.clear();
    let repr = Repr {
        group: GROUP.group_id,
        body: Body::Notice(Notice { epoch: 900, wait: u32::MAX, signature: [3; 64] }),
    };
    let mut forged = vec![0; repr.buffer_len()];
    repr.emit(&mut forged).unwrap();
    // All the time: the first one counts.
    let flooded = |rig: &mut Rig, periods: u64| {
        for _ in 0..periods {
            let now = rig.time();
            rig.input(1, Input::Message { now, from: layer2(0), message: &forged }).unwrap();
            let deaf = |sent: Sent| if sent.kind == Kind::Notice { Vec::new() } else { vec![sent] };
            rig.run_with(PERIOD, deaf);
        }
    };
    flooded(&mut rig, 2800 / PERIOD);
    assert_eq!(rig.old.len(), 1, "it waits");
    flooded(&mut rig, 3200 / PERIOD);
    rig.assert_in(1);
    // Of another source, and in a group: no later epoch is believed without the owner's signature.
    for from in [0, 3] {
        let now = rig.time();
        rig.input(1, Input::Message { now, from: layer2(from), message: &forged }).unwrap();
    }
    assert!(rig.ues[1].notes().any(|note| matches!(note, Note::NotBelieved { kind: Kind::Notice, .. })));
    let before = rig.old.len();
    rig.run(20_000);
    rig.assert_in(1);
    assert_eq!(rig.old.len(), before);
}

/// The owner's own notice, that it is idle, ends a long wait.
#[test]
fn an_idle_owner_is_asked_again() {
    let mut rig = Rig::with(1, |ue| Config { longest_wait: 600_000, ..config(ue) }, |_| trust());
    rig.join(1);
    rig.air.clear();
    let body = Body::Notice(Notice { epoch: 900, wait: 500_000, signature: [3; 64] });
    let repr = Repr { group: GROUP.group_id, body };
    let mut forged = vec![0; repr.buffer_len()];
    repr.emit(&mut forged).unwrap();
    let now = rig.time();
    rig.input(1, Input::Message { now, from: layer2(0), message: &forged }).unwrap();
    rig.run(14_000);
    rig.assert_in(1);
}

/// Keys of a new epoch are on their way to a few members at once.
#[test]
fn keys_of_a_new_epoch_go_to_a_few_at_once() {
    let mut rig = Rig::new(12);
    rig.all_join();
    let (now, before) = (rig.time(), rig.old.len());
    rig.input(0, Input::Expel { now, member: name(1) }).unwrap();
    let keys = |rig: &Rig| rig.old[before..].iter().filter(|sent| sent.kind == Kind::Keys).count();
    assert_eq!(keys(&rig), config(0).window);
    rig.run(1500);
    assert_eq!(keys(&rig), 11, "none twice");
    (2..=12).for_each(|ue| rig.assert_in(ue));
}

/// A member that hears nothing for minutes gets the keys when it hears again: the owner tries on, ever less often.
#[test]
fn the_owner_does_not_give_up_a_member() {
    let mut rig = Rig::new(2);
    rig.all_join();
    let now = rig.time();
    rig.input(0, Input::Renew { now }).unwrap();
    let mut tries = 0;
    rig.run_with(120_000, |sent| {
        tries += usize::from(sent.kind == Kind::Keys && sent.to == layer2(1));
        if sent.to == layer2(1) || sent.kind == Kind::Notice { Vec::new() } else { vec![sent] }
    });
    assert!((6..24).contains(&tries), "{tries}");
    assert_ne!(rig.ues[1].member().epoch(), rig.ues[0].owner().epoch());
    rig.assert_in(2);
    rig.run_with(26_000, |sent| if sent.kind == Kind::Notice { Vec::new() } else { vec![sent] });
    rig.assert_in(1);
    assert!(!rig.ues[1].events.iter().any(|event| matches!(event, Event::Missed { .. })));
}

/// A member that the owner has lost joins again by itself: a notice tells it that there is a later epoch.
#[test]
fn a_member_that_missed_an_epoch_joins_again() {
    let mut rig = Rig::new(2);
    rig.all_join();
    let now = rig.time();
    rig.input(0, Input::Renew { now }).unwrap();
    // Whatever is sent to it of this epoch is lost, its notices are not.
    let mut lost = None;
    rig.run_with(25_000, |sent| match sent.kind == Kind::Keys && sent.to == layer2(1) {
        true if *lost.get_or_insert(sent.octets.clone()) == sent.octets => Vec::new(),
        _ => vec![sent],
    });
    rig.assert_in(1);
    rig.assert_in(2);
    assert!(
        rig.ues[1].events.iter().any(|event| matches!(event, Event::Missed { .. })),
        "{:?}",
        rig.ues[1].events
    );
    assert_eq!(rig.ues[0].owner().members().count(), 2);
}

/// A recorded notice of an epoch that is over makes nobody join again.
#[test]
fn a_recorded_notice_does_nothing() {
    let mut rig = Rig::new(1);
    rig.all_join();
    let mut recorded = Vec::new();
    let now = rig.time();
    rig.input(0, Input::Renew { now }).unwrap();
    rig.run_with(3000, |sent| {
        recorded.extend((sent.kind == Kind::Notice).then(|| sent.clone()));
        vec![sent]
    });
    assert!(!recorded.is_empty());
    let now = rig.time();
    rig.input(0, Input::Renew { now }).unwrap();
    rig.run(1000);
    let before = rig.old.len();
    for sent in recorded {
        rig.hear(&sent);
    }
    rig.run(5000);
    rig.assert_in(1);
    assert_eq!(rig.old.len(), before);
}

/// An owner that refuses is asked a few times, also by a member that joins by itself.
#[test]
fn a_member_that_is_not_admitted_any_more_gives_up() {
    let mut rig = Rig::new(2);
    rig.all_join();
    let now = rig.time();
    rig.input(0, Input::Expel { now, member: name(1) }).unwrap();
    // It is not told, and hears the notices.
    rig.run_with(60_000, |sent| if sent.kind == Kind::Removal { Vec::new() } else { vec![sent] });
    rig.assert_out(1);
    assert!(rig.ues[1].events.iter().any(|event| matches!(event, Event::Missed { .. })));
    assert!(matches!(rig.ues[1].events.last(), Some(Event::Out(Out::NoAnswer { hint: Some(_) }))));
    let asked =
        rig.old.iter().filter(|sent| sent.from == layer2(1) && sent.kind == Kind::JoinRequest).count();
    assert_eq!(asked, 1 + usize::from(config(1).requests));
}

/// An owner that is not there when its members come back to it: they ask on, and find it when it starts again.
#[test]
fn members_find_an_owner_that_crashed_for_minutes() {
    let mut rig = Rig::new(3);
    rig.all_join();
    rig.crash(0, 0);
    let silent: BTreeSet<Layer2Id> = [layer2(0)].into();
    let mut told = false;
    rig.run_with(100_000, |sent| {
        // One notice is heard, and nothing else of it for a long time.
        let first = sent.kind == Kind::Notice && !std::mem::replace(&mut told, true);
        if silent.contains(&sent.to) || (silent.contains(&sent.from) && !first) {
            Vec::new()
        } else {
            vec![sent]
        }
    });
    rig.assert_out(1);
    rig.run(40_000);
    (1..=3).for_each(|ue| rig.assert_in(ue));
    assert_eq!(rig.ues[0].owner().members().count(), 3);
}

/// Outside of a group notices mean nothing, and fill no log.
#[test]
fn notices_mean_nothing_outside_of_a_group() {
    let mut rig = Rig::new(1);
    rig.run(3000);
    rig.assert_out(1);
    assert!(rig.ues[1].events.is_empty(), "{:?}", rig.ues[1].events);
}

/// Copies of a request cost a bounded number of challenges, and none once the keys are on their way.
#[test]
fn copies_of_a_request_cost_few_challenges() {
    let mut rig = Rig::new(1);
    rig.join(1);
    let request = rig.old[0].clone();
    let challenges = |rig: &Rig| rig.old.iter().filter(|sent| sent.kind == Kind::Challenge).count();
    (0..20).for_each(|_| rig.hear(&request));
    assert_eq!(challenges(&rig), config(0).answers as usize);
    rig.run_with(4 * PERIOD, |sent| if sent.kind == Kind::Confirm { Vec::new() } else { vec![sent] });
    assert!(rig.old.iter().any(|sent| sent.kind == Kind::Keys));
    let before = challenges(&rig);
    rig.hear(&request);
    assert_eq!(challenges(&rig), before);
}

/// Nobody joins under the name of the owner, even with a certificate for it.
#[test]
fn the_owner_does_not_join_itself() {
    let mut rig = Rig::new(1);
    let rules = Config { identity: name(0), ..config(1) };
    rig.ues[1] = start(1, rules, credential(1, &issuer(), &name(0)), trust(), Memory::default(), 5);
    rig.join(1);
    rig.run(8000);
    rig.assert_out(1);
    assert!(rig.ues[0].notes().any(|note| matches!(note, Note::Refused { .. })));
}

/// A request that waited is looked at once more at its turn: the group is full by then.
#[test]
fn a_request_may_have_no_place_at_its_turn() {
    let rules = |ue| Config { members: 1, serving: 1, ..config(ue) };
    let mut rig = Rig::with(2, rules, |_| trust());
    rig.join(1);
    rig.join(2);
    rig.run(1000);
    rig.assert_in(1);
    let to_second = |kind| rig.old.iter().filter(|sent| sent.to == layer2(2) && sent.kind == kind).count();
    assert!(to_second(Kind::Refusal) > 0);
    assert_eq!(to_second(Kind::Challenge), 0);
}

/// Two prove themselves at once, and one place is left: one of them gets it. The other one hears why when it asks again.
#[test]
fn the_last_place_goes_to_one() {
    let mut rig = Rig::with(2, |ue| Config { members: 1, ..config(ue) }, |_| trust());
    rig.join(1);
    rig.join(2);
    for _ in 0..500 {
        rig.period(&mut |sent| vec![sent]);
        assert!(rig.ues[0].owner().members().count() <= 1);
    }
    assert!(rig.old.iter().any(|sent| sent.kind == Kind::Challenge && sent.to == layer2(2)));
    rig.assert_in(1);
    rig.assert_out(2);
    let hint = Some(Cause::Full);
    assert!(rig.ues[2].events.contains(&Event::Out(Out::NoAnswer { hint })), "{:?}", rig.ues[2].events);
    // A member that joins again keeps its place, before and behind its proof.
    rig.crash(1, 0x44);
    rig.join(1);
    rig.run(1000);
    rig.assert_in(1);
}

/// A member that joins again takes one place, not two.
#[test]
fn a_member_that_joins_again_takes_one_place() {
    let mut rig = Rig::with(2, |ue| Config { members: 2, ..config(ue) }, |_| trust());
    rig.join(1);
    rig.run(1000);
    rig.crash(1, 0x44);
    rig.join(1);
    let unconfirmed = |sent: Sent| match sent.kind {
        Kind::Confirm if sent.from == layer2(1) => Vec::new(),
        _ => vec![sent],
    };
    rig.run_with(300, unconfirmed);
    assert_eq!((rig.ues[0].owner().half_open(), rig.ues[0].owner().members().count()), (1, 1));
    rig.join(2);
    rig.run_with(400, unconfirmed);
    rig.assert_in(2);
    rig.run(2000);
    rig.assert_in(1);
    assert_eq!(rig.ues[0].owner().members().count(), 2);
}

/// Keys that come again are few at once as well.
#[test]
fn repeats_of_keys_go_to_a_few_at_once() {
    let mut rig = Rig::new(12);
    rig.all_join();
    let (now, mut seen, mut times) = (rig.time(), rig.old.len(), Vec::new());
    rig.input(0, Input::Renew { now }).unwrap();
    for _ in 0..200 {
        let keys = rig.old[seen..].iter().filter(|sent| sent.kind == Kind::Keys).count();
        times.extend([rig.now].repeat(keys));
        seen = rig.old.len();
        rig.period(&mut |sent| {
            if matches!(sent.kind, Kind::Keys | Kind::Notice) { Vec::new() } else { vec![sent] }
        });
    }
    assert!(times.len() > 30, "{times:?}");
    let Config { window, retry, .. } = config(0);
    for few in times.windows(window + 1) {
        assert!(few[window] - few[0] >= retry, "{few:?}");
    }
}

/// A member whose owner has forgotten the join, by a crash, asks again.
#[test]
fn a_member_asks_again_when_the_owner_forgot() {
    let mut rig = Rig::new(1);
    rig.join(1);
    rig.run(PERIOD);
    assert!(rig.air.iter().any(|sent| sent.kind == Kind::Challenge));
    rig.crash(0, 0);
    rig.run(8000);
    rig.assert_in(1);
    let sent = |kind| rig.old.iter().filter(|sent| sent.kind == kind).count();
    assert_eq!((sent(Kind::JoinRequest), sent(Kind::Proof)), (2, usize::from(config(1).tries) + 1));
}

/// Keys that come behind the notice of their epoch: the member waited for them, and has missed nothing.
#[test]
fn keys_behind_their_notice_are_not_missed() {
    let missed = |rig: &Rig| match &rig.ues[1].member().state {
        member::State::In { missed, .. } => Some(missed.map(|missed| missed.epoch)),
        _ => None,
    };
    let mut rig = Rig::new(1);
    rig.all_join();
    rig.air.clear();
    let (now, before) = (rig.time(), rig.old.len());
    rig.input(0, Input::Renew { now }).unwrap();
    let (mut keys, mut told) = (None, None);
    rig.run_with(600, |sent| {
        match sent.kind {
            Kind::Keys => keys = keys.take().or(Some(sent)),
            Kind::Notice => told = told.take().or(Some(sent)),
            _ => {}
        }
        Vec::new()
    });
    let (keys, told, epoch) = (keys.unwrap(), told.unwrap(), rig.ues[0].owner().epoch());
    assert_eq!(notice(&told).map(|notice| notice.epoch), epoch);
    rig.hear(&told);
    assert_eq!(missed(&rig), Some(epoch), "it waits");
    rig.hear(&keys);
    assert_eq!(missed(&rig), Some(None));
    rig.run(5000);
    rig.assert_in(1);
    assert!(!rig.ues[1].events.iter().any(|event| matches!(event, Event::Missed { .. })));
    assert!(rig.old[before..].iter().all(|sent| sent.kind != Kind::JoinRequest));
}
