//! MILENAGE, f1 to f5*, by the `milenage` crate. TS 35.206.
//!
//! The crate keeps plain copies of its results and prints them with `{:?}`; this wrapper returns types that are wiped,
//! and keeps the crate's object for one call only. The crate's own copies of K, OPc, CK and IK are not wiped when it
//! drops them.

use zeroize::ZeroizeOnDrop;

/// Subscriber key K and OPc.
#[derive(ZeroizeOnDrop)]
pub struct Subscriber {
    k: [u8; 16],
    opc: [u8; 16],
}

/// Results of f1 to f5 for one RAND. TS 35.206 §4.1.
#[derive(ZeroizeOnDrop)]
pub struct Vector {
    /// MAC-A, f1.
    pub mac_a: [u8; 8],
    /// RES, f2.
    pub res: [u8; 8],
    /// CK, f3.
    pub ck: [u8; 16],
    /// IK, f4.
    pub ik: [u8; 16],
    /// AK, f5.
    pub ak: [u8; 6],
}

/// A USIM's answer to a SQN that is out of range: f1*, f5*.
#[derive(ZeroizeOnDrop)]
pub struct Resynchronisation {
    /// MAC-S, f1*.
    pub mac_s: [u8; 8],
    /// AK of the resynchronisation, f5*.
    pub ak: [u8; 6],
}

impl Subscriber {
    /// Makes a subscriber of K and OP: OPc = E_K(OP) xor OP.
    pub fn with_op(k: [u8; 16], op: [u8; 16]) -> Self {
        let opc = *milenage::Milenage::new_with_op(k, op).opc();
        Self { k, opc }
    }

    /// Makes a subscriber of K and OPc.
    pub const fn with_opc(k: [u8; 16], opc: [u8; 16]) -> Self {
        Self { k, opc }
    }

    /// Returns OPc. It is secret and belongs on the card.
    pub const fn opc(&self) -> &[u8; 16] {
        &self.opc
    }

    /// Computes f1 to f5.
    pub fn vector(&self, rand: &[u8; 16], sqn: &[u8; 6], amf: &[u8; 2]) -> Vector {
        let mut functions = milenage::Milenage::new_with_opc(self.k, self.opc);
        let mac_a = functions.f1(rand, sqn, amf);
        let (res, ck, ik, ak) = functions.f2345(rand);
        Vector { mac_a, res, ck, ik, ak }
    }

    /// Computes f1* and f5*.
    pub fn resynchronisation(&self, rand: &[u8; 16], sqn: &[u8; 6], amf: &[u8; 2]) -> Resynchronisation {
        let mut functions = milenage::Milenage::new_with_opc(self.k, self.opc);
        let mac_s = functions.f1star(rand, sqn, amf);
        let ak = functions.f5star(rand);
        Resynchronisation { mac_s, ak }
    }
}
