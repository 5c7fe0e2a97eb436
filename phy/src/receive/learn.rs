//! Pools that were not configured but inferred from received signals, with their evidence.

/// A learnt pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learnt<P> {
    /// The pool: a receiver configured with it receives everything that was received.
    pub pool: P,
    /// Evidence for it.
    pub evidence: Evidence,
}

/// Evidence for a learnt pool and against it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// PSCCH transmissions in the pool; for discovery, PSDCH transmissions.
    pub control: u64,
    /// Blocks that decoded at the places of the pool; for discovery, messages.
    pub blocks: u64,
    /// PSCCH, blocks or messages that the pool does not explain.
    pub contradictions: u64,
    /// Whether a MIB gave the time. Without it, offsets count from the start of the capture and are valid for it alone.
    pub timed: bool,
    /// Parts that were not determined. All others were.
    pub open: Vec<Open>,
}

/// A part of a pool that the received signals do not determine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// The part.
    pub part: Part,
    /// Kind of the value that was used instead.
    pub value: OpenValue,
}

/// Kind of the value of a part that was not determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenValue {
    /// The part that was observed in use: the pool may have more.
    Seen,
    /// The most that agrees with the observations: the pool may have less.
    Most,
    /// The usual value: no received signal depends on it.
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
