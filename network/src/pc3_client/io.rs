//! What goes into the UE's end of PC3 and what comes out.

use core::fmt;

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::Mic;
use sidelink_security::discovery::restricted::Material;
use sidelink_security::keys::DiscoveryKey;
use zeroize::Zeroizing;

use crate::pc3::filters::{DiscoveryFilter, MatchingFilter};
use crate::pc3::{
    ApplicationCode, ApplicationId, Cause, EntryId, Error, Imsi, MaxOffset, Metadata, Plmn, RestrictedCode,
    Rpauid,
};
use crate::prose_function::{Application, RequestId};

/// Settings of the UE.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its identity, which the transport proves.
    pub ue: Imsi,
    /// Where it is registered.
    pub plmn: Plmn,
    /// For which application it asks.
    pub application: Application,
    /// Its own RPAUID, for restricted discovery.
    pub rpauid: Option<Rpauid>,
    /// Milliseconds until an answer counts as lost.
    pub patience: u64,
    /// Milliseconds between a request without answer and the next; doubled each time, up to 64 times.
    pub retry: u64,
}

/// Names something wanted, in the order of [`Input::Want`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WantedId(pub u8);

/// What the UE wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// To announce openly. TS 24.334 §6.2.2.
    Announce(ApplicationId),
    /// To monitor openly. TS 24.334 §6.2.3.
    Monitor(ApplicationId),
    /// To be discovered under its own RPAUID: restricted, model A. TS 24.334 §6.2.2A.
    AnnounceRestricted,
    /// To discover these: restricted, model A. TS 24.334 §6.2.3A.
    MonitorRestricted(Vec<Rpauid>),
    /// To answer under its own RPAUID: restricted, model B. TS 24.334 §6.2.2B.
    Answer,
    /// To ask for these: restricted, model B. TS 24.334 §6.2.3B.
    Ask(Vec<Rpauid>),
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// Time went on.
    Tick {
        /// The time.
        now: UtcTime,
    },
    /// The UE wants something, from now on.
    Want {
        /// The time.
        now: UtcTime,
        /// What.
        wanted: Wanted,
        /// An entry that the ProSe Function made for it before, to go on with; none for a new one.
        earlier: Option<EntryId>,
    },
    /// The ProSe Function answered (HTTP 200).
    Response {
        /// The time.
        now: UtcTime,
        /// Which request.
        request: RequestId,
        /// The body.
        body: &'a [u8],
    },
    /// It did not.
    NoAnswer {
        /// The time.
        now: UtcTime,
        /// Which request.
        request: RequestId,
        /// Why.
        why: NoAnswer,
    },
    /// It sent a message of its own.
    Push {
        /// The time.
        now: UtcTime,
        /// The body.
        body: &'a [u8],
    },
    /// Ask again about something that was refused or withdrawn: the operator of the network may have changed its mind.
    Again {
        /// The time.
        now: UtcTime,
        /// Of what.
        id: WantedId,
    },
    /// A message of discovery was heard whose MIC the network checks.
    Heard {
        /// The time.
        now: UtcTime,
        /// The message.
        heard: Heard,
    },
}

impl Input<'_> {
    pub(super) const fn now(&self) -> UtcTime {
        match self {
            Self::Tick { now }
            | Self::Want { now, .. }
            | Self::Response { now, .. }
            | Self::NoAnswer { now, .. }
            | Self::Push { now, .. }
            | Self::Again { now, .. }
            | Self::Heard { now, .. } => *now,
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// None came, or it says that the function is busy (HTTP 503): asked again after a while.
    Lost,
    /// Too many requests (HTTP 429): not before so many milliseconds.
    Wait(u64),
    /// The UE has no subscription (HTTP 403): not asked again.
    Forbidden,
}

/// A message that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Open or restricted, with the RPAUID that the UE monitors as.
    pub target: Target,
    /// The code.
    pub code: [u8; 23],
    /// The octet in front of it.
    pub message_type: u8,
    /// What protected it.
    pub mic: Mic,
    /// The whole counter.
    pub counter: UtcCounter,
}

/// Kind of discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Open.
    Open,
    /// Restricted, model A.
    Restricted,
    /// Restricted, model B: an answer.
    Answer,
}

impl Target {
    /// By the discovery type and the model of a message type. TS 24.334 §12.2.2.10.
    pub const fn of_message_type(octet: u8) -> Self {
        match (octet >> 6, octet & 3) {
            (1, _) => Self::Open,
            (_, 2) => Self::Answer,
            _ => Self::Restricted,
        }
    }
}

/// What to look for, with its keys.
#[derive(Debug)]
pub struct Filter {
    /// Who is looked for.
    pub rpauid: Option<Rpauid>,
    /// Codes under masks.
    pub filters: Vec<MatchingFilter>,
    /// Keys.
    pub material: Material,
    /// Whether the network checks the MIC.
    pub reports: bool,
    /// Until when.
    pub until: UtcTime,
}

/// What the ProSe Function allotted.
#[derive(Debug)]
pub enum Allotment {
    /// To announce openly.
    Announce {
        /// The code.
        code: ApplicationCode,
        /// The key of its MIC; none in an update, where the key stays.
        key: Option<DiscoveryKey>,
    },
    /// To monitor openly.
    Monitor(Vec<DiscoveryFilter>),
    /// To announce, restricted.
    AnnounceRestricted {
        /// The code.
        code: RestrictedCode,
        /// Its keys; none in an update, where the keys stay.
        material: Option<Material>,
    },
    /// To monitor, restricted.
    MonitorRestricted(Vec<Filter>),
    /// To answer, model B.
    Answer {
        /// ProSe Response Code.
        code: RestrictedCode,
        /// Its keys.
        sends: Material,
        /// Questions to answer.
        queries: Vec<MatchingFilter>,
        /// Their keys.
        receives: Material,
    },
    /// To ask, model B.
    Ask(Vec<Query>),
}

/// What to ask one user with, and what the answer is.
#[derive(Debug)]
pub struct Query {
    /// Who is asked.
    pub rpauid: Option<Rpauid>,
    /// ProSe Query Code.
    pub code: RestrictedCode,
    /// Its keys.
    pub sends: Material,
    /// Answers to look for, with their keys. They end when the question does.
    pub answers: Filter,
}

/// Why something allotted ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndCause {
    /// Its timer ended before the ProSe Function answered.
    Expired,
    /// The ProSe Function took it back.
    Withdrawn,
    /// It refuses it.
    Rejected(Cause),
    /// The UE has no subscription.
    Forbidden,
}

impl fmt::Display for EndCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("the time of what was allotted is over"),
            Self::Withdrawn => f.write_str("the ProSe Function took it back"),
            Self::Rejected(cause) => write!(f, "the ProSe Function refuses: {cause}"),
            Self::Forbidden => f.write_str("the subscriber has no ProSe subscription"),
        }
    }
}

/// Whom a verified code stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// Open.
    Application {
        /// What was discovered.
        id: ApplicationId,
        /// What goes with it.
        metadata: Option<Metadata>,
    },
    /// Restricted.
    User(Rpauid),
}

/// What is to be done.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "an output is moved once, and a box would hold keys elsewhere")]
pub enum Output {
    /// Send this to the ProSe Function, and hand back [`Input::Response`] or [`Input::NoAnswer`].
    Request {
        /// To hand back.
        request: RequestId,
        /// The body.
        body: Zeroizing<String>,
    },
    /// CURRENT_TIME and MAX_OFFSET came. TS 33.303 §6.1.3.3.1.
    Clock {
        /// The clock of the ProSe Function.
        current_time: UtcTime,
        /// The limit, where the message has one.
        max_offset: Option<MaxOffset>,
    },
    /// Codes, filters and keys came, in the place of earlier ones.
    Allotted {
        /// Of what.
        id: WantedId,
        /// Its name at the ProSe Function, to go on with after a restart.
        entry: EntryId,
        /// What.
        allotment: Allotment,
        /// Until when.
        until: UtcTime,
    },
    /// What was allotted must not be used any more.
    Ended {
        /// Of what.
        id: WantedId,
        /// Why.
        why: EndCause,
    },
    /// The network says that a message was right, and whose.
    Verified {
        /// Its code.
        code: [u8; 23],
        /// Whose.
        name: Name,
    },
    /// It says that it was wrong.
    NotVerified {
        /// Its code.
        code: [u8; 23],
        /// Why.
        cause: Cause,
    },
    /// A message that is not understood, or that nobody asked for. For reports.
    Malformed(Option<Error>),
    /// More is wanted than a UE may want.
    TooMany(Wanted),
    /// Nothing more until then; none: until the next input.
    Timeout(Option<UtcTime>),
}
