"""Cases from standard input, as JSON: what `oracle_mikey.py` makes of ours, and what it makes by itself."""
import json
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import oracle_mikey as o

h = bytes.fromhex


def keys_of(case):
    out = []
    for key in case["keys"]:
        one = dict(type=key["type"], key=h(key["key"]), kv=key["kv"])
        one.update({name: h(key[name]) for name in ("salt", "spi", "vf", "vt") if name in key})
        out.append(one)
    return out


def plain(keys):
    return [{name: value.hex() if isinstance(value, bytes) else value for name, value in key.items()} for key in keys]


def psk(case):
    opened = o.psk_open(h(case["message"]), h(case["psk"]))
    idi, idr = (1, h(case["idi"])), (2, h(case["idr"]))
    message, _ = o.psk_build(
        h(case["psk"]), case["csb"], case["ts_type"], h(case["ts"]), h(case["rand"]), keys_of(case), idi=idi, idr=idr,
        exts=[(3, h(case["ext"]))], v=case["v"], prf=case["prf"], enc=case["enc"], mac_alg=case["mac"])
    answer = o.psk_verification(message, h(case["psk"]), idr, idi[1], idr[1])
    return dict(keys=plain(opened[1]) if opened else None, message=message.hex(), answer=answer.hex())


def signer(case):
    kpak, pvt, ident = o.C.dec(h(case["kpak"]), 32), o.C.dec(h(case["pvt"]), 32), h(case["sender_id"])
    sign = lambda octets: o.eccsi_sign(octets, kpak, ident, o.o2i(h(case["ssk"])), pvt, o.o2i(h(case["j"])))
    return kpak, ident, pvt, sign


def call(case):
    kpak, ident, _, sign = signer(case)
    opened = o.psk_open(h(case["message"]), h(case["gmk"]), None, lambda m, s: o.eccsi_verify(m, s, kpak, ident))
    spi = o.i2o(case["csb"], 4)
    message, _ = o.psk_build(
        h(case["gmk"]), case["csb"], 0, h(case["ts"]), h(case["rand"]), [dict(type=0, key=h(case["gsk"]), kv=1, spi=spi)],
        idi=(1, h(case["idi"])), idr=(2, o.i2o(case["gmk_id"], 4)), sign=sign)
    return dict(keys=plain(opened[1]) if opened else None, message=message.hex())


def i_message(case):
    kpak, ident, pvt, _ = signer(case)
    z, rsk, rid = o.E.dec(h(case["z"]), 128), o.E.dec(h(case["rsk"]), 128), h(case["receiver_id"])
    parsed, ssv, coverage = o.imsg_open(h(case["message"]), kpak, ident, z, rid, rsk)
    extension = o.get(parsed, "EXT", type=7)
    parameters = o.open_protected(extension["data"], ssv) if extension and ssv else None
    names = [h(name) if name is not None else None for name in case["names"]]
    protected = (7, o.protected_payload(h(case["parameters"]), h(case["ssv"]), case["csb"], h(case["iv"])))
    message = o.imsg_build(
        h(case["ssv"]), case["csb"], h(case["ts"]), h(case["rand"]), *names, z, rid, kpak, ident,
        o.o2i(h(case["ssk"])), pvt, o.o2i(h(case["j"])), roles=case["roles"], scheme=case["scheme"],
        exts_before=[protected] if case["before"] else (), exts_after=() if case["before"] else [protected],
        sign_cut=case["cut"])
    return dict(ssv=ssv.hex() if ssv else None, coverage=coverage, message=message.hex(),
                parameters=parameters.hex() if parameters else None)


def ticket(case):
    c = {name: h(value) if isinstance(value, str) else value for name, value in case.items() if name != "case"}
    prf, mac, enc, flags = c["prf"], c["mac"], c["enc"], c["flags"]
    ntp = lambda second: o.i2o(c["ntp"] + second, 4) + bytes(4)
    fork, g, hh = flags >> 6 & 1, flags >> 8 & 1, flags >> 7 & 1
    idr = lambda role, data: dict(t="IDR", role=role, type=1, data=data)
    time = lambda second: dict(t="T", type=0, value=ntp(second))
    randr = lambda role, data: dict(t="RANDR", role=role, rand=data)
    tp = o.tp_data([idr(3, c["kms"]), idr(1, c["i"]), dict(t="TR", role=2, type=3, value=o.i2o(c["ntp"], 4)),
                    dict(t="TR", role=3, type=3, value=o.i2o(c["ntp"] + 3600, 4)), idr(2, c["r"])])
    policy = dict(t="TP", ttype=c["ttype"], sub=c["sub"], ver=c["sub"], prf=prf, flags=flags, tp=tp)
    request = o.tk_message(11, [time(1), randr(1, c["rand_i"]), idr(1, c["i"]), idr(3, c["kms"]), policy,
                                dict(t="IDR", role=4, type=2, data=c["psk_id"])], c["csb1"], prf, c["psk_i"], False,
                           c["rand_i"], b"", c["i"] + c["kms"], mac)
    tgk = dict(type=c["kind"], key=c["tgk"], kv=1, spi=b"\1")
    issued = o.base_ticket(tp, prf, flags, c["tpk"], ntp(2), c["rand_t"], c["mpk"], [tgk], mac_alg=mac, enc=enc,
                           ttype=c["ttype"], thdr=b"issuer")
    issued.update(sub=c["sub"], ver=c["sub"])
    opened = dict(MPKi=o.tk_mpk(prf, o.B_MPKI, c["mpk"], c["rand_t"]), MPKr=o.tk_mpk(prf, o.B_MPKR, c["mpk"], c["rand_t"]))
    mpk = lambda key, spi: dict(type=6, key=key, kv=1, spi=spi)

    def kemac(psk, csb, rand_i, rand_r, second, keys):
        ek = o.tk_msg_key(prf, o.T_ENCR, psk, csb, True, rand_i, rand_r, o.ENC_KEYBITS[enc])
        sk = o.tk_msg_key(prf, o.T_SALT, psk, csb, True, rand_i, rand_r, 112)
        data = o.kemac_crypt(enc, ek, sk, csb, ntp(second), o.keydata(keys))
        return dict(t="KEMAC", enc=enc, data=data, mac_alg=0, mac=b"")

    first = kemac(c["psk_i"], c["csb1"], c["rand_i"], b"", 3, [mpk(opened["MPKi"], b"i")] + ([mpk(opened["MPKr"], b"r")] if fork else []) + [tgk])
    granted = o.tk_message(13, [time(3), idr(3, c["kms"]), issued, first], c["csb1"], prf, c["psk_i"], True, c["rand_i"],
                           b"", request, mac)
    cs = o.generic_id(1)

    def transfer_with(data):
        one = dict(issued, idata=data)
        return o.tk_message(14, [time(4), randr(1, c["rand_i"]), idr(1, c["i"]), idr(2, c["r"]), one], c["csb2"], prf,
                            opened["MPKi"], False, c["rand_i"], b"", c["i"] + c["r"], mac, 1, 2, cs, flags >> 9 & 1, True)

    transfer, data = transfer_with(b""), b""
    if fork:
        v = transfer[-o.MAC_LEN[mac]:]
        data = bytes([9, 9, mac]) + v + bytes([0, mac])
        data += o.mac(mac, o.tk_vr_key(prf, opened["MPKr"], 256 if mac == 2 else 160), data)
        transfer = transfer_with(data)
    psk_id = dict(t="IDR", role=4, type=2, data=c["psk_id"])
    resolve = o.tk_message(16, [time(5), randr(2, c["rand_r"]), idr(2, c["r"]), idr(3, c["kms"]), dict(issued, idata=data),
                                psk_id], c["csb3"], prf, c["psk_r"], False, b"", c["rand_r"], c["r"] + c["kms"], mac)
    mpk_r = o.tk_fork(prf, o.F_MPKR, opened["MPKr"], c["r"], c["rand_k"]) if fork else opened["MPKi"]
    forked = o.tk_fork(prf, o.F_TGK, c["tgk"], c["r"], c["rand_k"]) if fork and c["kind"] == 0 else c["tgk"]
    second = kemac(c["psk_r"], c["csb3"], b"", c["rand_r"], 6,
                   [mpk(opened["MPKi"], b"i")] + ([mpk(mpk_r, b"r")] if fork else []) + [dict(tgk, key=forked)])
    ends = [idr(2, c["r"]), randr(3, c["rand_k"])] if fork else []
    resolved = o.tk_message(18, [time(6), idr(3, c["kms"]), second] + ends, c["csb3"], prf, c["psk_r"], True, b"",
                            c["rand_r"], resolve, mac)
    in_keys = c["rand_r"] if g else b""
    answer = o.tk_message(15, [time(7)] + ([randr(2, c["rand_r"])] if g else []) + [idr(2, c["r"])]
                          + ([randr(3, c["rand_k"])] if fork else []), c["csb2"], prf, mpk_r, True, c["rand_i"], in_keys,
                          transfer, mac, 1, 2, cs)
    tek = forked if c["kind"] == 2 else o.tk_traffic(
        prf, o.K_TEK, forked, 1, c["rand_i"] if hh else b"", in_keys, 8 * len(c["tgk"]))
    return dict(request=request.hex(), granted=granted.hex(), transfer=transfer.hex(), resolve=resolve.hex(),
                resolved=resolved.hex(), answer=answer.hex(), tek=tek.hex())


KINDS = dict(psk=psk, call=call, i_message=i_message, ticket=ticket)
for line in sys.stdin:
    case = json.loads(line)
    print(json.dumps(KINDS[case["case"]](case)), flush=True)
