//! Content of a transport block.

use crate::config::{ConfigError, OneOrMany};
use serde::Deserialize;
use serde::de::{self, Deserializer};
use sidelink_phy::impair::rng::Rng;
use sidelink_wire::hex;

/// Octets of transport blocks or messages: `"random"`, hexadecimal digits, `"text:hello"`, or a list of these that is
/// repeated cyclically. Short ones are padded with zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload(Vec<Block>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Block {
    Random,
    Octets(Vec<u8>),
}

impl Default for Payload {
    fn default() -> Self {
        Self::random()
    }
}

impl Payload {
    /// Makes uniform random octets, new ones for every block.
    pub fn random() -> Self {
        Self(vec![Block::Random])
    }

    /// Makes these octets, one block after the other, repeated cyclically. Random if the list is empty.
    pub fn octets(blocks: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let blocks: Vec<Block> = blocks.into_iter().map(Block::Octets).collect();
        if blocks.is_empty() { Self::random() } else { Self(blocks) }
    }

    /// Checks that every block fits `octets`.
    pub(super) fn check(&self, octets: usize, place: &str) -> Result<(), ConfigError> {
        let longest = self.longest(0);
        if longest > octets {
            let what = format!("a payload of {longest} octets, where {octets} fit");
            return Err(ConfigError::new(what, place, "shorten it, or choose a higher MCS or more PRBs"));
        }
        Ok(())
    }

    /// Returns the octets of the longest block; random ones have `random` octets.
    pub(super) fn longest(&self, random: usize) -> usize {
        self.0.iter().map(|b| if let Block::Octets(o) = b { o.len() } else { random }).max().unwrap_or(random)
    }

    /// Returns block `index` in its own length; a random one has `random` octets.
    pub(super) fn sdu(&self, index: u64, rng: &Rng, random: usize) -> Vec<u8> {
        let len = match self.0.get((index % self.0.len().max(1) as u64) as usize) {
            Some(Block::Octets(octets)) => octets.len(),
            _ => random,
        };
        let mut out = vec![0; len];
        self.fill(index, rng, &mut out);
        out
    }

    /// Writes block `index`. The same index gives the same block.
    pub(super) fn fill(&self, index: u64, rng: &Rng, out: &mut [u8]) {
        out.fill(0);
        match self.0.get((index % self.0.len().max(1) as u64) as usize) {
            Some(Block::Octets(octets)) => {
                for (o, b) in out.iter_mut().zip(octets) {
                    *o = *b;
                }
            }
            _ => {
                let mut rng = rng.fork(index);
                for chunk in out.chunks_mut(8) {
                    let draw = rng.next_u64().to_le_bytes();
                    chunk.copy_from_slice(&draw[..chunk.len()]);
                }
            }
        }
    }
}

impl std::str::FromStr for Block {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if text == "random" {
            return Ok(Self::Random);
        }
        if let Some(words) = text.strip_prefix("text:") {
            return Ok(Self::Octets(words.as_bytes().to_vec()));
        }
        let octets = hex::bytes(text).filter(|o| !o.is_empty());
        octets.map(Self::Octets).ok_or_else(|| {
            let remedy = "write \"random\", whole octets in hexadecimal, or \"text:hello\"";
            ConfigError::new(format!("{text:?} is no payload"), "", remedy)
        })
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = OneOrMany::<String>::deserialize(deserializer)?;
        let blocks = texts.as_slice().iter().map(|t| t.parse()).collect::<Result<Vec<_>, _>>();
        let blocks = blocks.map_err(de::Error::custom)?;
        if blocks.is_empty() {
            Err(de::Error::custom("an empty list; leave it out for random payloads"))
        } else {
            Ok(Self(blocks))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(text: &str) -> Result<Payload, ConfigError> {
        #[derive(Deserialize)]
        struct Table {
            p: Payload,
        }
        crate::config::parse_toml::<Table>(&format!("p = {text}"), "t").map(|t| t.p)
    }

    fn block(p: &Payload, index: u64) -> Vec<u8> {
        let mut out = vec![0xaa; 12];
        p.fill(index, &Rng::new(1), &mut out);
        out
    }

    #[test]
    fn blocks_come_in_turn_and_are_padded() {
        let p = payload(r#"["0102", "text:hi", "random"]"#).unwrap();
        assert_eq!(block(&p, 0), [1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&block(&p, 4)[..3], b"hi\0");
        assert_eq!(block(&p, 2), block(&p, 2));
        assert_ne!(block(&p, 2), block(&p, 5));
        assert!(p.check(2, "x").is_ok() && p.check(1, "x").is_err());
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["\"010\"", "\"xyz\"", "\"\"", "[]", "5", "[5]"] {
            assert!(payload(text).is_err(), "{text}");
        }
    }
}
