//! SNOW 3G keystream generator, ETSI/SAGE "UEA2 & UIA2, Document 2: SNOW 3G Specification" (TS 35.216).
//!
//! Safe and table-driven: the two 32-bit S-boxes S1 and S2 are four 256-entry tables each (the byte S-box and the
//! column mixing combined), MULα and DIVα one table each; all are computed at compile time from their definitions. The
//! look-ups depend on secret state, so on a machine that is shared with an attacker the cache timing leaks; the
//! standard's own reference code has the same property.

/// MULx, TS 35.216 §3.1.1: multiplies by x in GF(2^8) whose polynomial is x^8 + `c`.
const fn mul_x(v: u8, c: u8) -> u8 {
    if v & 0x80 != 0 { (v << 1) ^ c } else { v << 1 }
}

/// MULxPOW, TS 35.216 §3.1.2.
const fn mul_x_pow(mut v: u8, i: u32, c: u8) -> u8 {
    let mut n = 0;
    while n < i {
        v = mul_x(v, c);
        n += 1;
    }
    v
}

/// Multiplies in GF(2^8) with the polynomial x^8 + `c`.
const fn gf_mul(a: u8, b: u8, c: u8) -> u8 {
    let (mut acc, mut a, mut i) = (0, a, 0);
    while i < 8 {
        if (b >> i) & 1 != 0 {
            acc ^= a;
        }
        a = mul_x(a, c);
        i += 1;
    }
    acc
}

const fn gf_pow(x: u8, mut e: u32, c: u8) -> u8 {
    let (mut acc, mut base) = (1, x);
    while e != 0 {
        if e & 1 != 0 {
            acc = gf_mul(acc, base, c);
        }
        base = gf_mul(base, base, c);
        e >>= 1;
    }
    acc
}

/// S_R, the Rijndael S-box: inverse, then the affine map. TS 35.216 §3.3.1.
const fn s_r(x: u8) -> u8 {
    let b = gf_pow(x, 254, 0x1b);
    b ^ b.rotate_left(1) ^ b.rotate_left(2) ^ b.rotate_left(3) ^ b.rotate_left(4) ^ 0x63
}

/// S_Q, from the Dickson polynomial of degree 49 over x^8 + x^6 + x^5 + x^3 + 1. TS 35.216 §3.3.2.
const fn s_q(x: u8) -> u8 {
    const TERMS: [u32; 9] = [1, 9, 13, 15, 33, 41, 45, 47, 49];
    let (mut acc, mut i) = (0x25, 0);
    while i < TERMS.len() {
        acc ^= gf_pow(x, TERMS[i], 0x69);
        i += 1;
    }
    acc
}

/// The byte S-box of each 32-bit S-box, for a choice in a `const fn`.
#[derive(Clone, Copy)]
enum SBox {
    R,
    Q,
}

/// Computes the four tables of S1 (TS 35.216 §3.3.1) or S2 (§3.3.2): table `i` is the contribution of octet `i` of the
/// input.
const fn mixed_tables(which: SBox) -> [[u32; 256]; 4] {
    let mut tables = [[0; 256]; 4];
    let mut x = 0;
    while x < 256 {
        let (s, c) = match which {
            SBox::R => (s_r(x as u8), 0x1b),
            SBox::Q => (s_q(x as u8), 0x69),
        };
        let doubled = mul_x(s, c);
        let column = u32::from_be_bytes([doubled, doubled ^ s, s, s]);
        let mut i = 0;
        while i < 4 {
            tables[i][x] = column.rotate_right(8 * i as u32);
            i += 1;
        }
        x += 1;
    }
    tables
}

/// Computes MULα (TS 35.216 §3.4.2) or DIVα (§3.4.3) from its four exponents.
const fn alpha_table(exponents: [u32; 4]) -> [u32; 256] {
    let mut table = [0; 256];
    let mut c = 0;
    while c < 256 {
        let b = c as u8;
        table[c] = u32::from_be_bytes([
            mul_x_pow(b, exponents[0], 0xa9),
            mul_x_pow(b, exponents[1], 0xa9),
            mul_x_pow(b, exponents[2], 0xa9),
            mul_x_pow(b, exponents[3], 0xa9),
        ]);
        c += 1;
    }
    table
}

static S1: [[u32; 256]; 4] = mixed_tables(SBox::R);
static S2: [[u32; 256]; 4] = mixed_tables(SBox::Q);
static MUL_ALPHA: [u32; 256] = alpha_table([23, 245, 48, 239]);
static DIV_ALPHA: [u32; 256] = alpha_table([16, 39, 6, 64]);

#[inline(always)]
fn substitute(tables: &[[u32; 256]; 4], w: u32) -> u32 {
    let [a, b, c, d] = w.to_be_bytes();
    (tables[0][a as usize] ^ tables[1][b as usize]) ^ (tables[2][c as usize] ^ tables[3][d as usize])
}

/// The generator: 16 stages s0..s15 and the registers R1, R2, R3. TS 35.216 §3.4, §4.
pub(super) struct Snow3g {
    /// Stage s_i is at `(first + i) % 16`.
    stages: [u32; 16],
    first: usize,
    r: [u32; 3],
}

/// One clock of FSM and LFSR on the ring `s`, whose s0 is at `$i`. `$init` adds F to the feedback. Returns F ^ s0.
macro_rules! clock {
    ($s:ident, $r1:ident, $r2:ident, $r3:ident, $i:expr, $init:expr) => {{
        let s0 = $s[$i & 15];
        let s11 = $s[($i + 11) & 15];
        let f = $s[($i + 15) & 15].wrapping_add($r1) ^ $r2;
        let next_r1 = $r2.wrapping_add($r3 ^ $s[($i + 5) & 15]);
        $r3 = substitute(&S2, $r2);
        $r2 = substitute(&S1, $r1);
        $r1 = next_r1;
        let mut v = (s0 << 8)
            ^ MUL_ALPHA[(s0 >> 24) as usize]
            ^ $s[($i + 2) & 15]
            ^ (s11 >> 8)
            ^ DIV_ALPHA[(s11 & 0xff) as usize];
        if $init {
            v ^= f;
        }
        $s[$i & 15] = v;
        f ^ s0
    }};
}

/// Sixteen clocks with constant indexes.
macro_rules! clock_16 {
    ($s:ident, $r1:ident, $r2:ident, $r3:ident, $init:expr, $each:expr) => {{
        #[allow(unused_mut)] // one of the closures writes
        let mut each = $each;
        each(0, clock!($s, $r1, $r2, $r3, 0, $init));
        each(1, clock!($s, $r1, $r2, $r3, 1, $init));
        each(2, clock!($s, $r1, $r2, $r3, 2, $init));
        each(3, clock!($s, $r1, $r2, $r3, 3, $init));
        each(4, clock!($s, $r1, $r2, $r3, 4, $init));
        each(5, clock!($s, $r1, $r2, $r3, 5, $init));
        each(6, clock!($s, $r1, $r2, $r3, 6, $init));
        each(7, clock!($s, $r1, $r2, $r3, 7, $init));
        each(8, clock!($s, $r1, $r2, $r3, 8, $init));
        each(9, clock!($s, $r1, $r2, $r3, 9, $init));
        each(10, clock!($s, $r1, $r2, $r3, 10, $init));
        each(11, clock!($s, $r1, $r2, $r3, 11, $init));
        each(12, clock!($s, $r1, $r2, $r3, 12, $init));
        each(13, clock!($s, $r1, $r2, $r3, 13, $init));
        each(14, clock!($s, $r1, $r2, $r3, 14, $init));
        each(15, clock!($s, $r1, $r2, $r3, 15, $init));
    }};
}

impl Snow3g {
    /// Initialises the generator, TS 35.216 §4.1. `key` and `iv` are in the order of the octet string: `key[0]` is the
    /// document's K3 (first word of CK), `iv[0]` its IV3.
    pub(super) fn new(key: &[u32; 4], iv: &[u32; 4]) -> Self {
        let [k3, k2, k1, k0] = *key;
        let [iv3, iv2, iv1, iv0] = *iv;
        let mut s =
            [!k0, !k1, !k2, !k3, k0, k1, k2, k3, !k0, !k1 ^ iv3, !k2 ^ iv2, !k3, k0 ^ iv1, k1, k2, k3 ^ iv0];
        let (mut r1, mut r2, mut r3) = (0, 0, 0);
        for _ in 0..2 {
            clock_16!(s, r1, r2, r3, true, |_, _| {});
        }
        // §4.2: the first word in keystream mode is discarded.
        let _ = clock!(s, r1, r2, r3, 0, false);
        Self { stages: s, first: 1, r: [r1, r2, r3] }
    }

    /// Returns the next 16 words z_t of keystream, TS 35.216 §4.2.
    #[inline(always)]
    pub(super) fn block(&mut self) -> [u32; 16] {
        // Moves s0 to index 0, once: afterwards whole blocks keep it there.
        if self.first != 0 {
            self.stages.rotate_left(self.first);
            self.first = 0;
        }
        let mut s = self.stages;
        let [mut r1, mut r2, mut r3] = self.r;
        let mut out = [0; 16];
        clock_16!(s, r1, r2, r3, false, |i: usize, z| out[i] = z);
        self.stages = s;
        self.r = [r1, r2, r3];
        out
    }

    /// Returns the next word of keystream.
    #[inline]
    pub(super) fn word(&mut self) -> u32 {
        let s = &mut self.stages;
        let [mut r1, mut r2, mut r3] = self.r;
        let i = self.first;
        let z = clock!(s, r1, r2, r3, i, false);
        self.first = (i + 1) & 15;
        self.r = [r1, r2, r3];
        z
    }
}

/// Converts a 128-bit key or IV into four big-endian words.
pub(super) fn words(octets: &[u8; 16]) -> [u32; 4] {
    let (chunks, _) = octets.as_chunks::<4>();
    [
        u32::from_be_bytes(chunks[0]),
        u32::from_be_bytes(chunks[1]),
        u32::from_be_bytes(chunks[2]),
        u32::from_be_bytes(chunks[3]),
    ]
}
