//! Client puzzles: work that a server asks of a client before it does work itself. Own design (TR 33.833 §5.2.5 asks for a
//! defence against floods of registrations and names none).
//!
//! ```text
//!   client                                server
//!   request          ------------------>  load is high
//!                    <------------------  challenge: time, difficulty, tag = MAC(secret; time, difficulty, identity)
//!   finds nonces
//!   request, nonces  ------------------>  computes the tag again, checks each nonce with one hash
//! ```
//!
//! The server keeps no state for a challenge: the tag binds it to one identity and one time. A solution ends with
//! [`LIFETIME`]; the server refuses one that is not younger than the last one of the same identity, so each counts once.
//!
//! A puzzle has parts, each as hard as the others: the work of the whole is that of one large puzzle, and its time varies
//! less (by the square root of the number of parts). A slow phone is then not kept out by bad luck.
//!
//! Both travel in header fields of HTTP ([`CHALLENGE_FIELD`], [`SOLUTION_FIELD`]), not in the documents of PC3: the schema
//! is 3GPP's, and the check has to come before the parser. The answer that carries a challenge is 503 with Retry-After, so
//! that a client without puzzles does the right thing: it comes again later, and is served once the load has fallen.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use sidelink_security::counter::UtcTime;
use sidelink_security::kdf::own::cookie;
use zeroize::Zeroizing;

/// The header field of an answer that carries a [`Challenge`]. Own.
pub const CHALLENGE_FIELD: &str = "client-puzzle";

/// The header field of a request that carries a [`Solution`]. Own.
pub const SOLUTION_FIELD: &str = "client-puzzle-solution";

/// Milliseconds from a challenge until its solution counts no more: a slow UE needs some seconds for the work. Own.
pub const LIFETIME: u64 = 30_000;

/// Most work that a client does for a server, in hashes. Own: sixteen times the default.
pub const MOST_WORK: u64 = 1 << 24;

/// Version and name of the form.
const FORM: &str = "sha256-1";

/// Most parts of a puzzle.
const MOST_PARTS: u8 = 64;

/// Work of a puzzle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difficulty {
    parts: u8,
    bits: u8,
}

impl Difficulty {
    /// 20 bits: 16 parts of 2^16 hashes each.
    pub const DEFAULT: Self = Self { parts: 16, bits: 16 };

    /// So many parts (1 to 64), each with so many leading zero bits (1 to 32).
    ///
    /// # Errors
    /// Out of these ranges.
    pub const fn new(parts: u8, bits: u8) -> Result<Self, Malformed> {
        if parts == 0 || parts > MOST_PARTS || bits == 0 || bits > 32 {
            return Err(Malformed::Difficulty);
        }
        Ok(Self { parts, bits })
    }

    /// Hashes that a solution takes on average.
    pub const fn work(self) -> u64 {
        (self.parts as u64) << self.bits
    }
}

impl Default for Difficulty {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a server asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    at: UtcTime,
    difficulty: Difficulty,
    tag: [u8; 16],
}

/// What a client found: a nonce for each part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
    at: UtcTime,
    nonces: Vec<u32>,
}

/// Why a text is no challenge and no solution. The other end's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// Another form, or too few or too many parts of it.
    Form,
    /// Not a time in decimal digits.
    Time,
    /// Not 1 to 64 parts of 1 to 32 bits.
    Difficulty,
    /// Not the hexadecimal digits of a tag, or of 1 to 64 nonces.
    Digits,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "not a puzzle of the form sha256-1",
            Self::Time => "the time of a puzzle is not milliseconds in decimal digits",
            Self::Difficulty => "a puzzle has 1 to 64 parts of 1 to 32 bits",
            Self::Digits => "the tag of a puzzle has 32 hexadecimal digits, each of its 1 to 64 nonces 8",
        })
    }
}

impl std::error::Error for Malformed {}

/// Why a solution does not count. The client's fault, or its bad luck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsolved {
    /// Not the text of a solution.
    Malformed(Malformed),
    /// Of a time that is over, or not there yet.
    Expired,
    /// The work was not done, or for another identity or another difficulty.
    Wrong,
}

/// What a server makes and checks puzzles with.
pub struct Puzzles {
    secret: Zeroizing<[u8; 16]>,
    difficulty: Difficulty,
}

impl Puzzles {
    /// With a secret that is derived from a seed: puzzles of before do not outlive a start.
    pub fn new(seed: &[u8; 32], difficulty: Difficulty) -> Self {
        Self { secret: Zeroizing::new(cookie(seed, b"client puzzle")), difficulty }
    }

    /// Makes a challenge for a client. Costs one MAC and no memory.
    pub fn challenge(&self, identity: &str, now: UtcTime) -> Challenge {
        Challenge { at: now, difficulty: self.difficulty, tag: self.tag(identity, now) }
    }

    /// Checks a solution. Costs at most one MAC and one hash a part; returns when its challenge was made.
    ///
    /// # Errors
    /// The work was not done for this identity in time.
    pub fn check(&self, identity: &str, text: &str, now: UtcTime) -> Result<UtcTime, Unsolved> {
        let solution = Solution::from_str(text).map_err(Unsolved::Malformed)?;
        if solution.at > now || now >= solution.at.plus_millis(LIFETIME) {
            return Err(Unsolved::Expired);
        }
        if solution.nonces.len() != usize::from(self.difficulty.parts) {
            return Err(Unsolved::Wrong);
        }
        let tag = self.tag(identity, solution.at);
        let all = (0..).zip(&solution.nonces).all(|(part, nonce)| self.difficulty.fits(&tag, part, *nonce));
        if all { Ok(solution.at) } else { Err(Unsolved::Wrong) }
    }

    fn tag(&self, identity: &str, at: UtcTime) -> [u8; 16] {
        let Difficulty { parts, bits } = self.difficulty;
        let context = [&at.millis().to_be_bytes()[..], &[parts, bits], identity.as_bytes()].concat();
        cookie(&self.secret[..], &context)
    }
}

impl fmt::Debug for Puzzles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Puzzles({:?})", self.difficulty)
    }
}

impl Difficulty {
    fn fits(self, tag: &[u8; 16], part: u8, nonce: u32) -> bool {
        let digest = Sha256::new().chain_update(tag).chain_update([part]).chain_update(nonce.to_be_bytes());
        let [a, b, c, d, ..] = <[u8; 32]>::from(digest.finalize());
        u32::from_be_bytes([a, b, c, d]).leading_zeros() >= u32::from(self.bits)
    }
}

impl Challenge {
    /// Hashes that a solution takes on average: a client that finds it too much (above [`MOST_WORK`]) comes again later.
    pub const fn work(&self) -> u64 {
        self.difficulty.work()
    }

    /// Does the work; returns the solution and how many hashes it took.
    ///
    /// None once it has taken eight times the average: a tag for which there is no nonce is as rare as a broken one.
    pub fn solve(&self) -> Option<(Solution, u64)> {
        let (mut hashes, mut nonces) = (0, Vec::with_capacity(usize::from(self.difficulty.parts)));
        for part in 0..self.difficulty.parts {
            let fits = |nonce: &u32| {
                hashes += 1;
                hashes > 8 * self.work() || self.difficulty.fits(&self.tag, part, *nonce)
            };
            nonces.push((0..=u32::MAX).find(fits)?);
        }
        (hashes <= 8 * self.work()).then_some((Solution { at: self.at, nonces }, hashes))
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difficulty { parts, bits } = self.difficulty;
        write!(f, "{FORM} {} {parts} {bits} {}", self.at.millis(), hex::encode(self.tag))
    }
}

impl FromStr for Challenge {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let [form, at, parts, bits, digits] = words(text)?;
        if form != FORM {
            return Err(Malformed::Form);
        }
        let number = |text: &str| text.parse().map_err(|_| Malformed::Difficulty);
        let difficulty = Difficulty::new(number(parts)?, number(bits)?)?;
        let mut tag = [0; 16];
        hex::decode_to_slice(digits, &mut tag).map_err(|_| Malformed::Digits)?;
        Ok(Self { at: time(at)?, difficulty, tag })
    }
}

impl fmt::Display for Solution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FORM} {} ", self.at.millis())?;
        self.nonces.iter().try_for_each(|nonce| write!(f, "{nonce:08x}"))
    }
}

impl FromStr for Solution {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let [form, at, digits] = words(text)?;
        if form != FORM {
            return Err(Malformed::Form);
        }
        if digits.len() % 8 != 0 || !(1..=usize::from(MOST_PARTS)).contains(&(digits.len() / 8)) {
            return Err(Malformed::Digits);
        }
        let octets = hex::decode(digits).map_err(|_| Malformed::Digits)?;
        let (nonces, _) = octets.as_chunks();
        Ok(Self { at: time(at)?, nonces: nonces.iter().map(|nonce| u32::from_be_bytes(*nonce)).collect() })
    }
}

fn words<const N: usize>(text: &str) -> Result<[&str; N], Malformed> {
    let words: Vec<&str> = text.split(' ').take(N + 1).collect();
    words.try_into().map_err(|_| Malformed::Form)
}

fn time(text: &str) -> Result<UtcTime, Malformed> {
    text.parse().map(UtcTime::from_millis).map_err(|_| Malformed::Time)
}

#[cfg(test)]
mod tests;
