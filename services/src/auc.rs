//! The HSS for EAP servers of other makers: the socket that hostapd's `eap_sim_db=unix:PATH` asks for vectors of EAP-AKA. Its
//! protocol is hostapd's own, of version 2.10: datagrams of ASCII without an end of line.
//!
//! ```text
//!   AKA-REQ-AUTH IMSI          -> AKA-RESP-AUTH IMSI RAND AUTN IK CK RES, or AKA-RESP-AUTH IMSI FAILURE
//!   AKA-AUTS IMSI AUTS RAND    -> nothing; the request that follows it gets a vector after that resynchronisation
//!   SIM-REQ-AUTH IMSI NUMBER   -> SIM-RESP-AUTH IMSI FAILURE
//! ```
//!
//! EAP-AKA' is not served: hostapd asks for it in the same words, and would derive CK' and IK' itself, of a CK and IK that an HSS
//! gives to nobody. Its peers find the separation bit missing and refuse.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sidelink_network::aka::{Auts, Quintet, Rand};
use sidelink_network::hss::{Refusal, Resynchronisation};
use sidelink_network::identity::Imsi;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::http::over;
use crate::runtime::{Address, Asked, HssCommand};

/// Octets of a request, at most: what hostapd's buffer holds.
const MAX_OCTETS: usize = 1000;

/// Resynchronisations whose request has not come yet, at most.
const MOST_PENDING: usize = 256;

/// A pause after a socket that cannot be read.
const PAUSE: Duration = Duration::from_millis(50);

/// What is asked.
#[derive(Debug)]
enum Request {
    /// A vector of EAP-AKA.
    Vector(Imsi),
    /// The USIM was out of synchronisation.
    OutOfSync(Imsi, Resynchronisation),
    /// Triplets of EAP-SIM, which no USIM has here.
    Triplets(Imsi),
}

impl Request {
    /// None where it is none of these.
    fn parse(octets: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(octets).ok()?;
        let words: Vec<&str> = text.split(' ').collect();
        match words[..] {
            ["AKA-REQ-AUTH", imsi] => Some(Self::Vector(Imsi::new(imsi).ok()?)),
            ["AKA-AUTS", imsi, auts, rand] => {
                let mut resynchronisation = Resynchronisation { rand: Rand([0; 16]), auts: Auts([0; 14]) };
                hex::decode_to_slice(rand, &mut resynchronisation.rand.0).ok()?;
                hex::decode_to_slice(auts, &mut resynchronisation.auts.0).ok()?;
                Some(Self::OutOfSync(Imsi::new(imsi).ok()?, resynchronisation))
            }
            ["SIM-REQ-AUTH", imsi, _] => Some(Self::Triplets(Imsi::new(imsi).ok()?)),
            _ => None,
        }
    }
}

fn answer(imsi: &Imsi, result: &Result<Quintet, Refusal>) -> Zeroizing<String> {
    let imsi = imsi.digits();
    Zeroizing::new(match result {
        Ok(quintet) => {
            let [rand, autn] = [&quintet.rand.0, &quintet.autn.0].map(hex::encode);
            let [ik, ck] = [&quintet.ik, &quintet.ck].map(|key| Zeroizing::new(hex::encode(key)));
            let res = Zeroizing::new(hex::encode(quintet.res));
            format!("AKA-RESP-AUTH {imsi} {rand} {autn} {} {} {}", *ik, *ck, *res)
        }
        Err(_) => format!("AKA-RESP-AUTH {imsi} FAILURE"),
    })
}

/// The socket. It is for its owner alone, since who may write to it gets CK and IK; dropped, it is removed.
pub(crate) struct Socket {
    path: PathBuf,
    reads: tokio::net::UnixDatagram,
    sends: Arc<UnixDatagram>,
}

impl Socket {
    /// Binds it, in the context of an event loop. A socket that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// Somebody listens there, another file is there, or the socket cannot be made.
    pub(crate) fn bind(path: &Path) -> std::io::Result<Self> {
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(Error::new(ErrorKind::AlreadyExists, "a file that is no socket is there"));
            }
            Ok(_) if UnixDatagram::unbound()?.connect(path).is_ok() => {
                return Err(Error::new(ErrorKind::AddrInUse, "another process listens there"));
            }
            Ok(_) => std::fs::remove_file(path)?,
            Err(_) => {}
        }
        let socket = UnixDatagram::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        socket.set_nonblocking(true)?;
        let sends = Arc::new(socket.try_clone()?);
        let reads = tokio::net::UnixDatagram::from_std(socket)?;
        Ok(Self { path: path.to_owned(), reads, sends })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Serves until the end.
pub(crate) async fn serve(socket: Socket, hss: Address<HssCommand>, mut ended: watch::Receiver<bool>) {
    let mut pending = BTreeMap::new();
    let mut buffer = [0; MAX_OCTETS];
    loop {
        let came = tokio::select! {
            came = socket.reads.recv_from(&mut buffer) => came,
            () = over(&mut ended) => break,
        };
        let (size, from) = match came {
            Ok(came) => came,
            Err(why) => {
                tracing::warn!("reading the socket of vectors: {why}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(from) = from.as_pathname().map(Path::to_owned) else { continue };
        let Some(request) = Request::parse(buffer.get(..size).unwrap_or_default()) else {
            tracing::debug!("HSS: {size} octets of {} are no request for a vector", from.display());
            continue;
        };
        let say = {
            let socket = Arc::clone(&socket.sends);
            move |text: &str| {
                if let Err(why) = socket.send_to(text.as_bytes(), &from) {
                    tracing::debug!("a vector for {}: {why}", from.display());
                }
            }
        };
        match request {
            Request::Triplets(imsi) => say(&format!("SIM-RESP-AUTH {} FAILURE", imsi.digits())),
            Request::OutOfSync(imsi, resynchronisation) => {
                if pending.len() >= MOST_PENDING {
                    // Its USIM will say it again.
                    pending.pop_first();
                }
                pending.insert(imsi, resynchronisation);
            }
            Request::Vector(imsi) => {
                let resynchronisation = pending.remove(&imsi);
                let whose = imsi.clone();
                let reply = Box::new(move |result| say(&answer(&whose, &result)));
                let asked = Asked::EapAka { imsi: imsi.clone(), reply };
                let command = HssCommand::Vector { asked, resynchronisation };
                if let Err(HssCommand::Vector { asked: Asked::EapAka { reply, .. }, .. }) = hss.send(command)
                {
                    reply(Err(Refusal::Busy));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_are_what_hostapd_writes() {
        let imsi = Imsi::new("232010000000000").unwrap();
        let parse = |text: &str| Request::parse(text.as_bytes());
        assert!(
            matches!(parse("AKA-REQ-AUTH 232010000000000"), Some(Request::Vector(found)) if found == imsi)
        );
        assert!(
            matches!(parse("SIM-REQ-AUTH 232010000000000 3"), Some(Request::Triplets(found)) if found == imsi)
        );
        let (auts, rand) = ("ab".repeat(14), "cd".repeat(16));
        let Some(Request::OutOfSync(_, found)) = parse(&format!("AKA-AUTS 232010000000000 {auts} {rand}"))
        else {
            panic!()
        };
        assert_eq!((found.auts, found.rand), (Auts([0xab; 14]), Rand([0xcd; 16])));
        for wrong in [
            "",
            "AKA-REQ-AUTH",
            "AKA-REQ-AUTH x",
            "AKA-REQ-AUTH 232010000000000 ",
            "AKA-REQ-AUTH 232010000000000\n",
            &format!("AKA-AUTS 232010000000000 {rand} {auts}"),
        ] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_socket_is_for_its_owner_replaces_a_dead_one_and_no_file() {
        let folder = crate::store::tests::folder();
        let path = folder.path().join("auc");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _context = runtime.enter();
        let first = Socket::bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Socket::bind(&path).err().unwrap().kind(), ErrorKind::AddrInUse);
        drop(first);
        assert!(!path.exists());
        drop(UnixDatagram::bind(&path).unwrap());
        drop(Socket::bind(&path).unwrap());
        std::fs::write(&path, "mine").unwrap();
        assert!(Socket::bind(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    }

    proptest! {
        #[test]
        fn any_octets_are_a_request_or_none(octets: Vec<u8>, words in "(AKA-REQ-AUTH|AKA-AUTS|SIM-REQ-AUTH)( [0-9a-f]{0,33}){0,4}") {
            let _ = Request::parse(&octets);
            if let Some(Request::Vector(imsi)) = Request::parse(words.as_bytes()) {
                prop_assert_eq!(words, format!("AKA-REQ-AUTH {}", imsi.digits()));
            }
        }
    }
}
