//! Keys of other networks: the home function proxies the visited one.

use super::*;

fn visited() -> Plmn {
    Plmn::new("002", "01").unwrap()
}

fn home() -> World {
    World::on(Config { partners: vec![visited()], ..config() }, Durable::default(), 1)
}

/// The function of the other network, where Bert of the first may follow user 50.
fn there() -> World {
    let permissions = vec![Permission { target: rpauid(50), watcher: rpauid(BERT) }];
    let mut there = World::on(
        Config { partners: vec![plmn()], ..Config::new(visited(), permissions) },
        Durable::default(),
        3,
    );
    there.announce(50, user(50), 50);
    there.announce(51, user(51), 51);
    there
}

/// Carries the questions of one network to the other, and the answers back.
fn carry(home: &mut World, there: &mut World) {
    for (question, network, query) in core::mem::take(&mut home.asks) {
        assert_eq!(network, visited());
        there.input(server::Input::OtherNetwork {
            now: there.now,
            request: RequestId(0),
            plmn: plmn(),
            query,
        });
        let keys = there.told.pop().unwrap();
        home.input(server::Input::OtherAnswered { now: home.now, question, keys });
    }
}

fn answered(home: &mut World) -> Keys {
    let (_, answer) = home.answers.pop_last().unwrap();
    keys_of(KeyMessage::from_xml(answer.unwrap().as_bytes()).unwrap())
}

#[test]
fn a_key_of_another_network_comes_through_the_home_function() {
    let (mut home, mut there) = (home(), there());
    let both = fetch(vec![user(50), user(51)], vec![key(50).hint(), Hint([1, 1])], Some(BERT));
    assert_eq!(home.ask(BERT, both.to_xml().as_bytes()), None, "the other network is asked first");
    carry(&mut home, &mut there);
    let keys = answered(&mut home);
    let [told] = &keys.keys[..] else { panic!("{keys:?}") };
    assert_eq!((&told.name, &told.key), (&user(50), &key(50)));
    assert_eq!(told.valid_until, home.now.plus_millis(HOUR), "not for the 24 h of the other network");
    assert_eq!(keys.absent.len(), 2, "user 51, whom Bert may not follow, and a hint of nobody");
}

/// A key that is here is not asked for elsewhere; a network that does not answer delays, and no more.
#[test]
fn a_network_that_does_not_answer_is_not_waited_for_for_long() {
    let mut home = home();
    home.announce(ANNA, user(ANNA), 11);
    let keys = keys_of(home.say(BERT, &fetch(vec![user(ANNA)], Vec::new(), Some(BERT))));
    assert_eq!((keys.keys.len(), home.asks.len()), (1, 0));
    let both = fetch(vec![user(ANNA), user(50)], Vec::new(), Some(BERT));
    assert_eq!(home.ask(BERT, both.to_xml().as_bytes()), None);
    home.run(10 * SECOND);
    let keys = answered(&mut home);
    assert_eq!((keys.keys.len(), keys.absent.len()), (1, 1));
    // What it says too late counts nothing.
    let (question, ..) = home.asks.pop().unwrap();
    home.input(server::Input::OtherAnswered { now: home.now, question, keys: None });
    assert_eq!(home.answers.len(), 0);
}

/// Another network tells what it was not asked for, or a key that is revoked here: it is not handed on.
#[test]
fn another_network_has_no_say_about_other_names() {
    let mut home = home();
    home.announce(ANNA, user(ANNA), 11);
    home.revoke(Withdrawal::Name(user(ANNA)));
    assert_eq!(home.ask(BERT, fetch(vec![user(50)], Vec::new(), Some(BERT)).to_xml().as_bytes()), None);
    let (question, ..) = home.asks.pop().unwrap();
    let told = |name, number| ToldKey { name, key: key(number), valid_until: home.now.plus_millis(9 * HOUR) };
    let keys = Some(vec![told(user(ANNA), 66), told(user(50), 11), told(user(50), 50)]);
    home.input(server::Input::OtherAnswered { now: home.now, question, keys });
    let keys = answered(&mut home);
    assert_eq!(keys.keys.iter().map(|told| told.key.clone()).collect::<Vec<_>>(), [key(50)]);
}

/// The rate of a UE for other networks, and that of a network here.
#[test]
fn a_flood_through_other_networks_is_bounded() {
    let (mut home, mut there) = (home(), there());
    let mut subjects = 0;
    for _ in 0..6 {
        let hints = (0..16).map(|n| Hint([9, n])).collect();
        home.ask(7, fetch(Vec::new(), hints, None).to_xml().as_bytes());
        subjects += home.asks.iter().map(|(.., query)| query.subjects.len()).sum::<usize>();
        carry(&mut home, &mut there);
    }
    assert_eq!(subjects, 64, "of 96");
    let query = |n: u8| OtherQuery { watcher: None, subjects: vec![Subject::Hint(Hint([n, n])); 32] };
    let mut told = 0;
    for n in 0..100 {
        let input = server::Input::OtherNetwork {
            now: there.now,
            request: RequestId(0),
            plmn: plmn(),
            query: query(n),
        };
        there.input(input);
        told += usize::from(there.told.pop().unwrap().is_some());
    }
    assert!((55..=62).contains(&told), "{told} of 100: 2000 hints at once, less what was asked before");
    // A network that is no partner is told nothing.
    let stranger = Plmn::new("003", "01").unwrap();
    there.input(server::Input::OtherNetwork {
        now: there.now,
        request: RequestId(0),
        plmn: stranger,
        query: query(1),
    });
    assert!(there.told.pop().unwrap().is_none());
}

/// A key is revoked here, and another one ends, while the other network is asked: neither is told.
#[test]
fn what_ends_while_another_network_is_asked_is_not_told() {
    let mut home = home();
    home.announce(ANNA, user(ANNA), 11);
    home.announce(4, user(4), 14);
    home.clients.clear();
    home.signs.clear();
    home.run(24 * HOUR - 10 * SECOND);
    home.announce(ANNA, user(ANNA), 12);
    let all = fetch(vec![user(ANNA), user(4), user(50)], Vec::new(), Some(BERT));
    assert_eq!(home.ask(BERT, all.to_xml().as_bytes()), None);
    home.revoke(Withdrawal::Name(user(ANNA)));
    let (question, ..) = home.asks.pop().unwrap();
    home.now = home.now.plus_millis(10 * SECOND);
    home.input(server::Input::OtherAnswered { now: home.now, question, keys: Some(Vec::new()) });
    let keys = answered(&mut home);
    assert_eq!((keys.keys.len(), keys.absent.len()), (0, 3), "{keys:?}");
}

/// Another network tells more than was allowed: keys of users to nobody in particular, open names to who may not monitor them,
/// and more keys than an answer has.
#[test]
fn another_network_does_not_widen_what_a_ue_may_know() {
    let until = UtcTime::from_millis(START + HOUR);
    let told = |name, number| ToldKey { name, key: key(number), valid_until: until };
    for (ue, watcher, name) in [(BERT, None, user(50)), (998, Some(998), shop())] {
        let mut home = home();
        let asked = fetch(Vec::new(), vec![key(50).hint()], watcher);
        assert_eq!(home.ask(ue, asked.to_xml().as_bytes()), None);
        let (question, ..) = home.asks.pop().unwrap();
        let keys = Some(vec![told(name, 50)]);
        home.input(server::Input::OtherAnswered { now: home.now, question, keys });
        assert_eq!(answered(&mut home).keys.len(), 0, "UE {ue}");
    }
    let mut home = home();
    assert_eq!(home.ask(BERT, fetch(vec![user(50)], Vec::new(), Some(BERT)).to_xml().as_bytes()), None);
    let (question, ..) = home.asks.pop().unwrap();
    let keys = Some((0..70).map(|number| told(user(50), number)).collect());
    home.input(server::Input::OtherAnswered { now: home.now, question, keys });
    assert_eq!(answered(&mut home).keys.len(), MOST_TOLD);
}

/// Questions of one network here, and requests that wait for others, are bounded.
#[test]
fn questions_between_networks_are_bounded() {
    let mut there = there();
    for (subjects, is_told) in [(32, true), (33, false)] {
        let query = OtherQuery { watcher: None, subjects: vec![Subject::Hint(Hint([1, 1])); subjects] };
        let (now, request) = (there.now, RequestId(0));
        there.input(server::Input::OtherNetwork { now, request, plmn: plmn(), query });
        assert_eq!(there.told.pop().unwrap().is_some(), is_told, "{subjects} subjects");
    }
    let mut config = Config { partners: vec![visited()], ..config() };
    config.limits.waiting = 1;
    let mut home = World::on(config, Durable::default(), 1);
    let asked = fetch(vec![user(50)], Vec::new(), Some(BERT));
    assert_eq!(home.ask(BERT, asked.to_xml().as_bytes()), None);
    assert!(matches!(home.ask(BERT, asked.to_xml().as_bytes()), Some(Ok(_))), "answered with what is here");
    assert_eq!(home.asks.len(), 1);
}
