#!/usr/bin/env python3
"""Resources of the sidelink by TS 36.213 clause 14 with clauses 8.1.1 and 8.4, and TS 36.211 clauses 5.3.4, 7.2, 9.2.4
and 9.3.6: a second implementation, written from the texts of Release 16 alone, without sight of the code in Rust that
tests/tests/resources.rs compares with it. Only its English was tidied afterwards, results that are asked for again are
kept, and "pssch" refuses what "hop_limits" forbids.

Standing: clause 14 with its formulas, and TS 36.211 clauses 5.3.4 and 9.3.6 were read. Of TS 36.213 clause 8.4 the words
and the tables were read. Its five formulas (N_RB^PUSCH, n_PRB^S1 = n~^S1 + N~_HO/2, n_PRB = n~ + N~_HO/2, Table 8.4-2) are
pictures in every copy at hand and stand here as they are generally known; srsRAN has the same span and the same shifts,
and leaves the half offset out, which shows only where rb-Offset is not 0.

One JSON object a line comes in on stdin, one JSON object a line goes out on stdout, in the same order:
    {"op": NAME, ...parameters...}  ->  {"ok": RESULT}, or {"none": REASON} where the text gives no resource, or
    {"error": REASON} for a bad parameter.
A key "id" is copied into the answer. `--self-test` compares with results that were worked out by hand.

Shared parameters
    carrier   N_RB^SL: 6, 15, 25, 50, 75, 100
    pool      {"start": S1, "end": S2, "num": M}: prb-Start, prb-End, prb-Num
    bitmap    string of 0 and 1, a_0 first
    period    P, offset O, data_offset O2 (counted from the start of the period), all in subframes
    uplink    optional string of ten 0/1 (subframe 0 of a radio frame first): uplink subframes of TDD; all ones = FDD.
              With it give "begin": the index (0..10239) of the first subframe of the period.

ops
    rb_pool           carrier pool                                   -> [m_0, m_1, ..]
    period            offset period subframe                         -> {"begin": j, "index": i, "into": k}
                      The text as it is written: period i = 0, 1, .. begins at O + i P while that is below 10240 and is P
                      long, so that the last one reaches beyond 10239 into the next DFN period. "none" where no period
                      has the subframe. {"extend": true}: periods before O too (i < 0 while begin >= 0). Where the last
                      period overlaps the first of the next DFN period, the new one is answered.
    riv_encode        n start len                                    -> riv
    riv_decode        n riv                                          -> {"start":, "len":}
    sci0_assignment   carrier field hopping(bool)                    -> {"start":, "len":, "bits":, "kind": "none"|"type1"|"type2"}
    sci0_field        carrier bits start len                         -> field with hopping bits in its MSBs
    hop_limits        carrier span rb_offset subbands                -> {"type1": most PRBs, "type2": most PRBs}  (8.4)
    hop1              span rb_offset bits hop_bits start n_ssf       -> first index of the allocation (type 1, 8.4.1)
                      span: N_RB^SL in mode 1, M_RP in mode 2; n_ssf odd: RB_START', even: the second one.
    hop2              span rb_offset subbands parameter start len n_ssf -> [index of each VRB'] in order (type 2)
                      parameter: hoppingParameter 0..504 (504 stands for c_init = 510)
    hop_state         subbands parameter n_ssf                       -> {"f_hop":, "f_m":}
    gold              c_init count [skip]                            -> [c(skip), ..]
    pssch             mode(1|2) carrier pool field hopping(bool) rb_offset subbands parameter n_ssf
                      -> {"prbs": [n_PRB ..], "contiguous": bool, "kind":}     PRBs of the carrier. n_ssf is the pool index
                      j mod 10 (9.2.4), the same for both slots of the subframe: hopping is inter-subframe only.
    trp               set(8|7|6) i_trp                               -> {"bits": [b'_0 ..], "k": weight}
    trp_allowed       set [subset: string a_0..]                     -> [I_TRP ..] of mode 2 (14.1.1.3)
    control_subframes bitmap [uplink begin]                          -> [l_j - begin ..]  (14.2.3)
    data_subframes    mode(1|2) period, mode 1: control_bitmap, mode 2: bitmap data_offset [uplink begin] -> [l_j - begin ..]
    used_subframes    as data_subframes, and set i_trp               -> [[l_j - begin, j, n_ssf, rv, block] ..] whole fours
    pscch_count       carrier pool bitmap                            -> floor(M_RP/2) L
    pscch             carrier pool bitmap n                          -> [[l_b1, m_a1], [l_b2, m_a2]]   (14.2.1.1)
    disc_subframes    bitmap repetitions [uplink begin]              -> [l_j - begin ..]  (14.3.3)
    disc_count        carrier pool bitmap repetitions transmissions  -> {"n_t":, "n_f":, "resources":}
    disc_type1        carrier pool bitmap repetitions transmissions n -> [[l, m_2a, m_2a+1] ..] for j = 1..N_TX
    disc_type2b       carrier pool bitmap repetitions transmissions prb_index subframe_index a b c periods [n_prime_first]
                      -> for each of `periods` periods i = 0, 1, ..: {"a1":, "b1":, "at": [[l, m_2a, m_2a+1] ..]}
                      n' of period i is n_prime_first + i - 1 for i >= 1 (default n_prime_first = 1: b-r12 came in period 0)
    v2x_subframes     bitmap sync_offsets [sync_period=160]          -> {"t": [t_0^SL ..], "reserved": [..], "pool": [k ..]}
                      sync_offsets: list, every one of them configures a SLSS resource. Also takes "t_only": bool.
    v2x_index         as before and subframe                         -> {"k":, "in_pool":, "n_ssf":}
    v2x_pscch         size start adjacent control_start m            -> [prb, prb + 1]
    v2x_pssch         size num start adjacent first len              -> {"start":, "len":}
    v2x_sci1          size num start adjacent control_start m riv gap retransmission k
                      -> {"own": {"k":, "first":, "len":, "prbs": {..}}, "other": the same or null}   (14.1.1.4C)
    v2x_reserved      k p_rsvp_ms c_resel [p_step=100]               -> [k + j P'_rsvp ..] j = 0..c_resel-1
    reservation       field                                          -> X in units of 100 ms, "none" where reserved
    power4            p_cmax p0 alpha pl m_pssch [p_max_cbr]         -> {"pssch":, "pscch":} dBm, modes 3 and 4
    power2            p_cmax p0 alpha pl m                           -> dBm, mode 2 PSSCH/PSCCH (m = 1), PSDCH (m = 2), PSSS (m = 6)
"""
import functools
import json
import math
import sys


class Nothing(Exception):
    """The text gives no resource."""


def ceil_log2(v):
    return max(0, (v - 1).bit_length())


# ---------------------------------------------------------------- 36.213 8.1.1: type 0
def riv_encode(n, start, length):
    if length < 1 or start < 0 or start + length > n:
        raise Nothing("does not fit")
    if length - 1 <= n // 2:
        return n * (length - 1) + start
    return n * (n - length + 1) + (n - 1 - start)


@functools.lru_cache(maxsize=None)
def riv_decode(n, riv):
    # by search over everything that the definition names: no algebra of an inverse
    for length in range(1, n + 1):
        for start in range(0, n - length + 1):
            if riv_encode(n, start, length) == riv:
                return start, length
    raise Nothing("stands for no allocation")


def riv_size(n):
    return ceil_log2(n * (n + 1) // 2)


# ---------------------------------------------------------------- 36.211 7.2
def gold(c_init, count, skip=0):
    n_c = 1600
    total = n_c + skip + count + 31
    x1 = [1] + [0] * 30
    x2 = [(c_init >> i) & 1 for i in range(31)]
    for n in range(total):
        x1.append((x1[n + 3] + x1[n]) % 2)
        x2.append((x2[n + 3] + x2[n + 2] + x2[n + 1] + x2[n]) % 2)
    return [(x1[n + n_c] + x2[n + n_c]) % 2 for n in range(skip, skip + count)]


# ---------------------------------------------------------------- 36.213 8.4
def hopping_bits(n_rb):
    return 1 if n_rb <= 49 else 2


def even_ho(rb_offset):
    return rb_offset + rb_offset % 2


def hop_kind(n_rb, bits):
    """(kind, which) by Table 8.4-2; which is the shift as a function of N_RB^PSSCH."""
    if hopping_bits(n_rb) == 1:
        return ("type1", lambda n: n // 2) if bits == 0 else ("type2", None)
    return [("type1", lambda n: n // 4), ("type1", lambda n: -(n // 4)), ("type1", lambda n: n // 2), ("type2", None)][bits]


def sci0_assignment(carrier, field, hopping):
    if not hopping:
        start, length = riv_decode(carrier, field)
        return start, length, 0, "none"
    y = riv_size(carrier) - hopping_bits(carrier)
    bits = field >> y
    start, length = riv_decode(carrier, field & ((1 << y) - 1))
    return start, length, bits, hop_kind(carrier, bits)[0]


def sci0_field(carrier, bits, start, length):
    y = riv_size(carrier) - hopping_bits(carrier)
    riv = riv_encode(carrier, start, length)
    if riv >= 1 << y or bits >= 1 << hopping_bits(carrier):
        raise Nothing("too large for the field")
    return bits << y | riv


def span_type1(span, rb_offset):
    return span - even_ho(rb_offset) - span % 2


def hop_limits(carrier, span, rb_offset, subbands):
    y = riv_size(carrier) - hopping_bits(carrier)
    one = (1 << y) // carrier
    n2 = span if subbands == 1 else span - even_ho(rb_offset)
    return {"type1": one, "type2": min(one, n2 // subbands)}


def hop1(span, rb_offset, shift_of, start, n_ssf):
    if n_ssf % 2 == 1:
        return start  # n_PRB^SL0 = n_PRB^S1 = RB_START'
    n = span_type1(span, rb_offset)
    if n <= 0:
        raise Nothing("no PRB to hop over")
    half = even_ho(rb_offset) // 2
    tilde_s1 = start - half
    tilde = (tilde_s1 + shift_of(n)) % n
    return tilde + half  # n_PRB^SL1


# ---------------------------------------------------------------- 36.211 5.3.4 with the exceptions of 9.3.6
def c_init_of(parameter):
    if not 0 <= parameter <= 504:
        raise ValueError("hoppingParameter is 0 to 504")
    return 510 if parameter == 504 else parameter


@functools.lru_cache(maxsize=None)
def hop_state(subbands, parameter, n_ssf):
    if subbands == 1:
        return 0, n_ssf % 2  # CURRENT_TX_NB = n_ssf
    c = gold(c_init_of(parameter), 10 * n_ssf + 11)
    f = 0
    for i in range(n_ssf + 1):  # i = floor(n_ss / 2) = n_ssf, the generator restarts where n_ss = 0
        total = sum(c[k] * 2 ** (k - (i * 10 + 1)) for k in range(i * 10 + 1, i * 10 + 10))
        if subbands == 2:
            f = (f + total) % 2
        else:
            f = (f + total % (subbands - 1) + 1) % subbands
    return f, c[n_ssf * 10]


def hop2(span, rb_offset, subbands, parameter, start, length, n_ssf):
    if subbands not in (1, 2, 4):
        raise ValueError("numSubbands is 1, 2 or 4")
    f_hop, f_m = hop_state(subbands, parameter, n_ssf)
    half = -(-rb_offset // 2)
    width = span if subbands == 1 else (span - rb_offset - rb_offset % 2) // subbands
    if width <= 0:
        raise Nothing("no PRB to hop over")
    out = []
    for n_vrb in range(start, start + length):
        tilde = n_vrb if subbands == 1 else n_vrb - half
        # a VRB outside of the subbands is not forbidden by the text: the formula is taken as it stands, mod as in mathematics
        prb = (tilde + f_hop * width + ((width - 1) - 2 * (tilde % width)) * f_m) % (width * subbands)
        out.append(prb if subbands == 1 else prb + half)
    return out


# ---------------------------------------------------------------- 14.1.3, 14.2.3, 14.3.3
def rb_pool(carrier, pool):
    s1, s2, m = pool["start"], pool["end"], pool["num"]
    return [q for q in range(carrier) if s1 <= q < s1 + m or s2 - m < q <= s2]


def pssch(mode, carrier, pool, field, hopping, rb_offset, subbands, parameter, n_ssf):
    start, length, bits, kind = sci0_assignment(carrier, field, hopping)
    if kind == "none":
        prbs = list(range(start, start + length))
        return {"prbs": prbs, "contiguous": True, "kind": kind}
    m = list(range(carrier)) if mode == 1 else rb_pool(carrier, pool)
    span = len(m)
    if length > hop_limits(carrier, span, rb_offset, subbands)[kind]:
        raise Nothing("wider than hopping allows")
    if kind == "type1":
        first = hop1(span, rb_offset, hop_kind(carrier, bits)[1], start, n_ssf)
        index = list(range(first, first + length))
    else:
        index = hop2(span, rb_offset, subbands, parameter, start, length, n_ssf)
    if any(not 0 <= i < span for i in index):
        raise Nothing("beyond the pool")
    prbs = sorted(m[i] for i in index)
    return {"prbs": prbs, "contiguous": prbs[-1] - prbs[0] + 1 == length, "kind": kind}


def period(offset, length, subframe, extend=False):
    first = offset % length if extend else offset
    begins = range(first, 10240, length)
    found = None
    for lap in (0, 10240):
        for j in begins:
            if j <= subframe + lap <= j + length - 1 and (found is None or j - lap > found[0] - found[1]):
                found = (j, lap)
    if found is None:
        raise Nothing("before the first period")
    j, lap = found
    return {"begin": j, "index": (j - offset) // length, "into": subframe + lap - j}


def uplink_subframes(length, uplink, begin):
    return [k for k in range(length) if uplink is None or uplink[(begin + k) % 10] == "1"]


def first_uplink(count, uplink, begin):
    out, k = [], 0
    while len(out) < count:
        if uplink is None or uplink[(begin + k) % 10] == "1":
            out.append(k)
        k += 1
        if k > 20000:
            raise Nothing("no uplink subframes")
    return out


def control_subframes(bitmap, uplink=None, begin=0):
    l = first_uplink(len(bitmap), uplink, begin)
    return [l[j] for j in range(len(bitmap)) if bitmap[j] == "1"]


def data_subframes(q):
    uplink, begin = q.get("uplink"), q.get("begin", 0)
    if q["mode"] == 1:
        control = control_subframes(q["control_bitmap"], uplink, begin)
        after = control[-1] + 1 if control else 0
        return [k for k in uplink_subframes(q["period"], uplink, begin) if k >= after]
    l = [k for k in uplink_subframes(q["period"], uplink, begin) if k >= q.get("data_offset", 0)]
    a = q["bitmap"]
    return [k for j, k in enumerate(l) if a[j % len(a)] == "1"]


TRP_WEIGHTS = {8: [1, 2, 4], 7: [1, 2, 3, 4, 5], 6: [1, 2, 3, 4]}


def trp(n_trp, i_trp):
    if n_trp == 8:
        # Table 14.1.1.1.1-1: weights 1, 2, 4, 8 one after the other, each in rising order of sum b'_j 2^j
        order = [v for w in (1, 2, 4, 8) for v in range(1, 256) if bin(v).count("1") == w]
        if not 0 <= i_trp < len(order):
            raise Nothing("reserved")
        value = order[i_trp]
    else:
        if not 1 <= i_trp < 1 << n_trp:
            raise Nothing("reserved")
        value = i_trp
    bits = [value >> j & 1 for j in range(n_trp)]
    return {"bits": bits, "k": sum(bits)}


def trp_allowed(n_trp, subset=None):
    weights = TRP_WEIGHTS[n_trp]
    if subset is not None:
        weights = [w for w, a in zip(weights, subset) if a == "1"]
    out = []
    for i in range(128):
        try:
            if trp(n_trp, i)["k"] in weights:
                out.append(i)
        except Nothing:
            pass
    return out


def used_subframes(q):
    bits = trp(q["set"], q["i_trp"])["bits"]
    used = [(k, j) for j, k in enumerate(data_subframes(q)) if bits[j % len(bits)] == 1]
    used = used[: len(used) // 4 * 4]
    return [[k, j, j % 10, (0, 2, 3, 1)[i % 4], i // 4] for i, (k, j) in enumerate(used)]


def pscch_count(carrier, pool, bitmap):
    return len(rb_pool(carrier, pool)) // 2 * bitmap.count("1")


def pscch(carrier, pool, bitmap, n, uplink=None, begin=0):
    l, m = control_subframes(bitmap, uplink, begin), rb_pool(carrier, pool)
    big_l, half = len(l), len(m) // 2
    if not 0 <= n < half * big_l:
        raise Nothing("no such resource")
    a1, b1 = n // big_l, n % big_l
    if big_l < 2:
        raise Nothing("the second subframe is not defined for one subframe")
    a2, b2 = n // big_l + half, (n + 1 + (n // big_l) % (big_l - 1)) % big_l
    return [[l[b1], m[a1]], [l[b2], m[a2]]]


# ---------------------------------------------------------------- 14.3
def disc_subframes(bitmap, repetitions, uplink=None, begin=0):
    n = len(bitmap) * repetitions
    l = first_uplink(n, uplink, begin)
    return [l[j] for j in range(n) if bitmap[j % len(bitmap)] == "1"]


class Discovery:
    def __init__(self, q):
        self.l = disc_subframes(q["bitmap"], q["repetitions"], q.get("uplink"), q.get("begin", 0))
        self.m = rb_pool(q["carrier"], q["pool"])
        self.n_tx = q["transmissions"]
        self.n_t = len(self.l) // self.n_tx
        self.n_f = len(self.m) // 2

    def at(self, a1, b1):
        out = []
        for j in range(1, self.n_tx + 1):
            a = ((j - 1) * (self.n_f // self.n_tx) + a1) % self.n_f
            out.append([self.l[self.n_tx * b1 + j - 1], self.m[2 * a], self.m[2 * a + 1]])
        return out


def disc_type1(q):
    d = Discovery(q)
    if not 0 <= q["n"] < d.n_t * d.n_f:
        raise Nothing("no such resource")
    return d.at(q["n"] // d.n_t, q["n"] % d.n_t)


def disc_type2b(q):
    d = Discovery(q)
    if d.n_t == 0 or d.n_f == 0:
        raise Nothing("an empty pool")
    a1, b1 = q["prb_index"], q["subframe_index"]
    out = []
    for i in range(q["periods"]):
        if i > 0:
            n_prime = q.get("n_prime_first", 1) + i - 1
            a1, b1 = (
                ((q["b"] + n_prime) % 10 + (a1 + d.n_f * b1) // d.n_t) % d.n_f,
                (q["a"] + q["c"] * a1 + d.n_f * b1) % d.n_t,
            )
        out.append({"a1": a1, "b1": b1, "at": d.at(a1, b1)})
    return out


# ---------------------------------------------------------------- 14.1.5, 14.2.4, 14.1.1.4B, 14.1.1.4C
def v2x_subframes(bitmap, sync_offsets, sync_period=160):
    sync = {s for s in range(10240) if s % sync_period in {o % sync_period for o in sync_offsets}}
    l = [s for s in range(10240) if s not in sync]
    n_reserved = len(l) % len(bitmap)
    reserved = {l[m * len(l) // n_reserved] for m in range(n_reserved)}
    t = [s for s in l if s not in reserved]
    pool = [k for k in range(len(t)) if bitmap[k % len(bitmap)] == "1"]
    return t, sorted(reserved), pool


def v2x_pscch(size, start, adjacent, control_start, m):
    first = start + m * size if adjacent else control_start + 2 * m
    return [first, first + 1]


def smooth(n):
    for p in (2, 3, 5):
        while n % p == 0:
            n //= p
    return n == 1


def v2x_pssch(size, num, start, adjacent, first, length):
    if length < 1 or first < 0 or first + length > num:
        raise Nothing("beyond the pool")
    beta = 2 if adjacent else 0
    room = length * size - beta
    fits = [n for n in range(1, room + 1) if smooth(n)]
    if not fits:
        raise Nothing("no room")
    return {"start": start + first * size + beta, "len": fits[-1]}


def v2x_sci1(q):
    other_first, length = riv_decode(q["num"], q["riv"])

    def place(k, first):
        prbs = v2x_pssch(q["size"], q["num"], q["start"], q["adjacent"], first, length)
        control = v2x_pscch(q["size"], q["start"], q["adjacent"], q.get("control_start", 0), first)
        return {"k": k, "first": first, "len": length, "prbs": prbs, "pscch": control}

    own = place(q["k"], q["m"])
    if q["gap"] == 0:
        return {"own": own, "other": None}
    k = q["k"] - q["gap"] if q["retransmission"] else q["k"] + q["gap"]
    return {"own": own, "other": place(k, other_first)}


def v2x_reserved(k, p_rsvp_ms, c_resel, p_step=100):
    step = p_step * p_rsvp_ms // 100
    return [k + j * step for j in range(c_resel)]


def reservation(field):
    if field == 0:
        return 0
    if 1 <= field <= 10:
        return field
    if field == 11:
        return 0.5
    if field == 12:
        return 0.2
    raise Nothing("reserved")


# ---------------------------------------------------------------- 14.1.1.5, 14.2.1.3, 14.3.1, 14.4
def power4(p_cmax, p0, alpha, pl, m_pssch, p_max_cbr=None):
    m_pscch, boost = 2, 10 ** 0.3
    whole = m_pssch + boost * m_pscch
    limits = [p_cmax, 10 * math.log10(whole) + p0 + alpha * pl]
    if p_max_cbr is not None:
        limits.append(p_max_cbr)
    total = min(limits)
    return {
        "pssch": 10 * math.log10(m_pssch / whole) + total,
        "pscch": 10 * math.log10(boost * m_pscch / whole) + total,
    }


def power2(p_cmax, p0, alpha, pl, m):
    return min(p_cmax, 10 * math.log10(m) + p0 + alpha * pl)


def answer(q):
    op = q["op"]
    if op == "rb_pool":
        return rb_pool(q["carrier"], q["pool"])
    if op == "period":
        return period(q["offset"], q["period"], q["subframe"], q.get("extend", False))
    if op == "riv_encode":
        return riv_encode(q["n"], q["start"], q["len"])
    if op == "riv_decode":
        start, length = riv_decode(q["n"], q["riv"])
        return {"start": start, "len": length}
    if op == "sci0_assignment":
        start, length, bits, kind = sci0_assignment(q["carrier"], q["field"], q["hopping"])
        return {"start": start, "len": length, "bits": bits, "kind": kind}
    if op == "sci0_field":
        return sci0_field(q["carrier"], q["bits"], q["start"], q["len"])
    if op == "hop_limits":
        return hop_limits(q["carrier"], q["span"], q["rb_offset"], q["subbands"])
    if op == "hop1":
        shift = hop_kind(6 if q["hop_bits"] == 1 else 50, q["bits"])
        if shift[0] != "type1":
            raise Nothing("type 2")
        return hop1(q["span"], q["rb_offset"], shift[1], q["start"], q["n_ssf"])
    if op == "hop2":
        return hop2(q["span"], q["rb_offset"], q["subbands"], q["parameter"], q["start"], q["len"], q["n_ssf"])
    if op == "hop_state":
        f_hop, f_m = hop_state(q["subbands"], q["parameter"], q["n_ssf"])
        return {"f_hop": f_hop, "f_m": f_m}
    if op == "gold":
        return gold(q["c_init"], q["count"], q.get("skip", 0))
    if op == "pssch":
        return pssch(
            q["mode"], q["carrier"], q.get("pool"), q["field"], q["hopping"],
            q.get("rb_offset", 0), q.get("subbands", 1), q.get("parameter", 0), q["n_ssf"],
        )
    if op == "trp":
        return trp(q["set"], q["i_trp"])
    if op == "trp_allowed":
        return trp_allowed(q["set"], q.get("subset"))
    if op == "control_subframes":
        return control_subframes(q["bitmap"], q.get("uplink"), q.get("begin", 0))
    if op == "data_subframes":
        return data_subframes(q)
    if op == "used_subframes":
        return used_subframes(q)
    if op == "pscch_count":
        return pscch_count(q["carrier"], q["pool"], q["bitmap"])
    if op == "pscch":
        return pscch(q["carrier"], q["pool"], q["bitmap"], q["n"], q.get("uplink"), q.get("begin", 0))
    if op == "disc_subframes":
        return disc_subframes(q["bitmap"], q["repetitions"], q.get("uplink"), q.get("begin", 0))
    if op == "disc_count":
        d = Discovery(q)
        return {"n_t": d.n_t, "n_f": d.n_f, "resources": d.n_t * d.n_f}
    if op == "disc_type1":
        return disc_type1(q)
    if op == "disc_type2b":
        return disc_type2b(q)
    if op == "v2x_subframes":
        t, reserved, pool = v2x_subframes(q["bitmap"], q["sync_offsets"], q.get("sync_period", 160))
        return {"t": t} if q.get("t_only") else {"t": t, "reserved": reserved, "pool": pool}
    if op == "v2x_index":
        t, _, pool = v2x_subframes(q["bitmap"], q["sync_offsets"], q.get("sync_period", 160))
        if q["subframe"] not in t:
            raise Nothing("not in t^SL")
        k = t.index(q["subframe"])
        return {"k": k, "in_pool": q["bitmap"][k % len(q["bitmap"])] == "1", "n_ssf": k % 10}
    if op == "v2x_pscch":
        return v2x_pscch(q["size"], q["start"], q["adjacent"], q.get("control_start", 0), q["m"])
    if op == "v2x_pssch":
        return v2x_pssch(q["size"], q["num"], q["start"], q["adjacent"], q["first"], q["len"])
    if op == "v2x_sci1":
        return v2x_sci1(q)
    if op == "v2x_reserved":
        return v2x_reserved(q["k"], q["p_rsvp_ms"], q["c_resel"], q.get("p_step", 100))
    if op == "reservation":
        return reservation(q["field"])
    if op == "power4":
        return power4(q["p_cmax"], q["p0"], q["alpha"], q["pl"], q["m_pssch"], q.get("p_max_cbr"))
    if op == "power2":
        return power2(q["p_cmax"], q["p0"], q["alpha"], q["pl"], q["m"])
    raise ValueError(f"no op {op}")


def self_test():
    whole = {"start": 0, "end": 24, "num": 25}
    two = {"start": 2, "end": 22, "num": 10}
    assert rb_pool(25, two) == list(range(2, 12)) + list(range(13, 23))
    assert riv_size(25) == 9 and riv_size(50) == 11 and riv_size(100) == 13 and riv_size(6) == 5
    # known start of the sequence of TS 36.211 7.2 for c_init = 0: x2 is 0, so it is x1 from 1600 on
    assert gold(0, 4) == gold(0, 8)[:4]
    # 25 PRB, one hopping bit 0, no offset: N = 24, shift 12
    field = sci0_field(25, 0, 3, 2)
    at = [pssch(1, 25, whole, field, True, 0, 1, 0, n)["prbs"][0] for n in range(4)]
    assert at == [15, 3, 15, 3], at
    # offset 3 -> N~ = 4, half 2, N = 20: (3 - 2 + 10) mod 20 + 2
    assert hop1(25, 3, lambda n: n // 2, 3, 0) == 13
    # 50 PRB: +N/4 and -N/4, N = 50
    assert hop1(50, 0, hop_kind(50, 0)[1], 5, 0) == 17 and hop1(50, 0, hop_kind(50, 1)[1], 5, 0) == 43
    # type 2 with one subband: mirrored in odd n_ssf
    assert hop2(25, 0, 1, 7, 3, 2, 0) == [3, 4] and hop2(25, 0, 1, 7, 3, 2, 1) == [21, 20]
    for subbands in (2, 4):
        for n in range(10):
            image = hop2(50, 2, subbands, 77, 1, 48, n) if subbands == 2 else hop2(50, 2, 4, 77, 1, 48, n)
            assert sorted(image) == list(range(1, 49)), (subbands, n, image)
    bits = "0111100000000000000000000000000000000000"
    assert pscch(25, two, bits, 0) == [[1, 2], [2, 13]] and pscch(25, two, bits, 21) == [[2, 7], [1, 18]]
    disc = {"carrier": 25, "pool": two, "bitmap": "0" + "1" * 8 + "0" * 31, "repetitions": 1, "transmissions": 4}
    assert [a[:2] for a in disc_type1({**disc, "n": 5})] == [[5, 6], [6, 10], [7, 15], [8, 19]]
    hop = {"carrier": 25, "pool": {"start": 0, "end": 23, "num": 12}, "bitmap": "1111", "repetitions": 1, "transmissions": 2,
           "prb_index": 3, "subframe_index": 1, "a": 1, "b": 2, "c": 1, "periods": 5}
    assert [(40 * i + p["at"][0][0], p["at"][0][1]) for i, p in enumerate(disc_type2b(hop))] == [
        (2, 6), (40, 20), (82, 18), (120, 6), (160, 14)]
    t, reserved, _ = v2x_subframes("1" * 20, [0])
    assert len(t) == 10240 - 64 - 16 and t[0] == 2 and 641 in reserved
    assert v2x_pssch(10, 5, 0, True, 0, 5) == {"start": 2, "len": 48}
    assert trp(8, 34)["bits"] == [0, 0, 0, 0, 0, 1, 0, 1] and trp(8, 36)["bits"] == [1, 1, 1, 1, 0, 0, 0, 0]
    assert trp(8, 95)["bits"] == [0, 1, 0, 1, 0, 0, 1, 1] and trp(7, 44)["bits"] == [0, 0, 1, 1, 0, 1, 0]
    assert period(5, 40, 3) == {"begin": 10205, "index": 255, "into": 38} and period(5, 40, 5)["begin"] == 5
    assert period(0, 60, 10239)["into"] == 39 and period(0, 60, 5)["begin"] == 0
    p = power4(100, 0, 0, 0, 8)
    assert abs(p["pssch"] - 10 * math.log10(8)) < 1e-9 and abs(p["pscch"] - 10 * math.log10(2) - 3) < 1e-9
    print("self test: all as by hand")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    for line in sys.stdin:
        if not line.strip():
            continue
        q = {}
        try:
            q = json.loads(line)
            out = {"ok": answer(q)}
        except Nothing as why:
            out = {"none": str(why)}
        except (KeyError, IndexError, TypeError, ValueError) as why:
            out = {"error": f"{type(why).__name__}: {why}"}
        if isinstance(q, dict) and "id" in q:
            out["id"] = q["id"]
        print(json.dumps(out), flush=True)
    return None


if __name__ == "__main__":
    main()
