//! The one-way functions, one identity after the other: the truth.
//!
//! They are computed step by step over all lanes, not lane by lane: a compression that loads words which were only just
//! stored, in parts, would wait for everything before it, and nothing would overlap.

use sha1::block_api::compress as compress_sha1;
use sha2::block_api::compress256;

use super::{ID_WORD, Ids, Keys, LANES, Loops, Outputs, Word, get, put};

pub(super) const LOOPS: Loops = Loops { keyed, literal };

type Block = [u8; 64];

fn keyed(block: &[u32; 16], keys: &[Keys], ids: &[Ids], out: &mut [Outputs]) {
    let mut blocks = [octets(block); LANES];
    for ((keys, ids), out) in keys.iter().zip(ids).zip(out) {
        for (lane, block) in blocks.iter_mut().enumerate() {
            block[4 * ID_WORD..4 * ID_WORD + 20].copy_from_slice(&ids.get(lane));
        }
        let mut states = states(&keys.inner);
        for (state, block) in states.iter_mut().zip(&blocks) {
            compress256(state, std::slice::from_ref(block));
        }
        let outer = states.map(|inner| after(&inner));
        states = self::states(&keys.outer);
        for (state, block) in states.iter_mut().zip(&outer) {
            compress256(state, std::slice::from_ref(block));
        }
        for (lane, state) in states.iter().enumerate() {
            put(&mut out.0, lane, state);
        }
    }
}

fn literal([inner, outer]: [&[u32; 5]; 2], ids: &[Ids], out: &mut [Outputs]) {
    for (ids, out) in ids.iter().zip(out) {
        let mut blocks = [[0; 64]; LANES];
        for (lane, block) in blocks.iter_mut().enumerate() {
            *block = after(&get(&ids.0, lane));
        }
        let mut states = [*inner; LANES];
        for (state, block) in states.iter_mut().zip(&blocks) {
            compress_sha1(state, std::slice::from_ref(block));
        }
        let blocks = states.map(|inner| after(&inner));
        states = [*outer; LANES];
        for (state, block) in states.iter_mut().zip(&blocks) {
            compress_sha1(state, std::slice::from_ref(block));
        }
        *out = Outputs::EMPTY;
        for (lane, state) in states.iter().enumerate() {
            for (word, value) in out.0.iter_mut().zip(state) {
                word[lane] = *value;
            }
        }
    }
}

fn states(words: &[Word; 8]) -> [[u32; 8]; LANES] {
    std::array::from_fn(|lane| get(words, lane))
}

fn octets(words: &[u32; 16]) -> Block {
    let mut block = [0; 64];
    for (octets, word) in block.as_chunks_mut().0.iter_mut().zip(words) {
        *octets = word.to_be_bytes();
    }
    block
}

/// Returns the padded block of these words after one block of key.
fn after<const N: usize>(words: &[u32; N]) -> Block {
    octets(&super::padded(words))
}
