use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const NAMES: [&str; 4] = ["alice", "bob", "fire", "police"];

fn names(places: &[usize]) -> BTreeSet<String> {
    places.iter().map(|place| NAMES[*place].to_owned()).collect()
}

fn grants() -> Vec<Grant> {
    vec![
        Grant { name: "map".to_owned(), announce: names(&[0]), monitor: names(&[1]), send: names(&[2]) },
        Grant { name: "chat".to_owned(), announce: names(&[0, 1]), monitor: names(&[0]), send: names(&[3]) },
        Grant { name: "none".to_owned(), ..Grant::default() },
    ]
}

const fn handle(number: u8) -> Handle {
    Handle::new([number; 16])
}

const fn at(millis: u64) -> UtcTime {
    UtcTime::from_millis(millis)
}

fn drain(users: &mut Users) -> Vec<UserOutput> {
    std::iter::from_fn(|| users.poll_output()).collect()
}

fn ask(
    users: &mut Users,
    now: u64,
    application: usize,
    shown: u8,
    request: UserRequest,
) -> Result<(), UserError> {
    let application = ApplicationId(application);
    users.handle_input(UserInput::Request { now: at(now), application, handle: handle(shown), request })
}

fn register(users: &mut Users, application: usize, number: u8) -> Result<(), UserError> {
    users
        .handle_input(UserInput::Register { application: ApplicationId(application), handle: handle(number) })
}

#[test]
fn nothing_is_announced_before_somebody_wants_it() {
    let mut users = Users::new(grants());
    let off = |name: &str| UserOutput::Announcing { name: name.to_owned(), announcing: Announcing::Off };
    assert_eq!(drain(&mut users), [off("alice"), off("bob")]);
}

/// A crash of an application leaves no announcing, and takes none from another.
#[test]
fn announcing_ends_with_the_last_who_wants_it() {
    let mut users = Users::new(grants());
    for (application, number) in [(0, 1), (1, 2)] {
        register(&mut users, application, number).unwrap();
        ask(&mut users, 0, application, number, UserRequest::Announce("alice".to_owned())).unwrap();
    }
    drain(&mut users);
    users.handle_input(UserInput::Gone(handle(1))).unwrap();
    assert_eq!(drain(&mut users), []);
    users.handle_input(UserInput::Gone(handle(2))).unwrap();
    let off = UserOutput::Announcing { name: "alice".to_owned(), announcing: Announcing::Off };
    assert_eq!(drain(&mut users), [off]);
    let again = ask(&mut users, 0, 1, 2, UserRequest::Announce("alice".to_owned()));
    assert_eq!(again, Err(UserError::NoHandle));
}

/// The limit is the application's: a new handle brings no new requests.
#[test]
fn requests_are_limited() {
    let mut users = Users::new(grants());
    register(&mut users, 0, 1).unwrap();
    let monitor = || UserRequest::Monitor("bob".to_owned());
    let taken = |users: &mut Users, now, number| {
        (0..100).filter(|_| ask(users, now, 0, number, monitor()).is_ok()).count()
    };
    assert_eq!(taken(&mut users, 1_000_000, 1), BURST as usize);
    users.handle_input(UserInput::Gone(handle(1))).unwrap();
    register(&mut users, 0, 2).unwrap();
    assert_eq!(taken(&mut users, 1_000_000, 2), 0);
    assert_eq!(taken(&mut users, 1_000_000 + 3 * INTERVAL, 2), 3);
    // A clock that goes back gives nothing.
    assert_eq!(taken(&mut users, 0, 2), 0);
    // Others are not in its way.
    register(&mut users, 1, 3).unwrap();
    assert_eq!(ask(&mut users, 0, 1, 3, UserRequest::Monitor("alice".to_owned())), Ok(()));
}

#[test]
fn handles_are_bounded_and_never_shown() {
    let mut users = Users::new(grants());
    for number in 0..MOST_HANDLES as u8 {
        register(&mut users, 0, number).unwrap();
    }
    assert_eq!(register(&mut users, 0, 9), Err(UserError::TooMany));
    assert_eq!(register(&mut users, 1, 0), Err(UserError::TooMany), "a handle of another");
    assert_eq!(register(&mut users, 3, 9), Err(UserError::NotGranted));
    assert!(!format!("{:?}", handle(7)).contains('7'));
}

/// One thing that somebody does.
#[derive(Debug, Clone)]
enum Act {
    Register(usize, u8),
    Gone(u8),
    Ask(usize, u8, u8, usize),
    Discovered(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        (0..4_usize, 0..6_u8).prop_map(|(application, number)| Act::Register(application, number)),
        (0..6_u8).prop_map(Act::Gone),
        (0..4_usize, 0..6_u8, 0..4_u8, 0..4_usize).prop_map(|(a, h, what, name)| Act::Ask(a, h, what, name)),
        (0..4_usize).prop_map(Act::Discovered),
    ];
    prop::collection::vec(act, 0..120)
}

proptest! {
    /// X5.1: no application has matches of another, announces or sends what it was not granted, or leaves something behind.
    #[test]
    fn an_application_gets_what_it_was_granted_and_nothing_else(acts in acts()) {
        let mut users = Users::new(grants());
        let granted = grants();
        // Who owns a handle, what it announces and monitors, by the words of the issue alone.
        let mut owners: BTreeMap<u8, usize> = BTreeMap::new();
        let mut announces: BTreeSet<(u8, &str)> = BTreeSet::new();
        let mut monitors: BTreeSet<(u8, &str)> = BTreeSet::new();
        let mut on: BTreeMap<String, Announcing> = BTreeMap::new();
        for (step, act) in acts.into_iter().enumerate() {
            let mut may_send = None;
            let mut matched = None;
            match act {
                Act::Register(application, number) => {
                    if register(&mut users, application, number).is_ok() {
                        prop_assert!(owners.insert(number, application).is_none());
                    }
                }
                Act::Gone(number) => {
                    users.handle_input(UserInput::Gone(handle(number))).unwrap();
                    owners.remove(&number);
                    announces.retain(|(of, _)| *of != number);
                    monitors.retain(|(of, _)| *of != number);
                }
                Act::Ask(application, number, what, name) => {
                    let name = NAMES[name];
                    let text = name.to_owned();
                    let request = match what {
                        0 => UserRequest::Announce(text),
                        1 => UserRequest::Silence(text),
                        2 => UserRequest::Monitor(text),
                        _ => UserRequest::Send { to: text, data: vec![1] },
                    };
                    let result = ask(&mut users, 10_000 * step as u64, application, number, request);
                    let grant = granted.get(application);
                    let may = owners.get(&number) == Some(&application) && grant.is_some_and(|grant| match what {
                        0 | 1 => grant.announce.contains(name),
                        2 => grant.monitor.contains(name),
                        _ => grant.send.contains(name),
                    });
                    prop_assert_eq!(result.is_ok(), may);
                    match (may, what) {
                        (true, 0) => _ = announces.insert((number, name)),
                        (true, 1) => _ = announces.remove(&(number, name)),
                        (true, 2) => _ = monitors.insert((number, name)),
                        (true, _) => may_send = Some(name),
                        _ => {}
                    }
                }
                Act::Discovered(name) => {
                    users.handle_input(UserInput::Discovered(NAMES[name])).unwrap();
                    matched = Some(NAMES[name]);
                }
            }
            let mut told = BTreeSet::new();
            for output in drain(&mut users) {
                match output {
                    UserOutput::Announcing { name, announcing } => _ = on.insert(name, announcing),
                    UserOutput::Send { to, .. } => prop_assert_eq!(may_send.take(), Some(to.as_str())),
                    UserOutput::Match { handle: of, name } => {
                        prop_assert_eq!(matched, Some(name.as_str()));
                        told.insert(of.octets()[0]);
                    }
                }
            }
            let expected: BTreeSet<u8> =
                monitors.iter().filter(|(_, name)| matched == Some(*name)).map(|(of, _)| *of).collect();
            prop_assert_eq!(told, expected);
            for (name, announcing) in &on {
                let wanted = announces.iter().any(|(_, wanted)| wanted == name);
                prop_assert_eq!(*announcing == Announcing::On, wanted, "{}", name);
            }
        }
    }
}
