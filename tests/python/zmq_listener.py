"""What pssch_ue of srsRAN 4G does to the ZMQ radio: it only requests, and never offers a sample of its own.

Writes what it was given, from sample 0 on, as complex floats.

usage: zmq_listener.py CONNECT FILE SAMPLES
"""

import sys

import numpy
import zmq


def main(connect, name, samples):
    receiver = zmq.Context().socket(zmq.REQ)
    receiver.connect(connect)
    count = 0
    with open(name, "wb") as out:
        while count < samples:
            receiver.send(b"\xff")
            block = receiver.recv()
            assert len(block) % 8 == 0 and block, "whole samples, at least one"
            count += len(block) // 8
            out.write(block)
    heard = numpy.fromfile(name, numpy.complex64)[:samples]
    print(len(heard), float(numpy.abs(heard).max()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
