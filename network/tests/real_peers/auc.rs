//! The socket that hostapd asks for vectors, with ours behind it.
//!
//! ```text
//!   AKA-REQ-AUTH IMSI             -> AKA-RESP-AUTH IMSI RAND AUTN IK CK RES, or AKA-RESP-AUTH IMSI FAILURE
//!   AKA-AUTS IMSI AUTS RAND       -> nothing
//! ```

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use sidelink_network::aka::{Amf, Auts, Quintet, Rand, Sqn, sqn_ms};
use sidelink_network::hss::{Node, Purpose, Request, Resynchronisation, Subject, Ticket, Vector};
use sidelink_network::identity::Imsi;
use sidelink_security::counter::memory::Memory;
use sidelink_wire::hex;

use super::server::{hss, rand, vector};
use super::{keys, now, rng};

/// Where vectors come from. hostapd derives CK' and IK' itself, from a CK and IK of a vector with the separation bit, which
/// our HSS gives to nobody.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Our HSS: for EAP-AKA.
    Hss,
    /// The same functions without the HSS: for EAP-AKA'.
    Separated,
}

pub(super) struct Auc {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<String>>,
}

impl Auc {
    pub(super) fn start(path: &Path, source: Source) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || serve(&socket, source, &stopped));
        Self { stop, thread }
    }

    /// What was asked.
    pub(super) fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn serve(socket: &UnixDatagram, source: Source, stop: &AtomicBool) -> Vec<String> {
    let (mut hss, mut store, mut rng) = (hss(), Memory::default(), rng());
    let mut resynchronisation = None;
    let mut seq = 1;
    let mut asked = Vec::new();
    let mut buffer = [0; 1000];
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        asked.push(text.clone());
        let words: Vec<_> = text.split(' ').collect();
        match words[..] {
            ["AKA-AUTS", _, auts, challenge] => {
                let rand = Rand(hex::bytes(challenge).unwrap().try_into().unwrap());
                let auts = Auts(hex::bytes(auts).unwrap().try_into().unwrap());
                seq = sqn_ms(&keys(), rand, auts).unwrap().seq() + 1;
                resynchronisation = Some(Resynchronisation { rand, auts });
            }
            ["AKA-REQ-AUTH", imsi] => {
                let rand = rand(&mut rng);
                let made = match source {
                    Source::Separated => {
                        let sqn = Sqn::new(seq, 0).unwrap();
                        seq += 1;
                        Some(Quintet::new(&keys(), rand, sqn, Amf::SEPARATED))
                    }
                    Source::Hss => {
                        let request = Request {
                            now: now(),
                            ticket: Ticket(1),
                            subject: Subject::Imsi(Imsi::new(imsi).unwrap()),
                            node: Node::Bsf,
                            purpose: Purpose::Gba,
                            rand,
                            resynchronisation: resynchronisation.take(),
                        };
                        match vector(&mut hss, &mut store, request) {
                            Ok(Vector::Gba(quintet)) => Some(quintet),
                            _ => None,
                        }
                    }
                };
                let answer = match made {
                    Some(q) => {
                        let fields = [&q.rand.0[..], &q.autn.0, &q.ik, &q.ck, &q.res].map(hex::of_bytes);
                        format!("AKA-RESP-AUTH {imsi} {}", fields.join(" "))
                    }
                    None => format!("AKA-RESP-AUTH {imsi} FAILURE"),
                };
                socket.send_to(answer.as_bytes(), from.as_pathname().unwrap()).unwrap();
            }
            _ => panic!("{text}"),
        }
    }
    asked
}
