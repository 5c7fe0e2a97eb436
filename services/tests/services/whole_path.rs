//! UE -> BSF -> ProSe Function and back, over sockets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::common::{World, announced, open_request};
use sidelink_network::pc3::{Cause, Command, Message};
use sidelink_services::Config;
use sidelink_services::client::{Answered, ClientError};
use sidelink_services::config::{Neighbour, PeersConfig};
use sidelink_services::peers::Token;
use sidelink_services::tls::{PskSuite, TlsMode};

fn message(answered: Answered) -> Message {
    match answered {
        Answered::Message(message) => message,
        Answered::Accepted => panic!("no message"),
    }
}

fn modes() -> Vec<TlsMode> {
    PskSuite::ALL.into_iter().map(TlsMode::Tls12).chain([TlsMode::Tls13]).collect()
}

#[test]
fn an_announcer_gets_a_code_and_a_key_in_every_version_of_tls() {
    let world = World::new(5);
    let mut codes = Vec::new();
    for (number, tls) in (1..).zip(modes()) {
        let mut ue = world.client(number, tls);
        let answer = message(ue.send(&open_request(number, Command::Announce)).unwrap());
        codes.push(announced(&answer).1);
        // The same key again, without another bootstrapping.
        let answer = message(ue.send(&open_request(number, Command::Announce)).unwrap());
        codes.push(announced(&answer).1);
    }
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), 10, "every code is another one");
    let status = world.handle.status();
    assert_eq!((status.bootstrapped, status.handshakes, status.pc3_answered), (5, 10, 10));
    assert_eq!((status.entries, status.subscribers, status.handshakes_failed), (10, 5, 0));
}

#[test]
fn a_monitor_finds_the_announcer_and_both_live_through_a_restart() {
    let mut world = World::new(2);
    let mut announcer = world.client(1, TlsMode::Tls13);
    let answer = message(announcer.send(&open_request(1, Command::Announce)).unwrap());
    let (_, code, key) = announced(&answer);
    let b_tid = announcer.b_tid().unwrap().clone();
    let config = crate::common::config(world.folder.path(), 2);
    world.handle.shutdown();
    world.handle = sidelink_services::Network::start(config).unwrap();
    assert_eq!(world.handle.status().entries, 1);
    let mut monitor = world.client(2, TlsMode::Tls13);
    let Message::DiscoveryResponse(response) =
        message(monitor.send(&open_request(2, Command::Monitor)).unwrap())
    else {
        panic!("no response")
    };
    let filter = &response.monitors[0].filters[0];
    let covers =
        filter.masks.iter().any(|mask| (0..23).all(|at| (code[at] ^ filter.code.0[at]) & mask.0[at] == 0));
    assert!(covers, "{filter:?}");
    // The key of the announcer is the BSF's still.
    let mut again = world.client(1, TlsMode::Tls13);
    again.bootstrap().unwrap();
    assert_ne!(again.b_tid(), Some(&b_tid));
    let (_, next, next_key) = announced(&message(again.send(&open_request(1, Command::Announce)).unwrap()));
    assert_ne!((next, next_key), (code, key));
}

#[test]
fn who_is_unknown_or_revoked_gets_nothing() {
    let world = World::new(1);
    let mut unknown = world.client(2, TlsMode::Tls13);
    let error = unknown.send(&open_request(2, Command::Announce)).unwrap_err();
    assert!(matches!(error, ClientError::Bootstrap(_)), "{error}");
    let mut ue = world.client(1, TlsMode::Tls13);
    ue.send(&open_request(1, Command::Announce)).unwrap();
    assert_eq!(world.handle.status().entries, 1);
    world.handle.revoke(&crate::common::imsi(1)).unwrap();
    let mut status = 0;
    for _ in 0..3 {
        match ue.send(&open_request(1, Command::Announce)) {
            Err(ClientError::Refused { status: code, .. }) => status = code.as_u16(),
            Ok(Answered::Message(Message::DiscoveryResponse(response))) => {
                assert_eq!(response.rejects[0].cause, Cause::AuthorisationFailure);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((status, world.handle.status().entries), (403, 0));
    assert!(world.handle.revoke(&crate::common::imsi(7)).is_err());
    world.handle.add_subscriber(crate::common::subscriber(2)).unwrap();
    assert!(world.handle.add_subscriber(crate::common::subscriber(2)).is_err());
    unknown.send(&open_request(2, Command::Announce)).unwrap();
}

#[test]
fn a_key_that_another_bootstrapping_has_replaced_is_fetched_anew() {
    let world = World::new(1);
    let mut first = world.client(1, TlsMode::Tls13);
    first.send(&open_request(1, Command::Announce)).unwrap();
    let mut second = world.client(1, TlsMode::Tls13);
    second.send(&open_request(1, Command::Announce)).unwrap();
    // The first one's B-TID is gone: the handshake fails once, then it bootstraps. (Its USIM is behind that of the second,
    // which has the same card: it resynchronises nothing, since it accepts what is ahead.)
    first.send(&open_request(1, Command::Announce)).unwrap();
    let status = world.handle.status();
    assert_eq!((status.bootstrapped, status.handshakes_failed), (3, 1));
}

#[test]
fn a_message_of_another_ue_is_refused() {
    let world = World::new(2);
    let mut ue = world.client(1, TlsMode::Tls13);
    let Message::DiscoveryResponse(response) = message(ue.send(&open_request(2, Command::Announce)).unwrap())
    else {
        panic!("no response")
    };
    assert!(response.announces.is_empty() && response.rejects.len() == 1, "{response:?}");
}

#[test]
fn a_key_ends_with_its_lifetime_and_so_does_a_connection_under_it() {
    let world = World::with(1, |config| {
        config.bsf.as_mut().unwrap().bsf.key_lifetime = 3000;
    });
    let mut ue = world.client(1, TlsMode::Tls13);
    ue.send(&open_request(1, Command::Announce)).unwrap();
    std::thread::sleep(Duration::from_millis(3100));
    assert_eq!(ue.b_tid(), None);
    ue.send(&open_request(1, Command::Announce)).unwrap();
    assert_eq!(world.handle.status().bootstrapped, 2);
}

#[test]
fn the_end_comes_soon_even_with_open_connections() {
    let world = World::new(1);
    let open: Vec<_> = [world.handle.ub_address(), world.handle.pc3_address()]
        .map(|address| std::net::TcpStream::connect(address.unwrap()).unwrap())
        .into();
    let start = Instant::now();
    let World { handle, folder } = world;
    handle.shutdown();
    // Sooner than servers that are not told are given up.
    assert!(start.elapsed() < Duration::from_millis(1900), "{:?}", start.elapsed());
    drop((open, folder));
}

/// HSS, BSF and ProSe Function with a database each, which reach each other over sockets alone.
#[test]
fn functions_in_different_processes_do_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let token = Token::new("0123456789abcdef0123456789abcdef").unwrap();
    let neighbour = |address: SocketAddr| Some(Neighbour::new(address).unwrap());
    let start = |name: &str, token: &Token, change: &dyn Fn(&mut Config, &mut PeersConfig)| {
        let mut config = crate::common::config(folder.path(), 0);
        config.database = folder.path().join(name).into();
        let listen = neighbour("127.0.0.1:0".parse().unwrap());
        let mut peers = PeersConfig { token: token.clone(), listen, hss: None, bsf: None };
        change(&mut config, &mut peers);
        config.peers = Some(peers);
        sidelink_services::Network::start(config).unwrap()
    };
    let hss = start("hss.db", &token, &|config, _| {
        (config.bsf, config.prose_function) = (None, None);
        config.subscribers = vec![crate::common::subscriber(1)];
    });
    let bsf = start("bsf.db", &token, &|config, peers| {
        (config.hss, config.prose_function) = (None, None);
        peers.hss = neighbour(hss.peers_address().unwrap());
    });
    let function = |token: &Token, name: &str| {
        start(name, token, &|config, peers| {
            (config.hss, config.bsf) = (None, None);
            peers.hss = neighbour(hss.peers_address().unwrap());
            peers.bsf = neighbour(bsf.peers_address().unwrap());
        })
    };
    let right = function(&token, "prose_function.db");
    let addresses = (bsf.ub_address().unwrap(), right.pc3_address().unwrap());
    for tls in modes() {
        let mut ue = crate::common::client(folder.path(), addresses, 1, tls);
        announced(&message(ue.send(&open_request(1, Command::Announce)).unwrap()));
    }
    assert_eq!((hss.status().vectors, bsf.status().keys_given, right.status().entries), (5, 5, 5));
    // An unknown UE is refused over Zh as it is in one process.
    let mut unknown = crate::common::client(folder.path(), addresses, 2, TlsMode::Tls13);
    let error = unknown.bootstrap().unwrap_err().to_string();
    assert!(error.contains("403"), "{error}");
    // Who does not know the token gets no key.
    let other = Token::new("ffffffffffffffffffffffffffffffff").unwrap();
    let wrong = function(&other, "wrong.db");
    let addresses = (bsf.ub_address().unwrap(), wrong.pc3_address().unwrap());
    let mut ue = crate::common::client(folder.path(), addresses, 1, TlsMode::Tls13);
    ue.bootstrap().unwrap();
    let given = bsf.status().keys_given;
    assert!(matches!(ue.send(&open_request(1, Command::Announce)), Err(ClientError::Tls(_))));
    assert_eq!(bsf.status().keys_given, given);
    // An HSS that has gone costs 503.
    hss.shutdown();
    let error = ue.bootstrap().unwrap_err().to_string();
    assert!(error.contains("503"), "{error}");
}

/// Everything in an event loop of the caller: nothing panics.
#[test]
fn a_caller_with_an_event_loop_may_use_all_of_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let world = World::new(1);
        let mut ue = world.client(1, TlsMode::Tls13);
        ue.send(&open_request(1, Command::Announce)).unwrap();
        world.handle.shutdown();
    });
}
