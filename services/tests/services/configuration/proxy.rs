//! A way between a UE and the network that counts octets, and may flip a bit: a relay of A2.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// From UE to network, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// A bit of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flip {
    pub(super) direction: Direction,
    pub(super) octet: usize,
    pub(super) bit: u8,
}

/// A proxy of one connection after another.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    /// Octets of what went one way before something went the other, in turn, of all connections.
    flights: Flights,
}

type Flights = Arc<Mutex<Vec<(Direction, usize)>>>;

impl Proxy {
    pub(super) fn new(to: SocketAddr, flip: Option<Flip>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let flights = Flights::default();
        let seen = Arc::clone(&flights);
        // Ends with the process: a listener that nobody reaches any more costs nothing.
        std::thread::spawn(move || {
            for ue in listener.incoming() {
                let (Ok(ue), Ok(network)) = (ue, TcpStream::connect(to)) else { continue };
                let ends = (ue.try_clone().unwrap(), network.try_clone().unwrap());
                let (up, down) = (Arc::clone(&seen), Arc::clone(&seen));
                std::thread::spawn(move || copy(ue, network, (Direction::Up, &up), flip));
                std::thread::spawn(move || copy(ends.1, ends.0, (Direction::Down, &down), flip));
            }
        });
        Self { address, flights }
    }

    pub(super) fn flights(&self) -> Vec<(Direction, usize)> {
        self.flights.lock().unwrap().clone()
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, (way, flights): (Direction, &Flights), flip: Option<Flip>) {
    let (mut buffer, mut seen) = ([0; 4096], 0);
    let flip = flip.filter(|flip| flip.direction == way);
    while let Ok(octets @ 1..) = from.read(&mut buffer) {
        if let Some(flip) = flip.filter(|flip| (seen..seen + octets).contains(&flip.octet)) {
            buffer[flip.octet - seen] ^= 1 << flip.bit;
        }
        seen += octets;
        let mut flights = flights.lock().unwrap();
        match flights.last_mut() {
            Some((last, sum)) if *last == way => *sum += octets,
            _ => flights.push((way, octets)),
        }
        drop(flights);
        if to.write_all(&buffer[..octets]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
