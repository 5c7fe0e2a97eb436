//! REQ and REP over TCP as ZeroMQ defines them: the part of ZMTP 3.0 (ZeroMQ RFC 23) with the mechanism NULL that two
//! sockets need. Own code, because a length from a peer must be checked before it is used: no memory is reserved for
//! octets that have not come, and a frame that is longer than its reader allows ends the connection.

use std::fmt;
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Octets of the greeting with which a connection begins.
const GREETING: usize = 64;
/// Octets of the longest command that is read: a READY with some metadata.
const COMMAND: usize = 1024;
/// The most parts of a message that are counted.
const PARTS: usize = 64;

/// Bits of the first octet of a frame.
mod flag {
    pub(super) const MORE: u8 = 1;
    pub(super) const LONG: u8 = 2;
    pub(super) const COMMAND: u8 = 4;
}

/// Role of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Sends a request, and waits for the reply.
    Req,
    /// Replies.
    Rep,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Req => "REQ",
            Self::Rep => "REP",
        }
    }

    /// Returns the socket types that it can talk with.
    const fn peers(self) -> [&'static str; 2] {
        match self {
            Self::Req => ["REP", "ROUTER"],
            Self::Rep => ["REQ", "DEALER"],
        }
    }
}

/// Reason why a connection ends.
#[derive(Debug)]
pub(super) enum ZmtpError {
    /// The connection failed or ended.
    Io(io::Error),
    /// The greeting is not of ZMTP 3, or the mechanism is not NULL.
    Greeting,
    /// The peer is another type of socket.
    Socket(String),
    /// A malformed or unexpected frame.
    Form,
    /// A frame of this many octets.
    TooLong(u64),
    /// A message of this many parts, at least.
    Parts(usize),
}

impl fmt::Display for ZmtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Greeting => f.write_str("something else than ZMTP 3 without encryption (is it ZeroMQ?)"),
            Self::Socket(kind) => write!(f, "that it is a {kind:?} socket, which cannot talk with this one"),
            Self::Form => f.write_str("a frame that is none of ZMTP 3"),
            Self::TooLong(octets) => {
                write!(f, "a frame of {octets} octets, more than a block of samples has")
            }
            Self::Parts(parts) => write!(f, "a message of {parts} parts"),
        }
    }
}

impl From<io::Error> for ZmtpError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Receiving half of a connection.
pub(super) struct Reading(BufReader<OwnedReadHalf>);

/// Sending half of a connection.
pub(super) struct Writing(OwnedWriteHalf);

/// Exchanges greetings with the other end of a connection, which has to be a socket that `own` can talk with.
pub(super) async fn greet(stream: TcpStream, own: Role) -> Result<(Reading, Writing), ZmtpError> {
    let _ = stream.set_nodelay(true);
    let (reading, mut writing) = stream.into_split();
    let mut reading = Reading(BufReader::with_capacity(1 << 16, reading));
    let mut greeting = [0; GREETING];
    (greeting[0], greeting[9], greeting[10]) = (0xff, 0x7f, 3);
    greeting[12..16].copy_from_slice(b"NULL");
    writing.write_all(&greeting).await?;
    let mut theirs = [0; GREETING];
    reading.0.read_exact(&mut theirs).await?;
    if theirs[0] != 0xff || theirs[9] != 0x7f || theirs[10] < 3 || theirs[12..32] != greeting[12..32] {
        return Err(ZmtpError::Greeting);
    }
    let properties = [property(b"Socket-Type", own.name().as_bytes()), property(b"Identity", b"")].concat();
    let mut ready = Vec::new();
    frame(flag::COMMAND, &[b"\x05READY", &properties[..]].concat(), &mut ready);
    writing.write_all(&ready).await?;
    let (flags, ready) = reading.frame(COMMAND).await?;
    let properties = ready.strip_prefix(b"\x05READY").filter(|_| flags & flag::COMMAND != 0);
    let kind = socket_type(properties.ok_or(ZmtpError::Form)?).ok_or(ZmtpError::Form)?;
    if own.peers().iter().any(|name| name.as_bytes() == kind) {
        Ok((reading, Writing(writing)))
    } else {
        Err(ZmtpError::Socket(String::from_utf8_lossy(kind).into_owned()))
    }
}

fn property(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[name.len() as u8], name, &(value.len() as u32).to_be_bytes(), value].concat()
}

/// Returns the value of Socket-Type among the properties of a READY.
fn socket_type(mut properties: &[u8]) -> Option<&[u8]> {
    while let Some((length, rest)) = properties.split_first() {
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let (length, rest) = rest.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        if name.eq_ignore_ascii_case(b"Socket-Type") {
            return Some(value);
        }
        properties = rest;
    }
    None
}

impl Reading {
    /// Reads the next message: an empty part, and one with at most `limit` octets, which is returned.
    pub(super) async fn message(&mut self, limit: usize) -> Result<Vec<u8>, ZmtpError> {
        let mut body = None;
        let mut parts = 0;
        for before in [true, false] {
            loop {
                // Further parts behind the body are counted and not kept.
                let most = if before || body.is_some() { 0 } else { limit };
                let (flags, octets) = match self.frame(most).await {
                    Err(ZmtpError::TooLong(_)) if body.is_some() => return Err(ZmtpError::Parts(parts + 1)),
                    Err(ZmtpError::TooLong(_)) if before => return Err(ZmtpError::Form),
                    other => other?,
                };
                if flags & flag::COMMAND != 0 {
                    continue;
                }
                let more = flags & flag::MORE != 0;
                if before {
                    if !more {
                        return Err(ZmtpError::Form);
                    }
                    break;
                }
                parts += 1;
                body.get_or_insert(octets);
                if !more {
                    break;
                }
                if parts == PARTS {
                    return Err(ZmtpError::Parts(parts));
                }
            }
        }
        match body {
            Some(body) if parts == 1 => Ok(body),
            _ => Err(ZmtpError::Parts(parts)),
        }
    }

    /// Waits until the other end leaves, or sends something out of turn.
    pub(super) async fn gone(&mut self) {
        let _ = self.0.fill_buf().await;
    }

    /// Reads the flags and octets of a frame: a command, or a part with at most `limit` octets.
    async fn frame(&mut self, limit: usize) -> Result<(u8, Vec<u8>), ZmtpError> {
        let flags = self.0.read_u8().await?;
        let command = flags & flag::COMMAND != 0;
        if flags & !(flag::MORE | flag::LONG | flag::COMMAND) != 0 || command && flags & flag::MORE != 0 {
            return Err(ZmtpError::Form);
        }
        let length = if flags & flag::LONG != 0 {
            self.0.read_u64().await?
        } else {
            u64::from(self.0.read_u8().await?)
        };
        let limit = if command { COMMAND } else { limit };
        if length > limit as u64 {
            return Err(ZmtpError::TooLong(length));
        }
        // Grows with the received octets.
        let mut octets = Vec::new();
        let read = (&mut self.0).take(length).read_to_end(&mut octets).await?;
        if read as u64 == length {
            Ok((flags, octets))
        } else {
            Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
        }
    }
}

impl Writing {
    /// Sends a message: an empty part, and this one.
    pub(super) async fn message(&mut self, octets: &[u8]) -> io::Result<()> {
        let mut out = Vec::with_capacity(11 + octets.len());
        frame(flag::MORE, &[], &mut out);
        frame(0, octets, &mut out);
        self.0.write_all(&out).await
    }
}

/// Appends a frame to `out`.
fn frame(flags: u8, octets: &[u8], out: &mut Vec<u8>) {
    match u8::try_from(octets.len()) {
        Ok(length) => out.extend([flags, length]),
        Err(_) => {
            out.push(flags | flag::LONG);
            out.extend((octets.len() as u64).to_be_bytes());
        }
    }
    out.extend(octets);
}
