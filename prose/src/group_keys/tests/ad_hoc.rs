//! Groups that one UE makes, over protected links, and out of the box.

use std::collections::BTreeSet;

use sidelink_wire::group_keys as wire;
use sidelink_wire::ids::Layer2Id;

use super::api::*;
use super::rig::*;

const SEARCH: Layer2Id = Layer2Id::from_octets([0, 0, 0x88]);

fn search() -> Identity {
    Identity::user("search@ad-hoc.example")
}

fn create(world: &mut World, members: &[Member], identity: LocalIdentity, seconds: u32) -> Result<(), Error> {
    let (now, period, name) = (world.time(), world.period(seconds), search());
    world.command(1, Input::CreateAdHoc { now, group: SEARCH, name: &name, members, period, identity })
}

fn in_search(world: &World, index: usize) -> bool {
    world.ues[index].machine.current_gmk(SEARCH).is_some()
}

#[test]
fn an_ad_hoc_group_is_made_over_links_and_all_its_members_call() {
    let mut world = World::new(5);
    create(&mut world, &[member(2), member(3)], LocalIdentity::User, 600).unwrap();
    world.run(3000);
    assert!((1..4).all(|index| in_search(&world, index)) && !in_search(&world, 4));
    assert_eq!(world.ues[1].machine.missing(SEARCH), 0);
    assert_eq!(world.ues[1].links_wanted, 2);
    let kept = world.kept(3);
    let listed: Vec<_> = kept.gmks[0].members.iter().map(|m| m.identity.clone()).collect();
    assert_eq!((listed, kept.gmks[0].kind), (vec![user(1), user(2), user(3)], GroupKind::AdHoc));
    assert!(
        world.sent.iter().all(|(_, m)| matches!(m.to, Destination::Link(_))),
        "over links and nowhere else"
    );
    // A second group of this layer-2 identity or name: no.
    let again = create(&mut world, &[member(2)], LocalIdentity::User, 600);
    assert_eq!(again, Err(Error::GroupExists(SEARCH)));
    // Its maker re-keys it without a member, and a member does not.
    let (now, period, without) = (world.time(), world.period(600), [user(3)]);
    let rekey = Input::Rekey { now, group: SEARCH, without: &without, period };
    assert_eq!(world.command(2, rekey), Err(Error::NotManager(SEARCH)));
    let rekey = Input::Rekey { now, group: SEARCH, without: &without, period };
    world.command(1, rekey).unwrap();
    world.run(3000);
    let id = |index: usize| world.ues[index].machine.current_gmk(SEARCH);
    assert!(id(1) == id(2) && id(1) != id(3));
    let kept = world.kept(2);
    assert!(kept.gmks[0].members.iter().all(|m| m.identity != user(3)));
}

#[test]
fn an_ad_hoc_group_waits_for_members_whose_link_does_not_come() {
    let mut world = World::new(3);
    world.distribute(0..1, 600);
    let absent = Member { identity: user(9), layer2: l2(9) };
    create(&mut world, &[member(2), absent], LocalIdentity::User, 600).unwrap();
    world.run(5000);
    assert!(in_search(&world, 2));
    assert_eq!(world.ues[1].machine.missing(SEARCH), 1);
    assert!(world.ues[1].links_wanted > 2);
    let rounds = world.ues[1].events.iter().filter(|e| matches!(e, Event::Round { missing: 1, .. })).count();
    assert!(rounds >= 3);
    // Its acknowledgement counts over its link alone.
    let record = world.kept(1).gmks.remove(0);
    let (name, time) = (user(9).value, record.time.millis());
    let mac = sidelink_security::kdf::own::gmk_acknowledgement(&record.gmk, record.id.0, time, &name);
    let ack = wire::Acknowledgement {
        gmk_id: record.id.0,
        time,
        member: wire::Name { kind: 1, octets: &name },
        mac,
    };
    world.links.insert((2, 1), user(2));
    for to in [Destination::Ue(l2(1)), Destination::Link(l2(1))] {
        let before = world.refusals(1).len();
        world.inject(2, 1, to, &ack.emit().unwrap());
        world.step_now();
        assert_eq!(world.refusals(1)[before..], [Refusal::NotOverLink]);
    }
    // A link with that layer-2 identity, whose peer proves another one, is not taken.
    let (now, other) = (world.time(), user(8));
    let sent = world.sent.len();
    world.command(1, Input::LinkUp { now, peer: l2(9), identity: &other }).unwrap();
    world.run(70_000);
    let to_it = |(_, message): &&(usize, Message)| message.to == Destination::Link(l2(9));
    assert!(!world.sent[sent..].iter().any(|sent| to_it(&sent)), "nor by a later round");
    let (now, sent) = (world.time(), world.sent.len());
    let right = user(9);
    world.command(1, Input::LinkUp { now, peer: l2(9), identity: &right }).unwrap();
    assert_eq!(world.sent.len(), sent + 1);
}

#[test]
fn groups_out_of_the_box_have_identities_of_mes_and_short_periods() {
    let mut world = World::new(4);
    let of = |index| Member { identity: me(index), layer2: l2(index) };
    let all = [of(2), of(3)];
    let long = create(&mut world, &all, LocalIdentity::Me, 7300);
    assert_eq!(long, Err(Error::Period { max: 7200 }));
    create(&mut world, &all, LocalIdentity::Me, 7200).unwrap();
    world.run(3000);
    assert!((1..4).all(|index| in_search(&world, index)));
    // No network, no manager: and a call signed by the ME.
    let now = world.time();
    world.command(3, Input::StartCall { now, group: SEARCH }).unwrap();
    world.run(500);
    let call = world.ues[2].machine.calls().next().unwrap();
    assert_eq!(call.caller, me(3));
    // A member does not take a longer period than its ME allows, whoever offers it.
    world.ues[2].config.me = Some(MeIdentity { identity: me(2), longest_period: 60 });
    world.ues[2].disk = Box::<MemoryDisk>::default();
    world.crash(2);
    world.run(70_000);
    assert!(world.refusals(2).contains(&Refusal::Period) || !in_search(&world, 2));
}

#[test]
fn whom_this_ue_does_not_trust_makes_no_group_with_it() {
    let listed: BTreeSet<_> = [user(3)].into();
    for (trust, accepted) in
        [(AdHocTrust::Everyone, true), (AdHocTrust::Nobody, false), (AdHocTrust::Listed(listed), false)]
    {
        let mut world = World::with(
            4,
            Box::new(fake),
            move |index, config| {
                if index == 2 {
                    config.ad_hoc = trust.clone();
                }
            },
            |_| Box::<MemoryDisk>::default(),
        );
        create(&mut world, &[member(2)], LocalIdentity::User, 600).unwrap();
        world.run(3000);
        assert_eq!(in_search(&world, 2), accepted);
        assert_eq!(world.refusals(2).contains(&Refusal::NotTrusted), !accepted);
    }
}
