//! The far end's sound, between two media engines over DTLS-SRTP. The tests
//! that judge the box's speech quality (STOI) hear it through this echo, so the echo
//! itself must change nothing but the time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod sim_support;

use std::time::Duration;

use callbox::appliance::command::MediaCommand;
use callbox::audio::SAMPLE_RATE;
use callbox::media::Codec;
use callbox::pipe::proto::web_terminal_message::Message;
use callbox::pipe::proto::{Answer, Ringing};
use callbox::sim::{ActError, Change, SimCore, SimEvent};
use sim_support::sound::{Near, level_db, playing, share_of, tone};
use sim_support::{CALL, Client, core, kind, sdp, wait_for};

const NUMBER: &str = "+4722222222";
const ALL: [Codec; 3] = [Codec::Opus, Codec::Pcmu, Codec::Pcma];

/// The box calls; returns the codec.
async fn call(client: &mut Client, near: &mut Near) -> String {
    let offer = near.prepared().await;
    client.offer(CALL, NUMBER, &offer).await;
    assert_eq!(kind(&client.next().await), "ringing");
    let answer = client.next().await;
    near.tell(MediaCommand::Start { sdp: sdp(&answer).to_owned() }).await;
    near.connected().await
}

/// The core calls the box.
async fn called(core: &SimCore, client: &mut Client, near: &mut Near) -> String {
    let id = core.handle().call_box(NUMBER).await.unwrap();
    let offer = client.next().await;
    near.tell(MediaCommand::Check { sdp: sdp(&offer).to_owned() }).await;
    client.send(&id, Message::Ringing(Ringing {})).await;
    near.tell(MediaCommand::Answer).await;
    let answer = near.answer().await;
    client.send(&id, Message::Answer(Answer { sdp: answer })).await;
    near.connected().await
}

/// Answers the core's offer in mid-call.
async fn renegotiated(core: &SimCore, client: &mut Client, near: &mut Near, change: Change) {
    core.handle().renegotiate(change).await.unwrap();
    let offer = client.next().await;
    assert_eq!(kind(&offer), "offer");
    near.tell(MediaCommand::Renegotiate { sdp: sdp(&offer).to_owned() }).await;
    let answer = near.answer().await;
    client.send(CALL, Message::Answer(Answer { sdp: answer })).await;
}

/// Ten seconds like speech: a voice whose pitch and loudness wander, with pauses,
/// all below 3 kHz. It never repeats, so that it can be aligned.
fn speech_like() -> Vec<i16> {
    let mut phase = 0.0_f64;
    (0..480_000)
        .map(|i| {
            let t = f64::from(i) / 48_000.0;
            let pitch = 140.0 + 30.0 * (2.1 * t).sin() + 17.0 * (3.7 * t + 1.0).sin();
            phase += pitch / 48_000.0;
            let syllable = (0.5 + 0.5 * (std::f64::consts::TAU * 3.3 * t + (1.3 * t).sin()).sin()).powi(2);
            let voice: f64 = (1..=12)
                .map(|h| {
                    let h = f64::from(h);
                    let colour = 1.0 + 0.8 * ((0.9 + 0.11 * h) * t + h).sin();
                    colour / h * (std::f64::consts::TAU * h * phase).sin()
                })
                .sum();
            (3500.0 * syllable * voice) as i16
        })
        .collect()
}

/// Samples a second at which sound is compared; the original has little above half of it.
const RATE: usize = 4_000;

/// The likeness of each quarter second of `heard` to its place in the
/// original: 1 for the same but for its loudness. The first may be anywhere,
/// the others follow within 100 ms, which is what a jitter buffer may move.
fn likenesses(original: &[f64], heard: &[f64]) -> Vec<f64> {
    let (length, slack) = (RATE / 4, RATE / 10);
    let mut places = 0..original.len() - length;
    let mut found = Vec::new();
    for piece in heard.chunks_exact(length) {
        let like = |place: usize| {
            let (mut dot, mut a, mut b) = (0.0, 1.0, 1.0);
            for (x, y) in original[place..place + length].iter().zip(piece) {
                dot += x * y;
                a += x * x;
                b += y * y;
            }
            (dot / (a * b).sqrt(), place)
        };
        let (likeness, place) = places.map(like).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        found.push(likeness);
        places = (place + length - slack)..(place + length + slack).min(original.len() - length);
    }
    found
}

fn decimated(samples: &[i16]) -> Vec<f64> {
    let by = SAMPLE_RATE as usize / RATE;
    samples.chunks_exact(by).map(|few| few.iter().map(|s| f64::from(*s)).sum::<f64>() / by as f64).collect()
}

/// `high` and `low` are the least likeness of the upper and of the lower quartile: where the
/// jitter of a busy machine makes the delay wander many quarter seconds are a little longer or
/// shorter than they were, a bad echo spoils all.
async fn the_echo_is_faithful(codec: Codec, name: &str, high: f64, low: f64) {
    let core = core("").await;
    let mut client = Client::registered(&core).await;
    let speech = speech_like();
    let mut near = Near::new(&[codec], playing(speech.clone()));
    assert!(call(&mut client, &mut near).await.eq_ignore_ascii_case(name));
    near.listen_until("the echo", |heard| level_db(heard) > -40.0).await;
    let heard = near.listen(Duration::from_secs(4)).await;

    let original = decimated(&[&speech[..], &speech[..]].concat());
    let mut found = likenesses(&original, &decimated(&heard));
    found.sort_by(f64::total_cmp);
    println!("{name}: {found:.3?}");
    assert!(found[found.len() * 3 / 4] > high, "{name}: the upper quarter of {found:.3?}");
    assert!(found[found.len() / 4] > low, "{name}: the lower quarter of {found:.3?}");
    let loudness = level_db(&heard) - level_db(&speech);
    assert!(loudness.abs() < 3.0, "{name}: {loudness} dB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_echo_is_faithful_in_opus() {
    // Coded twice it sounds the same, but no longer has the same wave.
    the_echo_is_faithful(Codec::Opus, "opus", 0.8, 0.7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_echo_is_faithful_in_pcmu() {
    the_echo_is_faithful(Codec::Pcmu, "PCMU", 0.98, 0.9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_echo_is_faithful_in_pcma() {
    the_echo_is_faithful(Codec::Pcma, "PCMA", 0.98, 0.9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_that_calls_is_heard_and_hears() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heard.wav");
    let core =
        core(&format!("default-phone = {{ tone = 700, codecs = ['pcmu'], record = '{}' }}", file.display()))
            .await;
    let mut events = core.events();
    let mut client = Client::registered(&core).await;
    let mut near = Near::new(&ALL, tone(1000.0));
    assert!(called(&core, &mut client, &mut near).await.eq_ignore_ascii_case("pcmu"));
    let codec = wait_for(&mut events, "media", |event| match event {
        SimEvent::MediaConnected { codec, .. } => Some(codec.clone()),
        _ => None,
    });
    assert!(codec.await.eq_ignore_ascii_case("pcmu"));
    wait_for(&mut events, "sound", |e| matches!(e, SimEvent::FirstAudio { .. }).then_some(())).await;
    near.listen_until("the tone of the phone", |heard| share_of(700.0, heard) > 0.9).await;
    near.listen(Duration::from_secs(2)).await;

    client.bye(CALL).await;
    wait_for(&mut events, "Bye", |e| matches!(e, SimEvent::ByeReceived { .. }).then_some(())).await;
    core.stop().await;
    // The voice's thread completes the file within a frame of the call's end.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let heard: Vec<i16> =
        hound::WavReader::open(&file).unwrap().into_samples().collect::<Result<_, _>>().unwrap();
    let last = &heard[heard.len() - 48_000..];
    assert!(share_of(1000.0, last) > 0.9, "{} of {} dBFS", share_of(1000.0, last), level_db(last));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hold_resume_and_codec_change_in_mid_call() {
    let core = core("").await;
    let mut client = Client::registered(&core).await;
    let mut near = Near::new(&ALL, tone(800.0));
    assert!(call(&mut client, &mut near).await.eq_ignore_ascii_case("opus"));
    let echoes = |heard: &[i16]| level_db(heard) > -20.0 && share_of(800.0, heard) > 0.9;
    near.listen_until("the echo", echoes).await;

    // On hold the box sends nothing, so there is nothing to echo.
    renegotiated(&core, &mut client, &mut near, Change::Hold).await;
    near.listen_until("silence", |heard| level_db(heard) < -50.0).await;
    renegotiated(&core, &mut client, &mut near, Change::Resume).await;
    near.listen_until("the echo again", echoes).await;
    renegotiated(&core, &mut client, &mut near, Change::Codec(Codec::Pcmu)).await;
    near.listen_until("the echo in PCMU", echoes).await;
    renegotiated(&core, &mut client, &mut near, Change::Resume).await;
    near.listen_until("the echo in Opus", echoes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn digits_of_the_box_arrive() {
    let core = core("").await;
    let mut events = core.events();
    let mut client = Client::registered(&core).await;
    let mut near = Near::new(&ALL, tone(800.0));
    call(&mut client, &mut near).await;
    near.tell(MediaCommand::Digits("42#".into())).await;
    for wanted in ['4', '2', '#'] {
        let digit = wait_for(&mut events, "a digit", |event| match event {
            SimEvent::Digit { digit, .. } => Some(*digit),
            _ => None,
        });
        assert_eq!(digit.await, wanted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn digits_of_the_phone_arrive() {
    let core = core("").await;
    let mut client = Client::registered(&core).await;
    let mut near = Near::new(&ALL, tone(800.0));
    assert_eq!(core.handle().digits("1").await, Err(ActError::NoCall));
    call(&mut client, &mut near).await;
    core.handle().digits("17*").await.unwrap();
    for wanted in ['1', '7', '*'] {
        assert_eq!(near.digit().await, wanted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_that_no_phone_can_answer_ends_the_call() {
    let core = core("").await;
    let mut events = core.events();
    let mut client = Client::registered(&core).await;
    client.offer(CALL, NUMBER, "no session description").await;
    wait_for(&mut events, "failure", |e| matches!(e, SimEvent::MediaFailed { .. }).then_some(())).await;
    while kind(&client.next().await) != "bye" {}
    // The next call is as good as any.
    let mut near = Near::new(&ALL, tone(800.0));
    call(&mut client, &mut near).await;
}

#[tokio::test]
async fn a_prompt_that_is_not_there_ends_the_call() {
    let core = core("default-phone = { prompt = '/nowhere/hello.wav' }").await;
    let mut events = core.events();
    let mut client = Client::registered(&core).await;
    client.offer(CALL, NUMBER, "near").await;
    let detail = wait_for(&mut events, "failure", |event| match event {
        SimEvent::MediaFailed { detail, .. } => Some(detail.clone()),
        _ => None,
    });
    let detail = detail.await;
    assert!(detail.contains("/nowhere/hello.wav"), "{detail}");
    while kind(&client.next().await) != "bye" {}
}
