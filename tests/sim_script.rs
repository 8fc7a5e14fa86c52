//! Scripts of the simulated core. A script with a mistake in it must say so,
//! with the line: a test that runs another script than its author meant
//! proves nothing.

use std::path::Path;
use std::time::Duration;

use callbox::media::Codec;
use callbox::sim::script::{PickUp, Raw, Sound};
use callbox::sim::{Script, ScriptError, SimCore, SimError, SimSettings};

#[test]
fn the_built_in_script_has_a_phone_for_every_behaviour() {
    let script = Script::built_in().unwrap();
    assert_eq!(script.phone("+4700000001").sound, Sound::Echo);
    assert_eq!(script.phone("+4700000002").pick_up, PickUp::Reject { after: Duration::from_secs(1) });
    assert_eq!(script.phone("+4700000003").pick_up, PickUp::Never);
    assert_eq!(script.phone("+4700000004").hang_up_after, Some(Duration::from_secs(3)));
    assert_eq!(script.phone("+4700000004").sound, Sound::Tone(440.0));
    assert_eq!(script.phone("+4700000005").ring_after, None);
    assert_eq!(script.phone("+4700000005").codecs, [Codec::Pcmu, Codec::Pcma]);
    assert!(matches!(script.phone("+4700000006").sound, Sound::Sdp(_)));
    assert_eq!(script.phone("+4799999999"), &script.default_phone);
}

#[test]
fn every_key_is_read() {
    let script = Script::parse(
        "on-phone-for = '3s'\nin-call = '+4733333333'\n\
         call-box = { after = '0.5s', from = '+4711111111' }\n\
         send = [{ after = '1min', offer-sdp = 'x', from = '22' }]\n\
         [default-phone]\nring-after = '10ms'\nreject = true\ngive-up-after = '9s'\n\
         prompt = 'hello.wav'\nprompt-once = true\nrecord = 'r.wav'\ncodecs = ['pcma']\n",
        "all",
    )
    .unwrap();
    assert_eq!(script.on_phone_for.unwrap().0, Duration::from_secs(3));
    assert_eq!(script.in_call.as_ref().unwrap().as_str(), "+4733333333");
    assert_eq!(script.call_box.as_ref().unwrap().after.0, Duration::from_millis(500));
    assert_eq!(script.send[0].after, Duration::from_secs(60));
    assert_eq!(script.send[0].raw, Raw::Offer { sdp: "x".into(), from: Some("22".into()) });
    let phone = &script.default_phone;
    assert_eq!(phone.ring_after, Some(Duration::from_millis(10)));
    assert_eq!(phone.pick_up, PickUp::Reject { after: Duration::ZERO });
    assert_eq!(phone.give_up_after, Some(Duration::from_secs(9)));
    assert_eq!(phone.sound, Sound::Prompt { file: "hello.wav".into(), once: true });
    assert_eq!(phone.record.as_deref(), Some(Path::new("r.wav")));
    assert_eq!(phone.codecs, [Codec::Pcma]);
}

#[test]
fn mistakes_are_named_with_their_line() {
    let wrong = [
        ("\nanswer-after = '1s'", "unknown field `answer-after`", "line 2"),
        ("\n\n[default-phone]\nanswer_after = '1s'", "unknown field `answer_after`", "line 4"),
        ("[default-phone]\nanswer-after = '1 fortnight'", "not a time", "line 2"),
        ("[default-phone]\nanswer-after = 1", "invalid type", "line 2"),
        ("[default-phone]\nanswer-after = '-1s'", "not a time", "line 2"),
        ("[default-phone]\nnumber = '+4711111111'", "default phone has every number", "line 1"),
        ("\n[[phone]]\nreject = true", "needs its number", "line 2"),
        ("[[phone]]\nnumber = '22222222'", "not a phone number", "line 2"),
        ("[default-phone]\nreject = true\nsilent = true", "give only one of answer-after", "line 1"),
        ("[default-phone]\ntone = 440\nmedia = 'echo'", "give only one of media", "line 1"),
        ("[default-phone]\ntone = 5", "out of range", "line 1"),
        ("[default-phone]\ncodecs = []", "codecs is empty", "line 1"),
        ("[default-phone]\ncodecs = ['g729']", "unknown variant `g729`", "line 2"),
        ("[default-phone]\nprompt-once = true", "needs prompt", "line 1"),
        ("send = [{ after = '1s' }]", "nothing to send", "line 1"),
        ("send = [{ bye = true, idle = true }]", "give only one of", "line 1"),
        ("send = [{ bye = true, from = '+4711111111' }]", "from needs offer-sdp", "line 1"),
    ];
    for (text, what, line) in wrong {
        let error = match Script::parse(text, "mine.toml") {
            Ok(script) => panic!("{text:?} was read as {script:?}"),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(what) && error.contains(line), "{text:?}: {error}");
        assert!(error.starts_with("mine.toml"), "{error}");
    }
}

#[test]
fn files_are_sought_beside_the_script() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script.toml");
    std::fs::write(&file, "[default-phone]\nprompt = 'hello.wav'\nrecord = '/tmp/heard.wav'\n").unwrap();
    let script = Script::load(&file).unwrap();
    let hello = folder.path().join("hello.wav");
    assert_eq!(script.default_phone.sound, Sound::Prompt { file: hello, once: false });
    assert_eq!(script.default_phone.record.as_deref(), Some(Path::new("/tmp/heard.wav")));
    assert!(matches!(Script::load(&folder.path().join("none")), Err(ScriptError::Unreadable { .. })));
}

#[tokio::test]
async fn a_browser_phone_needs_a_page() {
    let script = Script::parse("[default-phone]\nmedia = 'browser'", "script").unwrap();
    assert!(matches!(SimCore::start(SimSettings::plain(script)).await, Err(SimError::NoBrowser)));
}
