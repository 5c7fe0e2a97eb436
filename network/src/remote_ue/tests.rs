//! A remote UE, a relay and their PKMF: links, refusals, crashes (TR-1, TR-4 to TR-7, TR-9 to TR-13 without the air).

use proptest::prelude::*;

use super::*;
use crate::gba_push::bsf as push;
use crate::gba_push::ue::Dropped;
use crate::gba_push::{Error, Packet};
use crate::pc8::ErrorCode;
use crate::pkmf;
use crate::pkmf_client as client;
use crate::relay_client::Refused;
use crate::testing::relay_world::{NoLink, RelayWorld, When, config, remote_imsi};
use crate::usim;

fn world() -> RelayWorld {
    RelayWorld::new(config())
}

fn ids(slots: &Slots) -> [Option<PrukId>; 2] {
    [&slots.current, &slots.pending].map(|held| held.as_ref().map(|held| held.id))
}

#[test]
fn a_pruk_over_pc8_and_links_under_it() {
    let mut world = world();
    assert_eq!(world.fetch().unwrap(), []);
    let [Some(id), None] = ids(&world.slots) else { panic!("{:?}", world.slots) };
    for relay in [1, 2] {
        world.relay_number = relay;
        world.connect().unwrap();
    }
    assert_eq!(world.shown, [User::Pruk(id); 2]);
    assert_eq!((world.pushes, ids(&world.slots)), (0, [Some(id), None]));
    // It is up to date: asked again, the PKMF gives no other.
    world.fetch().unwrap();
    assert_eq!(ids(&world.slots), [Some(id), None]);
}

/// TR-13 in coverage of the relay: no PRUK, so the IMSI, so a GPI; from then on the IMSI stays hidden.
#[test]
fn without_a_pruk_one_is_pushed() {
    let mut world = world();
    world.connect().unwrap();
    let [Some(id), None] = ids(&world.slots) else { panic!("{:?}", world.slots) };
    world.connect().unwrap();
    assert_eq!(world.shown, [User::Imsi(remote_imsi()), User::Pruk(id)]);
    assert_eq!((world.pushes, world.gpis.len()), (1, 1));
    // The PKMF has a PRUK of this name too: a KEY_REQUEST changes nothing.
    world.fetch().unwrap();
    assert_eq!(ids(&world.slots), [Some(id), None]);
}

/// TR-13 without a BSF: no PRUK, no link, and with one the link is as before.
#[test]
fn without_a_bsf_what_is_there_serves_on() {
    let mut world = world();
    world.bsf_works = false;
    assert_eq!(world.connect(), Err(NoLink::Relay(Refused::Lost)));
    world.fetch().unwrap();
    world.pass(86_400_000);
    world.connect().unwrap();
    assert_eq!((world.pushes, world.gpis.len()), (2, 0), "old, and no other can be had");
}

/// A PRUK that is old is replaced by a push; rule ii, then rule iii.
#[test]
fn an_old_pruk_is_replaced_once_a_link_has_succeeded() {
    let mut world = world();
    world.fetch().unwrap();
    let [Some(old), None] = ids(&world.slots) else { panic!() };
    world.pass(86_400_000);
    // TR-12: the ACCEPT is lost, and rule iii is not applied.
    world.accept_lost = true;
    world.connect().unwrap();
    let [Some(current), Some(pending)] = ids(&world.slots) else { panic!() };
    assert!(current == old && pending != old);
    // Again, with another PRUK in the place of the pending one.
    world.accept_lost = false;
    world.connect().unwrap();
    let [Some(new), None] = ids(&world.slots) else { panic!() };
    assert!(new != old && new != pending);
    assert_eq!(world.shown, [User::Pruk(old); 2]);
    // The PKMF learns of it by the next request, and then the old name is nobody's.
    world.connect().unwrap();
    assert_eq!(world.pushes, 2);
    let known = world.disk.remotes.values().next().unwrap();
    let names = [&known.confirmed, &known.candidate].map(|pruk| pruk.as_ref().map(|pruk| pruk.id));
    assert_eq!(names, [Some(new), None]);
}

/// TR-4, TR-5: what is not the network's, or was here before, changes neither the PRUK nor the card, and is told nothing.
#[test]
fn a_garbage_gpi_and_an_old_one_change_nothing() {
    let mut world = world();
    world.connect().unwrap();
    let old = world.gpis[0].clone();
    let (slots, sqn) = (ids(&world.slots), world.sqn.clone());
    let why = |outputs: Vec<Output>| match &outputs[..] {
        [Output::Failed { why: Failure::Gpi(why), .. }] => *why,
        other => panic!("{other:?}"),
    };
    for garbage in [&[][..], &[0x10; 40], &[0x10; 150]] {
        let why = why(world.forged(Some(garbage)));
        assert!(matches!(why, Dropped::Gpi(_) | Dropped::Usim(usim::Refusal::Mac)), "{why:?}");
    }
    assert_eq!(why(world.forged(Some(&old))), Dropped::Known);
    // After a restart nothing is remembered but on the card: its AUTS goes out once a link.
    world.restart_remote();
    let outputs = world.forged(Some(&old));
    assert!(matches!(outputs[..], [Output::Resynchronise { .. }]), "{outputs:?}");
    assert_eq!((ids(&world.slots), &world.sqn), (slots, &sqn));
    world.connect().unwrap();
    assert_eq!(world.pushes, 1, "the PRUK serves on");
}

#[test]
fn a_gpi_that_is_altered_leaves_what_was_there() {
    let mut world = world();
    world.fetch().unwrap();
    world.pass(86_400_000);
    let before = ids(&world.slots);
    world.tamper = Some(|gpi| *gpi.last_mut().unwrap() ^= 1);
    assert_eq!(world.connect(), Err(NoLink::Remote(Failure::Gpi(Dropped::Gpi(Error::Mac)))));
    assert_eq!(ids(&world.slots), before);
    world.tamper = None;
    world.connect().unwrap();
}

/// The card is ahead of the network: AUTS by way of the relay, once.
#[test]
fn a_card_that_is_ahead_is_resynchronised() {
    let mut world = world();
    world.connect().unwrap();
    let mut entries = *world.sqn.entries();
    entries.iter_mut().for_each(|seq| *seq += 1000);
    world.sqn = usim::SqnArray::from_entries(entries).unwrap();
    world.slots = Slots::default();
    world.restart_remote();
    let asked = world.net.asked;
    world.connect().unwrap();
    assert_eq!(world.net.asked - asked, 2, "one vector that fails, and one after AUTS");
    assert_eq!(Packet::new_checked(&world.gpis[1]).unwrap().rand(), crate::aka::Rand([asked + 1; 16]));
    world.connect().unwrap();
    assert_eq!(world.pushes, 3, "and then its PRUK serves");
}

/// The network does not hear AUTS: a second one would not help.
#[test]
fn a_card_that_stays_ahead_is_resynchronised_once() {
    let mut world = world();
    let mut entries = *world.sqn.entries();
    entries.iter_mut().for_each(|seq| *seq += 1000);
    world.sqn = usim::SqnArray::from_entries(entries).unwrap();
    world.restart_remote();
    world.misdirect = Some(|request| request.resynchronisation = None);
    assert_eq!(world.connect(), Err(NoLink::Remote(Failure::OutOfSync)));
    assert_eq!(world.gpis.len(), 2);
}

/// A pushed key for somebody else, for another protocol, or of a name that no PRUK has, is none for relays.
#[test]
fn a_gpi_for_something_else_brings_no_pruk() {
    let misdirected: [fn(&mut push::Request); 3] = [
        |request| {
            request.naf = Fqdn::new("other.example").unwrap();
            request.naf_id.fqdn = request.naf.clone();
        },
        |request| request.naf_id.protocol = [1, 0, 0, 0, 0],
        |request| request.p_tid.push('0'),
    ];
    for misdirect in misdirected {
        let mut world = world();
        world.misdirect = Some(misdirect);
        assert_eq!(world.connect(), Err(NoLink::Remote(Failure::NotForRelays)));
        assert_eq!(ids(&world.slots), [None, None]);
    }
}

/// TR-1: who is shown the IMSI when somebody says that the PRUK ID is unknown.
#[test]
fn a_false_rejection_shows_the_imsi_where_the_policy_lets_it() {
    let imsi = Some(User::Imsi(remote_imsi()));
    for (policy, by_anybody, by_insider, without) in [
        (ImsiPolicy::Never, false, false, None),
        (ImsiPolicy::WithoutPruk, false, false, imsi),
        (ImsiPolicy::WhenProven, false, true, imsi),
        (ImsiPolicy::WhenRejected, true, true, imsi),
    ] {
        let mut world = world().with_policy(policy);
        assert_eq!(world.rejected(Proof::None), without, "{policy:?}");
        world.fetch().unwrap();
        let [Some(id), None] = ids(&world.slots) else { panic!() };
        let named = Some(User::Pruk(id));
        for (proof, shows) in [(Proof::None, by_anybody), (Proof::RelayDiscovery, by_insider)] {
            assert_eq!(world.rejected(proof), if shows { imsi } else { named }, "{policy:?} {proof:?}");
        }
    }
}

/// TR-7, and a relay of another service.
#[test]
fn who_is_no_relay_for_it_gets_no_kd() {
    let mut world = world();
    world.fetch().unwrap();
    for relay in [3, 4] {
        world.relay_number = relay;
        assert_eq!(world.connect(), Err(NoLink::Relay(Refused::Pkmf(ErrorCode::NotServed))));
    }
    // With the IMSI neither: nothing is pushed for it.
    world.slots = Slots::default();
    world.restart_remote();
    assert_eq!(world.connect(), Err(NoLink::Relay(Refused::Pkmf(ErrorCode::NotServed))));
    assert_eq!((world.pushes, world.net.asked), (0, 0));
}

/// TR-9: a PRUK comes in the answer to what was asked, from whom it was asked (TLS), and once.
#[test]
fn an_answer_that_comes_again_brings_nothing() {
    let mut world = world();
    let now = world.now();
    let mut phone = client::PkmfClient::new(
        client::Config::new(crate::testing::key_world::pkmf_name()),
        client::Durable::default(),
    );
    phone.handle_input(client::Input::Want { now, wanted: &[client::Wanted::Pruk] });
    let client::Output::Request(body) = phone.poll_output() else { panic!() };
    let Ok(Some(pkmf::Response::Message(answer))) = world.ask(crate::testing::impi(), &body) else {
        panic!()
    };
    let hear = |phone: &mut client::PkmfClient| {
        phone.handle_input(client::Input::Response { now, body: answer.as_bytes() });
        let output = phone.poll_output();
        matches!(output, client::Output::Pruk(_))
    };
    assert!(hear(&mut phone));
    assert!(!hear(&mut phone), "twice");
    phone.handle_input(client::Input::Want { now, wanted: &[client::Wanted::Pruk] });
    assert!(!hear(&mut phone), "to an older request");
    // Nobody's name is none.
    let held = Held { id: PrukId([0; 8]), pruk: Pruk::from([1; 32]) };
    world.remote.handle_input(Input::Provisioned(held));
    assert!(world.remote.poll_output().is_none());
}

/// TR-11, and rule v: the PKMF revokes; the next request is told so, and both slots go.
#[test]
fn a_stolen_ue_loses_its_pruks() {
    let mut world = world();
    world.fetch().unwrap();
    let [Some(id), None] = ids(&world.slots) else { panic!() };
    world.connect().unwrap();
    let (now, ue) = (world.now(), crate::testing::impi());
    world.input(pkmf::Input::RevokeRemote { now, ue: ue.clone() });
    assert_eq!(world.connect(), Err(NoLink::Relay(Refused::Pkmf(ErrorCode::UnknownRemoteUe))));
    assert_eq!(world.shown.last(), Some(&User::Pruk(id)));
    world.restart_pkmf();
    let rejected = client::Event::Rejected(client::Wanted::Pruk, ErrorCode::NoPruk);
    assert_eq!(world.fetch().unwrap(), [rejected]);
    assert_eq!(ids(&world.slots), [None, None]);
    // By its IMSI it is known, and may not.
    assert_eq!(world.connect(), Err(NoLink::Relay(Refused::Pkmf(ErrorCode::NotServed))));
    assert_eq!(world.pushes, 0);
    world.input(pkmf::Input::AdmitRemote { now, ue });
    world.connect().unwrap();
}

/// TR-6: whoever dies at whichever write, the link after it comes with at most one round more, and IMSI and GPI come no more
/// often than then.
#[test]
fn a_crash_at_any_write_costs_one_round_at_most() {
    let start = |aged: bool| {
        let mut world = world();
        if aged {
            world.fetch().unwrap();
            world.pass(86_400_000);
        }
        world
    };
    let script = |world: &mut RelayWorld| -> bool {
        world.connect().is_ok() && world.connect().is_ok() && world.fetch().is_ok()
    };
    for aged in [false, true] {
        let mut whole = start(aged);
        let begun = whole.writes;
        assert!(script(&mut whole));
        let writes = whole.writes - begun;
        assert!(writes >= 5, "the card, the candidate, the pending, the current, the confirmed: {writes}");
        for at in 1..=writes {
            for when in [When::Before, When::After] {
                let mut world = start(aged);
                world.dies = Some((begun + at, when));
                assert!(!script(&mut world), "write {at} {when:?}");
                let died = world.died;
                let first = world.connect();
                if first.is_err() {
                    assert_eq!(
                        world.connect(),
                        Ok(()),
                        "aged {aged}, write {at} {when:?} of {died:?}: {first:?}"
                    );
                }
                world.connect().unwrap();
                assert!(world.pushes <= 3, "write {at} {when:?}");
                world.fetch().unwrap();
                let [Some(_), None] = ids(&world.slots) else { panic!("{:?}", world.slots) };
            }
        }
    }
}

/// Kills remote UE and PKMF at writes that a seed chooses, in histories that it chooses; after each the link comes with one round
/// more at most.
fn kill(kills: usize, seed: u64) {
    let mut random = seed | 1;
    let mut draw = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 20) % below
    };
    let (mut killed, mut sides) = (0, [0, 0]);
    while killed < kills {
        let mut world = world();
        // RAND of this HSS is one octet.
        while killed < kills && world.net.asked < 200 {
            world.dies =
                Some((world.writes + 1 + draw(6) as usize, [When::Before, When::After][draw(2) as usize]));
            world.died = None;
            for _ in 0..12 {
                world.accept_lost = draw(8) == 0;
                let _ = match draw(6) {
                    0 => world.fetch().is_ok(),
                    1 => {
                        world.pass(86_400_000);
                        true
                    }
                    _ => world.connect().is_ok(),
                };
                if world.died.is_some() {
                    break;
                }
            }
            (world.accept_lost, world.dies) = (false, None);
            let Some(side) = world.died else { continue };
            (killed, sides[side as usize]) = (killed + 1, sides[side as usize] + 1);
            let first = world.connect();
            if first.is_err() {
                let second = world.connect();
                let (shown, slots) = (&world.shown, ids(&world.slots));
                assert_eq!(
                    second,
                    Ok(()),
                    "kill {killed} of {side:?}, seed {seed}: {first:?}, {shown:?} of {slots:?}"
                );
            }
            // What both have is the same: the link after that shows a PRUK ID, and takes no vector.
            let asked = world.net.asked;
            world.connect().unwrap();
            assert!(matches!(world.shown.last(), Some(User::Pruk(_))), "kill {killed}");
            assert_eq!(world.net.asked, asked, "kill {killed}");
            (world.shown, world.gpis, world.events) = Default::default();
        }
    }
    assert!(sides.iter().all(|count| *count > kills / 10), "both ends die: {sides:?}");
}

#[test]
fn kills_in_any_history_cost_one_round_at_most() {
    kill(100, 1);
}

/// TR-6.
#[test]
#[ignore = "long: 100 000 kills"]
fn a_hundred_thousand_kills() {
    kill(100_000, 7);
}

#[test]
fn a_store_that_fails_leaves_what_was_there() {
    let mut world = world();
    world.fetch().unwrap();
    let before = ids(&world.slots);
    let held = Held { id: PrukId([1; 8]), pruk: Pruk::from([1; 32]) };
    world.remote.handle_input(Input::Provisioned(held));
    world.remote.handle_input(Input::Refused);
    let Some(Output::Store { ticket, .. }) = world.remote.poll_output() else { panic!() };
    assert!(world.remote.poll_output().is_none(), "one at a time");
    world.remote.handle_input(Input::Stored(Ticket(ticket.0 + 7)));
    assert!(world.remote.poll_output().is_none(), "nobody stored that");
    world.remote.handle_input(Input::StoreFailed(ticket));
    assert_eq!(ids(&world.remote.slots), before);
    let Some(Output::Store { slots, .. }) = world.remote.poll_output() else { panic!() };
    assert_eq!(ids(&slots), [None, None], "and then the next");
}

#[test]
fn what_no_link_waits_for_is_refused() {
    let mut world = world();
    let now = world.now();
    let says = |world: &mut RelayWorld, input: Input<'_>| {
        world.remote.handle_input(input);
        world.settle_remote().unwrap().pop()
    };
    let (link, freshness) = (LinkId(1), [0; 16]);
    let command = |gpi| Input::Command { now, link, freshness, gpi };
    let connect = |link| Input::Connect { link, service: Code([1; 3]), nonce_1: [1; 16] };
    let why = |output| match output {
        Some(Output::Failed { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(why(says(&mut world, command(None))), Failure::Unexpected);
    says(&mut world, connect(link));
    assert_eq!(why(says(&mut world, command(None))), Failure::NoKey, "by its IMSI, and no GPI");
    for number in 0..MOST_LINKS as u32 {
        assert!(matches!(says(&mut world, connect(LinkId(number))), Some(Output::Request { .. })));
    }
    assert_eq!(why(says(&mut world, connect(LinkId(99)))), Failure::Busy);
    assert!(says(&mut world, Input::Accepted(link)).is_none());
    // No command under the pending PRUK, so no link with it.
    let held = Held { id: PrukId([1; 8]), pruk: Pruk::from([1; 32]) };
    world.slots = Slots { current: None, pending: Some(held) };
    world.restart_remote();
    says(&mut world, connect(link));
    assert!(says(&mut world, Input::Accepted(link)).is_none());
    assert_eq!(ids(&world.slots), [None, Some(PrukId([1; 8]))]);
    // A key is handed out once a link.
    world.fetch().unwrap();
    says(&mut world, Input::Ended(link));
    says(&mut world, connect(link));
    assert!(matches!(says(&mut world, command(None)), Some(Output::Kd { .. })));
    assert_eq!(why(says(&mut world, command(None))), Failure::Unexpected);
    let mut world = RelayWorld::new(config()).with_policy(ImsiPolicy::Never);
    assert_eq!(why(says(&mut world, connect(link))), Failure::NoIdentity);
}

proptest! {
    /// Any command: nothing panics, and what is durable stays.
    #[test]
    fn any_gpi(octets in proptest::collection::vec(any::<u8>(), 0..300), first in any::<bool>()) {
        let mut world = world();
        world.fetch().unwrap();
        let before = ids(&world.slots);
        let mut octets = octets;
        if let (true, Some(octet)) = (first, octets.first_mut()) {
            *octet = 0x10;
        }
        let said = world.forged(Some(&octets));
        prop_assert_eq!(said.len(), 1);
        prop_assert_eq!(ids(&world.slots), before);
    }
}
