use super::*;
use crate::NoStore;
use crate::provision::tests::{keys, wish};
use crate::provision::{Provisioned, provision};
use sidelink_mac::engine::{Event, Input, Output};
use sidelink_prose::discovery::AirTime;
use sidelink_prose::discovery::agent;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::CounterStore;
use sidelink_store::{Hex, Keys, Protection as Kind, Sending, random};
use sidelink_wire::ids::{GroupDestinationId, Lcid};
use sidelink_wire::pdcp::SduType;

const NOW: UtcTime = UtcTime::from_millis(1_800_000_000_000);

/// A UE that is built: layer 2, discovery and names.
struct Built(Engine, Agent, Names);

impl Built {
    fn of(ue: &str, keys: &Keys) -> Self {
        let Provisioned { engine, agent, who, origin, groups, receive_only, .. } =
            provision(&wish(ue), keys, &mut NoStore::default()).unwrap();
        Self(engine, agent, Names { who, listed: Vec::new(), origin, groups, receive_only })
    }

    fn renew(&mut self, ue: &str, old: &[&str], new: &[Discovery]) {
        let old: Vec<String> = old.iter().map(|name| (*name).to_owned()).collect();
        terms(ue).renew_discovery(&mut self.1, &mut self.2, &old, new).unwrap();
    }

    fn announced(&mut self, period: u64) -> Option<[u8; 29]> {
        self.1.handle_input(agent::Input::Opportunity { now: AirTime::at(NOW), period, nonce: [0; 2] });
        let mut message = None;
        loop {
            match self.1.poll_output() {
                agent::Output::Message { message: sent, .. } => message = Some(sent),
                agent::Output::Timeout(_) => return message,
                _ => {}
            }
        }
    }

    /// Name of what it discovers in a message.
    fn discovers(&mut self, block: &[u8; 29]) -> Option<String> {
        self.1.handle_input(agent::Input::Message { now: AirTime::at(NOW), block });
        let mut name = None;
        loop {
            match self.1.poll_output() {
                agent::Output::Event(agent::Event::Discovered(found)) => {
                    name = Some(self.2.who.get(&found.who).map_or("?", String::as_str).to_owned());
                }
                agent::Output::Timeout(_) => return name,
                _ => {}
            }
        }
    }
}

fn terms(ue: &str) -> RenewTerms {
    let wish = wish(ue);
    RenewTerms {
        ue: ue.to_owned(),
        to_group: wish.to_group,
        v2x_priority: wish.v2x_priority,
        reserve: wish.reserve,
    }
}

/// A restricted code of alice that bob monitors.
fn restricted(name: &str) -> Discovery {
    let mut entry = Discovery::new(name, Kind::Restricted, 2_000_000_000);
    entry.code = Some(Hex(random(23).unwrap().as_bytes().to_vec()));
    entry.dusk = Some(random(32).unwrap());
    entry.duik = Some(random(32).unwrap());
    entry.announcer = Some("alice".into());
    entry.monitors = vec!["bob".into()];
    entry
}

#[test]
fn a_new_code_takes_the_place_of_the_old_one_on_both_sides() {
    let mut keys = keys();
    keys.discovery = vec![restricted("alice's"), restricted("other")];
    let (mut alice, mut bob) = (Built::of("alice", &keys), Built::of("bob", &keys));
    let old = alice.announced(1).unwrap();
    assert_eq!(bob.discovers(&old).as_deref(), Some("alice's"));
    let new = [restricted("alice's")];
    bob.renew("bob", &["alice's"], &new);
    assert_eq!(bob.discovers(&old), None, "the old code does not count any more");
    alice.renew("alice", &["alice's"], &new);
    let fresh = alice.announced(2).unwrap();
    assert_ne!(fresh[1..24], old[1..24]);
    assert_eq!(bob.discovers(&fresh).as_deref(), Some("alice's"));
    let other = alice.announced(2).unwrap();
    assert_eq!(bob.discovers(&other).as_deref(), Some("other"), "the other entry is left alone");
}

#[test]
fn a_code_that_ended_is_neither_announced_nor_accepted() {
    let mut keys = keys();
    keys.discovery = vec![restricted("first"), restricted("second")];
    let (mut alice, mut bob) = (Built::of("alice", &keys), Built::of("bob", &keys));
    let first = alice.announced(1).unwrap();
    alice.renew("alice", &["first"], &[]);
    bob.renew("bob", &["first"], &[]);
    assert_eq!(bob.discovers(&first), None);
    let only = alice.announced(2).unwrap();
    assert_eq!(bob.discovers(&only).as_deref(), Some("second"));
    assert_eq!(alice.announced(2), None);
    // What comes later has a place of its own.
    let third = [restricted("third")];
    alice.renew("alice", &[], &third);
    bob.renew("bob", &[], &third);
    let heard = [alice.announced(3).unwrap(), alice.announced(3).unwrap()];
    let mut names = heard.map(|message| bob.discovers(&message).unwrap());
    names.sort();
    assert_eq!(names, ["second", "third"]);
}

/// A question of bob to alice, and her answer, each under a new code and new keys.
fn question_and_answer() -> [Discovery; 2] {
    let (mut question, mut answer) = (restricted("question"), restricted("alice"));
    question.message_type = Some(Hex(vec![0x86]));
    (question.announcer, question.monitors) = (Some("bob".into()), vec!["alice".into()]);
    answer.message_type = Some(Hex(vec![0x82]));
    answer.question = Some("question".into());
    [question, answer]
}

#[test]
// TS 33.303 §6.1.3.4.2.2 step 12
fn a_new_question_and_its_answer_take_the_place_of_the_old_ones() {
    let of = |discovery: &[Discovery]| Keys { discovery: discovery.to_vec(), ..keys() };
    let (old, new) = (of(&question_and_answer()), question_and_answer());
    let (mut alice, mut bob) = (Built::of("alice", &old), Built::of("bob", &old));
    let asked = |alice: &mut Built, question: &[u8; 29]| {
        alice.discovers(question);
        alice.announced(1)
    };
    let question = bob.announced(1).unwrap();
    let names = ["question", "alice"];
    alice.renew("alice", &names, &new);
    bob.renew("bob", &names, &new);
    assert_eq!(alice.announced(1), None, "an answer is not announced");
    assert_eq!(asked(&mut alice, &question), None, "the old question gets no answer");
    let fresh = bob.announced(2).unwrap();
    assert_ne!(fresh[1..24], question[1..24]);
    assert_eq!(bob.announced(2), None, "the old question is asked no more");
    let answer = asked(&mut alice, &fresh).unwrap();
    bob.1.handle_input(agent::Input::Message { now: AirTime::at(NOW), block: &answer });
    let agent::Output::Event(agent::Event::Answered { discoverer, .. }) = bob.1.poll_output() else {
        panic!("bob hears the answer")
    };
    assert_eq!(bob.2.origin[&Origin::Discoverer(discoverer)], "alice");
    // What has ended is neither asked nor answered.
    bob.renew("bob", &names, &[]);
    assert_eq!(bob.announced(3), None);
    let mut ended = Built::of("alice", &of(&new));
    ended.renew("alice", &names, &[]);
    assert_eq!(asked(&mut ended, &fresh), None);
}

/// Sends and returns the block, or `None` where nothing may be sent.
fn sends(engine: &mut Engine, to: Address) -> Option<Vec<u8>> {
    let send =
        Input::Send { now: NOW, address: to, lcid: Lcid::GROUP_DATA, sdu_type: SduType::NonIp, data: b"x" };
    engine.handle_input(send).ok()?;
    engine.handle_input(Input::Opportunity { address: Some(to), len: 100 }).unwrap();
    let mut block = None;
    loop {
        match engine.poll_output() {
            Output::SlSch { block: filled, .. } => block = Some(filled.to_vec()),
            Output::Timeout(_) => return block,
            _ => {}
        }
    }
}

/// Makes every reservation durable, and returns the first counter of the last one.
fn grant(engine: &mut Engine, store: &mut NoStore) -> Option<u64> {
    let mut from = None;
    loop {
        match engine.poll_output() {
            Output::Reserve(reservation) => {
                from = Some(reservation.range().start);
                let granted = reservation.commit(store).unwrap();
                engine.handle_input(Input::Granted(granted)).unwrap();
            }
            Output::Timeout(_) => return from,
            _ => {}
        }
    }
}

fn receives(engine: &mut Engine, block: &[u8]) -> bool {
    let group = GroupDestinationId(0xa2);
    engine.handle_input(Input::SlSch { now: NOW, group: Some(group), block }).unwrap();
    let mut received = false;
    loop {
        match engine.poll_output() {
            Output::Event(Event::Received(_)) => received = true,
            Output::Timeout(_) => return received,
            _ => {}
        }
    }
}

/// The group of the keys with another PGK that alice may send under.
fn next_pgk(keys: &Keys) -> Group {
    let mut group = keys.group[0].clone();
    group.pgk.clear();
    let id = group.new_pgk(1000, 2_000_000_000).unwrap();
    let pgk = group.pgk.iter_mut().find(|pgk| pgk.id == id).unwrap();
    pgk.id = 9;
    pgk.sending = ["0000a1", "0000b2"]
        .map(|id| Sending { id: id.parse().unwrap(), right: Right::Here, since: None, next: None })
        .to_vec();
    group
}

#[test]
// TS 33.303 §6.2.3.2 (7)
fn a_new_pgk_sends_from_where_the_store_is_and_only_when_that_is_durable() {
    let mut keys = keys();
    let group = next_pgk(&keys);
    // The PGK of the start has ended meanwhile.
    keys.group[0].pgk[0].expiry = 1001;
    let (mut alice, mut bob) = (Built::of("alice", &keys), Built::of("bob", &keys));
    let to = alice.2.groups["fire"];
    let mut store = NoStore::default();
    grant(&mut alice.0, &mut store);
    assert_eq!(sends(&mut alice.0, to), None, "no PGK is valid");
    // 0x1_0800 counters were used before, by an earlier run.
    let stream = {
        let key = group.pgk(&group.pgk[0]).unwrap().unwrap();
        Sender::new(group.config().unwrap(), [0, 0, 0xa1]).stream(&key)
    };
    assert!(store.raise(&stream, 0, 0x1_0800).unwrap());
    let news = GroupNews { group, counters: vec![(9, 0x1_0800)] };
    terms("alice").renew_group(&mut alice.0, &mut alice.2, &news).unwrap();
    terms("bob").renew_group(&mut bob.0, &mut bob.2, &news).unwrap();
    assert_eq!(sends(&mut alice.0, to), None, "its counters are not durable");
    assert_eq!(grant(&mut alice.0, &mut store), Some(0x1_0800));
    let block = sends(&mut alice.0, to).unwrap();
    assert!(receives(&mut bob.0, &block));
    // A second time changes nothing.
    terms("alice").renew_group(&mut alice.0, &mut alice.2, &news).unwrap();
    assert!(receives(&mut bob.0, &sends(&mut alice.0, to).unwrap()));
}

#[test]
fn a_group_that_is_new_is_joined_under_the_same_identity_only() {
    let keys = keys();
    let mut bob = Built::of("bob", &keys);
    let mut group = next_pgk(&keys);
    (group.name, group.group_id) = ("police".into(), Hex(vec![0, 1, 0xa3]));
    let news = GroupNews { group: group.clone(), counters: vec![(9, 0)] };
    terms("bob").renew_group(&mut bob.0, &mut bob.2, &news).unwrap();
    grant(&mut bob.0, &mut NoStore::default());
    let to = bob.2.groups["police"];
    assert!(sends(&mut bob.0, to).is_some());
    group.member = vec!["bob=0000b3".parse().unwrap()];
    (group.name, group.group_id) = ("water".into(), Hex(vec![0, 1, 0xa4]));
    let error = terms("bob").renew_group(&mut bob.0, &mut bob.2, &GroupNews { group, counters: vec![] });
    assert!(error.unwrap_err().to_string().contains("0000b3"));
    assert!(!bob.2.groups.contains_key("water"));
}

#[test]
fn a_pgk_without_the_right_to_send_or_without_a_counter_receives_only() {
    let mut keys = keys();
    let mut group = next_pgk(&keys);
    keys.group[0].pgk[0].expiry = 1001;
    let mut alice = Built::of("alice", &keys);
    let to = alice.2.groups["fire"];
    let mut store = NoStore::default();
    let mut renew = |group: &Group, counters| {
        let news = GroupNews { group: group.clone(), counters };
        terms("alice").renew_group(&mut alice.0, &mut alice.2, &news).unwrap();
        grant(&mut alice.0, &mut store);
        sends(&mut alice.0, to)
    };
    assert_eq!(renew(&group, vec![]), None);
    group.pgk[0].sending[0].right = Right::Lost;
    assert_eq!(renew(&group, vec![(9, 0)]), None);
    group.pgk[0].sending[0].right = Right::Here;
    assert!(renew(&group, vec![(9, 0)]).is_some());
}
