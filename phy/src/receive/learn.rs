//! Pools that nobody told, inferred from what was heard, and why they are believed.

/// A pool that was learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learnt<P> {
    /// The pool: a receiver that is told it receives everything that was heard.
    pub pool: P,
    /// What it was learnt from.
    pub evidence: Evidence,
}

/// What speaks for a learnt pool and against it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// PSCCH transmissions that lie in the pool; of discovery, PSDCH transmissions.
    pub control: u64,
    /// Blocks that decoded where the pool puts them; of discovery, messages.
    pub blocks: u64,
    /// PSCCH, blocks or messages that the pool does not explain.
    pub contradictions: u64,
    /// Whether a MIB told the time. Without it, offsets count from the start of the capture and hold for no other.
    pub timed: bool,
    /// What was not determined. What is not listed here was.
    pub open: Vec<Open>,
}

/// A part of a pool that what was heard does not determine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Which part.
    pub part: Part,
    /// What was put in its place.
    pub value: OpenValue,
}

/// What stands in the place of a part that was not determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenValue {
    /// What was seen in use: the pool may have more.
    Seen,
    /// As much as agrees with what was seen: the pool may have less.
    Most,
    /// The usual value: nothing that was heard depends on it.
    Default,
}

/// A part of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// Period of a pool of modes 1 and 2, or of discovery.
    Period,
    /// Offset of the first period.
    Offset,
    /// Subframe bitmap of PSCCH.
    ControlBitmap,
    /// PRBs of PSCCH.
    ControlPrbs,
    /// Offset and subframe bitmap of PSSCH.
    DataBitmap,
    /// PRBs of PSSCH.
    DataPrbs,
    /// Hopping of PSSCH.
    Hopping,
    /// Subframe bitmap of discovery or V2X.
    Bitmap,
    /// PRBs of discovery.
    Prbs,
    /// Transmissions of a discovery message.
    Transmissions,
    /// sizeSubchannel of V2X.
    Size,
    /// numSubchannel of V2X.
    Num,
    /// startRB-Subchannel of V2X.
    Start,
    /// Offset of the synchronisation subframes of V2X.
    SyncOffset,
}
