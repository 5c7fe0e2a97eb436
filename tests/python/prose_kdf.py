"""Keys and discovery messages of LTE ProSe, from the formulas of TS 33.303 (Annex A, clause 6.1.3.4.3) alone.

Reads one JSON object a line, writes one a line: {"what": ..., parameters in hexadecimal} -> {"out": hexadecimal}.
Python's standard library only; nothing here knows the Rust code.
"""

import hashlib
import hmac
import json
import sys


def kdf(key, fc, *parameters):
    """TS 33.220 B.2.0."""
    s = bytes([fc])
    for p in parameters:
        s += p + len(p).to_bytes(2, "big")
    return hmac.new(key, s, hashlib.sha256).digest()


def low(octets, bits):
    """The least significant bits."""
    return octets[len(octets) - bits // 8 :]


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def conjunction(a, b):
    return bytes(x & y for x, y in zip(a, b, strict=True))


def counter(unix):
    """UTC in seconds since 1900-01-01, 32 bits: TS 24.334 12.2.2.18."""
    return (unix + 2208988800) % 2**32


def four(number):
    return number.to_bytes(4, "big")


def mic(key, message_type, code, count):
    """A.2"""
    return low(kdf(key, 0x49, bytes([message_type]), code, four(count)), 32)


def lsb(message_type, count):
    """TS 24.334 12.2.2.22: four bits in open discovery (discovery type 01), else eight."""
    return count % 16 if message_type >> 6 == 1 else count % 256


def opened(p):
    """An open announcement: 6.1.3.3.1."""
    kind, code, count = p["type"], p["code"], counter(p["unix"])
    return bytes([kind]) + code + mic(p["key"], kind, code, count) + bytes([lsb(kind, count)])


def restricted(p):
    """A restricted or public-safety message: 6.1.3.4.3.2."""
    kind, code, count = p["type"], p["code"], counter(p["unix"])
    # 2. the MIC, or zeros
    check = mic(p["duik"], kind, code, count) if p.get("duik") else bytes(4)
    # 3. message-specific confidentiality: 6.1.3.4.3.6, A.6
    if p.get("duck"):
        mask = p["mask"]
        calculation = xor(mask, b"\xff" * 23) + b"\xff" * 4
        stream = low(kdf(p["duck"], 0x4D, four(count), conjunction(calculation, code + check)), 184)
        code = xor(code, conjunction(stream, mask))
    # 4. the MIC appended
    body = code + check
    # 5. scrambling: 6.1.3.4.3.5, A.5
    if p.get("dusk"):
        body = xor(body, low(kdf(p["dusk"], 0x4C, four(count // 16 * 16)), 216))
    return bytes([kind]) + body + bytes([lsb(kind, count)])


ANSWERS = {
    "ptk": lambda p: kdf(p["pgk"], 0x4A, p["member"], p["ptk_id"], p["group"]),
    "pek": lambda p: low(kdf(p["root"], 0x4B, b"\0", bytes([p["algorithm"]])), 128),
    "pik": lambda p: low(kdf(p["root"], 0x4B, b"\1", bytes([p["algorithm"]])), 128),
    "kd-sess": lambda p: kdf(p["kd"], 0x4E, p["nonce_1"], p["nonce_2"]),
    "relay-kd": lambda p: kdf(p["pruk"], 0x48, p["code"], p["nonce_1"], p["freshness"]),
    "dusk": lambda p: kdf(p["psdk"], 0x4F, b"\0", b"\0"),
    "duck": lambda p: kdf(p["psdk"], 0x4F, b"\1", b"\0"),
    "duik": lambda p: kdf(p["psdk"], 0x4F, b"\2", b"\0"),
    "open": opened,
    "restricted": restricted,
}


def main():
    for line in sys.stdin:
        question = json.loads(line)
        what = question.pop("what")
        parameters = {k: bytes.fromhex(v) if isinstance(v, str) else v for k, v in question.items()}
        print(json.dumps({"out": ANSWERS[what](parameters).hex()}))


main()
