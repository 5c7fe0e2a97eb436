"""Write what passes an interface: usage capture.py INTERFACE FILE. Each packet is its length in four octets, then itself."""

import socket
import struct
import sys

interface, path = sys.argv[1:3]
packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
packets.bind((interface, 0))
with open(path, "wb") as out:
    print("listening", flush=True)
    while True:
        packet = packets.recv(65535)
        out.write(struct.pack(">I", len(packet)) + packet)
        out.flush()
