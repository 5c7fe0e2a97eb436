//! Conclusions of an observer without keys (A0), who records every octet of the air, about the parties of links.

use std::collections::BTreeSet;

use super::super::*;
use super::identifiers::linked;
use super::rig::{Air, Flying, PERIOD, PROFILE};
use sidelink_security::direct::Profile;

/// Returns the unciphered fields of one PDU that can occur in another: layer-2 identities, the ID of the session key
/// and either half of it.
fn marks(flying: &Flying) -> BTreeSet<(&'static str, u32)> {
    let octets = &flying.pdu.octets;
    let mut marks: BTreeSet<_> = [("layer 2", flying.from.value()), ("layer 2", flying.to.value())].into();
    if octets[1..3] != [0, 0] {
        marks.insert(("name", u32::from(u16::from_be_bytes([octets[1], octets[2]]))));
    }
    marks
}

/// Whether the observer can relate PDUs before a moment to PDUs after it: by a common mark, or by continued sequence
/// numbers.
fn joined(before: &[Flying], after: &[Flying]) -> Option<String> {
    let of = |part: &[Flying]| part.iter().flat_map(marks).collect::<BTreeSet<_>>();
    let shared: Vec<_> = of(before).intersection(&of(after)).copied().collect();
    if !shared.is_empty() {
        return Some(format!("{shared:x?}"));
    }
    let sn = |f: &Flying| u16::from_be_bytes([f.pdu.octets[3], f.pdu.octets[4]]);
    let last = before.iter().map(sn).max()?;
    let goes_on = after.iter().map(sn).min().is_some_and(|first| first == last + 1);
    goes_on.then(|| "sequence numbers go on".to_owned())
}

/// Returns the PDUs sent before and after a change, once no earlier PDU is in flight.
fn after(air: &mut Air, change: impl FnOnce(&mut Air)) -> (Vec<Flying>, Vec<Flying>) {
    for number in 0..40u8 {
        air.send(usize::from(number % 2), usize::from(1 - number % 2), &[number; 20]).unwrap();
        air.run(10);
    }
    change(air);
    air.run(6 * PERIOD);
    assert!(air.agreed(0, 1));
    let mark = air.log.len();
    for number in 0..40u8 {
        air.send(usize::from(number % 2), usize::from(1 - number % 2), &[number; 20]).unwrap();
        air.run(10);
    }
    (air.log[..mark].to_vec(), air.log[mark..].to_vec())
}

/// TRK-11: A0 follows a link across a re-keying by its layer-2 identities (X); across a change of identifiers it
/// cannot: no mark after the change occurred before it, in any message.
#[test]
fn a_link_is_followed_across_a_re_keying_but_not_across_new_identifiers() {
    let mut air = linked(|_, _| {});
    let (before, later) = after(&mut air, |air| air.rekey(0, 1, false).unwrap());
    let how = joined(&before, &later).expect("(X) the layer-2 identities stay");
    assert!(how.contains("layer 2"), "{how}");

    for (asks, hears) in [(0, 1), (1, 0)] {
        let mut air = linked(|_, _| {});
        let (before, later) = after(&mut air, |air| air.update(asks, hears).unwrap());
        assert!(later.iter().all(|f| f.pdu.octets[3] == 0), "sequence numbers began again");
        // The last messages of the change use the new ID already: the observer's cut is at the end of the old one.
        let old: BTreeSet<_> = before.iter().take(5).flat_map(marks).collect();
        let cut = before.iter().rposition(|f| marks(f).intersection(&old).next().is_some()).unwrap() + 1;
        let (head, tail) = before.split_at(cut);
        let later: Vec<_> = tail.iter().chain(&later).cloned().collect();
        assert_eq!(joined(head, &later), None);
        let (first, last) = (&later[0], &later[later.len() - 1]);
        for new in [first.from, first.to, last.from, last.to] {
            let told = |f: &&Flying| f.pdu.octets.windows(3).any(|w| w == new.octets());
            assert_eq!(head.iter().filter(told).count(), 0, "{new} was never said in the clear");
        }
    }
}

/// T4.1-6: two links of one UE, one after the other. A0 links them by its layer-2 identity, by its identity and by the
/// KD ID, which are in every request (X): the machine hides them in neither profile. The session's own marks, its
/// KD-sess ID and its nonces, do not relate the links.
#[test]
fn two_links_of_one_ue_are_linked_by_what_a_request_says() {
    for profile in [Profile::Lte, Profile::Nr] {
        PROFILE.set(profile);
        let mut air = Air::new(2);
        let mut seen: Vec<Vec<Flying>> = Vec::new();
        for _ in 0..2 {
            let mark = air.log.len();
            air.connect(0, 1);
            air.run(5 * PERIOD);
            assert!(air.agreed(0, 1));
            seen.push(air.log[mark..].to_vec());
            air.restart(0);
            air.restart(1);
        }
        let [one, two] =
            [0, 1].map(|link: usize| seen[link].iter().find(|f| f.message() == Some(1)).unwrap());
        assert_eq!((one.from, one.to), (two.from, two.to), "(X) layer-2 identities");
        for mark in [&b"mary"[..], &super::rig::shared(0, 1).id.0.to_be_bytes()] {
            let says = |f: &Flying| f.pdu.octets.windows(4).any(|w| w == mark);
            assert!(says(one) && says(two), "(X) {mark:x?} in the clear");
        }
        let names = |link: &[Flying]| {
            let names =
                link.iter().map(|f| [f.pdu.octets[1], f.pdu.octets[2]]).filter(|name| *name != [0; 2]);
            names.collect::<BTreeSet<_>>()
        };
        assert!(names(&seen[0]).is_disjoint(&names(&seen[1])), "names of session keys");
        let nonces = |f: &Flying| f.pdu.octets.windows(16).map(<[u8]>::to_vec).collect::<BTreeSet<_>>();
        let same = nonces(one).intersection(&nonces(two)).filter(|w| w.iter().any(|o| *o > 0x7a)).count();
        assert_eq!(same, 0, "nothing as long as a nonce is in both");
    }
}

fn private(_: usize, config: &mut Config) {
    config.connection_ids = true;
    config.fresh_source = true;
}

/// Sets up a link, sends data, releases it; returns the PDUs on the air.
fn one_link(air: &mut Air, from: usize, to: usize) -> Vec<Flying> {
    air.run(8000);
    let mark = air.log.len();
    air.connect(from, to);
    air.run(5 * PERIOD);
    assert!(air.agreed(from, to), "{:?} {:?}", air.ues[from].notes, air.ues[to].notes);
    air.send(from, to, b"words").unwrap();
    let (link, _) = air.up(from, to).unwrap();
    let now = air.time(from);
    air.ues[from].manager.handle_input(Input::Release { now, link }).unwrap();
    air.drain(from);
    air.run(8 * PERIOD);
    assert!(air.up(from, to).is_none());
    air.log[mark..].to_vec()
}

/// T4.1-6 with connection identities and a layer-2 identity for each link: after the first contact no statement of a UE
/// about itself occurs in two set-ups, across restarts of either end. The peer's address still does (X).
#[test]
fn connection_identities_hide_who_asks() {
    PROFILE.set(Profile::Lte);
    let mut air = Air::with(3, private, |_, _| {});
    let first = one_link(&mut air, 0, 1);
    let says = |part: &[Flying], mark: &[u8]| {
        part.iter().any(|f| f.pdu.octets.windows(mark.len()).any(|w| w == mark))
    };
    let kd = super::rig::shared(0, 1).id.0.to_be_bytes();
    assert!(says(&first, b"mary") && says(&first, &kd), "(X) the first contact");
    let mut links = vec![];
    for (round, (from, to)) in [(0, 1), (0, 1), (1, 0), (0, 1), (1, 0)].into_iter().enumerate() {
        if round % 2 == 1 {
            air.restart(from);
            air.restart(to);
        }
        links.push((to, one_link(&mut air, from, to)));
    }
    for (at, (to, link)) in links.iter().enumerate() {
        for mark in [&b"mary"[..], b"john", &kd] {
            assert!(!says(link, mark), "{at}: {mark:x?} in the clear");
        }
        let home = [("layer 2", air.ues[*to].config.source.value())];
        for (_, other) in &links[..at] {
            let shared: BTreeSet<_> = link.iter().flat_map(marks).collect();
            let others: BTreeSet<_> = other.iter().flat_map(marks).collect();
            let both: Vec<_> =
                shared.intersection(&others).copied().filter(|mark| mark.0 == "layer 2").collect();
            assert!(both.iter().all(|mark| home.contains(mark)), "{at}: {both:x?}");
        }
        let asks = |link: &[Flying]| link.iter().find(|f| f.message() == Some(1)).unwrap().pdu.octets.clone();
        let request = asks(link);
        let at_name = request.len() - 4;
        assert_eq!(request[8..10], [1, 1], "an empty User Info of upper layers");
        assert_eq!(request[at_name - 2..at_name], [0x7d, 4], "a one-time name of four octets");
        for (_, other) in &links[..at] {
            assert_ne!(request[at_name..], asks(other)[at_name..], "used once");
        }
    }
}

/// A one-time identity that was lost, or never existed: the last try uses the UE's own identity, and the link comes up
/// all the same; an unknown one is refused; and a UE that does not use them gets ordinary requests.
#[test]
fn names_that_are_lost() {
    PROFILE.set(Profile::Lte);
    // The accept, with John's identity for Mary's next request, is received; John's stored copy of it is lost.
    let mut air = Air::with(2, private, |_, _| {});
    one_link(&mut air, 0, 1);
    air.ues[1].disk.keys.clear();
    air.ues[1].disk.keys.push(super::rig::shared(1, 0));
    air.restart(1);
    air.connect(0, 1);
    air.run(4000);
    assert!(air.agreed(0, 1));
    assert!(air.ues[1].notes.iter().any(|n| matches!(n, Note::UnknownKd { .. })));

    // The accept is lost for good: the old identity is still valid while the new one is unused.
    let mut air = Air::with(2, private, |_, _| {});
    one_link(&mut air, 0, 1);
    air.channel = Box::new(|f| if f.message() == Some(2) { vec![] } else { vec![f] });
    air.connect(0, 1);
    air.run(20_000);
    assert!(air.up(0, 1).is_none());
    air.channel = Box::new(|f| vec![f]);
    air.run(20_000);
    air.connect(0, 1);
    air.run(6000);
    assert!(air.agreed(0, 1), "{:?}", air.ues[1].notes);

    let mut air = Air::with(2, |index, config| config.connection_ids = index == 0, |_, _| {});
    for _ in 0..2 {
        let link = one_link(&mut air, 0, 1);
        assert!(link.iter().any(|f| f.pdu.octets.windows(4).any(|w| w == b"mary")));
    }
}

/// Both request at once, each from a fresh layer-2 identity: one link comes up.
#[test]
fn both_ask_at_once_by_connection_identities() {
    PROFILE.set(Profile::Lte);
    let mut air = Air::with(2, private, |_, _| {});
    one_link(&mut air, 0, 1);
    air.run(5000);
    air.connect(0, 1);
    air.connect(1, 0);
    air.run(3000);
    assert!(air.agreed(0, 1), "{:?} {:?}", air.ues[0].states, air.ues[1].states);
    assert_eq!([air.ues[0].manager.links().count(), air.ues[1].manager.links().count()], [1, 1]);
    air.run(20_000);
    assert!(air.agreed(0, 1));
}
