//! The formulas of ECCSI and SAKKE over OpenSSL: `BN_mod_mul_montgomery` for the numbers of SAKKE, the EC functions for
//! P-256.
//!
//! SAKKE's lines run the same sequence of products, sums and inversions as ours does with its tables, on arbitrary
//! numbers, without look-ups, hashes and encodings: what these formulas take at least with OpenSSL's arithmetic.

use std::hint::black_box;
use std::ptr;

use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::nid::Nid;
use openssl_sys::{BIGNUM, BN_CTX, BN_CTX_new, BN_bin2bn, BN_mod_inverse};

use crate::line;

/// p of parameter set 1.
const P: &str = "997abb1f0a563fda65c61198dad0657a416c0ce19cb48261be9ae358b3e01a2ef40aab27e2fc0f1b228730d531a59cb0e791b39ff7c88a19356d27f4a666a6d0e26c6487326b4cd4512ac5cd65681ce1b6aff4a831852a82a7cf3c521c3c09aa9f94d6af56971f1ffce3e82389857db080c5df10ac7ace87666d807afea85feb";

/// `BN_MONT_CTX`, which `openssl-sys` does not declare.
#[repr(C)]
struct Mont([u8; 0]);

unsafe extern "C" {
    fn BN_MONT_CTX_new() -> *mut Mont;
    fn BN_MONT_CTX_set(mont: *mut Mont, modulus: *const BIGNUM, ctx: *mut BN_CTX) -> i32;
    fn BN_mod_mul_montgomery(
        r: *mut BIGNUM,
        a: *const BIGNUM,
        b: *const BIGNUM,
        mont: *mut Mont,
        ctx: *mut BN_CTX,
    ) -> i32;
    fn BN_mod_add_quick(r: *mut BIGNUM, a: *const BIGNUM, b: *const BIGNUM, m: *const BIGNUM) -> i32;
    fn BN_mod_sub_quick(r: *mut BIGNUM, a: *const BIGNUM, b: *const BIGNUM, m: *const BIGNUM) -> i32;
}

/// Numbers by index, all below p, kept for the life of the program.
struct Numbers {
    numbers: [*mut BIGNUM; 16],
    p: *mut BIGNUM,
    mont: *mut Mont,
    ctx: *mut BN_CTX,
}

impl Numbers {
    fn new() -> Self {
        let p = BigNum::from_hex_str(P).expect("hexadecimal").to_vec();
        let number = |octets: &[u8]| {
            // SAFETY: the octets are `octets.len()` long; a null pointer has a new number made.
            unsafe { BN_bin2bn(octets.as_ptr(), octets.len() as i32, ptr::null_mut()) }
        };
        let numbers = std::array::from_fn(|i| number(&[0x35 + i as u8; 128]));
        let p = number(&p);
        // SAFETY: no argument; both are checked next.
        let (mont, ctx) = unsafe { (BN_MONT_CTX_new(), BN_CTX_new()) };
        assert!(!mont.is_null() && !ctx.is_null() && !p.is_null(), "OpenSSL has no memory");
        // SAFETY: all three were made above.
        assert_eq!(unsafe { BN_MONT_CTX_set(mont, p, ctx) }, 1);
        Self { numbers, p, mont, ctx }
    }

    fn mul(&self, r: usize, a: usize, b: usize) {
        let n = &self.numbers;
        // SAFETY: numbers below p, made in `new` and never freed.
        unsafe { BN_mod_mul_montgomery(n[r], n[a], n[b], self.mont, self.ctx) };
    }

    fn add(&self, r: usize, a: usize, b: usize) {
        let n = &self.numbers;
        // SAFETY: numbers below p, made in `new` and never freed.
        unsafe { BN_mod_add_quick(n[r], n[a], n[b], self.p) };
    }

    fn sub(&self, r: usize, a: usize, b: usize) {
        let n = &self.numbers;
        // SAFETY: numbers below p, made in `new` and never freed.
        unsafe { BN_mod_sub_quick(n[r], n[a], n[b], self.p) };
    }

    fn invert(&self, r: usize, a: usize) {
        let n = &self.numbers;
        // SAFETY: numbers below p, made in `new` and never freed.
        black_box(unsafe { BN_mod_inverse(n[r], n[a], self.p, self.ctx) });
    }

    /// (0, 1, 2) += (3, 4): 8 M + 3 S.
    fn add_mixed(&self) {
        let [x, y, z, qx, qy, zz, h, r, t, hh, v, w] = std::array::from_fn(|i| i);
        self.mul(zz, z, z);
        self.mul(h, qx, zz);
        self.sub(h, h, x);
        self.mul(t, z, zz);
        self.mul(r, qy, t);
        self.sub(r, r, y);
        self.mul(z, z, h);
        self.mul(hh, h, h);
        self.mul(t, h, hh);
        self.mul(v, x, hh);
        self.mul(x, r, r);
        self.add(w, v, v);
        self.add(w, w, t);
        self.sub(x, x, w);
        self.sub(v, v, x);
        self.mul(v, r, v);
        self.mul(t, y, t);
        self.sub(y, v, t);
    }

    fn additions(&self, count: usize) {
        (0..count).for_each(|_| self.add_mixed());
    }

    /// Multiplies (0, 1) by (1, 2) of a power of g.
    fn power(&self, count: usize) {
        for _ in 0..count {
            self.mul(5, 1, 2);
            self.mul(6, 0, 2);
            self.sub(0, 0, 5);
            self.add(1, 1, 6);
        }
    }

    /// The steps of the pairing: 1021 doublings, 351 of them with a chord.
    fn pair(&self) {
        for step in 0..1021 {
            self.add(5, 0, 1);
            self.sub(6, 0, 1);
            self.mul(7, 5, 6);
            self.mul(8, 0, 1);
            self.add(8, 8, 8);
            self.mul(9, 10, 2);
            self.add(9, 9, 11);
            if step * 351 % 1021 < 351 {
                self.sub(9, 9, 12);
                self.mul(3, 13, 4);
            }
            self.add(5, 7, 8);
            self.add(6, 9, 3);
            self.mul(7, 7, 9);
            self.mul(8, 8, 3);
            self.mul(5, 5, 6);
            self.sub(0, 7, 8);
            self.add(7, 7, 8);
            self.sub(1, 5, 7);
        }
    }
}

pub(crate) fn sakke_lines() {
    let numbers = Numbers::new();
    let many = |name: &str, f: &dyn Fn()| line(name, 1, || f());
    line("OpenSSL: product of SAKKE", 1000, || (0..1000).for_each(|_| numbers.mul(0, 0, 1)));
    many("OpenSSL: SAKKE encapsulate", &|| {
        numbers.additions(409);
        numbers.power(204);
        numbers.invert(14, 2);
    });
    many("OpenSSL: SAKKE encapsulate, each of 8, one inversion", &|| {
        numbers.additions(409);
        numbers.power(204);
    });
    many("OpenSSL: SAKKE decapsulate", &|| {
        numbers.pair();
        numbers.invert(14, 0);
        numbers.additions(204);
    });
}

pub(crate) fn p256_lines() {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("P-256");
    let key = EcKey::generate(&group).expect("a key");
    let signature = EcdsaSig::sign(&[7; 32], &key).expect("a signature");
    line("OpenSSL: ECDSA sign", 1, || _ = black_box(EcdsaSig::sign(black_box(&[7; 32]), &key)));
    line("OpenSSL: ECDSA verify", 1, || _ = black_box(signature.verify(black_box(&[7; 32]), &key)));
    let mut ctx = BigNumContext::new().expect("memory");
    let [a, b] = [[0x5a; 32], [0x33; 32]].map(|octets| BigNum::from_slice(&octets).expect("memory"));
    // J = [s HE]G + [s r]Y with Y = [HS]PVT + KPAK, as RFC 6507 writes it.
    line("OpenSSL: ECCSI verify", 1, || {
        let mut y = EcPoint::new(&group).expect("memory");
        let mut sum = EcPoint::new(&group).expect("memory");
        y.mul(&group, key.public_key(), &a, &ctx).expect("a product");
        sum.add(&group, &y, key.public_key(), &mut ctx).expect("a sum");
        y.mul_full(&group, &b, &sum, &a, &mut ctx).expect("a sum of products");
        black_box(&y);
    });
    line("OpenSSL: ECCSI verify, peer known", 1, || {
        let mut j = EcPoint::new(&group).expect("memory");
        j.mul_full(&group, &b, key.public_key(), &a, &mut ctx).expect("a sum of products");
        black_box(&j);
    });
}
