//! Limits of a receiver.

/// Limits of a receiver of long messages. All are our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Unfinished sets of one sender: a newer one drops the one of the longest silence.
    pub sets_per_sender: usize,
    /// Octets of fragments of all senders, with [`Self::PER_FRAGMENT`] for each. Beyond it the set of the longest silence is
    /// dropped. More than the air can carry between two fragments of one message.
    pub octets: usize,
    /// Milliseconds after the last fragment of a set until it is dropped. Between two fragments a
    /// sender waits some periods of at most 320 ms.
    pub lifetime: u64,
    /// Messages that are remembered, so that their further copies and fragments are not given again.
    pub remembered: usize,
    /// Milliseconds for which they are.
    pub memory: u64,
    /// Fragments that are kept beyond the K that are needed, in case that some are forged.
    pub spare: usize,
    /// Choices of K fragments of one set that are tried in all.
    pub choices: u32,
    /// Multiplications of octets ([`crate::erasure::Code::work`]) for one received PDU; one choice is always tried. Two
    /// million take about 1.5 ms.
    pub work: usize,
}

impl Config {
    /// Octets that a fragment counts beside its own.
    pub const PER_FRAGMENT: usize = 64;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sets_per_sender: 8,
            octets: 512 << 10,
            lifetime: 10_000,
            remembered: 256,
            memory: 60_000,
            spare: 8,
            choices: 1024,
            work: 2_000_000,
        }
    }
}
