use std::collections::BTreeSet;

use proptest::prelude::*;
use sidelink_security::kdf::lte;

use super::message::{Answer, Body, Invitation, Policy, Push, has_tag, reject, tag, unwrap, wrap};
use super::*;
use crate::group_naf_client as client;
use crate::testing::naf;
use crate::usim::SqnArray;
use world::{FIRE, GROUP, World, user};

mod formats;
pub(crate) mod world;

/// Creates a group by invitation with members 1 and 2; the owner is 0.
fn with_members() -> World {
    let mut world = World::new(4);
    world.create(0, Policy::Invitation);
    for member in [1, 2] {
        let invitation = world.invite(0, member);
        world.join(member, Some(invitation));
        assert_eq!(world.key(member), world.key(0));
    }
    world
}

/// By invitation: every member has the key, and what each message weighs.
#[test]
fn a_group_by_invitation() {
    let mut world = World::new(3);
    world.create(0, Policy::Invitation);
    assert_eq!(world.asked(), 1, "one vector");
    let lengths = |world: &World| world.traffic.iter().map(|(_, octets)| octets.len()).collect::<Vec<_>>();
    assert_eq!(lengths(&world), [101, 187]);
    let invitation = world.invite(0, 1);
    assert_eq!(invitation.len(), 153);
    world.traffic.clear();
    world.join(1, Some(invitation));
    assert_eq!(lengths(&world), [255, 187]);
    assert_eq!(world.asked(), 2, "one vector more");
    let (id, key) = world.key(1);
    assert_eq!((id, key), world.key(0));
    assert_eq!(key, *world.naf.group(GROUP).unwrap().record.pgk.as_bytes());
}

#[test]
fn a_group_by_white_list() {
    let mut world = World::new(4);
    world.create(0, Policy::WhiteList(vec![user(1), user(2)]));
    for member in [1, 2] {
        world.join(member, None);
        assert_eq!(world.key(member), world.key(0));
    }
    assert_eq!(world.asked(), 3);
}

/// T3.2-1: a thief hears an invitation and joins by its own B-TID.
#[test]
fn a_stolen_invitation_is_of_no_use() {
    let mut world = World::new(4);
    world.create(0, Policy::Invitation);
    let invitation = world.invite(0, 1);
    let before = world.asked();
    assert_eq!(world.refused(3, Some(invitation.clone())), Cause::Invitation);
    // Nor by a name that it writes into it, nor by an invitation of its own.
    let mut altered = Invitation::parse(&invitation).unwrap();
    altered.invitee = user(3);
    let key = world.ks_naf(3);
    assert_eq!(world.refused(3, Some(altered.emit(&key))), Cause::Invitation);
    let own = Invitation { b_tid: world.b_tid(3), ..altered.clone() };
    assert_eq!(world.refused(3, Some(own.emit(&key))), Cause::Invitation);
    let nowhere = Invitation { b_tid: BTid::new("none@bsf").unwrap(), ..altered };
    assert_eq!(world.refused(3, Some(nowhere.emit(&key))), Cause::Invitation);
    assert_eq!(world.asked(), before, "and costs no vector");
    world.join(1, Some(invitation));
}

/// T3.2-2: an invitation is good once, also after a crash; what is for another group or has expired is not good at all.
#[test]
fn an_invitation_is_used_once() {
    let mut world = World::new(4);
    world.create(0, Policy::Invitation);
    let (invitation, other) = (world.invite(0, 1), world.invite(0, 2));
    world.join(1, Some(invitation.clone()));
    world.refresh(0, vec![user(1)]);
    assert_eq!(world.refused(1, Some(invitation.clone())), Cause::Invitation);
    world.restart();
    assert_eq!(world.refused(1, Some(invitation.clone())), Cause::Invitation);
    let mut elsewhere = Invitation::parse(&other).unwrap();
    elsewhere.group = FIRE;
    let key = world.ks_naf(0);
    assert_eq!(world.refused(2, Some(elsewhere.emit(&key))), Cause::Invitation);
    world.pass(world::INVITED);
    assert_eq!(world.refused(2, Some(other)), Cause::Invitation, "expired");
    assert_eq!(world.refused(1, Some(invitation)), Cause::Invitation, "used, and expired");
    assert!(world.naf.group(GROUP).unwrap().used.is_empty(), "nothing to remember any more");
    let again = world.invite(0, 1);
    world.join(1, Some(again));
}

/// T3.2-3.
#[test]
fn who_is_not_on_the_list_costs_no_vector() {
    let mut world = World::new(4);
    world.create(0, Policy::WhiteList(vec![user(1)]));
    let before = world.asked();
    assert_eq!(world.refused(3, None), Cause::NotAllowed);
    let invitation = world.invite(0, 3);
    assert_eq!(world.refused(3, Some(invitation)), Cause::NotAllowed, "a list is a list");
    assert_eq!(world.refused_of(FIRE, 3), Cause::UnknownGroup);
    assert_eq!(world.asked(), before);
}

/// T3.2-4: floods stop before the HSS: by those who prove nothing, by one user, and by many.
#[test]
fn floods_do_not_move_the_sqn() {
    let mut world = World::new(8);
    world.create(0, Policy::Invitation);
    let before = (world.asked(), world.sqn());
    // No key, a wrong tag, a stranger's B-TID.
    let mut request = world.request(3, Body::Join(None));
    *request.last_mut().unwrap() ^= 1;
    let mut causes = BTreeSet::new();
    for _ in 0..200 {
        causes.insert(world.send(&request).unwrap() as u8);
    }
    assert_eq!(causes, [Cause::Tag as u8, Cause::TooOften as u8].into());
    assert_eq!((world.asked(), world.sqn()), before);
    // A subscriber: as many vectors as its own bucket has.
    world.pass(60_000);
    for number in 0..30_u8 {
        let octets = world.request_of(ServiceId([9, 9, number]), 3, Body::Create(Policy::Invitation));
        world.send(&octets);
    }
    assert_eq!(world.asked() - before.0, 5);
    // Many subscribers: as many as that of all has.
    world.pass(60_000);
    world.naf.config.vectors = RateLimit { burst: 7, interval: 60_000 };
    world.naf.vectors = None;
    let asked = world.asked();
    for user in 1..8 {
        for number in 0..4_u8 {
            let group = ServiceId([8, user as u8, number]);
            let octets = world.request_of(group, user, Body::Create(Policy::Invitation));
            world.send(&octets);
        }
    }
    assert_eq!(world.asked() - asked, 7);
}

/// T3.2-5: a GPI that comes again gives nothing: not as it was, not in another message, not after the UE's memory went.
#[test]
fn a_replayed_gpi_is_refused() {
    let mut world = World::new(2);
    world.create(0, Policy::WhiteList(vec![user(1)]));
    world.traffic.clear();
    world.join(1, None);
    let answer = world.traffic[1].1.clone();
    world.keys[1].clear();
    assert_eq!(world.hear(1, &answer), Some(client::Dropped::Unexpected));
    let Ok(Answer::Push(push)) = Answer::parse(&answer) else { panic!() };
    let brought = Push { nonce: Nonce::NONE, ..push }.emit(&KsNaf::from([0; 32])).unwrap();
    let known = client::Dropped::Gpi(crate::gba_push::ue::Dropped::Known);
    assert_eq!(world.hear(1, &brought), Some(known));
    // Without memory, with its USIM: the SQN is not fresh.
    world.reboot(1);
    assert_eq!(world.hear(1, &brought), None);
    assert!(world.keys[1].is_empty() && world.asks_again, "it tells the NAF instead");
}

/// T3.2-6: with a new key, what a former member has opens nothing new. Keys of the air differ as well.
#[test]
fn a_removed_member_has_the_old_key_alone() {
    let mut world = with_members();
    let (old_id, old) = world.key(2);
    world.traffic.clear();
    let before = world.asked();
    world.refresh(0, vec![user(2)]);
    let (id, new) = world.key(0);
    assert_eq!(world.key(1), (id, new));
    assert_eq!(world.key(2), (old_id, old));
    assert!(new != old && id % 32 != old_id % 32);
    assert_eq!(world.asked() - before, 2, "one each");
    let ptk = |pgk| *lte::ptk(&Pgk::from(pgk), [0, 0, 1], 1, GROUP.0).as_bytes();
    assert_ne!(ptk(old), ptk(new));
    assert_eq!(world.refused(2, None), Cause::Invitation, "nor does it get the new one");
    // Also when it hears what others are brought.
    for (_, octets) in world.traffic.clone() {
        world.hear(2, &octets);
    }
    assert_eq!(world.key(2), (old_id, old));
}

/// T3.2-7, of which the solution does not claim to stop it: the network has the key of the group's traffic.
#[test]
fn a_curious_naf_has_the_key() {
    let world = with_members();
    let record = &world.naf.group(GROUP).unwrap().record;
    let (id, key) = world.key(2);
    assert_eq!((record.pgk_id, *record.pgk.as_bytes()), (id, key));
    let [theirs, its] =
        [&Pgk::from(key), &record.pgk].map(|pgk| *lte::ptk(pgk, [0, 0, 1], 1, GROUP.0).as_bytes());
    assert_eq!(theirs, its);
}

/// T3.2-8: an answer was lost. The same request gets the same answer and costs no vector; a new one gets the same key.
#[test]
fn who_lost_an_answer_asks_again() {
    let mut world = World::new(3);
    world.create(0, Policy::Invitation);
    let invitation = world.invite(0, 1);
    world.loses = true;
    world.join_now(1, Some(invitation.clone()));
    assert!(world.keys[1].is_empty());
    let before = world.asked();
    world.again(1);
    assert_eq!(world.key(1), world.key(0));
    assert_eq!(world.asked(), before);
    // Also of a NAF that crashed in between.
    let other = world.invite(0, 2);
    world.loses = true;
    world.join_now(2, Some(other.clone()));
    world.restart();
    world.again(2);
    assert_eq!(world.key(2), world.key(0));
    let record = world.naf.group(GROUP).unwrap().record.copy();
    world.keys[2].clear();
    world.join(2, Some(other));
    assert_eq!(world.key(2), world.key(0));
    assert_eq!(world.naf.group(GROUP).unwrap().record, record, "nothing has changed");
    assert_eq!(world.naf.group(GROUP).unwrap().users.len(), 3);
}

/// What was altered on its way, is of another NAF, has expired, or is wrapped for another group. The GPI is used up then: the
/// UE asks again.
#[test]
fn what_a_ue_does_not_take() {
    // PGK ID, expiry, wrapped key, tag: the last ones counted from the end.
    for (at, from_end) in [(20, false), (24, false), (TAG + 1, true), (1, true)] {
        let mut world = with_members();
        world.pass(10_000);
        world.loses = true;
        world.join_now(1, None);
        let mut answer = world.traffic.last().unwrap().1.clone();
        let at = if from_end { answer.len() - at } else { at };
        answer[at] ^= 2;
        let had = world.keys[1].len();
        assert_eq!(world.hear(1, &answer), Some(client::Dropped::Tag), "{at}");
        assert_eq!(world.keys[1].len(), had);
        world.join(1, None);
    }
    let mut world = with_members();
    let other = NafId { fqdn: crate::identity::Fqdn::new("other.example.org").unwrap(), ..naf() };
    let later = 2_000_000_000;
    for (naf_id, expires, wrapped_for, dropped) in [
        (naf(), later, GROUP, None),
        (other, later, GROUP, Some(client::Dropped::Tag)),
        (naf(), 1, GROUP, Some(client::Dropped::Expired)),
        (naf(), later, FIRE, Some(client::Dropped::Wrapped)),
    ] {
        let pushed = world.pushed_for(naf_id, 1);
        let wrapped = wrap(&pushed.ks_naf, wrapped_for, &Pgk::from([8; 32]));
        let (group, nonce, pgk_id, gpi) = (GROUP, Nonce::NONE, 9, pushed.gpi);
        let octets = Push { group, nonce, pgk_id, expires, gpi, wrapped }.emit(&pushed.ks_naf).unwrap();
        assert_eq!(world.hear(1, &octets), dropped);
    }
    assert_eq!(world.key(1), (9, [8; 32]));
}

/// While the USIM stores, a message in between takes nothing away; without its store there is no key.
#[test]
fn a_message_in_between_spoils_nothing() {
    for works in [true, false] {
        let mut world = with_members();
        world.pass(10_000);
        world.loses = true;
        world.join_now(1, None);
        let answer = world.traffic.last().unwrap().1.clone();
        let mut altered = answer.clone();
        altered[20] ^= 2;
        assert_eq!(world.hear_and_store(1, &answer, &altered, works), works);
    }
}

#[test]
fn a_usim_that_is_ahead_is_followed() {
    let mut world = World::new(3);
    world.create(0, Policy::WhiteList(vec![user(1), user(2)]));
    for behind in [0, 1] {
        world.cards[behind] = SqnArray::from_entries([500 + behind as u64; 32]).unwrap();
        world.reboot(behind);
    }
    world.join(1, None);
    assert_eq!(world.key(1), world.key(0));
    // One that finds out when it is brought a key asks for it.
    world.cards[1] = SqnArray::from_entries([900; 32]).unwrap();
    world.reboot(1);
    world.refresh(0, vec![]);
    assert_eq!(world.key(1), world.key(0));
}

#[test]
fn nothing_counts_before_it_is_durable() {
    let mut world = World::new(3);
    world.store_works = false;
    let octets = world.request(0, Body::Create(Policy::Invitation));
    assert_eq!(world.send(&octets), Some(Cause::Store));
    assert!(world.naf.group(GROUP).is_none() && world.disk.groups.is_empty());
    world.store_works = true;
    world.create(0, Policy::Invitation);
    let invitation = world.invite(0, 1);
    world.store_works = false;
    assert_eq!(world.refused(1, Some(invitation.clone())), Cause::Store);
    world.store_works = true;
    world.join(1, Some(invitation));
    let (_, old) = world.key(0);
    world.store_works = false;
    let octets = world.request(0, Body::Refresh(vec![]));
    assert_eq!(world.send(&octets), Some(Cause::Store));
    assert_eq!(*world.naf.group(GROUP).unwrap().record.pgk.as_bytes(), old);
    assert_eq!(world.key(1).1, old, "nobody was brought a key that is not durable");
}

#[test]
fn a_group_has_one_owner() {
    let mut world = with_members();
    for body in [Body::Create(Policy::Invitation), Body::Refresh(vec![])] {
        let cause = if matches!(body, Body::Create(_)) { Cause::GroupTaken } else { Cause::NotAllowed };
        let octets = world.request(1, body);
        assert_eq!(world.send(&octets), Some(cause));
    }
    let octets = world.request(0, Body::Refresh(vec![user(0)]));
    assert_eq!(world.send(&octets), Some(Cause::NotAllowed), "it does not remove itself");
    let octets = world.request_of(FIRE, 0, Body::Refresh(vec![]));
    assert_eq!(world.send(&octets), Some(Cause::UnknownGroup));
    // A member is no owner: its invitation is none.
    let invitation = world.invite(1, 3);
    assert_eq!(world.refused(3, Some(invitation)), Cause::Invitation);
    for number in 1..MOST_GROUPS as u8 {
        let octets = world.request_of(ServiceId([7, 7, number]), 0, Body::Create(Policy::Invitation));
        assert_eq!(world.send(&octets), None);
        world.pass(10_000);
    }
    let octets = world.request_of(FIRE, 0, Body::Create(Policy::Invitation));
    assert_eq!(world.send(&octets), Some(Cause::TooOften));
}

/// A nonce that is not above the last is refused; the one that is the same is answered alike, and altered it is not.
#[test]
fn a_repeated_request_does_nothing_new() {
    let mut world = World::new(2);
    let old = world.request_of(FIRE, 0, Body::Create(Policy::Invitation));
    let create = world.request(0, Body::Create(Policy::Invitation));
    assert_eq!(world.send(&create), None);
    let asked = world.asked();
    assert_eq!(world.send(&old), Some(Cause::Replay));
    assert_eq!(world.send(&create), None);
    assert_eq!(world.asked(), asked);
    let refresh = Request { body: Body::Refresh(vec![]), ..Request::parse(&create).unwrap() };
    let octets = refresh.emit(&world.ks_naf(0)).unwrap();
    assert_eq!(world.send(&octets), Some(Cause::Replay), "the same nonce on another request");
}

#[test]
fn without_a_key_there_is_nothing() {
    let mut world = World::new(2);
    let octets = Request {
        b_tid: BTid::new("none@bsf").unwrap(),
        ..Request::parse(&world.request(0, Body::Join(None))).unwrap()
    };
    let octets = octets.emit(&KsNaf::from([1; 32])).unwrap();
    assert_eq!(world.send(&octets), Some(Cause::UnknownBTid));
    assert_eq!(world.send(&[1, 2, 3]), Some(Cause::Malformed));
    assert_eq!(world.send(&vec![1; message::MOST_OCTETS + 1]), Some(Cause::Malformed));
    // Another's B-TID under the own key.
    let forged =
        Request { b_tid: world.b_tid(0), ..Request::parse(&world.request(1, Body::Join(None))).unwrap() };
    let octets = forged.emit(&world.ks_naf(1)).unwrap();
    assert_eq!(world.send(&octets), Some(Cause::Tag));
}

#[test]
fn a_bsf_that_is_silent_is_waited_for_so_long() {
    let mut world = World::new(2);
    let octets = world.request(0, Body::Create(Policy::Invitation));
    world.bsf_is_silent = true;
    assert_eq!(world.send(&octets), None);
    assert!(world.answers.is_empty());
    world.pass(5_000);
    assert_eq!(world.answers.pop(), Some(Some(Cause::Late)));
    world.bsf_is_silent = false;
    world.pass(60_000);
    let octets = world.request(0, Body::Create(Policy::Invitation));
    assert_eq!(world.send(&octets), None);
    assert_eq!(world.answers.pop(), Some(None));
}

/// While a key is being replaced nobody is given the old one, and one user does one thing at a time.
#[test]
fn a_join_does_not_cross_a_refresh() {
    let mut world = with_members();
    let invitation = world.invite(0, 3);
    let join = world.request(3, Body::Join(Some(invitation)));
    let (refresh, second) =
        (world.request(0, Body::Refresh(vec![])), world.request(0, Body::Refresh(vec![])));
    world.store_hangs = true;
    assert_eq!(world.send(&refresh), None);
    assert_eq!(world.send(&join), Some(Cause::Busy));
    assert_eq!(world.send(&second), Some(Cause::Busy));
    let elsewhere = world.request_of(FIRE, 0, Body::Create(Policy::Invitation));
    assert_eq!(world.send(&elsewhere), Some(Cause::Busy), "one thing at a time");
    world.store_hangs = false;
    world.finish_store();
    assert_eq!(world.send(&join), Some(Cause::Invitation), "it is of before the new key");
    world.pass(1_000);
    let invitation = world.invite(0, 3);
    let join = world.request(3, Body::Join(Some(invitation)));
    assert_eq!(world.send(&join), None);
    let group = world.naf.group(GROUP).unwrap();
    assert!(group.users.contains_key(&user(3)));
}

/// A new key comes to all members no faster than vectors may be used.
#[test]
fn a_new_key_is_brought_at_the_rate_of_vectors() {
    let mut world = World::new(7);
    world.create(0, Policy::WhiteList((1..7).map(user).collect()));
    (1..7).for_each(|member| world.join(member, None));
    world.pass(60_000);
    world.naf.config.vectors = RateLimit { burst: 3, interval: 1000 };
    world.naf.vectors = None;
    let before = world.asked();
    world.refresh_now(0, vec![]);
    assert_eq!(world.asked() - before, 3);
    let (id, _) = world.key(0);
    let have = |world: &World| (0..7).filter(|user| world.key(*user).0 == id).count();
    assert_eq!(have(&world), 3);
    world.pass(1000);
    assert_eq!(have(&world), 4);
    for _ in 0..3 {
        world.pass(1000);
    }
    assert_eq!((have(&world), world.asked() - before), (7, 7));
}

/// Who was removed does not come back by an invitation of before, used or not; by one of afterwards it does.
#[test]
fn invitations_of_before_a_new_key_do_not_count() {
    let mut world = with_members();
    let (unused, of_another) = (world.invite(0, 2), world.invite(0, 3));
    world.refresh(0, vec![user(2)]);
    assert_eq!(world.refused(2, Some(unused)), Cause::Invitation);
    assert_eq!(world.refused(3, Some(of_another)), Cause::Invitation);
    let anew = world.invite(0, 2);
    world.join(2, Some(anew));
    assert_eq!(world.key(2), world.key(0));
}

/// The owner asks who has joined, a member which key there is; it takes no vector, and a UE that is no member learns nothing.
#[test]
fn how_a_group_is() {
    let mut world = with_members();
    let before = world.asked();
    let (id, _) = world.key(0);
    let owners = world.state(0, vec![user(1), user(2), user(3)]).unwrap();
    assert_eq!((owners.pgk_id, owners.joined), (Some(id), vec![user(1), user(2)]));
    assert_eq!(world.state(1, vec![]).unwrap().pgk_id, Some(id));
    assert_eq!(world.state(3, vec![]).unwrap().pgk_id, None);
    assert_eq!(world.state(1, vec![user(2)]), None, "a member does not learn of others");
    let octets = world.request(1, Body::State(vec![user(2)]));
    assert_eq!(world.send(&octets), Some(Cause::NotAllowed));
    world.refresh(0, vec![user(2)]);
    assert_eq!(world.state(2, vec![]).unwrap().pgk_id, None, "it is out");
    assert_eq!(world.asked() - before, 2, "of the new key alone");
    assert_eq!(world.state(0, vec![user(2), user(3)]).unwrap().joined, vec![]);
}

/// An answer about a group is believed under the key of who asked, for what was asked.
#[test]
fn a_forged_state_is_not_believed() {
    let mut world = with_members();
    world.loses = true;
    assert_eq!(world.state(1, vec![]), None);
    let answer = world.traffic.last().unwrap().1.clone();
    let Ok(Answer::State(state)) = Answer::parse(&answer) else { panic!() };
    let out = message::State { pgk_id: None, ..state.clone() };
    let forged = out.emit(&KsNaf::from([1; 32])).unwrap();
    assert_eq!(world.hear(1, &forged), Some(client::Dropped::Tag));
    let key = world.ks_naf(1);
    let more = message::State { joined: vec![true], ..state.clone() }.emit(&key).unwrap();
    assert_eq!(world.hear(1, &more), Some(client::Dropped::Tag));
    let other = message::State { group: FIRE, ..state }.emit(&key).unwrap();
    assert_eq!(world.hear(1, &other), Some(client::Dropped::Unexpected));
    assert_eq!(world.hear(1, &answer), None);
    assert_eq!(world.hear(1, &answer), Some(client::Dropped::Unexpected), "once");
}
