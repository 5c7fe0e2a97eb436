//! X2.5 over sockets: a flood of UEs without subscription, and of peers that prove nothing, keeps no honest UE out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::{World, announced, open_request, subscriber};
use crate::robust::{ask, post};
use sidelink_network::pc3::{Command, MEDIA_TYPE};
use sidelink_network::prose_function;
use sidelink_network::puzzle::{Challenge, Difficulty};
use sidelink_services::client::{Answered, ClientError, UeClient};
use sidelink_services::tls::TlsMode;

/// UEs with a subscription; the next ones have a USIM and no subscription.
const HONEST: u32 = 4;
const REFUSED: u32 = 30;

fn world(edit: impl FnOnce(&mut prose_function::Limits)) -> World {
    World::with(HONEST, |config| {
        for number in HONEST + 1..=HONEST + REFUSED {
            config
                .subscribers
                .push(sidelink_services::store::NewSubscriber { subscription: None, ..subscriber(number) });
        }
        let limits = &mut config.prose_function.as_mut().unwrap().prose_function.limits;
        limits.puzzle = Difficulty::new(4, 8).unwrap();
        edit(limits);
    })
}

fn bootstrapped(world: &World, number: u32) -> UeClient {
    let mut ue = world.client(number, TlsMode::Tls13);
    ue.bootstrap().unwrap();
    ue
}

/// As a UE does: it comes again when it is told to.
fn served(ue: &mut UeClient, number: u32) -> usize {
    for tries in 1..50 {
        match ue.send(&open_request(number, Command::Announce)) {
            Ok(Answered::Message(message)) => {
                announced(&message);
                return tries;
            }
            Err(ClientError::Refused { retry_after: Some(wait), .. }) => {
                std::thread::sleep(wait.min(Duration::from_secs(1)));
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("UE {number} is not served")
}

// X2.5-2, X2.5-3
#[test]
fn a_flood_of_refused_identities_starves_no_honest_ue() {
    let world = world(|limits| {
        (limits.ue_burst, limits.burst, limits.interval) = (6, 20, 100);
    });
    let mut honest: Vec<UeClient> = (1..=HONEST).map(|number| bootstrapped(&world, number)).collect();
    let numbers: Vec<u32> = (HONEST + 1..=HONEST + REFUSED).collect();
    let mut refused: Vec<(u32, UeClient)> =
        numbers.iter().map(|number| (*number, bootstrapped(&world, *number))).collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for share in refused.chunks_mut(5) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    for (number, ue) in share.iter_mut() {
                        let _ = ue.send(&open_request(*number, Command::Announce));
                    }
                }
            });
        }
        // The flood is there before the first honest UE.
        while world.handle.status().pc3_refused < 2 * u64::from(REFUSED) {
            std::thread::sleep(Duration::from_millis(5));
        }
        for (number, ue) in (1..).zip(&mut honest) {
            served(ue, number);
        }
        stop.store(true, Ordering::Relaxed);
    });
    let status = world.handle.status();
    assert_eq!(status.entries, u64::from(HONEST));
    assert!(status.puzzles_asked > 0, "{status:?}");
    // Each identity is asked about once at most, however often it comes; some never get past their own rate.
    let asked = u64::from(HONEST)..=u64::from(HONEST + REFUSED);
    assert!(asked.contains(&status.subscriptions_asked), "{status:?}");
    assert!(status.pc3_refused > status.subscriptions_asked, "{status:?}");
}

/// Peers without a key of the BSF never reach the ProSe Function: the HSS is not asked.
#[test]
fn who_proves_nothing_costs_no_question() {
    let world = world(|_| ());
    let other = World::new(1);
    let mut stranger = other.client(1, TlsMode::Tls13);
    stranger.bootstrap().unwrap();
    stranger.move_to(world.handle.pc3_address().unwrap());
    for _ in 0..20 {
        // Its key is another BSF's: the handshake fails, and it bootstraps there again.
        assert!(matches!(stranger.send(&open_request(1, Command::Announce)), Err(ClientError::Tls(_))));
    }
    let status = world.handle.status();
    assert!(status.handshakes_failed >= 20, "{status:?}");
    assert_eq!((status.subscriptions_asked, status.pc3_answered + status.pc3_refused), (0, 0));
    served(&mut bootstrapped(&world, 1), 1);
}

/// What a client without puzzles sees, and what ours does.
#[test]
fn a_puzzle_comes_with_503_and_our_client_solves_it() {
    let world = world(|limits| (limits.puzzle_above, limits.burst, limits.interval) = (0, 50, 60_000));
    let mut first = bootstrapped(&world, 1);
    served(&mut first, 1);
    // The token of the first request is missing from the bucket for a minute: that is load.
    let limits = |world: &World| world.handle.status().puzzles_asked;
    let before = limits(&world);
    let body = open_request(2, Command::Announce).to_xml();
    let second = bootstrapped(&world, 2);
    let (status, answer) = ask(&world, &second, &post(MEDIA_TYPE, body.as_bytes()));
    assert_eq!(status, 503, "{answer}");
    assert!(limits(&world) > before && answer.contains("retry-after: 10"), "{answer}");
    let field = answer.lines().find_map(|line| line.strip_prefix("client-puzzle: ")).unwrap();
    assert_eq!(field.trim_end().parse::<Challenge>().unwrap().work(), 4 << 8);
    for number in 1..=HONEST {
        assert_eq!(served(&mut bootstrapped(&world, number), number), 1, "the work is done within one try");
    }
}

/// A refusal outlives a restart of the network: the HSS is not asked again.
#[test]
fn a_refusal_is_remembered_over_a_restart() {
    let mut world = world(|_| ());
    for number in HONEST + 1..=HONEST + REFUSED {
        let mut ue = bootstrapped(&world, number);
        let _ = ue.send(&open_request(number, Command::Announce));
    }
    // Something that is committed takes with it what is left.
    served(&mut bootstrapped(&world, 1), 1);
    assert_eq!(world.handle.status().subscriptions_asked, u64::from(REFUSED) + 1);
    let config = crate::common::config(world.folder.path(), 0);
    world.handle.shutdown();
    world.handle = sidelink_services::Network::start(config).unwrap();
    for number in HONEST + 1..=HONEST + REFUSED {
        match bootstrapped(&world, number).send(&open_request(number, Command::Announce)) {
            Err(ClientError::Refused { status, .. }) => assert_eq!(status.as_u16(), 403),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(world.handle.status().subscriptions_asked, 0);
}
