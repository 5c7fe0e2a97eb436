//! Faults and times of the relay's end; whole exchanges are in the tests of [`crate::remote_ue`].

use super::*;
use crate::pc8::PrukId;
use crate::pc8::response::{KdResponse, KeyResponse};

const USER: User = User::Pruk(PrukId([5; 8]));

struct Relay {
    client: RelayClient,
    now: UtcTime,
}

impl Relay {
    fn new() -> Self {
        Self { client: RelayClient::new(5_000), now: UtcTime::from_millis(1_000_000) }
    }

    /// Asks; the request that goes out.
    fn ask(&mut self, link: u32) -> KeyRequest {
        let (now, link) = (self.now, LinkId(link));
        let (service, nonce_1) = (Code([1, 2, 3]), [7; 16]);
        self.client.handle_input(Input::Ask { now, link, user: USER, service, nonce_1 });
        self.request()
    }

    fn request(&mut self) -> KeyRequest {
        let Output::Request { body, .. } = self.client.poll_output() else { panic!("it asks") };
        match Message::from_xml(body.as_bytes()) {
            Ok(Message::KeyRequest(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    fn answer(&mut self, link: u32, transaction: TransactionId, edit: impl Fn(&mut KeyResponse)) -> Output {
        let mut answer = KeyResponse::new(transaction);
        answer.kd = Some(KdResponse {
            kd: Kd::from([1; 32]),
            freshness: [2; 16],
            gpi: None,
            imsi: None,
            msisdn: None,
            other: Some(OtherId([3; 16])),
        });
        edit(&mut answer);
        let (now, link, body) = (self.now, LinkId(link), Message::KeyResponse(answer).to_xml());
        self.client.handle_input(Input::Response { now, link, body: body.as_bytes() });
        self.client.poll_output()
    }

    fn refused(&mut self, link: u32, edit: impl Fn(&mut KeyResponse)) -> Refused {
        let transaction = self.ask(link).transaction;
        match self.answer(link, transaction, edit) {
            Output::Refused { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_request_says_what_the_remote_ue_said() {
    let mut relay = Relay::new();
    let message = relay.ask(1);
    let kd = message.kd.unwrap();
    assert_eq!((kd.pruk_id, kd.imsi), (Some(PrukId([5; 8])), None));
    assert_eq!((kd.relay_service_code, kd.nonce_1), (Code([1, 2, 3]), [7; 16]));
    assert!(kd.rand.is_none() && kd.auts.is_none());
    let Output::Granted { granted, .. } = relay.answer(1, message.transaction, |_| ()) else { panic!() };
    assert_eq!((granted.freshness, granted.remote), ([2; 16], Identity::Other(OtherId([3; 16]))));
    let (now, link, rand, auts) = (relay.now, LinkId(1), Rand([8; 16]), Auts([9; 14]));
    relay.client.handle_input(Input::Resynchronise { now, link, rand, auts });
    let again = relay.request();
    let kd = again.kd.unwrap();
    assert_eq!((kd.rand, kd.auts), (Some([8; 16]), Some(pc8::Auts([9; 14]))));
    assert!(matches!(relay.answer(1, again.transaction, |_| ()), Output::Granted { .. }));
    let refused = |relay: &mut Relay, link| {
        let now = relay.now;
        relay.client.handle_input(Input::Resynchronise { now, link, rand, auts });
        let output = relay.client.poll_output();
        assert!(matches!(output, Output::Refused { why: Refused::Resynchronised, .. }), "{output:?}");
    };
    refused(&mut relay, link);
    // Neither for a link that is not there, nor while the PKMF is being asked.
    refused(&mut relay, LinkId(2));
    relay.ask(3);
    refused(&mut relay, LinkId(3));
}

#[test]
fn an_answer_that_is_none_ends_the_link() {
    let mut relay = Relay::new();
    assert_eq!(relay.refused(1, |a| a.kd = None), Refused::Unexpected);
    let says_no = |a: &mut KeyResponse| a.kd_error = Some(ErrorCode::NotServed);
    assert_eq!(relay.refused(2, says_no), Refused::Pkmf(ErrorCode::NotServed));
    assert_eq!(relay.refused(3, |a| a.kd.as_mut().unwrap().other = None), Refused::Unexpected);
    let other = |a: &mut KeyResponse| a.transaction = TransactionId::new(200).unwrap();
    assert_eq!(relay.refused(4, other), Refused::Unexpected);
    relay.ask(5);
    let (now, link) = (relay.now, LinkId(5));
    relay.client.handle_input(Input::Response { now, link, body: b"nothing" });
    assert!(matches!(relay.client.poll_output(), Output::Refused { why: Refused::Malformed(_), .. }));
    // To a link that is over there is no answer.
    let transaction = relay.ask(6).transaction;
    relay.client.handle_input(Input::Ended { now, link: LinkId(6) });
    assert!(matches!(relay.answer(6, transaction, |_| ()), Output::Timeout(None)));
}

#[test]
fn a_request_without_an_answer_ends_and_links_are_bounded() {
    let mut relay = Relay::new();
    for link in 0..MOST_LINKS as u32 {
        relay.ask(link);
    }
    let (now, user) = (relay.now, USER);
    let (link, service, nonce_1) = (LinkId(1000), Code([0; 3]), [0; 16]);
    relay.client.handle_input(Input::Ask { now, link, user, service, nonce_1 });
    assert!(matches!(relay.client.poll_output(), Output::Refused { why: Refused::Busy, .. }));
    let Output::Timeout(Some(at)) = relay.client.poll_output() else { panic!() };
    assert_eq!(at, now.plus_millis(5_000));
    relay.client.handle_input(Input::Tick { now: now.plus_millis(4_999) });
    assert!(matches!(relay.client.poll_output(), Output::Timeout(_)));
    relay.client.handle_input(Input::Tick { now: at });
    for _ in 0..MOST_LINKS {
        assert!(matches!(relay.client.poll_output(), Output::Refused { why: Refused::Lost, .. }));
    }
    assert!(matches!(relay.client.poll_output(), Output::Timeout(None)));
}
