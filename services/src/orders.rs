//! Orders of the operator to network functions that run: over a Unix socket that its owner alone may use.
//!
//! One order a connection: a line of JSON there, a line of JSON back. The socket lies beside the database (`NAME.sock`): who can
//! use it can read the database too. For a database of PostgreSQL it lies beside the configuration, with the name of the database.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sidelink_network::identity::Imsi;
use sidelink_network::key_delivery::ServiceId;
use sidelink_network::kms_messages::{KmsKeySet, KmsTime};
use sidelink_security::counter::UtcTime;
use zeroize::{Zeroize, Zeroizing};

use crate::network::Handle;
use crate::runtime::{IdentityError, MemberError};
use crate::{config, status::Status};

/// Octets of an order, at most: that of more than 100 000 subscribers.
const MAX_OCTETS: u64 = 64 << 20;

/// Time of an order on the socket.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time until its answer: many subscribers take many commits.
const ANSWER_PATIENCE: Duration = Duration::from_secs(300);

/// Between two looks whether the end has come.
const LOOK: Duration = Duration::from_millis(50);

/// An order.
#[derive(Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum Order {
    /// What has happened.
    Status,
    /// Add the subscribers of this text, that of a file of subscribers.
    AddSubscribers {
        /// The text, with its keys.
        text: Zeroizing<String>,
    },
    /// Take ProSe from a subscriber.
    Revoke {
        /// Digits of the IMSI.
        imsi: String,
    },
    /// Take the keys of a group from a member; the others get new ones.
    RevokeMember {
        /// Digits of the IMSI.
        imsi: String,
        /// Six hexadecimal digits of the group.
        group: String,
    },
    /// Let a UE use no relay any more.
    RevokeRemote {
        /// Digits of the IMSI.
        imsi: String,
    },
    /// Let a remote UE that was revoked use relays again.
    AdmitRemote {
        /// Digits of the IMSI.
        imsi: String,
    },
    /// Let a UE be no relay any more.
    RevokeRelay {
        /// Digits of the IMSI.
        imsi: String,
    },
    /// Let a relay that was revoked be one again.
    AdmitRelay {
        /// Digits of the IMSI.
        imsi: String,
    },
    /// Keep new keys from an identity.
    RevokeIdentity {
        /// Its URI.
        identity: String,
    },
    /// Let an identity that was revoked have keys again.
    AdmitIdentity {
        /// Its URI.
        identity: String,
    },
    /// Make the keys of a user, for the record.
    Escrow {
        /// Its URI.
        identity: String,
        /// Seconds of UTC, in the period that is wanted.
        at: u32,
        /// Who wants them.
        by: String,
        /// Why.
        why: String,
    },
    /// Revoke public keys of signed discovery.
    RevokeKey {
        /// A user (RPAUID), a ProSe Application ID, or `imsi:` and the digits of an IMSI.
        of: String,
    },
    /// Let a member that was revoked have keys again.
    AdmitMember {
        /// Digits of the IMSI.
        imsi: String,
        /// Six hexadecimal digits of the group.
        group: String,
    },
}

/// The answer to an order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// What has happened.
    Status(Box<Status>),
    /// It is done, durably.
    Done {
        /// Of how many subscribers.
        subscribers: usize,
    },
    /// Keys of a user.
    Escrowed {
        /// Key set as lines of TOML.
        keys: Zeroizing<String>,
    },
    /// It is not.
    Refused {
        /// What is wrong, where, what to do.
        why: String,
    },
}

/// Why an order has no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum OrderError {
    /// Nothing runs there.
    NotRunning(PathBuf),
    /// The connection broke, or took too long.
    Connection(PathBuf, std::io::Error),
    /// The answer is none: of another version?
    Answer(PathBuf),
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning(path) => {
                write!(
                    f,
                    "nothing runs; {}; start `sidelink network run` with this configuration",
                    path.display()
                )
            }
            Self::Connection(path, why) => {
                write!(f, "no answer: {why}; {}; look at the log of `sidelink network run`", path.display())
            }
            Self::Answer(path) => write!(
                f,
                "the answer is not understood; {}; use the version of sidelink that runs there",
                path.display()
            ),
        }
    }
}

impl std::error::Error for OrderError {}

/// Where the functions of a database take orders.
pub fn socket_of(database: &config::Database) -> PathBuf {
    database.socket()
}

/// Gives an order and waits for its answer.
///
/// # Errors
/// Nothing runs there, or the connection breaks.
pub fn give(socket: &Path, order: &Order) -> Result<Answer, OrderError> {
    let broken = |why: std::io::Error| OrderError::Connection(socket.to_owned(), why);
    let mut stream = UnixStream::connect(socket).map_err(|_| OrderError::NotRunning(socket.to_owned()))?;
    stream.set_read_timeout(Some(ANSWER_PATIENCE)).map_err(broken)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(broken)?;
    let mut line = Zeroizing::new(serde_json::to_vec(order).map_err(|e| broken(e.into()))?);
    line.push(b'\n');
    stream.write_all(&line).map_err(broken)?;
    let mut answer = String::new();
    BufReader::new(stream.take(MAX_OCTETS)).read_line(&mut answer).map_err(broken)?;
    serde_json::from_str(&answer).map_err(|_| OrderError::Answer(socket.to_owned()))
}

/// Takes orders until it is dropped.
pub struct Orders {
    socket: PathBuf,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Orders {
    /// Takes orders for `handle` at `socket`. A socket that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// Somebody listens there, or the socket cannot be made.
    pub fn take(socket: &Path, handle: Arc<Handle>) -> std::io::Result<Self> {
        if UnixStream::connect(socket).is_ok() {
            return Err(std::io::Error::new(
                std::io::ErrorKind::AddrInUse,
                "another process takes orders here",
            ));
        }
        match std::fs::remove_file(socket) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(why),
            _ => {}
        }
        let listener = UnixListener::bind(socket)?;
        std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let ended = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&ended);
        let work = move || {
            while !ends.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        if let Err(why) = serve(stream, &handle) {
                            tracing::warn!("an order broke off: {why}");
                        }
                    }
                    Err(_) => std::thread::sleep(LOOK),
                }
            }
        };
        let thread = std::thread::Builder::new().name("orders".into()).spawn(work)?;
        Ok(Self { socket: socket.to_owned(), ended, thread: Some(thread) })
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn serve(stream: UnixStream, handle: &Handle) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = Zeroizing::new(String::new());
    BufReader::new((&stream).take(MAX_OCTETS)).read_line(&mut line)?;
    let answer = match serde_json::from_str::<Order>(&line) {
        Ok(order) => obey(order, handle),
        Err(_) => Answer::Refused { why: "not an order that this version knows".to_owned() },
    };
    let mut answer = serde_json::to_vec(&answer)?;
    answer.push(b'\n');
    (&stream).write_all(&answer)?;
    answer.zeroize();
    Ok(())
}

fn obey(order: Order, handle: &Handle) -> Answer {
    let refused = |why: &dyn fmt::Display| Answer::Refused { why: why.to_string() };
    match order {
        Order::Status => Answer::Status(Box::new(handle.status())),
        Order::AddSubscribers { text } => match config::subscribers(&text) {
            Ok(all) => {
                let subscribers = all.len();
                let imsis: Vec<_> = all.iter().map(|subscriber| subscriber.imsi.clone()).collect();
                let answers = handle.add_subscribers(all);
                for (imsi, answer) in imsis.iter().zip(answers) {
                    if let Err(why) = answer {
                        return refused(&format!("subscriber {}: {why}", imsi.digits()));
                    }
                }
                Answer::Done { subscribers }
            }
            Err(why) => refused(&why),
        },
        Order::Revoke { imsi } => match Imsi::new(&imsi) {
            Ok(imsi) => match handle.revoke(&imsi) {
                Ok(()) => Answer::Done { subscribers: 1 },
                Err(why) => refused(&why),
            },
            Err(why) => refused(&why),
        },
        Order::RevokeMember { imsi, group } => {
            member(&imsi, &group, |imsi, id| handle.revoke_member(imsi, id))
        }
        Order::RevokeRemote { imsi } => of_subscriber(&imsi, |imsi| handle.revoke_remote(imsi)),
        Order::AdmitRemote { imsi } => of_subscriber(&imsi, |imsi| handle.admit_remote(imsi)),
        Order::RevokeRelay { imsi } => of_subscriber(&imsi, |imsi| handle.revoke_relay(imsi)),
        Order::AdmitRelay { imsi } => of_subscriber(&imsi, |imsi| handle.admit_relay(imsi)),
        Order::RevokeIdentity { identity } => identity_order(handle.revoke_identity(&identity)),
        Order::AdmitIdentity { identity } => identity_order(handle.admit_identity(&identity)),
        Order::Escrow { identity, at, by, why } => {
            let time = UtcTime::from_millis(u64::from(at) * 1000);
            match handle.escrow(&identity, time, &by, &why) {
                Ok(keys) => Answer::Escrowed { keys: lines_of(&keys) },
                Err(why) => refused(&why),
            }
        }
        Order::RevokeKey { of } => match handle.revoke_keys(&of) {
            Ok(subscribers) => Answer::Done { subscribers },
            Err(why) => refused(&why),
        },
        Order::AdmitMember { imsi, group } => member(&imsi, &group, |imsi, id| handle.admit_member(imsi, id)),
    }
}

fn of_subscriber(imsi: &str, change: impl FnOnce(&Imsi) -> Result<(), MemberError>) -> Answer {
    let refused = |why: &dyn fmt::Display| Answer::Refused { why: why.to_string() };
    match Imsi::new(imsi).map(|imsi| change(&imsi)) {
        Ok(Ok(())) => Answer::Done { subscribers: 1 },
        Ok(Err(why)) => refused(&why),
        Err(why) => refused(&why),
    }
}

fn identity_order(result: Result<(), IdentityError>) -> Answer {
    match result {
        Ok(()) => Answer::Done { subscribers: 1 },
        Err(why) => Answer::Refused { why: why.to_string() },
    }
}

/// Keys of a user, as the TOML form of a key store has them.
fn lines_of(keys: &KmsKeySet) -> Zeroizing<String> {
    let second = |time: &Option<KmsTime>| time.map_or(0, |time| time.0.millis() / 1000);
    let secret = |octets: &[u8]| Zeroizing::new(hex::encode(octets));
    let (rsk, ssk) = (secret(&keys.rsk.0), secret(&keys.ssk.0));
    Zeroizing::new(format!(
        "uri = {:?}\nperiod = {}\nvalid-from = {}\nvalid-until = {}\npvt = \"{}\"\nssk = \"{}\"\nrsk = \"{}\"\n",
        keys.user.as_str(),
        keys.period.0,
        second(&keys.from),
        second(&keys.until),
        hex::encode(keys.pvt.0),
        *ssk,
        *rsk,
    ))
}

fn member(
    imsi: &str,
    group: &str,
    change: impl FnOnce(&Imsi, ServiceId) -> Result<(), MemberError>,
) -> Answer {
    let refused = |why: &dyn fmt::Display| Answer::Refused { why: why.to_string() };
    match (Imsi::new(imsi), config::group_id(group)) {
        (Ok(imsi), Ok(group)) => match change(&imsi, group) {
            Ok(()) => Answer::Done { subscribers: 1 },
            Err(why) => refused(&why),
        },
        (Err(why), _) => refused(&why),
        (_, Err(why)) => refused(&why),
    }
}
