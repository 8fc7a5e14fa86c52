use super::*;
use crate::media::packet::Payload;

const PACKET_SAMPLES: usize = 960;

fn packet_of(codec: Codec, payload: &[u8]) -> Arrived {
    Arrived {
        ssrc: 1,
        sequence: 0,
        timestamp: 0,
        codec,
        comfort: false,
        samples: 960,
        arrival: std::time::Instant::now(),
        payload: Payload::copy_of(payload).unwrap(),
    }
}

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
            let samples = decoder.decode(&packet_of(codec, &payload[..length]), &mut sound).unwrap();
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
            decoder.decode(&packet_of(codec, &payload[..length]), &mut [0; MAX_SAMPLES]).unwrap();
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

/// Something like a voice: a buzz of 140 Hz that swells and fades four times a second.
fn voice(packet: usize) -> [i16; PACKET_SAMPLES] {
    std::array::from_fn(|i| {
        let t = (packet * PACKET_SAMPLES + i) as f64 / 48_000.0;
        let pitch = std::f64::consts::TAU * (140.0 * t + 2.0 * (3.0 * t).sin());
        let buzz: f64 = (1..=20).map(|n| (f64::from(n) * pitch).sin() / f64::from(n)).sum();
        (4_000.0 * buzz * (0.5 - 0.5 * (25.0 * t).cos())) as i16
    })
}

#[test]
fn the_next_opus_packet_restores_a_lost_one_if_it_says_so() {
    let mut encoder = Encoder::new(Codec::Opus, 32_000).unwrap();
    let mut decoder = Decoder::new().unwrap();
    let mut payload = [0; MAX_PAYLOAD];
    let (mut restored, mut energy) = (0, 0.0);
    for packet in 0..200 {
        let length = encoder.encode(&voice(packet), &mut payload).unwrap();
        let next = packet_of(Codec::Opus, &payload[..length]);
        // Every fifth packet is lost.
        if packet % 5 == 4 && packet > 20 {
            continue;
        }
        if packet % 5 == 0 && packet > 20 {
            let mut sound = [0; PACKET_SAMPLES];
            let carries = restores_previous(&next);
            assert_eq!(decoder.recover(&next, &mut sound), carries, "packet {packet}");
            if carries {
                restored += 1;
                energy += power(&sound);
            } else {
                decoder.conceal(&mut sound);
            }
        }
        decoder.decode(&next, &mut [0; MAX_SAMPLES]).unwrap();
    }
    assert!(restored >= 15, "only {restored} of 35 packets carry the one before");
    assert!(energy / f64::from(restored) > 1e5, "nothing is in what was restored");
}

#[test]
fn nonsense_is_refused_or_decoded_without_a_panic() {
    let mut decoder = Decoder::new().unwrap();
    for length in 0..300usize {
        let payload: Vec<u8> = (0..length).map(|i| (i * 37 + length * 11) as u8).collect();
        for codec in ALL {
            let _ = decoder.decode(&packet_of(codec, &payload), &mut [0; MAX_SAMPLES]);
        }
        let _ = opus_samples_in(&payload);
    }
    assert_eq!(opus_samples_in(&[]), None);
    let long = [0x55; 1400];
    let samples = decoder.decode(&packet_of(Codec::Pcmu, &long), &mut [0; MAX_SAMPLES]).unwrap();
    assert_eq!(samples, MAX_SAMPLES, "more than 120 ms must be cut, not overrun");
}

#[test]
fn settings_and_the_length_of_packets_change_without_a_seam() {
    let mut encoder = Encoder::new(Codec::Opus, 32_000).unwrap();
    let mut decoder = Decoder::new().unwrap();
    let sound: Vec<i16> = (0..500).flat_map(|packet| tone(400.0, packet)).collect();
    let (mut rest, mut heard) = (sound.as_slice(), Vec::new());
    let lengths = limits::Length::ALL;
    for (i, length) in lengths.into_iter().cycle().enumerate().take(300) {
        let bitrate = [16_000, 24_000, 32_000][i / 20 % 3];
        encoder.set(Settings { bitrate, expected_loss: (i % 20) as u8, length, dtx: false }).unwrap();
        let (packet, more) = rest.split_at(length.frames() * 480);
        rest = more;
        let mut payload = [0; MAX_PAYLOAD];
        let bytes = encoder.encode(packet, &mut payload).unwrap();
        let mut decoded = [0; MAX_SAMPLES];
        let samples = decoder.decode(&packet_of(Codec::Opus, &payload[..bytes]), &mut decoded).unwrap();
        assert_eq!(samples, packet.len());
        heard.extend_from_slice(&decoded[..samples]);
    }
    let gain = 10.0 * (power(&heard[10_000..]) / (8_000.0f64.powi(2) / 2.0)).log10();
    assert!(gain.abs() < 1.5, "{gain:.2} dB");
    let step = heard[10_000..].windows(2).map(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs()).max();
    assert!(step < Some(1_500), "a step of {step:?} in a tone whose steepest is 420");
}

/// A buzz whose period is 57 samples at 8 kHz and fits no packet.
fn buzz(i: usize) -> i16 {
    let t = std::f64::consts::TAU * i as f64 / (57.0 * 6.0);
    (1..=8).map(|n| 4_000.0 / f64::from(n) * (f64::from(n) * t).sin()).sum::<f64>() as i16
}

#[test]
fn a_lost_g711_packet_is_made_up_in_the_pitch_of_the_voice() {
    for codec in [Codec::Pcmu, Codec::Pcma] {
        let mut encoder = Encoder::new(codec, 32_000).unwrap();
        let mut decoders = [Decoder::new().unwrap(), Decoder::new().unwrap()];
        let mut heard = [Vec::new(), Vec::new()];
        for packet in 0..40 {
            let sound: Vec<i16> = (0..PACKET_SAMPLES).map(|i| buzz(packet * PACKET_SAMPLES + i)).collect();
            let mut payload = [0; MAX_PAYLOAD];
            let length = encoder.encode(&sound, &mut payload).unwrap();
            for (i, (decoder, heard)) in decoders.iter_mut().zip(&mut heard).enumerate() {
                let mut sound = [0; MAX_SAMPLES];
                if i == 1 && packet == 30 {
                    decoder.conceal(&mut sound[..PACKET_SAMPLES / 2]);
                } else {
                    decoder.decode(&packet_of(codec, &payload[..length]), &mut sound).unwrap();
                }
                heard.extend_from_slice(&sound[..PACKET_SAMPLES]);
            }
        }
        let from = 30 * PACKET_SAMPLES;
        let lost = from..from + PACKET_SAMPLES / 2;
        let [whole, patched] = heard.map(|heard| heard[lost.clone()].to_vec());
        let error: Vec<i16> = whole.iter().zip(&patched).map(|(a, b)| a - b).collect();
        let ratio = 10.0 * (power(&whole) / power(&error)).log10();
        assert!(ratio > 15.0, "{codec:?}: the error is only {ratio:.1} dB down");
    }
}

#[test]
fn noise_that_was_described_is_made_at_its_level() {
    let mut decoder = Decoder::new().unwrap();
    // 50 dB under full scale, low tones stronger.
    let described = Arrived { comfort: true, ..packet_of(Codec::Pcmu, &[50, 127 - 60]) };
    let mut sound = [0; MAX_SAMPLES];
    let mut heard = Vec::new();
    for _ in 0..100 {
        let samples = decoder.decode(&described, &mut sound).unwrap();
        heard.extend_from_slice(&sound[..samples]);
    }
    let level = 10.0 * (power(&heard) / 32_768.0f64.powi(2)).log10();
    assert!((-52.5..-48.5).contains(&level), "{level:.1} dB");
}
