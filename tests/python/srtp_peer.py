"""Protects and opens packets of RTP with libsrtp, for tests of our own SRTP.

usage: srtp_peer.py PROFILE KEY-AND-SALT

Standard input has a line a packet: "protect HEX" or "open HEX". Standard output has a line for each: HEX, or "refused".
One sender and one receiver serve for all lines, so that their rollover counters and replay windows are tested too.
"""

import sys

from pylibsrtp import Error, Policy, Session

PROFILES = {
    "80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    "gcm": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
}


def session(kind):
    key = bytes.fromhex(sys.argv[2])
    return Session(policy=Policy(key=key, ssrc_type=kind, srtp_profile=PROFILES[sys.argv[1]]))


sender, receiver = session(Policy.SSRC_ANY_OUTBOUND), session(Policy.SSRC_ANY_INBOUND)
for line in sys.stdin:
    what, packet = line.split()
    try:
        act = sender.protect if what == "protect" else receiver.unprotect
        print(act(bytes.fromhex(packet)).hex())
    except Error:
        print("refused")
