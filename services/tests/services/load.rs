//! What the services cost: runs a second, how long one takes, and memory. As tables:
//! `cargo test --release -p sidelink-services --test services load:: -- --ignored --nocapture --test-threads 1`

mod report;

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use sidelink_network::key_delivery::ServiceId;
use sidelink_network::pc3::{self, Message};
use sidelink_network::pc8::MemberId;
use sidelink_network::pkmf::Kind;
use sidelink_services::client::{Answered, KeyFile, UeClient};
use sidelink_services::config::Database;
use sidelink_services::tls::{PskSuite, TlsMode};
use sidelink_services::{Config, Network};

use crate::aaa::nas::{Nas, peer, with_aaa};
use crate::cluster::Cluster;
use crate::common::{World, imsi, open_request, subscriber};
use crate::group_keys::net::{self, GROUP, Net, PATIENCE};
use report::Air;

/// Subscribers of a full house.
const MANY: u32 = 100_000;

/// How long, how many at once, and where the database is.
#[derive(Clone, Copy)]
struct Scale<'a> {
    time: Duration,
    ues: u32,
    address: Option<&'a str>,
}

/// Each UE does it as often as it can in this time.
fn measure<U>(name: &str, scale: Scale<'_>, ue: impl Fn(u32) -> U + Sync, each: impl Fn(u32, &mut U) + Sync) {
    let ready = std::sync::Barrier::new(scale.ues as usize);
    let mut all = Histogram::<u64>::new(3).unwrap();
    let mut seconds = 0.0_f64;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=scale.ues)
            .map(|number| {
                let (ue, each, ready) = (&ue, &each, &ready);
                scope.spawn(move || {
                    let mut own = Histogram::<u64>::new(3).unwrap();
                    let mut ue = ue(number);
                    ready.wait();
                    let start = Instant::now();
                    while start.elapsed() < scale.time {
                        let began = Instant::now();
                        each(number, &mut ue);
                        own.record(began.elapsed().as_micros() as u64).unwrap();
                    }
                    (own, start.elapsed().as_secs_f64())
                })
            })
            .collect();
        for thread in threads {
            let (own, took) = thread.join().unwrap();
            all.add(own).unwrap();
            seconds = seconds.max(took);
        }
    });
    let millis = |quantile| all.value_at_quantile(quantile) as f64 / 1000.0;
    eprintln!(
        "{name:<52} {:>7.0} {:>9.1} {:>9.1} {:>8}",
        all.len() as f64 / seconds,
        millis(0.5),
        millis(0.99),
        all.len()
    );
}

fn head(what: &str, ues: u32) {
    eprintln!(
        "\n{what}, {ues} UEs at once\n{:<52} {:>7} {:>9} {:>9} {:>8}",
        "", "a s", "p50 ms", "p99 ms", "runs"
    );
}

/// Room for the load, and the database.
fn roomy(config: &mut Config, address: Option<&str>) {
    if let Some(address) = address {
        config.database = crate::postgres::database(address, std::path::Path::new(""));
    }
    config.limits.handshake = Duration::from_secs(60);
    config.prose_function.as_mut().unwrap().prose_function.limits.entries_per_ue = 60_000;
}

/// All functions, and a group of all UEs.
fn world(net: &Net, scale: Scale<'_>) -> World {
    World::with(scale.ues, |config| {
        let folder = config.database.file().unwrap().parent().unwrap().to_owned();
        *config = net::config(net, &folder, scale.ues);
        with_aaa(config, &folder);
        roomy(config, scale.address);
        let pkmf = &mut config.pkmf.as_mut().unwrap().pkmf;
        let Kind::Group { members, .. } = &mut pkmf.services[0].kind else { panic!("a group") };
        let member = |number: u32| {
            (imsi(number).impi(2).unwrap(), MemberId(ServiceId::from_number(number).unwrap().0))
        };
        *members = (1..=scale.ues).map(member).collect();
        // A message that waits for processor time is not said again.
        pkmf.interval = 10_000;
    })
}

fn send(ue: &mut UeClient, message: &Message) -> Message {
    match ue.send(message).unwrap() {
        Answered::Message(message) => message,
        Answered::Accepted => panic!("no message"),
    }
}

fn announce(number: u32, ue: &mut UeClient) {
    let Message::DiscoveryResponse(response) = send(ue, &open_request(number, pc3::Command::Announce)) else {
        panic!("no response")
    };
    assert!(response.rejects.is_empty());
}

fn all(scale: Scale<'_>) {
    let net = Net::new();
    let world = world(&net, scale);
    let client = |tls| {
        let world = &world;
        move |number| world.client(number, tls)
    };
    head(if scale.address.is_some() { "PostgreSQL" } else { "SQLite" }, scale.ues);
    measure("GBA runs", scale, client(TlsMode::Tls13), |_, ue| ue.bootstrap().unwrap());
    for tls in [TlsMode::Tls13, TlsMode::Tls12(PskSuite::EcdheChaCha20)] {
        let name = format!("PC3 announcements, a connection each, {}", tls_name(tls));
        measure(&name, scale, client(tls), announce);
    }
    // One announces, and all report it.
    let air = Air::new(&send(&mut world.client(1, TlsMode::Tls13), &open_request(1, pc3::Command::Announce)));
    let monitor = |number| {
        let mut ue = world.client(number, TlsMode::Tls13);
        send(&mut ue, &open_request(number, pc3::Command::Monitor));
        ue
    };
    measure("match reports, a connection each, TLS 1.3", scale, monitor, |number, ue| {
        let Message::MatchReportAck(acks) = send(ue, &air.report(number)) else { panic!("no report") };
        assert_eq!((acks.acks.len(), acks.rejects.len()), (1, 0));
    });
    measure("MIKEY deliveries, each after a KEY_REQUEST", scale, client(TlsMode::Tls13), |number, ue| {
        let path = world.folder.path().join(format!("{number}.groups"));
        let _ = std::fs::remove_file(&path);
        let pkmf = net.pkmf(&world, number);
        let fetched = ue.fetch_group_keys(&pkmf, &KeyFile::new(&path), &[GROUP], PATIENCE).unwrap();
        assert_eq!(fetched.missing, []);
    });
    let radius = world.handle.radius_address().unwrap();
    measure(
        "EAP-AKA' in full, each datagram twice",
        scale,
        |_| Nas::new(radius),
        |number, nas| {
            let accepted = nas.accepted.clone().unwrap_or_default();
            let mut peer = crate::aaa::nas::peer_of(number, accepted);
            assert!(nas.authenticate(&mut peer).is_some());
        },
    );
    let status = world.handle.status();
    eprintln!("{}", serde_json::to_string(&status).unwrap());
    assert_eq!((status.store_failures, status.mikey_unanswered, status.radius_dropped), (0, 0, 0));
    assert!(status.group_keys_delivered >= u64::from(scale.ues));
}

const fn tls_name(tls: TlsMode) -> &'static str {
    match tls {
        TlsMode::Tls13 => "TLS 1.3",
        TlsMode::Tls12(_) => "TLS 1.2",
    }
}

/// Resident memory of this process, in MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Adds many subscribers, starts again with them, and serves some.
fn full_house(database: impl Fn(&std::path::Path) -> Database, subscribers: u32) {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut config = crate::common::config(folder.path(), 0);
        config.database = database(folder.path());
        with_aaa(&mut config, folder.path());
        let began = Instant::now();
        (Network::start(config).unwrap(), began.elapsed())
    };
    let (handle, _) = start();
    let before = resident();
    let began = Instant::now();
    let added = handle.add_subscribers((1..=subscribers).map(subscriber));
    let took = began.elapsed();
    assert!(added.iter().all(Result::is_ok));
    eprintln!(
        "{subscribers} subscribers added in {:.1} s; {} MiB resident, {before} before",
        took.as_secs_f64(),
        resident()
    );
    handle.shutdown();
    let (handle, took) = start();
    assert_eq!(handle.status().subscribers, u64::from(subscribers));
    eprintln!("started again with them in {:.1} s; {} MiB resident", took.as_secs_f64(), resident());
    let mut nas = Nas::new(handle.radius_address().unwrap());
    for number in [1, subscribers / 2, subscribers] {
        assert!(nas.authenticate(&mut peer(number, 0)).is_some());
    }
    // Twice is refused, and says who.
    let again = handle.add_subscribers([subscriber(subscribers), subscriber(subscribers + 1)]);
    assert!(again[0].is_err() && again[1].is_ok(), "{again:?}");
}

fn file(folder: &std::path::Path) -> Database {
    folder.join("network.db").into()
}

#[test]
fn many_ues_at_once_are_all_served() {
    all(Scale { time: Duration::from_millis(500), ues: 8, address: None });
}

#[test]
fn a_house_of_a_thousand_is_served() {
    full_house(file, 1000);
}

#[test]
#[ignore = "a measurement"]
fn how_many_runs_a_second() {
    all(Scale { time: Duration::from_secs(10), ues: 32, address: None });
}

#[test]
#[ignore = "a measurement"]
fn how_many_runs_a_second_on_postgresql() {
    let Some(cluster) = Cluster::start() else { return };
    let address = cluster.database("network");
    all(Scale { time: Duration::from_secs(10), ues: 32, address: Some(&address) });
}

#[test]
#[ignore = "a measurement"]
fn a_full_house() {
    full_house(file, MANY);
}

#[test]
#[ignore = "a measurement"]
fn a_full_house_on_postgresql() {
    let Some(cluster) = Cluster::start() else { return };
    let address = cluster.database("network");
    full_house(|folder| crate::postgres::database(&address, folder), MANY);
}
