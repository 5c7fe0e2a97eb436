//! Every backend against the scalar one, and that one against the `hmac` crate.

use super::{Backend, ID_WORD, Ids, Keys, LANES, Outputs, loops};
use crate::hmac::{Keyed, short_block};
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;

fn words(block: &[u8; 64]) -> [u32; 16] {
    std::array::from_fn(|i| u32::from_be_bytes(block.as_chunks().0[i]))
}

fn octets(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

proptest! {
    /// 1 to 3 groups: more and fewer than any backend interleaves.
    #[test]
    fn every_backend_is_the_hmac_of_each_identity(
        people in proptest::collection::vec(any::<([u8; 32], [u8; 20])>(), 3 * LANES),
        groups in 1_usize..=3,
        message in any::<[u8; 50]>(),
        fresh in any::<[u8; 8]>(),
    ) {
        let (mut keys, mut ids) = (vec![Keys::VACANT; groups], vec![Ids::VACANT; groups]);
        for (i, (key, id)) in people.iter().take(groups * LANES).enumerate() {
            keys[i / LANES].set(i % LANES, &Keyed::new(key));
            ids[i / LANES].set(i % LANES, id);
            prop_assert_eq!(ids[i / LANES].get(i % LANES), *id);
        }
        let block = words(&short_block(&message));
        let fresh_key = |pad: u8| {
            let mut key = [pad; 64];
            key.iter_mut().zip(fresh).for_each(|(key, fresh)| *key ^= fresh);
            let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
            sha1::block_api::compress(&mut state, &[key]);
            state
        };
        let (inner, outer) = (fresh_key(0x36), fresh_key(0x5c));
        for backend in Backend::ALL.into_iter().filter(|backend| backend.is_available()) {
            let loops = loops(backend);
            let (mut keyed, mut literal) = (vec![Outputs::EMPTY; groups], vec![Outputs([[9; LANES]; 8]); groups]);
            (loops.keyed)(&block, &keys, &ids, &mut keyed);
            (loops.literal)([&inner, &outer], &ids, &mut literal);
            for (i, (key, id)) in people.iter().take(groups * LANES).enumerate() {
                let mut said = message;
                said[4 * ID_WORD..4 * ID_WORD + 20].copy_from_slice(id);
                let mut oracle = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
                oracle.update(&said);
                let computed = octets(&keyed[i / LANES].lane(i % LANES));
                prop_assert_eq!(&computed[..], &oracle.finalize().into_bytes()[..], "{:?} {}", backend, i);
                let mut oracle = Hmac::<sha1::Sha1>::new_from_slice(&fresh).unwrap();
                oracle.update(id);
                let computed = octets(&literal[i / LANES].lane(i % LANES));
                prop_assert_eq!(&computed[..20], &oracle.finalize().into_bytes()[..], "{:?} {}", backend, i);
                prop_assert_eq!(&computed[20..], &[0; 12]);
            }
        }
    }
}
