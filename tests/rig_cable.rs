//! The rig itself: if the cables or the score were wrong, every end-to-end
//! test above them would prove nothing. Speech that goes through the cables
//! alone must score as perfect, other speech as unintelligible.

mod support;

use std::process::Command;
use std::time::Duration;

use support::cable::{Cable, MICROPHONE, SPEAKER};
use support::process::Process;
use support::score::{score, tone_level};
use support::{one_at_a_time, speech};

#[test]
fn the_score_tells_the_same_speech_from_another() {
    let (english, italian) = (speech::english(), speech::italian());
    let same = score(&english, &english);
    assert!(same.stoi > 0.999 && same.delay_ms == 0.0, "{same:?}");
    let other = score(&english, &italian);
    assert!(other.stoi < 0.5, "{other:?}");
}

#[test]
fn the_cables_carry_speech_through_libasound() {
    let _alone = one_at_a_time();
    let cable = Cable::start();
    let folder = tempfile::TempDir::new().unwrap();
    let raw = folder.path().join("through.wav");
    // What the box would do: record from its microphone, play to its loudspeaker.
    let mut capture = Command::new("arecord");
    capture.args(["-q", "-D", MICROPHONE, "-f", "S16_LE", "-r", "48000", "-c", "1", "-d", "13"]).arg(&raw);
    capture.envs(cable.environment());
    let mut capture = Process::start("arecord", capture, folder.path());
    support::wait_for(Duration::from_secs(20), "start of the capture", || {
        let length = std::fs::metadata(&raw).map_or(0, |file| file.len());
        if length > 4800 { Ok(()) } else { Err(format!("{length} bytes")) }
    });
    let reference = speech::english();
    let _speaking = cable.speak(&reference);
    let done = |process: &mut Process| {
        support::wait_for(Duration::from_secs(40), "end of the program", || {
            process.exited().ok_or_else(|| "still running".to_owned())
        })
    };
    assert_eq!(done(&mut capture), 0, "{}", capture.log());
    let at_the_microphone = score(&reference, &raw);
    assert!(at_the_microphone.stoi > 0.99, "{at_the_microphone:?}");

    let recording = cable.listen();
    let mut play = Command::new("aplay");
    play.args(["-q", "-D", SPEAKER]).arg(&raw).envs(cable.environment());
    let mut play = Process::start("aplay", play, folder.path());
    assert_eq!(done(&mut play), 0, "{}", play.log());
    let at_the_loudspeaker = score(&reference, &recording.finish());
    assert!(at_the_loudspeaker.stoi > 0.99, "{at_the_loudspeaker:?}");
}

#[test]
fn a_tone_is_found_where_it_is_and_nowhere_else() {
    let wav = speech::tone(1000, 2);
    let (level, rest) = tone_level(&wav, 1000);
    assert!((-14.0..-12.0).contains(&level) && rest < -40.0, "{level} {rest}");
    assert!(tone_level(&wav, 440).0 < -60.0);
}
