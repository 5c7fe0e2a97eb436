//! What re-keying a group by a tree of keys would cost: octets of the messages of MLS (RFC 9420), cipher suite 1 (X25519,
//! AES-128-GCM, SHA-256, Ed25519). They are priced, not built: an anchor from outside for the solutions of the proposals.
//!
//! Every member has a full path in the tree (no unmerged leaves), as after each of them has committed once. Vectors have the
//! lengths of RFC 9420 §2.1.2 (one octet below 64, two below 16384, four above).

/// Octets of a public key of HPKE, and of a key of signatures.
const KEY: usize = 32;

/// Octets of a hash.
const HASH: usize = 32;

/// Octets of a signature.
const SIGNATURE: usize = 64;

/// Octets that the AEAD adds.
const TAG: usize = 16;

/// Octets of the identity of a basic credential, and of a group ID.
const IDENTITY: usize = 15;
const GROUP_ID: usize = 8;

/// Returns the octets of a vector with so many octets in it. RFC 9420 §2.1.2.
const fn vector(octets: usize) -> usize {
    let header = match octets {
        0..64 => 1,
        64..16384 => 2,
        _ => 4,
    };
    header + octets
}

/// HPKECiphertext of so many octets. RFC 9420 §7.6.
const fn ciphertext(plain: usize) -> usize {
    vector(KEY) + vector(plain + TAG)
}

/// LeafNode with a basic credential: two keys, the credential, capabilities of one version, suite and credential type, the source
/// with what belongs to it, no extensions, the signature. RFC 9420 §7.2.
const fn leaf(source: usize) -> usize {
    let credential = 2 + vector(IDENTITY);
    let capabilities = vector(2) + vector(2) + vector(0) + vector(0) + vector(2);
    2 * vector(KEY) + credential + capabilities + 1 + source + vector(0) + vector(SIGNATURE)
}

/// Leaf of a commit: with its parent hash.
const LEAF_OF_COMMIT: usize = leaf(vector(HASH));

/// Leaf of a KeyPackage: with its lifetime.
const LEAF_OF_PACKAGE: usize = leaf(16);

/// KeyPackage: version, suite, a key, a leaf, no extensions, the signature. RFC 9420 §10.
pub(crate) const KEY_PACKAGE: usize = 2 + 2 + vector(KEY) + LEAF_OF_PACKAGE + vector(0) + vector(SIGNATURE);

/// Levels of the tree above its leaves.
pub(crate) const fn depth(members: usize) -> usize {
    if members <= 1 { 0 } else { (members - 1).ilog2() as usize + 1 }
}

/// PublicMessage around a commit of so many octets: framing, signature, both tags. RFC 9420 §6.
const fn framed(commit: usize) -> usize {
    let content = vector(GROUP_ID) + 8 + (1 + 4) + vector(0) + 1 + commit;
    2 + 2 + content + vector(SIGNATURE) + 2 * vector(HASH)
}

/// The commit that removes a member, with the path of its sender; `ciphertexts` are those of each level. RFC 9420 §12.4.
fn commit(proposals: usize, ciphertexts: impl Iterator<Item = usize>) -> usize {
    let node = |ciphertexts: usize| vector(KEY) + vector(ciphertexts * ciphertext(HASH));
    let nodes: usize = ciphertexts.map(node).sum();
    framed(vector(proposals) + 1 + LEAF_OF_COMMIT + vector(nodes))
}

/// Octets of a commit that removes a member from a group of so many, and replaces the path of its sender. Where the copath
/// meets the removed leaf its nodes are blank: so many subtrees get a ciphertext each in the place of one. `height` is that of
/// the subtree in which the removed leaf lies: 0 for the sender's sibling, `depth - 1` for the other half of the tree.
pub(crate) fn removal(members: usize, height: usize) -> usize {
    // an inline proposal: its form, its type, the number of a leaf
    let remove = 1 + 2 + 4;
    commit(remove, (0..depth(members)).map(|level| if level == height { height } else { 1 }))
}

/// Returns the mean of [`removal`] over the places of the removed leaf.
pub(crate) fn removal_mean(members: usize) -> f64 {
    let depth = depth(members);
    // half of the leaves lie in the other half of the tree, a quarter in the next quarter ..
    let total = (1_usize << depth) - 1;
    let sum: f64 = (0..depth).map(|height| removal(members, height) as f64 * (1_u64 << height) as f64).sum();
    if total == 0 { 0.0 } else { sum / total as f64 }
}

/// Octets of the Welcome that lets so many in at once: a ciphertext each, and the group's state with its tree. RFC 9420 §12.4.3.1.
pub(crate) fn welcome(members: usize) -> usize {
    let secrets = vector(HASH) + (1 + vector(HASH)) + vector(0);
    let each = vector(HASH) + ciphertext(secrets);
    let context = 2 + 2 + vector(GROUP_ID) + 8 + 2 * vector(HASH) + vector(0);
    let parent = vector(KEY) + vector(HASH) + vector(0);
    // optional<Node>, and its type
    let tree = members * (2 + LEAF_OF_PACKAGE) + members.saturating_sub(1) * (2 + parent);
    let info = context + vector(2 + vector(vector(tree))) + vector(HASH) + 4 + vector(SIGNATURE);
    2 + 2 + 2 + vector(members * each) + vector(info + TAG)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A level with one ciphertext is 117 octets, as the digest of identity-based keys counts it; its vectors' headers are in it.
    #[test]
    fn a_level_of_the_path_has_117_octets() {
        assert_eq!((ciphertext(HASH), vector(KEY) + vector(ciphertext(HASH))), (82, 117));
        assert_eq!([1, 2, 3, 20, 256, 2000, 2048].map(depth), [0, 1, 2, 5, 8, 11, 11]);
        // three levels more, in a vector that had two octets of length before and has two now
        assert_eq!(removal(2048, 1) - removal(256, 1), 3 * 117);
        assert_eq!(removal(2048, 1), 1287 + 2 + 160 + 9 + 196, "path, framing, commit, leaf");
    }

    /// The sibling's ciphertext falls away with it; the other half of the tree takes one for each level of its blank path.
    #[test]
    fn blank_nodes_cost_a_ciphertext_each() {
        let one = ciphertext(HASH);
        assert_eq!(removal(256, 1) - removal(256, 0), one + 1);
        assert_eq!(removal(256, 7) - removal(256, 1), 6 * one);
        let mean = removal_mean(256);
        assert!((removal(256, 0) as f64) < mean && mean < removal(256, 7) as f64, "{mean}");
    }

    /// Written out by hand: a Welcome for one.
    #[test]
    fn a_welcome_has_the_tree_in_it() {
        let secrets = 33 + 34 + 1;
        let each = 33 + 33 + 2 + secrets + 16;
        let context = 2 + 2 + 9 + 8 + 66 + 1;
        let leaf = 66 + 2 + 16 + 3 + 3 + 1 + 1 + 3 + 1 + 16 + 1 + 66;
        let tree = 2 + leaf;
        let info = context + 2 + (2 + 2 + (2 + tree)) + 33 + 4 + 66;
        assert_eq!(welcome(1), 6 + 2 + each + 2 + info + 16);
        assert_eq!(KEY_PACKAGE, 4 + 33 + leaf + 1 + 66);
    }
}
