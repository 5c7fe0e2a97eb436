"""A radio as the ZMQ radio of srsRAN 4G is one, through libzmq: says again what it hears, so many samples later.

usage: zmq_peer.py BIND CONNECT FORMAT DELAY BLOCK TOTAL
"""

import sys
import threading

import numpy
import zmq

FULL_SCALE = 32767.0


class Transmitter:
    """REP, bound. Whoever asks gets all that is there; who asks too early waits."""

    def __init__(self, context, address, coding):
        self.socket = context.socket(zmq.REP)
        self.socket.bind(address)
        self.coding = coding
        self.samples = []
        self.count = 0
        self.ready = threading.Condition()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            assert len(self.socket.recv_multipart()) == 1, "a request has one part"
            with self.ready:
                self.ready.wait_for(lambda: self.samples)
                samples = numpy.concatenate(self.samples)
                self.samples = []
            self.socket.send(encode(samples, self.coding))

    def put(self, samples):
        with self.ready:
            self.samples.append(samples)
            self.count += len(samples)
            self.ready.notify()

    def align(self, until):
        if self.count < until:
            self.put(numpy.zeros(until - self.count, numpy.complex64))

    def send(self, at, samples):
        assert at >= self.count, "in the past"
        self.align(at)
        self.put(samples)


def encode(samples, coding):
    parts = samples.astype(numpy.complex64).view(numpy.float32)
    return parts.tobytes() if coding == "fc32" else (parts * FULL_SCALE).astype(numpy.int16).tobytes()


def decode(octets, coding):
    if coding == "fc32":
        return numpy.frombuffer(octets, numpy.complex64)
    return (numpy.frombuffer(octets, numpy.int16).astype(numpy.float32) / FULL_SCALE).view(numpy.complex64)


def main(bind, connect, coding, delay, block, total):
    context = zmq.Context()
    transmitter = Transmitter(context, bind, coding)
    receiver = context.socket(zmq.REQ)
    receiver.connect(connect)
    ring = numpy.zeros(0, numpy.complex64)
    at = 0
    while at < total:
        # as srsRAN: what is heard has to be answered with as much of our own
        transmitter.align(at + block)
        while len(ring) < block:
            receiver.send(b"\xff")
            ring = numpy.concatenate([ring, decode(receiver.recv(), coding)])
        heard, ring = ring[:block], ring[block:]
        transmitter.send(at + delay, heard)
        at += block
    print(at, flush=True)
    # until the other has fetched what it wants
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:4], *(int(n) for n in sys.argv[4:]))
