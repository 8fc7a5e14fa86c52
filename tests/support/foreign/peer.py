"""A media peer on aiortc: plays a tone, keeps what it hears in the time in which it is heard."""
import asyncio
import fractions
import time

import aioice.ice
import numpy as np
import soundfile
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.codecs import CODECS
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame
from dtmf import Keypad
from scipy.signal import resample_poly

RATE = 48000
FRAME = RATE // 50
# What a receiver's jitter buffer would hold: a frame later than this is heard late.
DEPTH = 0.2

# aiortc gives its codecs their own numbers in each offer of its own, though its receiver goes on to know
# those of the first description only. With the number that browsers and the box use, they are the same.
OPUS = next(codec for codec in CODECS["audio"] if codec.name == "opus")
OPUS.payloadType = 111

# aiortc leaves the loopback address out; the tests need no other network.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"] if use_ipv4 else []


class Tone(MediaStreamTrack):
    kind = "audio"

    def __init__(self, hertz):
        super().__init__()
        self.hertz, self.sent, self.begin, self.late = hertz, 0, None, 0.0

    async def recv(self):
        now = time.monotonic()
        self.begin = self.begin or now
        due = self.begin + self.sent / RATE
        await asyncio.sleep(max(due - now, 0))
        self.late = max(self.late, time.monotonic() - due)
        phase = 2 * np.pi * self.hertz * (self.sent + np.arange(FRAME)) / RATE
        frame = AudioFrame.from_ndarray((8000 * np.sin(phase)).astype(np.int16)[None, :], "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self.sent, fractions.Fraction(1, RATE)
        self.sent += FRAME
        return frame


def decibels(power):
    return 10 * float(np.log10(power + 1e-12))


class Straight:
    """In the place of aiortc's jitter buffer, which is not needed where nothing is lost. With it aiortc
    decodes a frame by the payload type of the packet that came last: a change of codec is garbled."""

    def add(self, packet):
        return False, JitterFrame(data=packet._data, timestamp=packet.timestamp)


class Ear:
    """What was heard, each frame at its time of the sender's clock; silence where none came."""

    def __init__(self):
        self.pieces, self.base, self.rate, self.end, self.begin = [], None, None, 0.0, None

    async def listen(self, track):
        try:
            while True:
                frame = await track.recv()
                self.hear(frame, time.monotonic())
        except MediaStreamError:
            return

    def hear(self, frame, now):
        sound = frame.to_ndarray().astype(np.float32).reshape(-1, len(frame.layout.channels))[:, 0] / 32768
        if frame.sample_rate != RATE:
            sound = resample_poly(sound, RATE // frame.sample_rate, 1).astype(np.float32)
        self.begin = self.begin or now
        at = frame.pts * float(frame.time_base)
        # Another codec has another clock; and a frame may come too late to be heard in time.
        if frame.sample_rate != self.rate or not -DEPTH < (now - self.begin) - (at + self.base) < DEPTH:
            self.base, self.rate = max(now - self.begin, self.end) - at, frame.sample_rate
        place = max(at + self.base, self.end)
        self.pieces.append((place, sound))
        self.end = place + len(sound) / RATE

    def sound(self, since=0.0):
        last = int(self.end * RATE)
        samples = np.zeros(max(last - int(since * RATE), 0), np.float32)
        for place, piece in self.pieces:
            at = int(round((place - since) * RATE))
            if at < 0:
                continue
            piece = piece[:max(len(samples) - at, 0)]
            samples[at:at + len(piece)] = piece
        return samples


class Peer:
    def __init__(self, name, say, hertz, codec=None, lite=False):
        self.codec, self.lite, self.tone, self.ear = codec, lite, Tone(hertz), Ear()
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.listening = None

        @self.pc.on("connectionstatechange")
        def changed():
            say({"peer": name, "event": self.pc.connectionState})

        @self.pc.on("track")
        def heard(track):
            for receiver in self.pc.getReceivers():
                receiver._RTCRtpReceiver__jitter_buffer = Straight()
            self.listening = asyncio.ensure_future(self.ear.listen(track))

    def prefer(self):
        if self.codec:
            wanted = f"audio/{self.codec}".lower()
            codecs = [c for c in RTCRtpSender.getCapabilities("audio").codecs if c.mimeType.lower() == wanted]
            for transceiver in self.pc.getTransceivers():
                transceiver.setCodecPreferences(codecs)

    def direct(self, direction):
        """Sets the direction; aiortc itself would go on sending when held."""
        for transceiver in self.pc.getTransceivers():
            transceiver.direction = direction
            transceiver.sender._enabled = direction.startswith("send")

    async def offer(self, direction="sendrecv", codec=None):
        if not self.pc.getTransceivers():
            self.pc.addTransceiver(self.tone, direction=direction)
        self.codec = codec or self.codec
        self.prefer()
        self.direct(direction)
        await self.pc.setLocalDescription(await self.pc.createOffer())
        for transceiver in self.pc.getTransceivers() if self.lite else []:
            transceiver.sender.transport.transport._connection.ice_controlling = False
        return {"sdp": self.pc.localDescription.sdp}

    async def answer(self, sdp, direction="sendrecv"):
        if not self.pc.getTransceivers():
            self.pc.addTrack(self.tone)
        self.prefer()
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        self.direct(direction)
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        return {"sdp": self.pc.localDescription.sdp}

    async def accept(self, sdp):
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        return {}

    async def keypad(self, loss, seed):
        """From now on digits can be sent and are heard, and packets of the call are lost."""
        [transceiver] = self.pc.getTransceivers()
        self.keys = Keypad(transceiver.sender.transport, loss, seed)
        return {}

    async def press(self, digits):
        await self.keys.press(digits)
        return {}

    async def pressed(self):
        return {"digits": self.keys.digits, "came": self.keys.came}

    async def hear(self, seconds, tones=()):
        """Of the next seconds: the loudest frequency, the level, and those of some tones, in dB."""
        since = time.monotonic() - (self.ear.begin or time.monotonic())
        await asyncio.sleep(seconds)
        sound = self.ear.sound(since)
        if len(sound) < RATE * seconds / 2:
            return {"hertz": 0.0, "level_db": -120.0, "tones_db": [-120.0 for _ in tones]}
        window = np.hanning(len(sound))
        spectrum = np.abs(np.fft.rfft(sound * window))
        turn = -2j * np.pi * np.arange(len(sound)) / RATE
        parts = [abs((sound * window * np.exp(turn * tone)).sum()) / window.sum() for tone in tones]
        return {
            "hertz": float(np.argmax(spectrum) * RATE / len(sound)),
            "level_db": decibels((sound**2).mean()),
            # A tone of amplitude a has the power a * a / 2, and half of a stands at its frequency.
            "tones_db": [decibels(2 * part**2) for part in parts],
        }

    async def clock(self):
        """How much was heard, and how late the tone was at worst since the last time."""
        late, self.tone.late = self.tone.late, 0.0
        return {"seconds": self.ear.end, "late_ms": late * 1000}

    async def save(self, path):
        """Everything heard so far, into a WAV file."""
        soundfile.write(path, self.ear.sound(), RATE, subtype="PCM_16")
        return {}

    async def close(self):
        await self.pc.close()
        return {}
