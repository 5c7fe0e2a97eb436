//! Datagrams: one socket, which a network function sends from and a task reads. What waits for the function is bounded.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::http::over;

/// A pause after a socket that cannot be read.
const PAUSE: Duration = Duration::from_millis(50);

/// Whom datagrams are for.
pub(crate) trait Sink: Send + Sync + 'static {
    /// Its name in the log.
    const NAME: &'static str;
    /// Octets of a datagram, at most.
    const OCTETS: usize;
    /// Datagrams that wait for it, at most: a flood of them takes no room from what else it is asked.
    const WAITING: usize;

    /// Takes a datagram; false where it has no room.
    fn take(&self, datagram: Datagram) -> bool;

    /// Counts one that is lost: too long, or too many at once.
    fn lost(&self);
}

/// A datagram that came. Dropped, it gives its place to another.
pub(crate) struct Datagram {
    from: SocketAddr,
    octets: Vec<u8>,
    waiting: Arc<AtomicUsize>,
}

impl Datagram {
    /// Where it came from; an address of IPv4 as one, on a socket of either version.
    pub(crate) fn sender(&self) -> SocketAddr {
        SocketAddr::new(self.from.ip().to_canonical(), self.from.port())
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }
}

impl Drop for Datagram {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where datagrams go out.
pub(crate) struct Sender {
    name: &'static str,
    socket: UdpSocket,
    is_v6: bool,
}

impl Sender {
    /// Sends. What cannot be sent is lost, as any datagram may be: it is said again.
    pub(crate) fn send(&self, to: SocketAddr, octets: &[u8]) {
        let ip = match to.ip() {
            IpAddr::V4(ip) if self.is_v6 => IpAddr::V6(ip.to_ipv6_mapped()),
            ip => ip,
        };
        if let Err(why) = self.socket.send_to(octets, (ip, to.port())) {
            tracing::debug!("{} to {to}: {why}", self.name);
        }
    }
}

/// Both ends of a socket at an address: what a task reads, and what a function sends from.
///
/// # Errors
/// The address is taken, or the system gives no socket.
pub(crate) fn bind(name: &'static str, address: SocketAddr) -> std::io::Result<(UdpSocket, Sender)> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    let sender = Sender { name, socket: socket.try_clone()?, is_v6: address.is_ipv6() };
    Ok((socket, sender))
}

/// Reads until the end.
pub(crate) async fn serve<S: Sink>(socket: tokio::net::UdpSocket, sink: S, mut ended: watch::Receiver<bool>) {
    let waiting = Arc::new(AtomicUsize::new(0));
    let mut buffer = vec![0; S::OCTETS + 1];
    loop {
        let came = tokio::select! {
            came = socket.recv_from(&mut buffer) => came,
            () = over(&mut ended) => break,
        };
        let (size, from) = match came {
            Ok(came) => came,
            // The news that a port of a peer is closed comes here.
            Err(why) if why.kind() == ErrorKind::ConnectionRefused => continue,
            Err(why) => {
                tracing::warn!("reading {}: {why}", S::NAME);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if size > S::OCTETS || waiting.fetch_add(1, Ordering::Relaxed) >= S::WAITING {
            if size <= S::OCTETS {
                waiting.fetch_sub(1, Ordering::Relaxed);
            }
            sink.lost();
            continue;
        }
        let octets = buffer.get(..size).unwrap_or_default().to_vec();
        if !sink.take(Datagram { from, octets, waiting: Arc::clone(&waiting) }) {
            sink.lost();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Kept {
        kept: Mutex<Vec<Datagram>>,
        lost: AtomicUsize,
    }

    impl Sink for Arc<Kept> {
        const NAME: &'static str = "a test";
        const OCTETS: usize = 100;
        const WAITING: usize = 128;

        fn take(&self, datagram: Datagram) -> bool {
            let mut kept = self.kept.lock().unwrap();
            kept.push(datagram);
            kept.len() < 200
        }

        fn lost(&self) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends a long datagram and these many short ones; how many were lost, and who is said to have sent them.
    fn flood(at: &str, short: usize) -> (usize, usize, Vec<SocketAddr>, SocketAddr) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (socket, sender) = bind("a test", at.parse().unwrap()).unwrap();
            let to = SocketAddr::from(([127, 0, 0, 1], socket.local_addr().unwrap().port()));
            let (end, ended) = watch::channel(false);
            let socket = tokio::net::UdpSocket::from_std(socket).unwrap();
            let kept = Arc::new(Kept::default());
            let serving = tokio::spawn(serve(socket, Arc::clone(&kept), ended));
            let peer = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            peer.send_to(&[7; 101], to).await.unwrap();
            for _ in 0..short {
                peer.send_to(&[7; 40], to).await.unwrap();
                tokio::task::yield_now().await;
            }
            let own = peer.local_addr().unwrap();
            sender.send(own, b"back");
            let mut back = [0; 10];
            let (size, _) = peer.recv_from(&mut back).await.unwrap();
            assert_eq!(&back[..size], b"back");
            tokio::time::sleep(Duration::from_millis(100)).await;
            end.send(true).unwrap();
            serving.await.unwrap();
            let kept_ones = kept.kept.lock().unwrap();
            assert!(kept_ones.iter().all(|datagram| datagram.octets() == [7; 40]), "a long one was taken");
            let senders = kept_ones.iter().map(Datagram::sender).collect::<Vec<_>>();
            (kept.lost.load(Ordering::Relaxed), senders.len(), senders, own)
        })
    }

    #[test]
    fn a_flood_takes_the_places_of_datagrams_and_a_long_one_takes_none() {
        let (lost, kept, ..) = flood("127.0.0.1:0", 128);
        assert_eq!((lost, kept), (1, 128));
        let (lost, kept, ..) = flood("127.0.0.1:0", 131);
        assert_eq!((lost, kept), (4, 128));
    }

    #[test]
    fn a_socket_of_ipv6_names_and_reaches_peers_of_ipv4_as_such() {
        let (_, _, senders, own) = flood("[::]:0", 1);
        assert_eq!(senders, [own]);
    }
}
