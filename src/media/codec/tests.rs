use super::*;

fn tone(hertz: f64, packet: usize) -> [i16; PACKET_SAMPLES] {
    std::array::from_fn(|i| {
        let t = (packet * PACKET_SAMPLES + i) as f64 / 48_000.0;
        (8_000.0 * (std::f64::consts::TAU * hertz * t).sin()) as i16
    })
}

fn power(sound: &[i16]) -> f64 {
    sound.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / sound.len() as f64
}

const ALL: [Codec; 3] = [Codec::Opus, Codec::Pcmu, Codec::Pcma];

#[test]
fn every_codec_keeps_the_level_of_a_tone() {
    for codec in ALL {
        let mut encoder = Encoder::new(codec, 32_000).unwrap();
        let mut decoder = Decoder::new().unwrap();
        let mut out = Vec::new();
        for packet in 0..50 {
            let mut payload = [0; MAX_PAYLOAD];
            let length = encoder.encode(&tone(1_000.0, packet), &mut payload).unwrap();
            let mut sound = [0; MAX_SAMPLES];
            let samples = decoder.decode(codec, &payload[..length], &mut sound).unwrap();
            assert_eq!(samples, PACKET_SAMPLES);
            out.extend_from_slice(&sound[..samples]);
        }
        let gain = 10.0 * (power(&out[10_000..]) / (8_000.0f64.powi(2) / 2.0)).log10();
        assert!(gain.abs() < 1.5, "{codec:?}: {gain:.2} dB");
    }
}

#[test]
fn concealment_continues_and_then_fades_out() {
    for codec in ALL {
        let mut encoder = Encoder::new(codec, 32_000).unwrap();
        let mut decoder = Decoder::new().unwrap();
        for packet in 0..50 {
            let mut payload = [0; MAX_PAYLOAD];
            let length = encoder.encode(&tone(400.0, packet), &mut payload).unwrap();
            decoder.decode(codec, &payload[..length], &mut [0; MAX_SAMPLES]).unwrap();
        }
        let mut sound = [0; PACKET_SAMPLES];
        decoder.conceal(&mut sound);
        assert!(power(&sound) > 1e5, "{codec:?}: silent at once");
        for _ in 0..50 {
            decoder.conceal(&mut sound);
        }
        assert!(power(&sound) < 1e4, "{codec:?}: still loud after a second");
    }
}

#[test]
fn the_next_opus_packet_restores_a_lost_one() {
    let mut encoder = Encoder::new(Codec::Opus, 32_000).unwrap();
    let mut decoder = Decoder::new().unwrap();
    let mut payload = [0; MAX_PAYLOAD];
    for packet in 0..49 {
        let length = encoder.encode(&tone(300.0, packet), &mut payload).unwrap();
        if packet < 47 {
            decoder.decode(Codec::Opus, &payload[..length], &mut [0; MAX_SAMPLES]).unwrap();
        } else if packet == 48 {
            let mut sound = [0; PACKET_SAMPLES];
            assert!(decoder.recover((Codec::Opus, &payload[..length]), &mut sound));
            assert!(power(&sound) > 1e6, "nothing restored: {}", power(&sound));
        }
    }
}

#[test]
fn nonsense_is_refused_or_decoded_without_a_panic() {
    let mut decoder = Decoder::new().unwrap();
    for length in 0..300usize {
        let payload: Vec<u8> = (0..length).map(|i| (i * 37 + length * 11) as u8).collect();
        for codec in ALL {
            let _ = decoder.decode(codec, &payload, &mut [0; MAX_SAMPLES]);
        }
        let _ = opus_samples_in(&payload);
    }
    assert_eq!(opus_samples_in(&[]), None);
    let long = [0x55; 1400];
    let samples = decoder.decode(Codec::Pcmu, &long, &mut [0; MAX_SAMPLES]).unwrap();
    assert_eq!(samples, MAX_SAMPLES, "more than 120 ms must be cut, not overrun");
}
