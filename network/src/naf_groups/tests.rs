//! UEs in groups of a NAF, with the NAF, its BSF and HSS, and a PC5 that loses what it is told to.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sidelink_wire::ids::Layer2Id;

use super::*;
use crate::group_naf::message::{Cause, Invitation};
use crate::group_naf::tests::world::{FIRE, GROUP, World, user};
use crate::usim::SqnArray;

/// Milliseconds of a step.
const STEP: u64 = 50;

fn layer2(ue: usize) -> Layer2Id {
    Layer2Id::from_octets([0, 0, ue as u8 + 1])
}

fn invitee(ue: usize) -> Invitee {
    Invitee { user: user(ue), layer2: layer2(ue) }
}

struct Lab {
    world: World,
    ues: Vec<NafGroups>,
    /// Keys that are installed, by UE.
    keys: Vec<BTreeMap<u8, [u8; 32]>>,
    events: Vec<(usize, Event)>,
    /// Invitations on PC5: to whom, and what.
    invitations: Vec<(usize, Vec<u8>)>,
    /// UEs that hear nothing on PC5.
    deaf: Vec<usize>,
    /// UEs that the network does not reach.
    cut_off: Vec<usize>,
    cards: Vec<SqnArray>,
}

impl Lab {
    fn new(parts: Vec<Part>) -> Self {
        let mut world = World::new(parts.len());
        world.diverted = Some(Vec::new());
        let mut lab = Self {
            keys: vec![BTreeMap::new(); parts.len()],
            cards: world.cards.clone(),
            world,
            ues: Vec::new(),
            events: Vec::new(),
            invitations: Vec::new(),
            deaf: Vec::new(),
            cut_off: Vec::new(),
        };
        for (ue, part) in parts.into_iter().enumerate() {
            let machine = lab.machine(ue, part);
            lab.ues.push(machine);
        }
        lab
    }

    fn machine(&self, ue: usize, part: Part) -> NafGroups {
        let (config, usim) = self.world.card(ue);
        NafGroups::new(config, usim, Rules::new(40), &[ue as u8 + 1; 32], [(GROUP, part)])
    }

    /// An owner who invites, and so many members.
    fn by_invitation(members: usize) -> Self {
        let invitees = (1..=members).map(invitee).collect();
        let members = (0..members).map(|_| Part::Invited);
        Self::new([Part::Inviter(invitees)].into_iter().chain(members).collect())
    }

    fn by_list(members: usize) -> Self {
        let listed = (1..=members).map(user).collect();
        let members = (0..members).map(|_| Part::Listed);
        Self::new([Part::Lister(listed)].into_iter().chain(members).collect())
    }

    fn act(&mut self, ue: usize, input: Input<'_>) -> Result<(), Error> {
        let result = self.ues[ue].handle_input(input);
        self.follow(ue);
        result
    }

    fn distribute(&mut self) {
        let now = self.world.now();
        self.act(0, Input::Distribute { now, group: GROUP }).unwrap();
    }

    fn exclude(&mut self, ue: usize) {
        let now = self.world.now();
        self.act(0, Input::Exclude { now, group: GROUP, user: &user(ue) }).unwrap();
    }

    fn join(&mut self, ue: usize) {
        let now = self.world.now();
        self.act(ue, Input::Join { now, group: GROUP }).unwrap();
    }

    fn hear(&mut self, ue: usize, octets: &[u8]) {
        let now = self.world.now();
        self.act(ue, Input::Message { now, from: layer2(0), octets }).unwrap();
    }

    fn run(&mut self, millis: u64) {
        for _ in 0..millis / STEP {
            self.world.pass(STEP);
            for ue in 0..self.ues.len() {
                let now = self.world.now();
                self.act(ue, Input::Tick { now }).unwrap();
            }
            self.answers();
        }
    }

    /// Brings UEs what the NAF said.
    fn answers(&mut self) {
        for _ in 0..100 {
            let answers = self.world.diverted.replace(Vec::new()).unwrap();
            if answers.is_empty() {
                return;
            }
            for (ue, octets) in answers {
                let now = self.world.now();
                if !self.cut_off.contains(&ue) {
                    self.act(ue, Input::Answer { now, octets: &octets }).unwrap();
                }
            }
        }
        panic!("no end");
    }

    fn follow(&mut self, ue: usize) {
        let now = self.world.now();
        loop {
            match self.ues[ue].poll_output() {
                Output::ToNaf(octets) if !self.cut_off.contains(&ue) => self.world.ask(ue, &octets),
                Output::ToNaf(_) => {}
                Output::Invite { to, octets } => {
                    let invited = (0..self.ues.len()).find(|ue| layer2(*ue) == to).unwrap();
                    self.invitations.push((invited, octets.clone()));
                    if !self.deaf.contains(&invited) {
                        self.hear(invited, &octets);
                    }
                }
                Output::Store(array) => {
                    self.cards[ue] = *array;
                    self.ues[ue].handle_input(Input::Stored { now }).unwrap();
                }
                Output::Install(key) => {
                    let fresh = self.keys[ue].insert(key.pgk_id, *key.pgk.as_bytes()).is_none();
                    assert!(fresh, "a key is installed once");
                }
                Output::Remove { pgk_id, .. } => assert!(self.keys[ue].remove(&pgk_id).is_some()),
                Output::Event(event) => self.events.push((ue, event)),
                Output::Timeout(_) => return,
            }
        }
    }

    /// UEs that have the present key and no other.
    fn with_key(&self) -> Vec<usize> {
        let record = &self.world.naf.group(GROUP).unwrap().record;
        let present = BTreeMap::from([(record.pgk_id, *record.pgk.as_bytes())]);
        (0..self.ues.len()).filter(|ue| self.keys[*ue] == present).collect()
    }

    fn refused(&self, ue: usize) -> Vec<Cause> {
        let cause = |(of, event): &(usize, Event)| match event {
            Event::Refused { cause, .. } if *of == ue => Some(*cause),
            _ => None,
        };
        self.events.iter().filter_map(cause).collect()
    }

    fn has(&self, ue: usize, event: &Event) -> bool {
        self.events.iter().any(|(of, known)| *of == ue && known == event)
    }
}

#[test]
fn everybody_who_is_invited_joins_and_no_more_is_said() {
    let mut lab = Lab::by_invitation(3);
    lab.distribute();
    lab.run(4_000);
    assert_eq!(lab.with_key(), [0, 1, 2, 3]);
    assert!(
        lab.has(0, &Event::Complete { group: GROUP })
            && lab.has(0, &Event::Joined { group: GROUP, user: user(2) })
    );
    assert_eq!(lab.invitations.len(), 3, "one each");
    let asked = lab.world.asked();
    assert_eq!(asked, 4, "one vector each");
    lab.run(55_000);
    assert_eq!((lab.invitations.len(), lab.world.asked()), (3, asked));
}

/// What the report leaves open: who does not hear an invitation, or comes later, is invited again by the same message.
#[test]
fn who_comes_late_is_invited_again() {
    for late_by in [3_000, 100_000] {
        let mut lab = Lab::by_invitation(2);
        lab.deaf = vec![2];
        lab.distribute();
        lab.run(late_by);
        assert_eq!(lab.with_key(), [0, 1]);
        let to_others = lab.invitations.iter().filter(|(to, _)| *to == 1).count();
        assert_eq!(to_others, 1, "who has joined is not invited again");
        lab.deaf.clear();
        lab.run(31_000);
        assert_eq!(lab.with_key(), [0, 1, 2], "{late_by}");
        let mut of_it: Vec<_> = lab.invitations.iter().filter(|(to, _)| *to == 2).collect();
        let often = of_it.len();
        of_it.dedup();
        assert!(often > 1 && of_it.len() == 1, "one invitation, {often} times");
        if late_by == 100_000 {
            assert!((10..15).contains(&often), "three rounds soon, then slowly: {often}");
        }
    }
}

/// Invitations of those who stay away leave the air to the group.
#[test]
fn many_who_are_away_do_not_take_the_air() {
    let mut lab = Lab::by_invitation(60);
    lab.deaf = (1..61).collect();
    lab.distribute();
    lab.run(30_000);
    let before = lab.invitations.len();
    lab.run(100_000);
    let busy = 40 * (lab.invitations.len() - before);
    assert!((5_000..15_000).contains(&busy), "{busy} ms of 100 000");
}

#[test]
fn an_invitation_that_ends_is_followed_by_another() {
    let mut lab = Lab::by_invitation(1);
    lab.deaf = vec![1];
    lab.distribute();
    lab.run(700_000);
    let mut all: Vec<_> = lab.invitations.iter().map(|(_, octets)| octets.clone()).collect();
    all.dedup();
    assert_eq!(all.len(), 2);
    let now = lab.world.now();
    lab.ues[1].handle_input(Input::Message { now, from: layer2(0), octets: &all[0] }).unwrap();
    lab.follow(1);
    assert!(lab.has(1, &Event::Passed { from: layer2(0), why: Passed::Expired }));
    lab.hear(1, &all[1]);
    lab.run(1000);
    assert_eq!(lab.with_key(), [0, 1]);
}

/// An answer is lost, or a new key: it is asked for again, and the group is what it was.
#[test]
fn lost_messages_are_asked_for_again() {
    let mut lab = Lab::by_invitation(2);
    lab.cut_off = vec![1];
    lab.distribute();
    lab.run(3_000);
    assert_eq!(lab.with_key(), [0, 2]);
    lab.cut_off.clear();
    lab.run(8_000);
    assert_eq!(lab.with_key(), [0, 1, 2]);
    assert_eq!(lab.world.asked(), 3, "the same answer, and no other vector");
    // The new key does not reach one.
    lab.cut_off = vec![1];
    lab.distribute();
    lab.run(5_000);
    assert_eq!(lab.with_key(), [0, 2]);
    lab.cut_off.clear();
    lab.run(125_000);
    assert_eq!(lab.with_key(), [0, 1, 2], "it noticed, and asked");
    assert_eq!(lab.world.asked(), 7);
}

/// Who is excluded does not get the new key, also not by its invitation of before, and learns that it is out.
#[test]
fn who_is_excluded_is_out() {
    let mut lab = Lab::by_invitation(3);
    lab.distribute();
    lab.run(4_000);
    let old = lab.invitations.iter().find(|(to, _)| *to == 3).unwrap().1.clone();
    lab.exclude(3);
    lab.run(2_000);
    assert_eq!(lab.with_key(), [0, 1, 2]);
    let asked = lab.world.asked();
    lab.join(3);
    lab.run(2_000);
    assert_eq!(lab.refused(3), [Cause::Invitation]);
    lab.run(125_000);
    assert!(lab.has(3, &Event::Out { group: GROUP }) && lab.keys[3].is_empty());
    lab.hear(3, &old);
    lab.run(10_000);
    assert_eq!(lab.refused(3), [Cause::Invitation, Cause::Invitation]);
    assert_eq!((lab.with_key(), lab.world.asked()), (vec![0, 1, 2], asked));
    let again = lab.invitations.iter().filter(|(to, _)| *to == 3).count();
    assert_eq!(again, 1, "it is invited no more");
    let now = lab.world.now();
    let refused = lab.act(0, Input::Exclude { now, group: GROUP, user: &user(3) });
    assert_eq!(refused, Err(Error::NoMember { group: GROUP, user: user(3) }));
}

/// Invitations of before a new key are none: who has not joined by then is invited anew.
#[test]
fn a_new_key_takes_new_invitations() {
    let mut lab = Lab::by_invitation(2);
    lab.deaf = vec![2];
    lab.distribute();
    lab.run(3_000);
    lab.exclude(1);
    lab.run(1_000);
    let old = lab.invitations.iter().find(|(to, _)| *to == 2).unwrap().1.clone();
    lab.deaf.clear();
    lab.hear(2, &old);
    lab.run(6_000);
    assert_eq!(lab.refused(2)[0], Cause::Invitation);
    assert_eq!(lab.with_key(), [0, 2]);
}

/// T3.2-1, T3.2-3: by another's invitation, and without being on the list.
#[test]
fn who_is_not_meant_does_not_get_in() {
    let mut lab = Lab::by_invitation(2);
    lab.distribute();
    lab.run(200);
    let (_, octets) = lab.invitations[0].clone();
    lab.hear(2, &octets);
    assert!(lab.has(2, &Event::Passed { from: layer2(0), why: Passed::ForAnother }));
    let mut lab = Lab::by_list(2);
    let Some(Part::Lister(list)) = lab.ues[0].groups.get_mut(&GROUP).map(|group| &mut group.part) else {
        panic!()
    };
    list.pop();
    lab.distribute();
    lab.run(200);
    let asked = lab.world.asked();
    lab.join(2);
    lab.run(60_000);
    assert_eq!((lab.refused(2), lab.world.asked()), (vec![Cause::NotAllowed], asked));
}

/// False invitations take no more than a pause, and no vector; what is none, or for a group of none of ours, not even that.
#[test]
fn false_invitations_do_not_keep_a_member_out() {
    let mut lab = Lab::by_invitation(1);
    lab.deaf = vec![1];
    lab.distribute();
    lab.run(1_000);
    let (_, good) = lab.invitations[0].clone();
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    let asked = lab.world.asked();
    for _ in 0..40 {
        lab.hear(1, &forged);
        lab.run(STEP);
    }
    let refused = lab.refused(1);
    assert!(
        (1..=3).contains(&refused.len()) && refused.iter().all(|cause| *cause == Cause::Invitation),
        "{refused:?}"
    );
    assert_eq!(lab.world.asked(), asked);
    lab.hear(1, &good);
    lab.run(3_000);
    assert_eq!(lab.with_key(), [0, 1]);
    let mut elsewhere = Invitation::parse(&good).unwrap();
    elsewhere.group = FIRE;
    lab.hear(1, &elsewhere.emit(&lab.world.ks_naf(0)));
    assert!(lab.has(1, &Event::Passed { from: layer2(0), why: Passed::NoGroup(FIRE) }));
    lab.hear(1, b"none");
    assert!(matches!(lab.events.last(), Some((1, Event::Passed { why: Passed::Malformed(_), .. }))));
}

/// Who has the key does not ask for it when an invitation comes again; who asks twice at once gets one answer, and installs the
/// key once.
#[test]
fn a_key_that_is_there_is_not_asked_for() {
    let mut lab = Lab::by_invitation(1);
    lab.distribute();
    lab.run(4_000);
    let (answers, asked) = (lab.world.traffic.len(), lab.world.asked());
    let (_, invitation) = lab.invitations[0].clone();
    for _ in 0..10 {
        lab.hear(1, &invitation);
        lab.run(STEP);
    }
    assert_eq!(lab.world.traffic.len(), answers);
    lab.cut_off = vec![1];
    lab.join(1);
    lab.join(1);
    lab.cut_off.clear();
    lab.run(5_000);
    assert_eq!((lab.world.asked(), lab.with_key()), (asked + 1, vec![0, 1]));
    // A member of a list takes no invitation.
    let mut lab = Lab::by_list(1);
    lab.hear(1, &invitation);
    assert!(lab.has(1, &Event::Passed { from: layer2(0), why: Passed::NoGroup(GROUP) }));
}

/// By a list: members ask when they like, also before the group is there.
#[test]
fn a_member_of_a_list_asks_until_the_group_is_there() {
    let mut lab = Lab::by_list(2);
    lab.join(1);
    lab.run(3_000);
    assert!(lab.refused(1).iter().all(|cause| *cause == Cause::UnknownGroup) && lab.refused(1).len() > 1);
    lab.distribute();
    lab.run(4_000);
    lab.join(2);
    lab.run(1_000);
    assert_eq!(lab.with_key(), [0, 1, 2]);
    assert!(lab.invitations.is_empty());
}

/// After a crash a member asks without an invitation, and an owner makes its group again.
#[test]
fn after_a_crash_the_key_comes_again() {
    let mut lab = Lab::by_invitation(1);
    lab.distribute();
    lab.run(4_000);
    for ue in [0, 1] {
        lab.world.cards[ue] = lab.cards[ue].clone();
        lab.keys[ue].clear();
        let part = lab.ues[ue].groups.get(&GROUP).unwrap().part.clone();
        lab.ues[ue] = lab.machine(ue, part);
    }
    lab.distribute();
    lab.join(1);
    lab.run(8_000);
    assert_eq!(lab.with_key(), [0, 1]);
    assert_eq!(lab.refused(0), [Cause::GroupTaken]);
}

/// A key that ends is followed by another in time; without its owner it is used no longer.
#[test]
fn a_key_is_renewed_before_it_ends() {
    let mut lab = Lab::by_list(1);
    lab.distribute();
    lab.run(1_000);
    lab.join(1);
    lab.run(1_000);
    let day = 24 * 3_600_000;
    let (first, _) = lab.keys[1].first_key_value().map(|(id, key)| (*id, *key)).unwrap();
    lab.world.pass(day - 602_500);
    lab.run(5_000);
    let (second, _) = lab.keys[1].first_key_value().map(|(id, key)| (*id, *key)).unwrap();
    assert!(first != second && lab.with_key() == [0, 1]);
    lab.cut_off = vec![0];
    lab.world.pass(day);
    lab.run(1_000);
    assert!(lab.keys.iter().all(BTreeMap::is_empty));
    assert!(lab.has(1, &Event::Expired { group: GROUP, pgk_id: second }));
}

/// A pushed key that is altered on its way cannot be used, nor can its GPI again: another one is asked for.
#[test]
fn an_altered_push_is_followed_by_another() {
    let mut lab = Lab::by_invitation(1);
    lab.distribute();
    lab.deaf = vec![1];
    lab.run(50);
    let (_, invitation) = lab.invitations[0].clone();
    lab.hear(1, &invitation);
    let mut answers = lab.world.diverted.replace(Vec::new()).unwrap();
    assert_eq!(answers.len(), 1);
    let length = answers[0].1.len();
    answers[0].1[length - 1] ^= 1;
    let now = lab.world.now();
    lab.act(1, Input::Answer { now, octets: &answers[0].1 }).unwrap();
    assert!(lab.keys[1].is_empty());
    lab.run(3_000);
    assert_eq!(lab.with_key(), [0, 1]);
}

#[test]
fn what_is_not_possible_is_said() {
    let mut lab = Lab::by_invitation(1);
    let now = lab.world.now();
    assert_eq!(lab.act(0, Input::Distribute { now, group: FIRE }), Err(Error::NoGroup(FIRE)));
    assert_eq!(lab.act(1, Input::Distribute { now, group: GROUP }), Err(Error::NotOwner(GROUP)));
    assert_eq!(lab.act(0, Input::Exclude { now, group: GROUP, user: &user(1) }), Err(Error::NoKey(GROUP)));
    assert_eq!(lab.act(0, Input::Join { now, group: GROUP }), Err(Error::Owner(GROUP)));
    assert_eq!(lab.act(0, Input::Leave { now, group: GROUP }), Err(Error::Owner(GROUP)));
    lab.distribute();
    lab.run(1_000);
    lab.act(1, Input::Leave { now, group: GROUP }).unwrap();
    lab.run(100_000);
    assert!(lab.keys[1].is_empty());
}

proptest! {
    #[test]
    fn any_octets_change_nothing(octets: Vec<u8>, is_answer: bool) {
        let mut lab = Lab::by_invitation(1);
        lab.distribute();
        lab.run(1_000);
        let now = lab.world.now();
        match is_answer {
            true => lab.act(1, Input::Answer { now, octets: &octets }).unwrap(),
            false => lab.hear(1, &octets),
        }
        prop_assert_eq!(lab.with_key(), [0, 1]);
    }
}
