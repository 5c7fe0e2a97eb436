//! Keys of links from end to end in the key store of a UE: beside those of its other links, under names of their own, so
//! that neither serves in the place of the other.

use crate::direct_link::{Change, Identity, KdRecord};

/// Type of the identity of a peer from end to end, in the key store alone.
const END_TO_END: u8 = 0x12;

fn retag(identity: &Identity, from: u8, to: u8) -> Option<Identity> {
    (identity.kind == from).then(|| Identity { kind: to, value: identity.value.clone() })
}

/// Returns a change of the links from end to end as the key store keeps it.
pub fn to_store(change: Change) -> Change {
    let stored = |peer: Identity| retag(&peer, Identity::USER, END_TO_END).unwrap_or(peer);
    match change {
        Change::Put(record) => {
            let peer = stored(record.peer.clone());
            Change::Put(KdRecord { peer, ..record })
        }
        Change::Remove(id, peer) => Change::Remove(id, stored(peer)),
        change => change,
    }
}

/// Returns a key of the store for the links from end to end.
///
/// # Errors
/// It is one of the other links, and comes back.
#[expect(clippy::result_large_err, reason = "the record goes on to its owner")]
pub fn of_store(record: KdRecord) -> Result<KdRecord, KdRecord> {
    match retag(&record.peer, END_TO_END, Identity::USER) {
        Some(peer) => Ok(KdRecord { peer, ..record }),
        None => Err(record),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelink_security::direct::KdId;
    use sidelink_security::keys::Kd;

    #[test]
    fn a_key_from_end_to_end_comes_back_and_no_other_does() {
        let john = Identity::user("john");
        let record = || KdRecord::pre_shared(KdId(7), Kd::from([1; 32]), john.clone());
        let Change::Put(stored) = to_store(Change::Put(record())) else { panic!("another change") };
        assert_ne!(stored.peer, john);
        assert_eq!(of_store(stored), Ok(record()));
        assert_eq!(of_store(record()), Err(record()));
        let Change::Remove(_, peer) = to_store(Change::Remove(KdId(7), john.clone())) else { panic!() };
        assert_eq!(peer, Identity { kind: END_TO_END, value: john.value });
    }
}
