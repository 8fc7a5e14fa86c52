// One call's WebRTC. There is no message for a late candidate, so all of them
// travel in the SDP.

const GATHER_MS = 3000;
const TONE_MS = 100;
const GAP_MS = 70;

export class Line {
  #peer = new RTCPeerConnection();
  #codec;

  // `codec` limits the call to that one. `on.track` gets what comes from the box,
  // `on.state` is called when the connection comes up or breaks.
  constructor(microphone, codec, on) {
    this.#codec = codec;
    this.#peer.ontrack = (event) => on.track(new MediaStream([event.track]));
    this.#peer.onconnectionstatechange = on.state;
    if (microphone) this.#peer.addTrack(microphone.getAudioTracks()[0], microphone);
    else this.#peer.addTransceiver("audio", { direction: "recvonly" });
  }

  get state() {
    return this.#peer.connectionState;
  }

  async offer() {
    this.#prefer();
    await this.#peer.setLocalDescription();
    return this.#described();
  }

  // The first offer, and any in mid-call.
  async answer(sdp) {
    await this.#peer.setRemoteDescription({ type: "offer", sdp });
    this.#prefer();
    await this.#peer.setLocalDescription();
    return this.#described();
  }

  answered(sdp) {
    return this.#peer.setRemoteDescription({ type: "answer", sdp });
  }

  // Digits wait for those before them. False where the call takes none.
  press(digits) {
    const dtmf = this.#peer.getSenders().map((sender) => sender.dtmf).find((one) => one?.canInsertDTMF);
    dtmf?.insertDTMF(dtmf.toneBuffer + digits, TONE_MS, GAP_MS);
    return Boolean(dtmf);
  }

  stats() {
    return this.#peer.getStats();
  }

  close() {
    this.#peer.close();
  }

  #prefer() {
    if (!this.#codec) return;
    const kept = [`audio/${this.#codec}`, "audio/telephone-event"];
    const codecs = RTCRtpReceiver.getCapabilities("audio").codecs.filter((one) => kept.includes(one.mimeType.toLowerCase()));
    for (const transceiver of this.#peer.getTransceivers()) transceiver.setCodecPreferences(codecs);
  }

  async #described() {
    const peer = this.#peer;
    await new Promise((resolve) => {
      const look = () => peer.iceGatheringState === "complete" && resolve();
      peer.addEventListener("icegatheringstatechange", look);
      setTimeout(resolve, GATHER_MS);
      look();
    });
    return peer.localDescription.sdp;
  }
}
