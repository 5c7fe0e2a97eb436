//! Tickets: both ends against each other, and what is refused.

use sidelink_security::keys::KsNaf;
use sidelink_wire::mikey::{ErrorNumber, KeyKind, TicketFlags, Timestamp};

use super::*;
use crate::bsf::KeyMaterial;
use crate::mikey_ticket;
use crate::mikey_ticket::initial::Exchange;
use crate::mikey_ticket::tests::policy;
use crate::mikey_ticket::tests::ue::{Answer, Ue};
use crate::mikey_ticket::ticket::Policy;

fn ue(name: &str, now: u64) -> Ue {
    let octet = name.bytes().fold(0_u8, |all, octet| all.wrapping_add(octet));
    Ue::new(&format!("sip:{name}@lab"), octet, at(now))
}

fn wanted(flags: TicketFlags) -> Policy {
    Policy { start: None, end: None, kms: None, initiator: None, ..policy(flags) }
}

impl World {
    /// Hands a message over, with the key of its subscriber, and gives the answer once it is out.
    fn mikey(&mut self, exchange: Exchange, octets: &[u8], holder: &str, key: &[u8]) -> Option<Vec<u8>> {
        self.requests += 1;
        let (now, request) = (at(self.now), RequestId(self.requests));
        self.give(Input::Mikey { now, request, exchange, octets });
        let Some(Output::AskKey { ticket, .. }) = self.outputs.pop() else { panic!("the BSF is asked") };
        let Holder::Subscriber(impi) = subscriber(holder) else { unreachable!() };
        let ks_naf = KsNaf::from(<[u8; 32]>::try_from(key).unwrap());
        let expires = at(self.now + HOUR);
        let material = Some(KeyMaterial { ks_naf, impi, created: now, expires });
        self.give(Input::Key { now, ticket, material });
        match self.outputs.pop() {
            Some(Output::Respond { response: Response::Mikey(octets), .. }) => Some(octets),
            None => None,
            other => panic!("{other:?}"),
        }
    }

    /// The same, and what is to be durable is.
    fn exchange(
        &mut self,
        exchange: Exchange,
        ue: &Ue,
        holder: &str,
        octets: &[u8],
    ) -> Result<Answer, mikey_ticket::Refused> {
        let answer = self.mikey(exchange, octets, holder, &ue.key).or_else(|| {
            self.settle();
            match self.outputs.pop() {
                Some(Output::Respond { response: Response::Mikey(octets), .. }) => Some(octets),
                other => panic!("{other:?}"),
            }
        });
        ue.open(exchange, octets, &answer.unwrap())
    }

    fn request(&mut self, name: &str, policy: &Policy) -> Result<Answer, mikey_ticket::Refused> {
        let ue = ue(name, self.now);
        let octets = ue.request(policy);
        self.exchange(Exchange::Request, &ue, name, &octets)
    }

    fn resolve(&mut self, name: &str, granted: &Answer) -> Result<Answer, mikey_ticket::Refused> {
        let ue = ue(name, self.now);
        let octets = ue.resolve(granted.ticket.as_ref().unwrap(), granted.mpk_r.as_deref());
        self.exchange(Exchange::Resolve, &ue, name, &octets)
    }
}

fn error(result: Result<Answer, mikey_ticket::Refused>) -> ErrorNumber {
    match result {
        Err(mikey_ticket::Refused::Error(number)) => number,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_initiator_gets_a_ticket_and_its_responder_gets_the_keys() {
    for flags in [TicketFlags::GPP_BASE, TicketFlags::D.with(TicketFlags::H)] {
        let mut world = World::new();
        let alice = world.request("alice", &wanted(flags)).unwrap();
        let bob = world.resolve("bob", &alice).unwrap();
        assert_eq!(alice.mpk_i, bob.mpk_i);
        let is_forked = flags.has(TicketFlags::I);
        assert_eq!((alice.mpk_r.is_some(), bob.rand_kms.is_some()), (is_forked, is_forked));
        let (ours, theirs) = (&alice.keys[0], &bob.keys[0]);
        assert_eq!((ours.kind, &ours.spi, ours.key.len()), (KeyKind::Tgk, &theirs.spi, 16));
        assert_eq!(ours.key == theirs.key, !is_forked);
        if let Some(rand) = bob.rand_kms {
            use sidelink_security::mikey::Prf;
            use sidelink_security::mikey::ticket::{Forked, fork};
            let tgk = fork(Prf::HmacSha256, Forked::Tgk, &ours.key, b"sip:bob@lab", &rand).unwrap();
            assert_eq!(tgk, theirs.key, "the initiator makes the same");
        }
        // Flag K: the ticket has a life, which was not asked for.
        let issued = Policy::of(&alice.ticket.as_ref().unwrap().payload().policy).unwrap();
        assert_eq!(issued.flags, flags.with(TicketFlags::K));
        assert_eq!((issued.start, issued.end), (Some(at(START)), Some(at(START + TICKET_LIFETIME))));
        assert_eq!(world.disk.iter().filter(|change| matches!(change, Change::Seen(_))).count(), 2);
    }
}

/// T4.2-2.
#[test]
fn a_ticket_for_one_is_not_resolved_by_another() {
    let mut world = World::new();
    let mut settings = config();
    settings.grants.push(Grant { user: uri("sip:carol@lab"), holder: subscriber("carol") });
    world.kms = Kms::new(settings, masters(), &SEED, Durable::default()).unwrap();
    let alice = world.request("alice", &wanted(TicketFlags::GPP_BASE)).unwrap();
    assert_eq!(error(world.resolve("carol", &alice)), ErrorNumber::Id);
    // Carol with her own key says that she is Bob.
    let mut carol = ue("carol", world.now);
    carol.user = "sip:bob@lab".to_owned();
    let octets = carol.resolve(alice.ticket.as_ref().unwrap(), alice.mpk_r.as_deref());
    assert_eq!(error(world.exchange(Exchange::Resolve, &carol, "carol", &octets)), ErrorNumber::Id);
    // With a key that is not hers.
    let answer = world.mikey(Exchange::Resolve, &octets, "bob", &[9; 32]).unwrap();
    let bob = ue("bob", world.now);
    assert_eq!(error(bob.open(Exchange::Resolve, &octets, &answer)), ErrorNumber::Authentication);
    assert!(world.resolve("bob", &alice).is_ok(), "nothing was used up");
}

#[test]
fn no_request_is_taken_twice_also_after_a_restart() {
    let mut world = World::new();
    let alice = ue("alice", world.now);
    let octets = alice.request(&wanted(TicketFlags::GPP_BASE));
    world.exchange(Exchange::Request, &alice, "alice", &octets).unwrap();
    let again = world.exchange(Exchange::Request, &alice, "alice", &octets);
    assert_eq!(error(again), ErrorNumber::Timestamp);
    let seen = |change: &Change| match change {
        Change::Seen(record) => Some((record.name, record.until)),
        _ => None,
    };
    let durable = Durable { seen: world.disk.iter().filter_map(seen).collect(), ..Durable::default() };
    assert_eq!(durable.seen.len(), 1);
    world.kms = Kms::new(config(), masters(), &SEED, durable).unwrap();
    assert_eq!(error(world.exchange(Exchange::Request, &alice, "alice", &octets)), ErrorNumber::Timestamp);
    // When it is forgotten, its time refuses it.
    world.now += config().tolerance + 2;
    assert_eq!(error(world.exchange(Exchange::Request, &alice, "alice", &octets)), ErrorNumber::Timestamp);
    assert!(world.request("alice", &wanted(TicketFlags::GPP_BASE)).is_ok());
}

/// A counter says no time: it is remembered as long as its key lives.
#[test]
fn a_request_with_a_counter_is_taken_once_while_its_key_lives() {
    let mut world = World::new();
    let alice = Ue { timestamp: Timestamp::Counter(5), ..ue("alice", world.now) };
    let octets = alice.request(&wanted(TicketFlags::GPP_BASE));
    world.exchange(Exchange::Request, &alice, "alice", &octets).unwrap();
    world.now += HOUR - 1;
    assert_eq!(error(world.exchange(Exchange::Request, &alice, "alice", &octets)), ErrorNumber::Timestamp);
}

#[test]
fn a_ticket_ends_after_an_hour() {
    let mut world = World::new();
    let alice = world.request("alice", &wanted(TicketFlags::GPP_BASE)).unwrap();
    world.now += TICKET_LIFETIME;
    assert_eq!(error(world.resolve("bob", &alice)), ErrorNumber::Ticket);
    let longer = Policy { end: Some(at(world.now + 10 * TICKET_LIFETIME)), ..wanted(TicketFlags::GPP_BASE) };
    let alice = world.request("alice", &longer).unwrap();
    let issued = Policy::of(&alice.ticket.unwrap().payload().policy).unwrap();
    assert_eq!(issued.end, Some(at(world.now + TICKET_LIFETIME)), "not longer");
    // The ticket of another server.
    let mut other = World::new();
    let random = std::array::from_fn(|i| i as u8);
    other.kms = Kms::new(config(), Masters::generate(&random).unwrap(), &SEED, Durable::default()).unwrap();
    let foreign = other.request("alice", &wanted(TicketFlags::GPP_BASE)).unwrap();
    assert_eq!(error(world.resolve("bob", &foreign)), ErrorNumber::Ticket);
}

#[test]
fn what_is_no_ticket_of_this_server_is_not_given() {
    let refused = |change: &dyn Fn(&mut Policy)| {
        let mut policy = wanted(TicketFlags::GPP_BASE);
        change(&mut policy);
        error(World::new().request("alice", &policy))
    };
    let policy = ErrorNumber::TicketPolicy;
    assert_eq!(refused(&|p| p.responders.clear()), policy);
    assert_eq!(refused(&|p| p.responders = vec!["?@?".into()]), policy);
    assert_eq!(refused(&|p| p.responders.push("sip:carol@lab".into())), policy);
    assert_eq!(refused(&|p| p.initiator = Some("sip:bob@lab".into())), policy);
    assert_eq!(refused(&|p| p.flags = p.flags.without(TicketFlags::D)), policy, "made by the initiator");
    assert_eq!(refused(&|p| p.flags = p.flags.without(TicketFlags::E)), policy, "flags that do not fit");
    assert_eq!(refused(&|p| p.end = Some(at(START))), policy);
    assert_eq!(refused(&|p| p.wanted = vec![(KeyKind::Tgk, 24)]), policy);
    assert_eq!(refused(&|p| p.wanted = vec![(KeyKind::Tgk, 16); 5]), policy);
    assert_eq!(refused(&|p| p.ticket_type.kind = 9), ErrorNumber::Ticket);
    // What may be had is had.
    let mut asked = wanted(TicketFlags::GPP_BASE.with(TicketFlags::J));
    asked.wanted = vec![(KeyKind::Tgk, 32), (KeyKind::Tek, 16)];
    let granted = World::new().request("alice", &asked).unwrap();
    let lengths: Vec<_> = granted.keys.iter().map(|key| (key.kind, key.key.len())).collect();
    assert_eq!(lengths, asked.wanted);
    assert!(!granted.ticket.unwrap().payload().policy.flags.has(TicketFlags::J), "not to be used again");
}

#[test]
fn a_revoked_or_unknown_user_gets_no_ticket() {
    let mut world = World::new();
    assert_eq!(error(world.request("eve", &wanted(TicketFlags::GPP_BASE))), ErrorNumber::Id);
    world.give(Input::Revoke { now: at(world.now), order: OrderId(1), user: uri("sip:alice@lab") });
    world.settle();
    world.outputs.clear();
    assert_eq!(error(world.request("alice", &wanted(TicketFlags::GPP_BASE))), ErrorNumber::Id);
    // Another server is meant.
    let mut bob = ue("bob", world.now);
    bob.kms = "kms.other".to_owned();
    let octets =
        bob.request(&Policy { responders: vec!["sip:alice@lab".into()], ..wanted(TicketFlags::GPP_BASE) });
    assert_eq!(error(world.exchange(Exchange::Request, &bob, "bob", &octets)), ErrorNumber::Id);
}

#[test]
fn who_waits_for_a_key_or_the_store_is_told() {
    let mut world = World::new();
    let alice = ue("alice", world.now);
    let octets = alice.request(&wanted(TicketFlags::GPP_BASE));
    let ask = |world: &mut World, exchange| {
        world.requests += 1;
        let (now, request) = (at(world.now), RequestId(world.requests));
        world.give(Input::Mikey { now, request, exchange, octets: &octets });
    };
    ask(&mut world, Exchange::Resolve);
    assert!(matches!(world.answer(), Response::Refused(Refused::NoTicketRequest(_))), "another request type");
    ask(&mut world, Exchange::Request);
    let Some(Output::AskKey { ticket, name }) = world.outputs.pop() else { panic!() };
    assert_eq!(name.as_str(), alice.key_name);
    world.now += config().limits.patience;
    world.give(Input::Tick { now: at(world.now) });
    assert!(matches!(world.answer(), Response::Refused(Refused::Busy)));
    world.give(Input::Key { now: at(world.now), ticket, material: None });
    assert!(world.outputs.is_empty(), "too late");
    world.now = START;
    ask(&mut world, Exchange::Request);
    let Some(Output::AskKey { ticket, .. }) = world.outputs.pop() else { panic!() };
    world.give(Input::Key { now: at(world.now), ticket, material: None });
    let Response::Mikey(answer) = world.answer() else { panic!() };
    assert_eq!(error(alice.open(Exchange::Request, &octets, &answer)), ErrorNumber::Authentication);
    // What could not be made durable is not answered, and not taken again either.
    let mut world = World::new();
    assert!(world.mikey(Exchange::Request, &octets, "alice", &alice.key).is_none());
    world.fail();
    assert!(matches!(world.answer(), Response::Refused(Refused::Busy)));
    assert_eq!(error(world.exchange(Exchange::Request, &alice, "alice", &octets)), ErrorNumber::Timestamp);
}
