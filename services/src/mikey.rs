//! MIKEY over UDP: one socket, which the PKMF sends from and a task reads. TS 33.303 §6.2.3.3.2.3.1.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::http::over;
use crate::runtime::{Address, PkmfCommand};
use crate::status::Counters;

/// Octets of a datagram, at most: a message with the longest names has less than a thousand. A longer one is passed over.
pub(crate) const MAX_OCTETS: usize = 2048;

/// Datagrams that wait for the PKMF, at most: a flood of them takes no room from requests.
const WAITING: usize = 128;

/// Where datagrams go out.
pub(crate) struct Sender {
    socket: UdpSocket,
    /// The port of UEs.
    port: u16,
}

impl Sender {
    /// Sends to a UE. What cannot be sent is lost, as any datagram may be: it is said again.
    pub(crate) fn send(&self, to: IpAddr, octets: &[u8]) {
        if let Err(why) = self.socket.send_to(octets, (to, self.port)) {
            tracing::debug!("MIKEY to {to}: {why}");
        }
    }
}

/// A datagram that came. Dropped, it gives its place to another.
pub(crate) struct Datagram {
    from: IpAddr,
    octets: Vec<u8>,
    waiting: Arc<AtomicUsize>,
}

impl Datagram {
    pub(crate) const fn sender(&self) -> IpAddr {
        self.from
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

/// Both ends of a socket at an address: what a task reads, and what the PKMF sends from.
///
/// # Errors
/// The address is taken, or the system gives no socket.
pub(crate) fn bind(address: SocketAddr, port: u16) -> std::io::Result<(UdpSocket, Sender)> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    let sender = Sender { socket: socket.try_clone()?, port };
    Ok((socket, sender))
}

/// Reads until the end.
pub(crate) async fn serve(
    socket: tokio::net::UdpSocket,
    pkmf: Address<PkmfCommand>,
    counters: Arc<Counters>,
    mut ended: watch::Receiver<bool>,
) {
    let waiting = Arc::new(AtomicUsize::new(0));
    let mut buffer = [0; MAX_OCTETS + 1];
    loop {
        let came = tokio::select! {
            came = socket.recv_from(&mut buffer) => came,
            () = over(&mut ended) => break,
        };
        let (size, from) = match came {
            Ok(came) => came,
            // The news that a port of a UE is closed comes here.
            Err(why) if why.kind() == ErrorKind::ConnectionRefused => continue,
            Err(why) => {
                tracing::warn!("reading MIKEY: {why}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if size > MAX_OCTETS || waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
            if size <= MAX_OCTETS {
                waiting.fetch_sub(1, Ordering::Relaxed);
            }
            counters.mikey_dropped.add();
            continue;
        }
        let octets = buffer.get(..size).unwrap_or_default().to_vec();
        let datagram = Datagram { from: from.ip(), octets, waiting: Arc::clone(&waiting) };
        if pkmf.send(PkmfCommand::Datagram(datagram)).is_err() {
            counters.mikey_dropped.add();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flood(queue_takes: usize) -> (u64, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (socket, _sender) = bind("127.0.0.1:0".parse().unwrap(), 1).unwrap();
            let to = socket.local_addr().unwrap();
            let counters = Arc::new(Counters::default());
            let (address, queue) = crate::runtime::queue();
            let (end, ended) = watch::channel(false);
            let socket = tokio::net::UdpSocket::from_std(socket).unwrap();
            let serving = tokio::spawn(serve(socket, address, Arc::clone(&counters), ended));
            let peer = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            peer.send_to(&[7; MAX_OCTETS + 1], to).await.unwrap();
            for _ in 0..queue_takes {
                peer.send_to(&[7; 40], to).await.unwrap();
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            end.send(true).unwrap();
            serving.await.unwrap();
            (counters.status().mikey_dropped, queue.len())
        })
    }

    #[test]
    fn a_flood_takes_the_places_of_datagrams_and_a_long_one_takes_none() {
        assert_eq!(flood(WAITING), (1, WAITING));
        assert_eq!(flood(WAITING + 3), (4, WAITING));
    }
}
