"""One-way chains and discovery messages of TR 33.833 solution 2.3, options C, D and E, from their written layouts alone.

Reads one JSON object a line, writes one a line: {"what": ..., parameters in hexadecimal} -> {"out": hexadecimal}.
Python's standard library only; nothing here knows the Rust code.
"""

import hashlib
import hmac
import json
import sys


def kdf(key, label, *parameters):
    """TS 33.220 B.2.0 with the proprietary FC 0xF0; P0 is a label."""
    s = bytes([0xF0])
    for p in (label.encode(), *parameters):
        s += p + len(p).to_bytes(2, "big")
    return hmac.new(key, s, hashlib.sha256).digest()


def four(number):
    return number.to_bytes(4, "big")


def chain(label, size, seed, salt, length):
    """All elements, element 0 first."""
    elements = [kdf(seed, label, salt, four(length))[:size]]
    for index in range(length - 1, -1, -1):
        elements.append(kdf(elements[-1], label, salt, four(index))[:size])
    return elements[::-1]


def plan(p):
    """Start 48 bits of milliseconds, period 32, length 32, salt 64."""
    return p["start"].to_bytes(6, "big") + four(p["period"]) + four(p["length"]) + p["salt"]


def code_anchor(p):
    return chain("code step", 23, p["seed"], p["salt"], p["length"])[0] + plan(p)


def code_message(p):
    code = chain("code step", 23, p["seed"], p["salt"], p["length"])[p["index"]]
    hint = kdf(b"", "code hint", code_anchor(p))[-4:]
    return b"\xd1" + code + hint + bytes([p["index"] % 256])


def key_anchor(p):
    key = chain("chain step", 10, p["seed"], p["salt"], p["length"])[0]
    return key + plan(p) + p["delay"].to_bytes(2, "big")


def delayed_message(p):
    keys = chain("chain step", 10, p["seed"], p["salt"], p["length"])
    index = p["index"]
    head, disclosed = b"\xcd" + p["code"], keys[max(index - p["delay"], 0)]
    mac_key = kdf(keys[index], "chain MAC", p["salt"])
    mic = kdf(mac_key, "delayed MIC", head + disclosed, four(index))[-4:]
    return head + mic + disclosed + bytes([index % 256])


ANSWERS = {
    "code-anchor": code_anchor,
    "code-message": code_message,
    "key-anchor": key_anchor,
    "delayed-message": delayed_message,
    "pointer": lambda p: kdf(b"", "pointer", p["announcement"])[-2:],
}


def main():
    for line in sys.stdin:
        question = json.loads(line)
        what = question.pop("what")
        parameters = {k: bytes.fromhex(v) if isinstance(v, str) else v for k, v in question.items()}
        print(json.dumps({"out": ANSWERS[what](parameters).hex()}))


main()
