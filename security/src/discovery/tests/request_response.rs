//! T2.2: request and response with a pre-shared secret.

use super::{NOW, flip, pseudo_random};
use crate::discovery::request_response::*;
use crate::discovery::{Freshness, Message, Profile, Refusal};
use crate::keys::PresharedSecret;
use proptest::prelude::*;

fn session(binding: Binding) -> Session {
    Session::new(&PresharedSecret::from([4; 32]), pseudo_random(1), binding, Profile::default())
}

struct Discoveree {
    session: Session,
    cache: AnsweredRequests,
    limit: RateLimit,
}

impl Discoveree {
    fn new(binding: Binding) -> Self {
        let (cache, limit) = (AnsweredRequests::new(650), RateLimit::default());
        Self { session: session(binding), cache, limit }
    }

    fn answer(&mut self, at: &Freshness, request: &Message) -> Result<Message, Refusal> {
        let verified = self.session.verify_request(at, request, &mut self.cache, &mut self.limit)?;
        self.session.respond(at, &verified, &pseudo_random(2))
    }
}

#[test]
fn a_request_is_answered_and_the_answer_believed() {
    for binding in [Binding::Bound, Binding::Unbound] {
        let discoverer = session(binding);
        let at = Freshness::at(NOW);
        let (request, pending) = discoverer.solicit(&at).unwrap();
        let response = Discoveree::new(binding).answer(&at, &request).unwrap();
        assert_eq!((request[0], response[0]), (0x86, 0x82));
        let believed = discoverer.verify_response(&Freshness::at(NOW.plus(1)), &pending, &response).unwrap();
        assert_eq!(believed.code, pseudo_random(2));
    }
}

/// T2.2-1: a flood of requests without the secret is never answered.
#[test]
fn unauthenticated_requests_get_no_answer() {
    let mut discoveree = Discoveree::new(Binding::Bound);
    let (request, _) = session(Binding::Bound).solicit(&Freshness::at(NOW)).unwrap();
    for i in 0..20_000 {
        let mut forged = request;
        forged[24..28].copy_from_slice(&pseudo_random::<4>(i));
        assert_eq!(discoveree.answer(&Freshness::at(NOW), &forged), Err(Refusal::BadMic));
    }
    assert!(discoveree.answer(&Freshness::at(NOW), &request).is_ok(), "and the flood took nobody's place");
}

/// T2.2-2: the first copy is answered; the second is ignored while it could pass, and refused for its time after that.
#[test]
fn a_request_is_answered_once() {
    let mut discoveree = Discoveree::new(Binding::Bound);
    let (request, _) = session(Binding::Bound).solicit(&Freshness::at(NOW)).unwrap();
    assert!(discoveree.answer(&Freshness::at(NOW), &request).is_ok());
    for delay in 0..=32 {
        assert_eq!(discoveree.answer(&Freshness::at(NOW.plus(delay)), &request), Err(Refusal::Replay));
    }
    for delay in [33, 64, 65, 66, 128] {
        let refusal = discoveree.answer(&Freshness::at(NOW.plus(delay)), &request);
        assert_eq!(refusal, Err(Refusal::OutsideMaxOffset), "{delay}");
    }
    assert_eq!(discoveree.answer(&Freshness::at(NOW.plus(256)), &request), Err(Refusal::BadMic));
}

/// A request from the future of our clock is remembered until it can no longer pass.
#[test]
fn the_cache_outlives_the_window() {
    let mut discoveree = Discoveree::new(Binding::Bound);
    let (request, _) = session(Binding::Bound).solicit(&Freshness::at(NOW.plus(32))).unwrap();
    for delay in 0..=64 {
        let result = discoveree.answer(&Freshness::at(NOW.plus(delay)), &request);
        assert_eq!(result.is_ok(), delay == 0, "{delay}");
    }
}

/// T2.2-3: without binding a response that is replayed to a later request passes within the window (X), with binding
/// never.
#[test]
fn binding_stops_replayed_responses() {
    for (binding, expected) in [(Binding::Unbound, true), (Binding::Bound, false)] {
        let discoverer = session(binding);
        let at = Freshness::at(NOW);
        let (request, first) = discoverer.solicit(&at).unwrap();
        let response = Discoveree::new(binding).answer(&Freshness::at(NOW.plus(2)), &request).unwrap();
        let (_, second) = discoverer.solicit(&Freshness::at(NOW.plus(1))).unwrap();
        assert!(discoverer.verify_response(&Freshness::at(NOW.plus(2)), &first, &response).is_ok());
        let replayed = discoverer.verify_response(&Freshness::at(NOW.plus(3)), &second, &response);
        assert_eq!(replayed.is_ok(), expected);
        // Older than its request: refused in both cases.
        let (_, third) = discoverer.solicit(&Freshness::at(NOW.plus(3))).unwrap();
        assert!(discoverer.verify_response(&Freshness::at(NOW.plus(4)), &third, &response).is_err());
    }
}

/// T2.2-4: 232 flipped bits in both directions, none accepted.
#[test]
fn no_flipped_bit_is_accepted() {
    for binding in [Binding::Bound, Binding::Unbound] {
        let discoverer = session(binding);
        let at = Freshness::at(NOW);
        let (request, pending) = discoverer.solicit(&at).unwrap();
        let response = Discoveree::new(binding).answer(&at, &request).unwrap();
        for bit in 0..232 {
            assert!(Discoveree::new(binding).answer(&at, &flip(&request, bit)).is_err(), "request {bit}");
            let flipped = flip(&response, bit);
            assert!(discoverer.verify_response(&at, &pending, &flipped).is_err(), "response {bit}");
        }
    }
}

/// T2.2-5: the key of one role does not serve the other, nor another query code.
#[test]
fn roles_are_apart() {
    use crate::kdf::own::{DiscoveryRole, discovery_session};
    let secret = PresharedSecret::from([4; 32]);
    let key = |role, code: u64| discovery_session(&secret, role, &pseudo_random(code));
    assert_ne!(key(DiscoveryRole::Request, 1), key(DiscoveryRole::Response, 1));
    assert_ne!(key(DiscoveryRole::Request, 1), key(DiscoveryRole::Request, 2));
    // A response that is sent back as a request, and the reverse.
    let discoverer = session(Binding::Unbound);
    let at = Freshness::at(NOW);
    let (request, pending) = discoverer.solicit(&at).unwrap();
    let mut mirrored = request;
    mirrored[0] = RESPONSE_TYPE;
    assert_eq!(discoverer.verify_response(&at, &pending, &mirrored), Err(Refusal::BadMic));
    assert_eq!(discoverer.verify_response(&at, &pending, &request), Err(Refusal::Type));
}

#[test]
fn answers_are_rate_limited_and_no_request_is_forgotten_for_a_new_one() {
    let mut discoveree = Discoveree::new(Binding::Bound);
    discoveree.limit = RateLimit::new(3);
    let requests: Vec<_> =
        (0..5).map(|i| session(Binding::Bound).solicit(&Freshness::at(NOW.plus(i))).unwrap().0).collect();
    let at = Freshness::at(NOW.plus(4));
    let results: Vec<_> = requests.iter().map(|r| discoveree.answer(&at, r).err()).collect();
    let limited = Some(Refusal::RateLimited);
    assert_eq!(results, [None, None, None, limited, limited]);

    let mut small = Discoveree::new(Binding::Bound);
    small.cache = AnsweredRequests::new(2);
    let results: Vec<_> = requests.iter().map(|r| small.answer(&at, r).err()).collect();
    assert_eq!(results, [None, None, limited, limited, limited]);
    assert_eq!(small.answer(&at, &requests[0]), Err(Refusal::Replay));
    let (late, _) = session(Binding::Bound).solicit(&Freshness::at(NOW.plus(69))).unwrap();
    assert!(
        small.answer(&Freshness::at(NOW.plus(69)), &late).is_ok(),
        "places free again after 2 MAX_OFFSET"
    );
}

proptest! {
    #[test]
    fn any_octets_are_refused(octets in proptest::collection::vec(any::<u8>(), 29), clock: u32) {
        let message: Message = octets.try_into().unwrap();
        let at = Freshness::at(crate::counter::UtcCounter::new(clock));
        let (_, pending) = session(Binding::Bound).solicit(&at).unwrap();
        prop_assert!(Discoveree::new(Binding::Bound).answer(&at, &message).is_err());
        prop_assert!(session(Binding::Bound).verify_response(&at, &pending, &message).is_err());
    }
}
