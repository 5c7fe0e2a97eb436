//! Our RADIUS server on a socket, with the AAA server and the HSS behind it.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use sidelink_network::aaa::{Aaa, Config};
use sidelink_network::aka::Rand;
use sidelink_network::eap_aka::identity::PseudonymKey;
use sidelink_network::hss::{self, Hss, Node, Purpose, Subject, Ticket, Vector};
use sidelink_network::limit::RateLimit;
use sidelink_network::radius::{Client, Event, Input, Output, RadiusServer, Secret, server};
use sidelink_security::counter::memory::Memory;

use super::{SECRET, imsi, keys, now, rng};

/// A datagram that went by.
pub(super) struct Seen {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) octets: Vec<u8>,
}

/// What a server has done.
#[derive(Default)]
pub(super) struct Done {
    pub(super) events: Vec<Event>,
    pub(super) datagrams: Vec<Seen>,
    pub(super) vectors: u32,
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Done>,
}

/// An HSS with the subscriber of the tests.
pub(super) fn hss() -> Hss {
    let rate = RateLimit { burst: 0, interval: 0 };
    let mut hss = Hss::new(hss::Config { rate, ..hss::Config::default() });
    let impi = imsi().impi(2).unwrap();
    hss.add(hss::Subscription { imsi: imsi(), impi, keys: keys(), reserved: 0 }).unwrap();
    hss
}

/// The vector of a request.
pub(super) fn vector(
    hss: &mut Hss,
    store: &mut Memory,
    request: hss::Request,
) -> Result<Vector, hss::Refusal> {
    hss.handle_input(hss::Input::Request(request));
    let mut answer = None;
    loop {
        match hss.poll_output() {
            hss::Output::Reserve(reservation) => {
                let granted = reservation.commit(store).unwrap();
                hss.handle_input(hss::Input::Granted { granted });
            }
            hss::Output::Answer { result, .. } => answer = Some(result),
            hss::Output::Timeout(_) => return answer.expect("an HSS answers"),
        }
    }
}

/// 16 octets that nobody has seen.
pub(super) fn rand(rng: &mut impl FnMut() -> u64) -> Rand {
    Rand((u128::from(rng()) << 64 | u128::from(rng())).to_be_bytes())
}

impl Server {
    pub(super) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let address = socket.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || serve(&socket, &stopped));
        Self { address, stop, thread }
    }

    pub(super) fn stop(self) -> Done {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn serve(socket: &UdpSocket, stop: &AtomicBool) -> Done {
    let secret = Secret::new(SECRET.into()).unwrap();
    let client = Client { address: [127, 0, 0, 1].into(), secret, relay: None };
    let aaa = Aaa::new(Config::new("WLAN", PseudonymKey { number: 0, key: [0x3c; 16] }));
    let mut server = RadiusServer::new(server::Config::new(vec![client]), aaa);
    let (mut hss, mut store, mut rng) = (hss(), Memory::default(), rng());
    let own = socket.local_addr().unwrap();
    let mut done = Done::default();
    let mut buffer = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else {
            server.handle_input(Input::Tick { now: now() }, &mut rng);
            continue;
        };
        let octets = &buffer[..length];
        done.datagrams.push(Seen { from, to: own, octets: octets.to_vec() });
        server.handle_input(Input::Datagram { now: now(), from, octets }, &mut rng);
        loop {
            match server.poll_output() {
                Output::Datagram { to, octets } => {
                    socket.send_to(&octets, to).unwrap();
                    done.datagrams.push(Seen { from: own, to, octets });
                }
                Output::Fetch { ticket, imsi, network_name, resynchronisation } => {
                    done.vectors += 1;
                    let request = hss::Request {
                        now: now(),
                        ticket: Ticket(1),
                        subject: Subject::Imsi(imsi),
                        node: Node::Aaa,
                        purpose: Purpose::EapAkaPrime { network_name },
                        rand: rand(&mut rng),
                        resynchronisation,
                    };
                    let result = vector(&mut hss, &mut store, request).map(|vector| match vector {
                        Vector::EapAkaPrime(vector) => vector,
                        other => panic!("{other:?}"),
                    });
                    server.handle_input(Input::Vector { now: now(), ticket, result }, &mut rng);
                }
                Output::Event(event) => done.events.push(event),
                Output::Timeout(_) => break,
            }
        }
    }
    done
}
