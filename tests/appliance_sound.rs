//! What a person may do with the box's sound: push-to-talk, mute, volume. A
//! microphone that is open when nobody knows of it is a breach of trust, one
//! that is shut when somebody calls for help is worse, and who hears whom must
//! come out right whichever of the three was touched last.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod appliance_support;

use std::time::Duration;

use appliance_support::{Bench, Rng, ms, secs, settings};
use callbox::appliance::action::{Action, VolumeChange};
use callbox::appliance::command::{AudioCommand, Command, Direction, Refusal, Role};
use callbox::appliance::event::SystemEvent;
use callbox::appliance::fault::Fault;
use callbox::appliance::indicator::{LedFunction, Pattern};
use callbox::appliance::settings::{ButtonSettings, Settings, SoundSettings, TalkMode};
use callbox::appliance::status::CallStatus;
use callbox::appliance::volume::{Keep, VolumeSettings};

const TALK: Action = Action::Talk { on: None };

/// A box with a talk button, a mute button, two for the volume and a lamp.
fn boxed(sound: SoundSettings) -> Settings {
    let mut settings = settings();
    settings.call.sound = sound;
    for (name, action) in [
        ("talk", TALK),
        ("mute", Action::Mute { on: None }),
        ("louder", Action::Volume { change: VolumeChange::Up }),
        ("quieter", Action::Volume { change: VolumeChange::Down }),
    ] {
        let button =
            ButtonSettings { press: Some(action), stuck_after: secs(30), ..ButtonSettings::default() };
        settings.buttons.insert(name.into(), button);
    }
    settings.leds.insert("talk".into(), LedFunction::TalkAllowed);
    settings
}

fn push_to_talk() -> Settings {
    boxed(SoundSettings { talk: TalkMode::PushToTalk, ..SoundSettings::default() })
}

fn directions(bench: &Bench) -> Vec<Direction> {
    let direction = |command: &Command| match command {
        Command::Audio(AudioCommand::Direction(direction)) => Some(*direction),
        _ => None,
    };
    bench.commands.iter().filter_map(direction).collect()
}

fn volumes(bench: &Bench) -> Vec<u8> {
    let volume = |command: &Command| match command {
        Command::Audio(AudioCommand::Volume(percent)) => Some(*percent),
        _ => None,
    };
    bench.commands.iter().filter_map(volume).collect()
}

#[test]
fn talk_while_held_and_listen_when_let_go() {
    let mut bench = Bench::new(push_to_talk());
    assert_eq!(directions(&bench), [Direction::Listen], "shut before there is a call");
    bench = Bench::ready(push_to_talk());
    bench.talk();
    assert_eq!((directions(&bench), bench.lamp("talk")), (vec![], Pattern::Off));
    bench.down("talk");
    assert_eq!((directions(&bench), bench.lamp("talk")), (vec![Direction::Talk], Pattern::On));
    assert!(bench.box_.status().talk_allowed);
    bench.pass(secs(8));
    bench.take();
    bench.up("talk");
    assert_eq!((directions(&bench), bench.lamp("talk")), (vec![Direction::Listen], Pattern::Off));
    assert_eq!(bench.tones(), [], "nothing blips into the word");
    bench.still_works();
}

#[test]
fn a_call_begins_by_listening_also_when_the_button_stayed_down() {
    let mut bench = Bench::ready(push_to_talk());
    bench.talk();
    bench.down("talk");
    bench.take();
    bench.press("hangup");
    assert_eq!(directions(&bench), [Direction::Listen]);
    bench.close_all();
    bench.pass(secs(4));
    bench.prepare_all();
    bench.talk();
    assert!(!bench.box_.status().talk_allowed, "a finger of the last call talks in this one");
    bench.up("talk");
    bench.pass(ms(50));
    bench.down("talk");
    assert!(bench.box_.status().talk_allowed);
}

#[test]
fn a_wedged_talk_button_gives_way_and_is_a_fault() {
    let mut bench = Bench::ready(push_to_talk());
    bench.talk();
    bench.down("talk");
    bench.pass(secs(29));
    assert!(bench.box_.status().talk_allowed);
    bench.take();
    bench.pass(secs(2));
    assert_eq!(directions(&bench), [Direction::Listen]);
    let faults: Vec<Fault> = bench.box_.status().faults.iter().map(|status| status.fault).collect();
    assert_eq!(faults, [Fault::StuckButton]);
    bench.up("talk");
    bench.pass(ms(50));
    assert_eq!(bench.box_.status().faults, []);
    assert_eq!(bench.call(), CallStatus::InCall, "the call goes on");
    bench.press("talk");
    assert_eq!(bench.counter("talks"), 2);
}

#[test]
fn without_a_call_or_without_push_to_talk_the_button_is_refused() {
    let mut bench = Bench::ready(push_to_talk());
    assert_eq!(bench.ask(TALK), Err(Refusal::NoCall));
    bench.press("talk");
    assert_eq!(directions(&bench), []);
    for talk in [TalkMode::Both, TalkMode::Alternate] {
        let mut bench = Bench::ready(boxed(SoundSettings { talk, ..SoundSettings::default() }));
        bench.talk();
        assert_eq!(bench.ask(TALK), Err(Refusal::NotPushToTalk));
        assert!(bench.box_.status().talk_allowed);
    }
}

#[test]
fn half_duplex_is_told_once_at_the_start() {
    let alternate = boxed(SoundSettings { talk: TalkMode::Alternate, ..SoundSettings::default() });
    let mut bench = Bench::new(alternate);
    assert_eq!(directions(&bench), [Direction::Alternate]);
    bench = Bench::new(boxed(SoundSettings::default()));
    assert_eq!(directions(&bench), []);
}

#[test]
fn talk_from_elsewhere_ends_by_itself() {
    let mut bench = Bench::ready(push_to_talk());
    bench.talk();
    assert_eq!(bench.ask(Action::Talk { on: Some(true) }), Ok(()));
    assert!(bench.box_.status().talk_allowed);
    bench.pass(secs(61));
    assert!(!bench.box_.status().talk_allowed);
    assert_eq!(bench.counter("talk-too-long"), 1);
    assert_eq!((bench.ask(TALK), bench.box_.status().talk_allowed), (Ok(()), true));
    assert_eq!((bench.ask(TALK), bench.box_.status().talk_allowed), (Ok(()), false));
}

#[test]
fn mute_goes_before_the_talk_button() {
    let mut bench = Bench::ready(push_to_talk());
    bench.talk();
    bench.press("mute");
    bench.down("talk");
    assert_eq!(bench.lamp("talk"), Pattern::Off, "the lamp says that nobody hears it");
    bench.press("mute");
    assert_eq!(bench.lamp("talk"), Pattern::On);
}

#[test]
fn mute_outlives_a_call_only_where_it_is_set_up_so() {
    for keep_mute in [false, true] {
        let mut bench = Bench::ready(boxed(SoundSettings { keep_mute, ..SoundSettings::default() }));
        bench.talk();
        bench.press("mute");
        bench.press("hangup");
        assert_eq!(bench.box_.status().muted, keep_mute);
    }
}

#[test]
fn the_volume_goes_by_steps_and_never_down_to_silence() {
    let volume = VolumeSettings { level: 80, step: 30, keep: Keep::Call };
    let mut bench = Bench::new(boxed(SoundSettings { volume, ..SoundSettings::default() }));
    assert_eq!((volumes(&bench), bench.box_.status().volume), (vec![80], 80));
    bench = Bench::ready(boxed(SoundSettings { volume, ..SoundSettings::default() }));
    bench.talk();
    for name in ["louder", "louder", "quieter", "quieter", "quieter", "quieter"] {
        bench.press(name);
    }
    assert_eq!(volumes(&bench), [100, 70, 40, 30], "full and lowest are told once");
    let percent = |percent| Action::Volume { change: VolumeChange::Percent(percent) };
    for (asked, told) in [(0, 0), (255, 100), (55, 55)] {
        assert_eq!((bench.ask(percent(asked)), bench.box_.status().volume), (Ok(()), told));
    }
    bench.take();
    bench.press("hangup");
    assert_eq!(volumes(&bench), [80], "the next person finds the box as it was set up");
}

#[test]
fn a_volume_that_is_kept_stays_for_the_next_call() {
    let volume = VolumeSettings { keep: Keep::Always, ..VolumeSettings::default() };
    let mut bench = Bench::ready(boxed(SoundSettings { volume, ..SoundSettings::default() }));
    bench.talk();
    bench.press("quieter");
    bench.press("hangup");
    assert_eq!(bench.box_.status().volume, 90);
}

/// After a power cut the box is as loud as somebody made it, unless the
/// configuration was changed meanwhile, or says that a change holds for the call.
#[test]
fn a_volume_that_is_kept_stays_over_a_restart() {
    let boxed_at = |level, keep| {
        let volume = VolumeSettings { level, keep, ..VolumeSettings::default() };
        boxed(SoundSettings { volume, ..SoundSettings::default() })
    };
    let mut bench = Bench::ready(boxed_at(80, Keep::Always));
    bench.press("quieter");
    let kept = bench.commands.iter().find_map(|command| match command {
        Command::Remember(memory) => Some(memory.clone()),
        _ => None,
    });
    let kept = kept.expect("something to remember");
    assert_eq!(kept.volume.map(|volume| (volume.percent, volume.configured)), Some((70, 80)));
    for (level, keep, expected) in [(80, Keep::Always, 70), (60, Keep::Always, 60), (80, Keep::Call, 80)] {
        let mut bench = Bench::new(boxed_at(level, keep));
        bench.system(SystemEvent::Remembered(kept.clone()));
        assert_eq!(bench.box_.status().volume, expected, "{level} {keep:?}");
        assert_eq!(volumes(&bench).last(), Some(&expected), "the audio shell was told otherwise");
    }
    let mut bench = Bench::ready(boxed_at(80, Keep::Call));
    bench.press("quieter");
    assert!(!bench.commands.iter().any(|command| matches!(command, Command::Remember(_))));
}

/// Whatever is pressed in whatever order: the lamp, the status and what the
/// audio shell was told agree, and in push-to-talk the microphone is never
/// open without a finger on the button.
#[test]
fn whoever_touches_what_the_lamp_tells_the_truth() {
    let seed = std::env::var("CALLBOX_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(4711);
    println!("CALLBOX_SEED={seed}");
    let mut rng = Rng(seed);
    let mut bench = Bench::ready(push_to_talk());
    let (mut finger, mut direction, mut muted, mut down_for) = (false, Direction::Listen, false, secs(0));
    for step in 0..4000 {
        bench.take();
        match rng.below(12) {
            0..=3 if !finger => {
                bench.down("talk");
                bench.pass(ms(40));
                (finger, down_for) = (true, secs(0));
            }
            4..=6 if finger => {
                bench.up("talk");
                // Within the bounces of the push it counts when they are over.
                bench.pass(ms(40));
                finger = false;
            }
            7 => bench.press("mute"),
            8 => bench.press("hangup"),
            9 => bench.press(rng.pick::<&str>(&["louder", "quieter"])),
            10 if bench.call() == CallStatus::Idle => {
                bench.prepare_all();
                bench.talk();
            }
            _ => {
                let wait: Duration = ms(40 + rng.below(9000));
                bench.pass(wait);
                bench.prepare_all();
                bench.close_all();
                down_for += wait;
            }
        }
        for command in &bench.commands {
            match command {
                Command::Audio(AudioCommand::Direction(told)) => direction = *told,
                Command::Audio(AudioCommand::Mute(on)) => muted = *on,
                _ => {}
            }
        }
        let heard = bench.connected.iter().any(|(_, role)| *role == Role::Talk)
            && direction == Direction::Talk
            && !muted;
        let status = bench.box_.status();
        assert_eq!(status.talk_allowed, heard, "step {step}");
        assert_eq!(bench.lamp("talk") == Pattern::On, heard, "step {step}");
        assert_eq!(status.muted, muted, "step {step}");
        assert!(direction != Direction::Talk || finger, "step {step}: open without a finger");
        assert!(direction != Direction::Talk || down_for <= secs(40), "step {step}: open for {down_for:?}");
    }
    assert!(bench.counter("talks") > 50, "the test hardly tested: {}", bench.counter("talks"));
}
