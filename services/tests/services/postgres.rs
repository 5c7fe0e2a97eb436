//! The whole path over PostgreSQL, with a server that stops, answers that are lost, and kill -9.

use std::path::Path;
use std::time::Duration;

use sidelink_network::pc3::Command;
use sidelink_services::Network;
use sidelink_services::client::{Answered, ClientError, UeClient};
use sidelink_services::config::Database;
use sidelink_services::orders::{Answer, Order, Orders, give, socket_of};
use sidelink_services::tls::TlsMode;

use crate::cluster::{self, Cluster, Proxy, Way};
use crate::common::{World, announced, open_request, subscriber};

pub(crate) fn database(address: &str, folder: &Path) -> Database {
    Database::parse(address, folder).unwrap()
}

fn announce(ue: &mut UeClient, number: u32) -> ([u8; 23], Vec<u8>) {
    let Answered::Message(message) = ue.send(&open_request(number, Command::Announce)).unwrap() else {
        panic!("no message")
    };
    let (_, code, key) = announced(&message);
    (code, key)
}

fn is_refused_with_503(ue: &mut UeClient) {
    match ue.bootstrap() {
        Err(ClientError::Bootstrap(why)) => assert!(why.to_string().contains("503"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_that_stops_for_a_while_costs_answers_and_nothing_else() {
    let Some(mut cluster) = Cluster::start() else { return };
    let address = cluster.database("network");
    let folder = tempfile::tempdir().unwrap();
    let own = |config: &mut sidelink_services::Config| config.database = database(&address, folder.path());
    let world = World::with(40, own);
    let mut ue = world.client(1, TlsMode::Tls13);
    let first = announce(&mut ue, 1);
    cluster.stop();
    for number in 1..=3 {
        is_refused_with_503(&mut world.client(number, TlsMode::Tls13));
    }
    match ue.send(&open_request(1, Command::Announce)) {
        Err(ClientError::Refused { status, .. }) => assert_eq!(status.as_u16(), 503),
        other => panic!("{other:?}"),
    }
    assert!(world.handle.add_subscriber(subscriber(99)).is_err());
    std::thread::sleep(Duration::from_secs(3));
    cluster.run();
    for number in 1..=3 {
        let mut other = world.client(number, TlsMode::Tls13);
        assert_ne!(announce(&mut other, number), first);
    }
    world.handle.add_subscriber(subscriber(99)).unwrap();
    let status = world.handle.status();
    assert_eq!((status.entries, status.resynchronisations), (4, 0), "{status:?}");
    // A new start has it all, and an operator finds it by its configuration.
    let mut config = crate::common::config(world.folder.path(), 40);
    own(&mut config);
    let socket = socket_of(&config.database);
    assert_eq!(socket, folder.path().join("network.sock"));
    world.handle.shutdown();
    let handle = std::sync::Arc::new(Network::start(config).unwrap());
    let _orders = Orders::take(&socket, handle).unwrap();
    let Ok(Answer::Status(status)) = give(&socket, &Order::Status) else { panic!("no status") };
    assert_eq!((status.entries, status.subscribers), (4, 41));
}

#[test]
fn a_commit_whose_answer_is_lost_is_recognised() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.database("network");
    let folder = tempfile::tempdir().unwrap();
    let proxy = Proxy::start(folder.path(), cluster.socket());
    let world = World::with(3, |config| {
        config.database = database(&cluster::address("network", folder.path()), folder.path());
        config.hss.as_mut().unwrap().reserve =
            sidelink_security::counter::reserve::ReserveConfig { block: 1, low_water: 0 };
    });
    let mut served = 0;
    for _ in 0..20 {
        // That of the sequence number, of the key or of the code: whichever comes first.
        proxy.set(Way::LosesAnswer);
        for number in 1..=3 {
            let mut ue = world.client(number, TlsMode::Tls13);
            served += u32::from(ue.bootstrap().is_ok());
        }
    }
    proxy.set(Way::Open);
    let status = world.handle.status();
    assert!(status.store_failures >= 20 && served >= 20, "{served} {status:?}");
    for number in 1..=3 {
        announce(&mut world.client(number, TlsMode::Tls13), number);
    }
    assert_eq!(world.handle.status().resynchronisations, 0, "no sequence number went back");
}

/// Everything in an event loop of the caller: nothing panics.
#[test]
fn a_caller_with_an_event_loop_may_use_postgresql() {
    let Some(cluster) = Cluster::start() else { return };
    let address = cluster.database("network");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let start = |name: &str| {
            let name = name.to_owned();
            World::with(1, move |config| config.database = database(&name, Path::new("")))
        };
        let world = start(&address);
        announce(&mut world.client(1, TlsMode::Tls13), 1);
        world.handle.shutdown();
        let nowhere = tempfile::tempdir().unwrap();
        let mut config = crate::common::config(nowhere.path(), 1);
        config.database = database(&cluster::address("network", nowhere.path()), nowhere.path());
        let error = Network::start(config).err().unwrap().to_string();
        assert!(error.contains("no connection") && error.contains("start PostgreSQL"), "{error}");
    });
}
