//! The messages.

use super::*;

fn calls() -> impl Iterator<Item = Call> {
    let steps = [CallStep::ServiceRequest, CallStep::KeyingRequest, CallStep::Notification];
    let peers = [Peer::Expression(expression("john")), Peer::Connection(connection(77))];
    let all =
        steps.into_iter().flat_map(|step| [Kind::HalfKeys, Kind::PublicValues].map(|kind| (step, kind)));
    all.flat_map(move |(step, kind)| {
        peers.clone().map(|peer| Call {
            step,
            kind,
            connection: connection(9),
            shares: (0..Call::shares(step, kind)).map(|n| [n as u8; 32].into()).collect(),
            lifetime: if step == CallStep::ServiceRequest { 0 } else { 60 },
            caller: expression("mary"),
            peer,
        })
    })
}

fn answers() -> impl Iterator<Item = Answer> {
    let steps = [AnswerStep::NotificationAnswer, AnswerStep::KeyingAnswer, AnswerStep::ServiceAnswer];
    let all =
        steps.into_iter().flat_map(|step| [Kind::HalfKeys, Kind::PublicValues].map(|kind| (step, kind)));
    all.map(|(step, kind)| Answer {
        step,
        kind,
        connection: connection(9),
        target: connection(10),
        dksi: [3; 4],
        shares: (0..Answer::shares(step, kind)).map(|n| [n as u8; 32].into()).collect(),
        lifetime: if step == AnswerStep::NotificationAnswer { 0 } else { 60 },
    })
}

fn all() -> Vec<Vec<u8>> {
    let rejects = (1..9).map(|cause| vec![7, 0, 0, 0, 9, cause]);
    let calls = calls().map(|call| Message::Call(call).emit().unwrap().to_vec());
    let answers = answers().map(|answer| Message::Answer(answer).emit().unwrap().to_vec());
    calls.chain(answers).chain(rejects).collect()
}

#[test]
fn every_message_comes_back_and_nothing_shorter_or_longer_is_one() {
    for octets in all() {
        let message = Message::parse(&octets).unwrap_or_else(|error| panic!("{octets:?}: {error}"));
        assert_eq!(message.emit().unwrap()[..], octets);
        for length in 0..octets.len() {
            assert!(Message::parse(&octets[..length]).is_err(), "{octets:?} cut to {length}");
        }
        assert!(Message::parse(&[&octets[..], &[0]].concat()).is_err());
    }
}

#[test]
fn reserved_values_are_refused() {
    let whole = all();
    for (at, value) in [(0, 0), (0, 8), (1, 0), (1, 3)] {
        let mut octets = whole[2].clone();
        octets[at] = value;
        assert!(Message::parse(&octets).is_err(), "{at} {value}");
    }
    for cause in [0, 9] {
        assert!(Message::parse(&[7, 0, 0, 0, 9, cause]).is_err());
    }
    assert!(Message::parse(&[7, 0, 0, 0, 0, 1]).is_err(), "connection id 0");
}

#[test]
fn a_message_has_the_shares_of_its_step() {
    for mut call in calls() {
        call.shares.push([0; 32].into());
        assert!(Message::Call(call).emit().is_err());
    }
    for mut answer in answers() {
        answer.shares.push([0; 32].into());
        assert!(Message::Answer(answer).emit().is_err());
    }
}

proptest! {
    #[test]
    fn any_octets_are_parsed_or_refused(mut octets: Vec<u8>, number in 0_u8..9, kind in 0_u8..4) {
        for start in [None, Some(number)] {
            if let (Some(number), [one, two, ..]) = (start, &mut octets[..]) {
                (*one, *two) = (number, kind);
            }
            if let Ok(message) = Message::parse(&octets) {
                prop_assert_eq!(&message.emit().unwrap()[..], &octets[..]);
            }
        }
    }

    #[test]
    fn a_changed_message_is_another_or_none(which in 0_usize..26, at in 0_usize..200, value: u8) {
        let mut octets = all()[which].clone();
        let at = at % octets.len();
        octets[at] = value;
        if let Ok(message) = Message::parse(&octets) {
            prop_assert_eq!(&message.emit().unwrap()[..], &octets[..]);
        }
    }

    /// Whatever an MME hears, from whomever: no panic, and nothing is made of it.
    #[test]
    fn an_mme_survives_any_octets(octets: Vec<u8>, which in 0_usize..26, known: bool) {
        let mut world = World::new(Kind::HalfKeys);
        world.attach_all();
        let octets = if known { all()[which].clone() } else { octets };
        let now = world.now;
        world.mmes[0].handle_input(Input::Uplink { now, from: UeRef(5), octets: &octets });
        for leg in [Leg::Up(MARY), Leg::Mme(0, 1), Leg::Mme(1, 0), Leg::Down(JOHN)] {
            world.deliver(leg, &octets);
            world.run();
        }
        world.clients[JOHN].handle_input(client::Input::Question { now, ticket: 1, octets: &octets });
        world.run();
        prop_assert!(world.answers.iter().flatten().all(|(_, answer)| answer.is_none()));
    }
}
