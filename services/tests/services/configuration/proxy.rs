//! A way between a UE and the network that counts octets, and may flip a bit: a relay of A2.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    /// Octets up and down of all connections.
    pub(super) octets: [Arc<AtomicUsize>; 2],
}

impl Proxy {
    pub(super) fn new(to: SocketAddr, flip: Option<Flip>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let octets = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
        let counts = octets.clone();
        // Ends with the process: a listener that nobody reaches any more costs nothing.
        std::thread::spawn(move || {
            for ue in listener.incoming() {
                let (Ok(ue), Ok(network)) = (ue, TcpStream::connect(to)) else { continue };
                let ends = (ue.try_clone().unwrap(), network.try_clone().unwrap());
                let [up, down] = counts.clone();
                std::thread::spawn(move || {
                    copy(ue, network, &up, flip.filter(|f| f.direction == Direction::Up))
                });
                std::thread::spawn(move || {
                    copy(ends.1, ends.0, &down, flip.filter(|f| f.direction == Direction::Down));
                });
            }
        });
        Self { address, octets }
    }

    pub(super) fn counted(&self) -> [usize; 2] {
        self.octets.each_ref().map(|octets| octets.load(Ordering::SeqCst))
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, count: &AtomicUsize, flip: Option<Flip>) {
    let (mut buffer, mut seen) = ([0; 4096], 0);
    while let Ok(octets @ 1..) = from.read(&mut buffer) {
        if let Some(flip) = flip.filter(|flip| (seen..seen + octets).contains(&flip.octet)) {
            buffer[flip.octet - seen] ^= 1 << flip.bit;
        }
        seen += octets;
        count.fetch_add(octets, Ordering::SeqCst);
        if to.write_all(&buffer[..octets]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
