//! A way for datagrams that loses some, and remembers all.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use sidelink_network::identity::Fqdn;
use sidelink_network::key_delivery::{PORT, PmkId, Received};
use sidelink_services::client::PkmfAddress;

use super::net::{Net, PKMF, UE_PORT};

/// Where the UE listens behind it.
const BEHIND: u16 = 12269;

/// Stands where the PKMF sends to.
pub(crate) struct Lossy {
    place: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    said: Arc<Mutex<Vec<Vec<u8>>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Lossy {
    /// Loses the first messages of the PKMF.
    pub(crate) fn start(net: &Net, number: u32, losses: usize) -> Self {
        let place = SocketAddr::new(net.ue(number), UE_PORT);
        // A program that another test starts has the sockets of all for a moment.
        let socket = (0..200).find_map(|_| {
            std::thread::sleep(Duration::from_millis(5));
            UdpSocket::bind(place).ok()
        });
        let socket = socket.expect("the address is this test's alone");
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let (ue, pkmf) = (SocketAddr::new(net.ue(number), BEHIND), SocketAddr::new(net.address(1), PORT));
        let [heard, said] = [(), ()].map(|()| Arc::new(Mutex::new(Vec::new())));
        let stop = Arc::new(AtomicBool::new(false));
        let (all, answers, ends) = (Arc::clone(&heard), Arc::clone(&said), Arc::clone(&stop));
        let run = move || {
            let (mut lost, mut buffer) = (0, [0; 2048]);
            while !ends.load(Ordering::Relaxed) {
                let Ok((size, from)) = socket.recv_from(&mut buffer) else { continue };
                let octets = buffer[..size].to_vec();
                let (to, log) = if from == pkmf { (ue, &all) } else { (pkmf, &answers) };
                log.lock().unwrap().push(octets.clone());
                if from == pkmf && lost < losses {
                    lost += 1;
                    continue;
                }
                // Nobody may be there.
                let _ = socket.send_to(&octets, to);
            }
        };
        let thread = Some(std::thread::spawn(run));
        Self { place, heard, said, stop, thread }
    }

    /// The PKMF, as a UE behind this reaches it.
    pub(crate) fn through(&self, mut pkmf: PkmfAddress) -> PkmfAddress {
        (pkmf.port, pkmf.mikey) = (BEHIND, self.place);
        pkmf
    }

    /// What the PKMF sent.
    pub(crate) fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().unwrap().clone()
    }

    /// What the UE sent.
    pub(crate) fn said(&self) -> Vec<Vec<u8>> {
        self.said.lock().unwrap().clone()
    }

    /// PMK and counter of each message of the PKMF.
    pub(crate) fn names(&self) -> Vec<(PmkId, u32)> {
        let pkmf = Fqdn::new(PKMF).unwrap();
        let name = |octets: &Vec<u8>| {
            let received = Received::parse(octets, &pkmf).unwrap();
            (received.pmk_id, received.counter)
        };
        self.heard().iter().map(name).collect()
    }

    pub(crate) fn counters(&self) -> Vec<u32> {
        self.names().into_iter().map(|(_, counter)| counter).collect()
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
