//! What authentication and key agreement is made of. TS 33.102 §6.3.

use std::fmt;

use sidelink_security::cipher::milenage::Subscriber;
use sidelink_security::keys::Ks;
use subtle::ConstantTimeEq;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// Entries of a USIM's array, and values of IND: 5 bits. TS 33.102 Annex C.3.2.
pub const ARRAY: usize = 32;

/// One past the highest SEQ: 48 bits of SQN less 5 of IND.
pub const SEQ_LIMIT: u64 = 1 << 43;

/// Sequence number, SEQ || IND, 48 bits. TS 33.102 Annex C.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Sqn(u64);

impl Sqn {
    /// From its parts; `None` where one of them is too large.
    pub const fn new(seq: u64, ind: usize) -> Option<Self> {
        if seq >= SEQ_LIMIT || ind >= ARRAY { None } else { Some(Self(seq << 5 | ind as u64)) }
    }

    /// SEQ.
    pub const fn seq(self) -> u64 {
        self.0 >> 5
    }

    /// IND, below [`ARRAY`].
    pub const fn ind(self) -> usize {
        (self.0 & 31) as usize
    }

    /// The 48 bits.
    pub const fn octets(self) -> [u8; 6] {
        let [_, _, a, b, c, d, e, f] = self.0.to_be_bytes();
        [a, b, c, d, e, f]
    }

    /// From the 48 bits.
    pub const fn from_octets([a, b, c, d, e, f]: [u8; 6]) -> Self {
        Self(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }
}

/// Authentication management field. TS 33.102 Annex H.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amf(pub [u8; 2]);

impl Amf {
    /// Separation bit 0: what gives CK and IK away, as GBA does.
    pub const OPEN: Self = Self([0, 0]);
    /// Separation bit 1: EPS and EAP-AKA', where CK and IK stay in the HSS.
    pub const SEPARATED: Self = Self([0x80, 0]);
    /// What AUTS is computed with. TS 33.102 §6.3.3.
    pub const RESYNCHRONISATION: Self = Self([0, 0]);

    /// Whether the AMF separation bit, the first, is set.
    pub const fn is_separated(self) -> bool {
        self.0[0] & 0x80 != 0
    }
}

/// Random challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rand(pub [u8; 16]);

/// Authentication token, (SQN xor AK) || AMF || MAC-A. TS 33.102 §6.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Autn(pub [u8; 16]);

impl Autn {
    fn new(concealed: [u8; 6], amf: Amf, mac_a: &[u8; 8]) -> Self {
        let mut octets = [0; 16];
        octets[..6].copy_from_slice(&concealed);
        octets[6..8].copy_from_slice(&amf.0);
        octets[8..].copy_from_slice(mac_a);
        Self(octets)
    }

    /// SQN xor AK.
    pub const fn concealed_sqn(&self) -> [u8; 6] {
        let [a, b, c, d, e, f, ..] = self.0;
        [a, b, c, d, e, f]
    }

    /// AMF.
    pub const fn amf(&self) -> Amf {
        Amf([self.0[6], self.0[7]])
    }

    fn mac_a(&self) -> &[u8] {
        &self.0[8..]
    }
}

/// Resynchronisation token, (SQN_MS xor AK*) || MAC-S. TS 33.102 §6.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auts(pub [u8; 14]);

/// AUTS of a USIM whose highest SQN is `highest`, to a challenge.
pub fn auts(subscriber: &Subscriber, rand: Rand, highest: Sqn) -> Auts {
    let sqn = highest.octets();
    let made = subscriber.resynchronisation(&rand.0, &sqn, &Amf::RESYNCHRONISATION.0);
    let mut octets = [0; 14];
    octets[..6].copy_from_slice(&xor(sqn, &made.ak));
    octets[6..].copy_from_slice(&made.mac_s);
    Auts(octets)
}

/// SQN_MS of an AUTS; `None` where its MAC-S is not the subscriber's. TS 33.102 §6.3.5.
pub fn sqn_ms(subscriber: &Subscriber, rand: Rand, auts: Auts) -> Option<Sqn> {
    let [a, b, c, d, e, f, ..] = auts.0;
    let amf = Amf::RESYNCHRONISATION.0;
    let ak = subscriber.resynchronisation(&rand.0, &[0; 6], &amf).ak;
    let sqn = xor([a, b, c, d, e, f], &ak);
    let expected = subscriber.resynchronisation(&rand.0, &sqn, &amf).mac_s;
    bool::from(expected[..].ct_eq(&auts.0[6..])).then(|| Sqn::from_octets(sqn))
}

/// Authentication vector, and what a USIM computes of it. TS 33.102 §6.3.2.
#[derive(ZeroizeOnDrop)]
pub struct Quintet {
    /// RAND.
    #[zeroize(skip)]
    pub rand: Rand,
    /// AUTN.
    #[zeroize(skip)]
    pub autn: Autn,
    /// XRES of the network, RES of the USIM.
    pub res: [u8; 8],
    /// CK.
    pub ck: [u8; 16],
    /// IK.
    pub ik: [u8; 16],
}

impl Quintet {
    /// The vector of a subscriber.
    pub fn new(subscriber: &Subscriber, rand: Rand, sqn: Sqn, amf: Amf) -> Self {
        let made = subscriber.vector(&rand.0, &sqn.octets(), &amf.0);
        let autn = Autn::new(xor(sqn.octets(), &made.ak), amf, &made.mac_a);
        Self { rand, autn, res: made.res, ck: made.ck, ik: made.ik }
    }

    /// The vector of a challenge, with its SQN; `None` where MAC-A is not the subscriber's.
    pub fn of_challenge(subscriber: &Subscriber, rand: Rand, autn: Autn) -> Option<(Self, Sqn)> {
        let ak = subscriber.vector(&rand.0, &[0; 6], &autn.amf().0).ak;
        let sqn = Sqn::from_octets(xor(autn.concealed_sqn(), &ak));
        let made = Self::new(subscriber, rand, sqn, autn.amf());
        bool::from(made.autn.mac_a().ct_eq(autn.mac_a())).then_some((made, sqn))
    }

    /// CK || IK, which GBA calls Ks. TS 33.220 §4.5.2.
    pub fn ks(&self) -> Ks {
        let mut octets = Zeroizing::new([0; 32]);
        octets[..16].copy_from_slice(&self.ck);
        octets[16..].copy_from_slice(&self.ik);
        Ks::from(*octets)
    }
}

impl fmt::Debug for Quintet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quintet").field("rand", &self.rand).field("autn", &self.autn).finish_non_exhaustive()
    }
}

fn xor(mut sqn: [u8; 6], ak: &[u8; 6]) -> [u8; 6] {
    for (octet, ak) in sqn.iter_mut().zip(ak) {
        *octet ^= ak;
    }
    sqn
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sqn_is_seq_and_ind() {
        let sqn = Sqn::new(SEQ_LIMIT - 1, 30).unwrap();
        assert_eq!(
            (sqn.seq(), sqn.ind(), sqn.octets()),
            (SEQ_LIMIT - 1, 30, [255, 255, 255, 255, 255, 0xfe])
        );
        assert_eq!(Sqn::from_octets(sqn.octets()), sqn);
        assert_eq!((Sqn::new(SEQ_LIMIT, 0), Sqn::new(0, ARRAY)), (None, None));
    }

    #[test]
    fn a_quintet_shows_nothing_secret() {
        let subscriber = Subscriber::with_opc([0xab; 16], [2; 16]);
        let quintet = Quintet::new(&subscriber, Rand([1; 16]), Sqn::new(1, 0).unwrap(), Amf::OPEN);
        let shown = format!("{quintet:?}");
        for secret in [&quintet.res[..], &quintet.ck, &quintet.ik] {
            assert!(!shown.contains(&format!("{secret:?}")), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn one_bit_changed_is_no_challenge_and_no_auts(bit in 0_usize..128, seq in 0..SEQ_LIMIT) {
            let subscriber = Subscriber::with_opc([1; 16], [2; 16]);
            let sqn = Sqn::new(seq, 3).unwrap();
            let mut autn = Quintet::new(&subscriber, Rand([9; 16]), sqn, Amf::SEPARATED).autn;
            prop_assert_eq!(Quintet::of_challenge(&subscriber, Rand([9; 16]), autn).unwrap().1, sqn);
            autn.0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Quintet::of_challenge(&subscriber, Rand([9; 16]), autn).is_none());
            let mut token = auts(&subscriber, Rand([9; 16]), sqn);
            prop_assert_eq!(sqn_ms(&subscriber, Rand([9; 16]), token), Some(sqn));
            token.0[bit % 112 / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(sqn_ms(&subscriber, Rand([9; 16]), token), None);
        }
    }
}
