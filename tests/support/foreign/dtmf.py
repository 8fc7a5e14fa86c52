"""Telephone events (RFC 4733) for aiortc, which knows none: RTP written and read at the transport's seam.

What leaves is numbered here, so that sound and events are one sequence; the event takes the sound's place
while it lasts. Both ways some packets are lost, by a seed.
"""
import asyncio
import random
import struct

DIGITS = "0123456789*#ABCD"
TYPE = 126
HEADER = struct.Struct("!BBHII")


class Keypad:
    def __init__(self, transport, loss, seed):
        self.loss, self.random = loss, random.Random(seed)
        self.send, self.handle = transport._send_rtp, transport._handle_rtp_data
        transport._send_rtp, transport._handle_rtp_data = self.pass_on, self.take
        self.sequence, self.clock, self.down = None, None, False
        # What came, before any of it was lost: sequence number, timestamp, marker, event, end, duration.
        self.came, self.digits, self.known = [], "", set()

    def lost(self):
        return self.random.random() < self.loss

    async def pass_on(self, data):
        if 192 <= data[1] <= 223:
            return await self.send(data)
        first, second, sequence, *self.clock = HEADER.unpack_from(data)
        # Goes on from what was sent before: a jump is refused as a replay.
        self.sequence = sequence - 1 if self.sequence is None else self.sequence
        if not self.down:
            await self.write(first, second, *self.clock, data[HEADER.size:])

    async def write(self, first, second, timestamp, ssrc, rest):
        self.sequence = (self.sequence + 1) & 0xFFFF
        if not self.lost():
            await self.send(HEADER.pack(first, second, self.sequence, timestamp, ssrc) + rest)

    async def press(self, digits):
        while self.clock is None:
            await asyncio.sleep(0.02)
        for digit in digits:
            timestamp, ssrc = self.clock
            # The next sound's time; aiortc's clock goes on meanwhile.
            timestamp, self.down = (timestamp + 960) & 0xFFFFFFFF, True
            for report in range(1, 8):
                end, marker = 0x80 if report >= 5 else 0, 0x80 if report == 1 else 0
                payload = bytes([DIGITS.index(digit), end | 10]) + struct.pack("!H", 160 * min(report, 5))
                await self.write(0x80, marker | TYPE, timestamp, ssrc, payload)
                await asyncio.sleep(0.02)
            self.down = False
            await asyncio.sleep(0.06)

    async def take(self, data, *rest, **more):
        first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
        at = HEADER.size + 4 * (first & 15)
        if first & 0x10:
            at += 4 + 4 * struct.unpack_from("!H", data, at + 2)[0]
        is_event = second & 0x7F == TYPE
        event, flags, duration = struct.unpack_from("!BBH", data, at) if is_event else (None, 0, 0)
        self.came.append((sequence, timestamp, second >> 7, event, flags >> 7, duration))
        if self.lost():
            return
        if not is_event:
            return await self.handle(data, *rest, **more)
        if (ssrc, timestamp) not in self.known:
            self.known.add((ssrc, timestamp))
            self.digits += DIGITS[event]
