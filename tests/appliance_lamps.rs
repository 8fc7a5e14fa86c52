//! People trust lamps: the one at the microphone with what they say, the
//! yellow and the green one in a lift with their calm. So the microphone's lamp
//! follows real capture and nothing else, and each profile tells a call as its
//! standard does, from the press to the end.

mod appliance_support;

use appliance_support::{Bench, ms, secs, settings};
use callbox::appliance::action::Action;
use callbox::appliance::event::{Body, Event, LineEvent, SystemEvent};
use callbox::appliance::fault::Fault;
use callbox::appliance::indicator::{LampProfile, LedFunction, Pattern};
use callbox::appliance::input::InputFunction;
use callbox::appliance::settings::Settings;

/// A box with lamps of all kinds; `calling` and `answered` mean what the profile says.
fn with(profile: LampProfile) -> Settings {
    let mut settings = settings();
    settings.leds = [
        ("power", LedFunction::Power),
        ("calling", LedFunction::Calling),
        ("answered", LedFunction::Answered),
        ("talk", LedFunction::TalkAllowed),
        ("microphone", LedFunction::Microphone),
    ]
    .map(|(name, function)| (name.into(), profile.of(function)))
    .into();
    settings
}

#[test]
fn the_microphone_lamp_is_lit_by_capture_and_by_nothing_that_only_should_capture() {
    let mut bench = Bench::ready(with(LampProfile::Usual));
    assert_eq!(bench.lamp("microphone"), Pattern::Off);
    // A call that talks, and a device that does not: nobody is heard.
    let (_, id) = bench.talk();
    assert_eq!((bench.lamp("talk"), bench.lamp("microphone")), (Pattern::On, Pattern::Off));
    bench.system(SystemEvent::Microphone(true));
    assert_eq!(bench.lamp("microphone"), Pattern::On);
    // Muted here, but the shell has not said yet that nothing goes out.
    bench.ask(Action::Mute { on: Some(true) }).unwrap();
    assert_eq!((bench.lamp("talk"), bench.lamp("microphone")), (Pattern::Off, Pattern::On));
    bench.system(SystemEvent::Microphone(false));
    assert_eq!(bench.lamp("microphone"), Pattern::Off);
    // Nor does the end of a call make it dark while something still goes out.
    bench.system(SystemEvent::Microphone(true));
    bench.message(&id, Body::Bye);
    bench.pass(secs(10));
    assert_eq!(bench.lamp("microphone"), Pattern::On);
    bench.system(SystemEvent::Microphone(false));
    assert_eq!(bench.lamp("microphone"), Pattern::Off);
}

#[test]
fn at_the_end_every_lamp_is_dark_also_that_of_power() {
    let mut bench = Bench::ready(with(LampProfile::Usual));
    bench.talk();
    bench.system(SystemEvent::Microphone(true));
    assert_eq!(bench.lamp("power"), Pattern::On);
    bench.system(SystemEvent::Shutdown);
    for lamp in ["power", "calling", "answered", "talk", "microphone"] {
        assert_eq!(bench.lamp(lamp), Pattern::Off, "{lamp}");
    }
}

/// What `calling` and `answered` show when nothing happens, after the press,
/// while it rings there, while both talk, a while after the end, and when the
/// box is broken.
fn story(profile: LampProfile) -> [[Pattern; 2]; 6] {
    let mut bench = Bench::ready(with(profile));
    let shown = |bench: &Bench| ["calling", "answered"].map(|name| bench.lamp(name));
    let idle = shown(&bench);
    let (_, id) = bench.call_out();
    bench.pass(ms(300));
    let pressed = shown(&bench);
    bench.message(&id, Body::Ringing);
    let ringing = shown(&bench);
    let mut bench = Bench::ready(with(profile));
    let (_, id) = bench.talk();
    let talking = shown(&bench);
    bench.message(&id, Body::Bye);
    bench.pass(secs(10));
    let ended = shown(&bench);
    bench.system(SystemEvent::FaultRaised { fault: Fault::CaptureDevice, detail: "unplugged".into() });
    [idle, pressed, ringing, talking, ended, shown(&bench)]
}

const OFF: Pattern = Pattern::Off;
const ON: Pattern = Pattern::On;

#[test]
fn a_usual_box_blinks_while_it_calls() {
    let slow = Pattern::Slow;
    assert_eq!(
        story(LampProfile::Usual),
        [[OFF, OFF], [slow, OFF], [slow, OFF], [OFF, ON], [OFF, OFF], [OFF, OFF]]
    );
}

#[test]
fn a_lift_shows_yellow_from_the_alarm_green_with_the_voice_and_both_by_turns_when_broken() {
    assert_eq!(
        story(LampProfile::En8128),
        [[OFF, OFF], [ON, OFF], [ON, OFF], [ON, ON], [OFF, OFF], [Pattern::Slow, Pattern::Alternate]]
    );
}

#[test]
fn an_emergency_telephone_shows_placed_and_received() {
    assert_eq!(
        story(LampProfile::GaiTronics),
        [[OFF, OFF], [ON, OFF], [ON, OFF], [ON, ON], [OFF, OFF], [OFF, OFF]]
    );
}

#[test]
fn the_door_lamp_shows_an_open_door_and_flashes_when_nobody_shuts_it() {
    let mut settings = with(LampProfile::Usual);
    settings.leds.insert("door".into(), LedFunction::Door);
    settings.inputs.insert("contact".into(), InputFunction::DoorContact.into());
    let wait = settings.door.held_open_after.unwrap();
    let mut bench = Bench::ready(settings);
    let contact = |bench: &mut Bench, active| {
        bench.event(Event::Line(LineEvent::Input { input: "contact".into(), active }));
        bench.pass(secs(1));
    };
    contact(&mut bench, false);
    assert_eq!(bench.lamp("door"), Pattern::Off);
    contact(&mut bench, true);
    assert_eq!(bench.lamp("door"), Pattern::On);
    bench.pass(wait);
    assert_eq!(bench.lamp("door"), Pattern::DoubleFlash);
    contact(&mut bench, false);
    assert_eq!(bench.lamp("door"), Pattern::Off);
}
