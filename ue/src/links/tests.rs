//! Links that are due before their key is there.

use super::*;
use sidelink_prose::direct_link::Window;
use sidelink_security::counter::memory::Memory;

struct Nowhere;

impl KeyNetwork for Nowhere {
    fn ask(&mut self, _: UtcTime, _: Ticket, _: &[u8]) {}

    fn poll(&mut self, _: UtcTime) -> Option<NetworkAnswer> {
        None
    }
}

/// Links of Alice, who is to set one up to Bob after 5 ms.
fn links() -> (Links, Memory) {
    let id = |value| Layer2Id::new(value).unwrap();
    let bob = Peer {
        id: id(2),
        identity: Identity::user("bob"),
        kd: None,
        connect: Some(5),
        rekey: None,
        reauthenticate: false,
        part: Part::Peer,
    };
    let mut disk = Memory::default();
    let config = Config::new(id(1), Identity::user("alice"), 40);
    (Links::open(config, vec![bob], &[7; 32], &mut disk).unwrap(), disk)
}

/// Lets subframes pass; returns the errors that were told, and the requests and questions that were put out.
fn pass(
    links: &mut Links,
    disk: &mut Memory,
    subframes: core::ops::Range<u64>,
) -> (Vec<Error>, usize, usize) {
    let (mut told, mut sent, mut asked) = (Vec::new(), 0, 0);
    for t in subframes {
        let now = UtcTime::from_millis(1_700_000_000_000 + t);
        links.begin(t, now, &mut |error| told.push(error));
        loop {
            match links.poll_output() {
                Output::Timeout(_) => break,
                Output::Pdu(_) => sent += 1,
                Output::Ask { .. } => asked += 1,
                Output::Reserve(reservation) => {
                    let granted = reservation.commit(disk).unwrap();
                    links.handle_input(Input::Granted { now, granted }).unwrap();
                }
                _ => {}
            }
        }
    }
    (told, sent, asked)
}

fn access() -> Arc<TicketAccess> {
    let key = Zeroizing::new(vec![9; 32]);
    Arc::new(TicketAccess { kms: "kms.example.org".into(), key, key_id: None, window: Window::Strict })
}

#[test]
fn a_link_waits_for_the_key_of_its_network() {
    let (mut links, mut disk) = links();
    links.ask_over(Box::new(Nowhere));
    // Told once, not each subframe.
    assert_eq!(pass(&mut links, &mut disk, 0..50), (vec![Error::NoKey], 0, 0));
    links.establish_by_ticket(access());
    assert_eq!(pass(&mut links, &mut disk, 50..90), (vec![], 1, 1));
}

#[test]
fn without_a_network_no_key_is_waited_for() {
    let (mut links, mut disk) = links();
    assert_eq!(pass(&mut links, &mut disk, 0..50), (vec![Error::NoKey], 0, 0));
    links.establish_by_ticket(access());
    assert_eq!(pass(&mut links, &mut disk, 50..90), (vec![], 0, 0));
}

/// A UE that is too slow gives subframes up.
#[test]
fn a_link_that_is_due_in_a_subframe_that_was_given_up_is_made_in_the_next() {
    let (mut links, mut disk) = links();
    links.establish_by_ticket(access());
    pass(&mut links, &mut disk, 0..3);
    assert_eq!(pass(&mut links, &mut disk, 9..20), (vec![], 1, 1));
}
