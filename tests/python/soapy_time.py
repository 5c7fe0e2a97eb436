"""A program that takes subframes from the time of a SoapySDR device: when bursts begin by its clock.

usage: soapy_time.py ARGS RATE SECONDS
Prints the device's time before it ran and this computer's, in nanoseconds, then that of each rising edge.
"""

import sys
import time

import numpy
import SoapySDR


def main(args, rate, seconds):
    device = SoapySDR.Device(args)
    print(device.getHardwareTime(), time.time_ns())
    device.setSampleRate(SoapySDR.SOAPY_SDR_RX, 0, rate)
    stream = device.setupStream(SoapySDR.SOAPY_SDR_RX, SoapySDR.SOAPY_SDR_CF32)
    device.activateStream(stream)
    samples = numpy.zeros(1920, numpy.complex64)
    last, received = 0.0, 0
    while received < seconds * rate:
        read = device.readStream(stream, [samples], len(samples), timeoutUs=1000000)
        if read.ret < 0:
            # lost, or late: the time of the next ones says it
            last = 0.0
            continue
        assert read.flags & SoapySDR.SOAPY_SDR_HAS_TIME
        power = numpy.abs(samples[: read.ret])
        before = numpy.concatenate([[last], power[:-1]])
        for place in numpy.flatnonzero((power > 0.5) & (before < 0.5)):
            print(read.timeNs + round(place / rate * 1e9))
        last = float(power[-1])
        received += read.ret
    device.deactivateStream(stream)
    device.closeStream(stream)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
