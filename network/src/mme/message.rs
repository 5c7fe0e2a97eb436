//! The messages of direct keying: flow N of TR 33.833 §6.4.1. The report draws them and says what is in them; this coding
//! is our own.
//!
//! ```text
//! 1  UE_1  -> MME_1  extended service request     connection id 1, caller, peer                   [value 1]
//! 2  MME_1 -> MME_2  Direct-Keying-Request        the same, lifetime                              KM_1 / value 1
//! 3  MME_2 -> UE_2   notification                 the same                                        KM_1, KM_2 / value 1
//! 4  UE_2  -> MME_2  answer to it                 connection ids 1 and 2, DKSI                    [value 2]
//! 5  MME_2 -> MME_1  Direct-Keying-Answer         the same, lifetime                              KM_2 / value 2
//! 6  MME_1 -> UE_1   answer to the request        the same                                        KM_1, KM_2 / values 1, 2
//! 7  back            reject                       connection id 1, cause
//!
//! 1 to 3  | number 1 | kind 1 | connection id 4 | shares 32 each | [lifetime 4] | length 1, caller | peer: 1, length 1, expression
//!                                                                                                 | or 2, connection id 4 |
//! 4 to 6  | number 1 | kind 1 | connection ids 4, 4 | DKSI 4 | shares 32 each | [lifetime 4] |
//! 7       | 7 | connection id 4 | cause 1 |
//! ```
//!
//! 1, 3, 4 and 6 are under the protection of [`crate::nas`]; 2 and 5 go between operators, whose protection (TS 33.210) is
//! the caller's.

use std::fmt;

use sidelink_security::keys::Secret256;
use sidelink_wire::Error;
use sidelink_wire::direct_keying::{ConnectionId, expression_of};
use zeroize::Zeroizing;

/// What KD is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Half keys of the networks, as the report draws it: both networks know KD.
    HalfKeys,
    /// X25519 values of the UEs (ours): the networks only carry them.
    PublicValues,
}

/// Name of a user towards other UEs, or code of what it offers. 1 to 64 octets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expression(Vec<u8>);

impl Expression {
    /// From its octets.
    ///
    /// # Errors
    /// None, or more than 64.
    pub fn new(octets: &[u8]) -> Result<Self, Error> {
        expression_of(octets).map(|octets| Self(octets.to_vec()))
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({})", self.0.escape_ascii())
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// How a caller names whom it calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// By its expression: the first time.
    Expression(Expression),
    /// By the connection id that it gave the last time; each names it once.
    Connection(ConnectionId),
}

/// Which message towards UE_2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStep {
    /// 1.
    ServiceRequest,
    /// 2.
    KeyingRequest,
    /// 3.
    Notification,
}

/// Which message back to UE_1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerStep {
    /// 4.
    NotificationAnswer,
    /// 5.
    KeyingAnswer,
    /// 6.
    ServiceAnswer,
}

/// A message towards UE_2.
pub struct Call {
    /// Which one.
    pub step: CallStep,
    /// What KD is made of.
    pub kind: Kind,
    /// Identity that UE_1 gives to the connection.
    pub connection: ConnectionId,
    /// Half keys, or UE_1's public value: as many as [`Call::shares()`] says.
    pub shares: Vec<Secret256>,
    /// Seconds that KD lives; 0 in message 1.
    pub lifetime: u32,
    /// Who calls.
    pub caller: Expression,
    /// Whom.
    pub peer: Peer,
}

/// A message back to UE_1.
pub struct Answer {
    /// Which one.
    pub step: AnswerStep,
    /// What KD is made of.
    pub kind: Kind,
    /// Identity that UE_1 gave to the connection.
    pub connection: ConnectionId,
    /// Identity that UE_2 gives to it.
    pub target: ConnectionId,
    /// Direct key set identifier, of UE_2.
    pub dksi: [u8; 4],
    /// Half keys or public values: as many as [`Answer::shares()`] says.
    pub shares: Vec<Secret256>,
    /// Seconds that KD lives; 0 in message 4.
    pub lifetime: u32,
}

/// Why there is no KD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// Nobody has this expression, or this connection id.
    UnknownPeer = 1,
    /// The caller may not call in this name, or not this peer.
    NotAllowed = 2,
    /// The peer is not attached.
    Unreachable = 3,
    /// The connection id has been used.
    ConnectionUsed = 4,
    /// Too often.
    TooOften = 5,
    /// The peer, or an MME, does not make a KD of this.
    Kind = 6,
    /// Somebody did not answer in time.
    Late = 7,
    /// A store failed.
    Store = 8,
}

impl Cause {
    const ALL: [Self; 8] = [
        Self::UnknownPeer,
        Self::NotAllowed,
        Self::Unreachable,
        Self::ConnectionUsed,
        Self::TooOften,
        Self::Kind,
        Self::Late,
        Self::Store,
    ];
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownPeer => "nobody has this name: check it, and the directory of the MME",
            Self::NotAllowed => "the caller may not use this name, or not call this peer",
            Self::Unreachable => "the peer is not attached to its network",
            Self::ConnectionUsed => "this connection id has been used: draw another",
            Self::TooOften => "too many agreements: wait, then ask again",
            Self::Kind => "the peer does not make a KD of what was offered",
            Self::Late => "no answer in time: is the peer's network there?",
            Self::Store => "an MME could not store the connection: see its error",
        })
    }
}

/// A message.
pub enum Message {
    /// 1 to 3.
    Call(Call),
    /// 4 to 6.
    Answer(Answer),
    /// 7.
    Reject {
        /// Of which run.
        connection: ConnectionId,
        /// Why.
        cause: Cause,
    },
}

impl Call {
    /// How many shares the message has.
    pub const fn shares(step: CallStep, kind: Kind) -> usize {
        match (step, kind) {
            (CallStep::ServiceRequest, Kind::HalfKeys) => 0,
            (CallStep::Notification, Kind::HalfKeys) => 2,
            _ => 1,
        }
    }
}

impl Answer {
    /// How many shares the message has.
    pub const fn shares(step: AnswerStep, kind: Kind) -> usize {
        match (step, kind) {
            (AnswerStep::NotificationAnswer, Kind::HalfKeys) => 0,
            (AnswerStep::ServiceAnswer, _) => 2,
            _ => 1,
        }
    }
}

/// A reader of octets that know their end.
struct Reader<'a> {
    rest: &'a [u8],
    whole: usize,
}

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Error::Truncated {
            what,
            needed: N,
            have: self.rest.len(),
        })?;
        self.rest = rest;
        Ok(*taken)
    }

    fn octet(&mut self, what: &'static str) -> Result<u8, Error> {
        self.take::<1>(what).map(|[octet]| octet)
    }

    fn connection(&mut self) -> Result<ConnectionId, Error> {
        let what = "connection id";
        ConnectionId::new(self.take(what)?).ok_or(Error::Reserved { what, value: 0 })
    }

    fn shares(&mut self, count: usize) -> Result<Vec<Secret256>, Error> {
        (0..count).map(|_| self.take::<32>("key material").map(Secret256::from)).collect()
    }

    fn lifetime(&mut self) -> Result<u32, Error> {
        match u32::from_be_bytes(self.take("lifetime")?) {
            0 => Err(Error::Reserved { what: "lifetime", value: 0 }),
            lifetime => Ok(lifetime),
        }
    }

    fn expression(&mut self) -> Result<Expression, Error> {
        let what = "expression";
        let stated = usize::from(self.octet(what)?);
        let (octets, rest) = self.rest.split_at_checked(stated).ok_or(Error::LengthLies {
            what,
            stated,
            have: self.rest.len(),
        })?;
        self.rest = rest;
        Expression::new(octets)
    }

    fn peer(&mut self) -> Result<Peer, Error> {
        match self.octet("peer")? {
            1 => self.expression().map(Peer::Expression),
            2 => self.connection().map(Peer::Connection),
            value => Err(Error::Reserved { what: "peer", value: u32::from(value) }),
        }
    }

    fn kind(&mut self) -> Result<Kind, Error> {
        match self.octet("kind")? {
            1 => Ok(Kind::HalfKeys),
            2 => Ok(Kind::PublicValues),
            value => Err(Error::Reserved { what: "kind", value: u32::from(value) }),
        }
    }

    const fn end(&self) -> Result<(), Error> {
        let have = self.whole;
        match self.rest.len() {
            0 => Ok(()),
            more => Err(Error::Oversized { what: "message of direct keying", max: have - more, have }),
        }
    }
}

impl Message {
    /// Parses a message: all of the octets, and no more.
    ///
    /// # Errors
    /// Octets that are none.
    pub fn parse(octets: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader { rest: octets, whole: octets.len() };
        let message = match reader.octet("message of direct keying")? {
            1 => Self::Call(call(&mut reader, CallStep::ServiceRequest)?),
            2 => Self::Call(call(&mut reader, CallStep::KeyingRequest)?),
            3 => Self::Call(call(&mut reader, CallStep::Notification)?),
            4 => Self::Answer(answer(&mut reader, AnswerStep::NotificationAnswer)?),
            5 => Self::Answer(answer(&mut reader, AnswerStep::KeyingAnswer)?),
            6 => Self::Answer(answer(&mut reader, AnswerStep::ServiceAnswer)?),
            7 => {
                let (connection, value) = (reader.connection()?, reader.octet("cause")?);
                let cause = Cause::ALL.into_iter().find(|cause| *cause as u8 == value);
                let cause = cause.ok_or(Error::Reserved { what: "cause", value: u32::from(value) })?;
                Self::Reject { connection, cause }
            }
            value => {
                return Err(Error::Reserved { what: "message of direct keying", value: u32::from(value) });
            }
        };
        reader.end().map(|()| message)
    }

    /// Returns the octets. They can hold half keys.
    ///
    /// # Errors
    /// Our misuse: another number of shares than the message has.
    pub fn emit(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        // Large enough for every message: a buffer that grows leaves half keys behind.
        let mut octets = Zeroizing::new(Vec::with_capacity(256));
        match self {
            Self::Call(call) => emit_call(&mut octets, call)?,
            Self::Answer(answer) => emit_answer(&mut octets, answer)?,
            Self::Reject { connection, cause } => {
                octets.push(7);
                octets.extend(connection.octets());
                octets.push(*cause as u8);
            }
        }
        Ok(octets)
    }
}

fn call(reader: &mut Reader<'_>, step: CallStep) -> Result<Call, Error> {
    let (kind, connection) = (reader.kind()?, reader.connection()?);
    let shares = reader.shares(Call::shares(step, kind))?;
    let lifetime = if step == CallStep::ServiceRequest { 0 } else { reader.lifetime()? };
    let (caller, peer) = (reader.expression()?, reader.peer()?);
    Ok(Call { step, kind, connection, shares, lifetime, caller, peer })
}

fn answer(reader: &mut Reader<'_>, step: AnswerStep) -> Result<Answer, Error> {
    let (kind, connection, target) = (reader.kind()?, reader.connection()?, reader.connection()?);
    let dksi = reader.take("DKSI")?;
    let shares = reader.shares(Answer::shares(step, kind))?;
    let lifetime = if step == AnswerStep::NotificationAnswer { 0 } else { reader.lifetime()? };
    Ok(Answer { step, kind, connection, target, dksi, shares, lifetime })
}

fn emit_call(octets: &mut Vec<u8>, call: &Call) -> Result<(), Error> {
    let Call { step, kind, connection, shares, lifetime, caller, peer } = call;
    octets.extend([
        match step {
            CallStep::ServiceRequest => 1,
            CallStep::KeyingRequest => 2,
            CallStep::Notification => 3,
        },
        number(*kind),
    ]);
    octets.extend(connection.octets());
    emit_shares(octets, shares, Call::shares(*step, *kind))?;
    if *step != CallStep::ServiceRequest {
        octets.extend(lifetime.to_be_bytes());
    }
    emit_expression(octets, caller);
    match peer {
        Peer::Expression(expression) => {
            octets.push(1);
            emit_expression(octets, expression);
        }
        Peer::Connection(connection) => {
            octets.push(2);
            octets.extend(connection.octets());
        }
    }
    Ok(())
}

fn emit_answer(octets: &mut Vec<u8>, answer: &Answer) -> Result<(), Error> {
    let Answer { step, kind, connection, target, dksi, shares, lifetime } = answer;
    octets.extend([
        match step {
            AnswerStep::NotificationAnswer => 4,
            AnswerStep::KeyingAnswer => 5,
            AnswerStep::ServiceAnswer => 6,
        },
        number(*kind),
    ]);
    octets.extend(connection.octets());
    octets.extend(target.octets());
    octets.extend(dksi);
    emit_shares(octets, shares, Answer::shares(*step, *kind))?;
    if *step != AnswerStep::NotificationAnswer {
        octets.extend(lifetime.to_be_bytes());
    }
    Ok(())
}

const fn number(kind: Kind) -> u8 {
    match kind {
        Kind::HalfKeys => 1,
        Kind::PublicValues => 2,
    }
}

fn emit_shares(octets: &mut Vec<u8>, shares: &[Secret256], count: usize) -> Result<(), Error> {
    if shares.len() != count {
        return Err(Error::TooMany { what: "shares", max: count });
    }
    shares.iter().for_each(|share| octets.extend(share.as_bytes()));
    Ok(())
}

fn emit_expression(octets: &mut Vec<u8>, expression: &Expression) {
    // At most 64.
    octets.push(expression.0.len() as u8);
    octets.extend_from_slice(&expression.0);
}
