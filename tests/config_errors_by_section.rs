//! Each section of a configuration has mistakes of its own: a code that opens
//! nothing, a sound that is no file, a broker that anybody could hear. Each is
//! named with its place and its cure.
#![allow(clippy::unwrap_used, clippy::panic)]

mod config_support;

use callbox::config::{BoardLoader, Config};
use config_support::{GOOD, diagnose_as, expect_one, with};

#[test]
fn ringing_all_at_once_needs_multi_pipe() {
    let ring_all = GOOD.replace("to = [\"home\"]", "to = [\"home\"], ring = \"all\"");
    expect_one(&ring_all, "9:43", "mode = \"pipe\" cannot", "set mode = \"multi-pipe\" in [terminal]");
    assert_eq!(diagnose_as(&format!("{ring_all}[terminal]\nmode = \"multi-pipe\"\n")), Vec::<String>::new());
    let many = ["\"home\""; 9].join(", ");
    let many = ring_all.replace("[\"home\"]", &format!("[{many}]"));
    let many = format!("{many}[terminal]\nmode = \"multi-pipe\"\n");
    expect_one(&many, "9:107", "9 numbers are too many", "at most 8");
}

#[test]
fn a_contact_may_be_a_table_and_its_mistakes_have_places() {
    let table = |table: &str| GOOD.replace("[[button]]", &format!("guest = {table}\n[[button]]"));
    assert_eq!(
        diagnose_as(&table("{ number = \"+4722222222\", ring-time = \"20s\" }")),
        Vec::<String>::new()
    );
    expect_one(&table("{ number = \"22\" }"), "7:20", "\"22\" is not a phone number", "such as");
    let short = table("{ number = \"+4722222222\", ring-time = \"20ms\" }");
    expect_one(&short, "7:47", "ring-time = \"20ms\" is out of range", "from \"1s\" to \"10min\"");
    let wrong = table("{ number = \"+4722222222\", ring-tome = \"20s\" }");
    expect_one(&wrong, "7:35", "unknown key \"ring-tome\"", "did you mean ring-time?");
    let found = diagnose_as(&table("{ ring-time = \"20s\" }"));
    assert!(found[0].contains("guest in [contacts] has no number"), "{found:#?}");
}

#[test]
fn hunt_cycles_have_a_range() {
    expect_one(
        &with("[call]\nhunt-cycles = 0\n"),
        "11:15",
        "hunt-cycles = 0 is out of range",
        "from 1 to 100",
    );
}

#[test]
fn a_call_can_wait_only_where_there_may_be_two() {
    let text = with("[incoming]\nwhile-busy = \"queue\"\n");
    expect_one(&text, "11:1", "a second call cannot wait", "set mode = \"multi-pipe\" in [terminal]");
    assert_eq!(diagnose_as(&format!("{text}[terminal]\nmode = \"multi-pipe\"\n")), Vec::<String>::new());
    expect_one(&with("[incoming]\nwhile-busy = \"wait\"\n"), "11:14", "\"wait\"", "queue");
}

#[test]
fn the_sound_card_and_its_volume() {
    let audio = |line: &str| with(&format!("[audio]\n{line}\n"));
    expect_one(
        &audio("direction = \"duplex\""),
        "11:13",
        "\"duplex\"",
        "\"both\", \"alternate\", \"push-to-talk\"",
    );
    expect_one(&audio("volume = 101"), "11:10", "volume = 101 is out of range", "0 to 100");
    expect_one(&audio("volume-step = 0"), "11:15", "volume-step = 0 is out of range", "1 to 50");
    expect_one(&audio("volume-keep = \"ever\""), "11:15", "\"ever\"", "\"call\", \"always\"");
    expect_one(&audio("ambient = \"yes\""), "11:11", "ambient is text", "true or false");
    expect_one(&audio("mixer = \"\""), "11:9", "\"\" is no control", "amixer scontrols");
    expect_one(&audio("capture-mixer = \"a\\nb\""), "11:17", "is no control", "amixer scontrols");
    expect_one(&audio("capture-volume = 80"), "11:1", "which control", "add capture-mixer");
    let both = "capture-mixer = \"Mic\"\ncapture-volume = 180";
    expect_one(&audio(both), "12:18", "capture-volume = 180 is out of range", "0 to 100");
    expect_one(
        &audio("period = \"1ms\""),
        "11:10",
        "period = \"1ms\" is out of range",
        "\"2ms\" to \"10ms\"",
    );
    expect_one(
        &audio("buffer = \"10ms\""),
        "11:10",
        "buffer = \"10ms\" is out of range",
        "\"20ms\" to \"500ms\"",
    );
    expect_one(&audio("dead-after = \"5ms\""), "11:14", "dead-after is too short", "\"1s\" to \"24h\"");
    let well = "mixer = \"Master\"\ncapture-mixer = \"Mic\"\ndead-after = \"0s\"\nvolume = 0";
    assert_eq!(diagnose_as(&audio(well)), Vec::<String>::new());
    expect_one(&with("[call]\nkeep-mute = 1\n"), "11:13", "keep-mute is a whole number", "true or false");
}

#[test]
fn talk_and_volume_buttons() {
    let button = |action: &str| GOOD.replace("action = \"call\", to = [\"home\"]", action);
    let talk = button("action = \"talk\"");
    expect_one(&talk, "9:9", "a talk button needs push-to-talk", "direction = \"push-to-talk\" to [audio]");
    let set_up = "[audio]\ndirection = \"push-to-talk\"\n";
    assert_eq!(diagnose_as(&format!("{talk}{set_up}")), Vec::<String>::new());
    let twice = format!("{talk}double-press = {{ action = \"hang-up\" }}\n{set_up}");
    expect_one(&twice, "10:1", "no double press", "another button");
    expect_one(
        &button("action = \"volume\""),
        "9:9",
        "has no change",
        "\"up\", \"down\" or { percent = 50 }",
    );
    expect_one(&button("action = \"volume\", change = \"loud\""), "9:39", "\"loud\"", "\"up\", \"down\"");
    let percent = |percent: &str| button(&format!("action = \"volume\", change = {{ {percent} }}"));
    expect_one(&percent("percent = 300"), "9:51", "percent = 300 is out of range", "0 to 100");
    expect_one(&percent("step = 3, percent = 3"), "9:41", "unknown key \"step\"", "percent");
    expect_one(&percent(""), "9:39", "has no percent", "add percent = 50");
}

#[test]
fn the_self_test_s_schedule() {
    let selftest = |line: &str| with(&format!("[selftest]\n{line}\n"));
    expect_one(&selftest("every = \"5s\""), "11:9", "every = \"5s\" is out of range", "\"1min\"");
    expect_one(&selftest("at = \"03:00\""), "11:1", "unknown key \"at\" in [selftest]", "every, window");
    let window = "window = { from = \"02:00\", to = \"05:00\" }";
    expect_one(&selftest(window), "11:1", "needs the box's time zone", "time-zone = \"Europe/Oslo\"");
    let text = format!("[terminal]\ntime-zone = \"Europe/Oslo\"\n{}", selftest("window = { from = \"2\" }"));
    let found = diagnose_as(&text);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found.iter().any(|text| text.contains("has no to")), "{found:#?}");
    assert!(found.iter().any(|text| text.contains("\"2\" is not a time of day")), "{found:#?}");
}

#[test]
fn tones_and_announcements_name_their_files_as_devices_do() {
    expect_one(
        &with("[tones]\nregion = \"no\"\n"),
        "11:10",
        "region cannot be \"no\"",
        "\"eu\", \"us\", \"uk\"",
    );
    expect_one(
        &with("[tones]\nrings = \"wav:a.wav\"\n"),
        "11:1",
        "unknown key \"rings\"",
        "did you mean ring?",
    );
    expect_one(&with("[tones]\nbusy = \"a.wav\"\n"), "11:8", "\"a.wav\" names no sound", "\"wav:FILE\"");
    let keys = ["progress", "ringback", "ring", "busy", "congestion", "error", "call-waiting", "call-ending"];
    let all: String = keys.iter().map(|key| format!("{key} = \"wav:{key}.wav\"\n")).collect();
    assert_eq!(diagnose_as(&with(&format!("[tones]\n{all}"))), Vec::<String>::new());
    for key in ["location", "acknowledge", "offline"] {
        let text = |file: &str| with(&format!("[announcements]\n{key} = {file}\n"));
        let at = format!("11:{}", key.len() + 4);
        assert_eq!(diagnose_as(&text("\"wav:said.wav\"")), Vec::<String>::new());
        expect_one(&text("\"wav:\""), &at, "\"wav:\" names no sound", "leave the key out");
        expect_one(&text("true"), &at, "true or false", "text in double quotes");
    }
    expect_one(&with("[announcements]\nlocaton = \"wav:a\"\n"), "11:1", "\"locaton\"", "location");
}

#[test]
fn a_relative_sound_counts_from_the_configuration_s_folder() {
    let text = with("[tones]\nring = \"wav:bell.wav\"\n[announcements]\nlocation = \"wav:/srv/where.wav\"\n");
    let config = Config::parse(&text, "/etc/box/callbox.toml", &BoardLoader::new(Vec::new())).unwrap();
    let files: Vec<String> = config.sounds.files().map(|file| file.path.display().to_string()).collect();
    assert_eq!(files, ["/etc/box/bell.wav", "/srv/where.wav"]);
    assert!(config.appliance.call.announce_location && !config.appliance.call.announce_offline);
}

#[test]
fn an_acknowledgement_is_one_digit_and_its_time_needs_one() {
    let call = |lines: &str| with(&format!("[call]\n{lines}"));
    for wrong in ["12", ""] {
        let found = diagnose_as(&call(&format!("acknowledge = \"{wrong}\"\n")));
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].starts_with("callbox.toml:11:15: "), "{found:#?}");
    }
    expect_one(&call("acknowledge = \"12\"\n"), "11:15", "more than one digit", "\"1\"");
    expect_one(&call("acknowledge = \"x\"\n"), "11:15", "no DTMF digits", "0 to 9");
    expect_one(&call("acknowledge = 1\n"), "11:15", "a whole number", "text in double quotes");
    expect_one(&call("acknowledge-timeout = \"20s\"\n"), "11:1", "needs a digit", "acknowledge = \"1\"");
    let short = call("acknowledge = \"1\"\nacknowledge-timeout = \"2s\"\n");
    expect_one(&short, "12:23", "out of range", "from \"5s\" to \"2min\"");
    let text = call("acknowledge = \"#\"\nacknowledge-timeout = \"45s\"\n");
    let config = Config::parse(&text, "callbox.toml", &BoardLoader::new(Vec::new())).unwrap();
    let asked = config.appliance.call.acknowledge.unwrap();
    assert_eq!((asked.digit, asked.timeout.as_secs()), ('#', 45));
}

#[test]
fn a_broker_needs_an_address_a_name_and_words_that_are_known() {
    let mqtt = |lines: &str| with(&format!("[mqtt]\n{lines}"));
    let good = "broker = \"mqtt://127.0.0.1\"\nname = \"front-door\"\n";
    assert_eq!(diagnose_as(&mqtt(good)), Vec::<String>::new());
    expect_one(&mqtt("name = \"a\"\n"), "10:1", "[mqtt] has no broker", "mqtts://HOST:8883");
    expect_one(&mqtt("broker = \"mqtts://b.example\"\n"), "10:1", "[mqtt] has no name", "front-door");
    let plain = "broker = \"mqtt://b.example\"\nname = \"a\"\n";
    expect_one(&mqtt(plain), "11:10", "is not encrypted", "allow-plaintext = true");
    let named = "broker = \"mqtt://127.0.0.1\"\nname = \"Front Door\"\n";
    expect_one(&mqtt(named), "12:8", "is no name for topics", "lower-case");
    expect_one(&mqtt(&format!("{good}topic = \"a/#\"\n")), "13:9", "no beginning of a topic", "without +, #");
    let open = format!("{good}commands = [\"answer\", \"open\"]\n");
    expect_one(&mqtt(&open), "13:23", "commands cannot be \"open\"", "\"hang-up\"");
    expect_one(&mqtt(&format!("{good}user = \"u\"\n")), "13:1", "has no password", "password-file");
    expect_one(&mqtt(&format!("{good}password-file = \"./p\"\n")), "10:1", "has no user", "add user");
    expect_one(&mqtt(&format!("{good}password = \"hunter2\"\n")), "13:1", "holds a secret", "mode 600");
}

#[test]
fn a_door_names_who_opens_it_and_its_mistakes_have_places() {
    let door = |lines: &str| with(&format!("[door]\n{lines}\n"));
    let all = "codes = [\"12*#\"]\nwho = [\"home\", \"+4733333333\"]\noutput = \"strike\"\npulse = \"5s\"\n\
               pause = \"0s\"\ndigit-pause = \"2s\"\nwrong-codes = 5\nlock-time = \"5min\"\nforget-after = \"24h\"\n\
               allow-command = true\ntamper-clear = \"never\"\nheld-open-after = \"0s\"\nforced-alarm = true";
    assert_eq!(diagnose_as(&door(all)), Vec::<String>::new());
    expect_one(&door("codes = [\"12a4\"]"), "11:10", "no DTMF digits", "0 to 9");
    assert!(!diagnose_as(&door("codes = [\"12a4\"]"))[0].contains("12a4"), "a code is shown");
    expect_one(&door("who = [\"hom\"]"), "11:8", "\"hom\" is not in [contacts]", "did you mean \"home\"?");
    expect_one(&door("who = []"), "11:1", "who names nobody", "leave who out");
    expect_one(&door("output = \"gate\""), "11:10", "\"gate\" is no door strike", "its strikes are strike");
    expect_one(&door("pulse = \"6s\""), "11:9", "\"strike\" be on for 5s at most", "make pulse shorter");
    expect_one(&door("pause = \"2min\""), "11:9", "pause = \"2min\" is out of range", "to \"1min\"");
    expect_one(&door("digit-pause = \"1ms\""), "11:15", "out of range", "from \"500ms\"");
    expect_one(&door("wrong-codes = 0"), "11:15", "out of range", "from 1 to 100");
    expect_one(&door("lock-time = \"2h\""), "11:13", "out of range", "to \"1h\"");
    expect_one(&door("forget-after = \"1s\""), "11:16", "out of range", "from \"1min\"");
    expect_one(&door("allow-command = \"yes\""), "11:17", "allow-command is text", "true or false");
    expect_one(&door("tamper-clear = \"button\""), "11:16", "\"button\"", "\"command\", \"never\"");
    expect_one(&door("held-open-after = \"48h\""), "11:19", "out of range", "to \"24h\"");
    expect_one(&door("forced-alarm = 1"), "11:16", "forced-alarm is a whole number", "true or false");
    expect_one(&door("cods = [\"1\"]"), "11:1", "unknown key \"cods\"", "did you mean codes?");
    let nothing_to_open = GOOD.replace("desktop-mock", "rpi4-headless");
    for wish in ["codes = [\"1234\"]", "allow-command = true"] {
        let found = diagnose_as(&format!("{nothing_to_open}[door]\n{wish}\n"));
        assert!(found.iter().any(|one| one.contains("no door strike")), "{wish}: {found:#?}");
    }
}

#[test]
fn a_handset_and_the_place_of_the_memory_are_settings() {
    let hook = with("[hook]\noff = { action = \"call\", to = [\"home\"] }\non = { action = \"mute\" }\n");
    assert_eq!(diagnose_as(&hook), Vec::<String>::new());
    expect_one(&with("[hook]\noff = { action = \"lift\" }\n"), "11:18", "\"lift\"", "\"answer\"");
    expect_one(
        &with("[hook]\nof = { action = \"answer\" }\n"),
        "11:1",
        "unknown key \"of\"",
        "did you mean off?",
    );
    expect_one(&with("[state]\ndir = \"\"\n"), "11:7", "dir names no file", "write a path");
    expect_one(&with("[state]\nfolder = \"/x\"\n"), "11:1", "unknown key \"folder\"", "known keys are dir");
    // Nobody at the box may say that nobody tampered with it.
    let text = GOOD.replace("action = \"call\", to = [\"home\"]", "action = \"reset-tamper\"");
    expect_one(&text, "9:20", "action cannot be \"reset-tamper\"", "\"open-door\"");
}

#[test]
fn a_webhook_is_for_a_server_that_nobody_listens_in_on() {
    let hook = |lines: &str| with(&format!("[[webhook]]\n{lines}"));
    let good = "url = \"https://hooks.example/a\"\nevents = [\"call\", \"door\"]\n";
    assert_eq!(diagnose_as(&hook(good)), Vec::<String>::new());
    expect_one(&hook("events = [\"call\"]\n"), "10:1", "[[webhook]] has no url", "https://HOST/PATH");
    let plain = hook("url = \"http://hooks.example/hunter2\"\n");
    expect_one(&plain, "11:7", "\"http://hooks.example\" is not encrypted", "allow-plaintext = true");
    assert!(!diagnose_as(&plain)[0].contains("hunter2"));
    let with_user = "url = \"https://me:hunter2@hooks.example/\"\n";
    expect_one(&hook(with_user), "11:7", "user name or password", "files of their own");
    let word = good.replace("door", "dor");
    expect_one(&hook(&word), "12:19", "events cannot be \"dor\"", "\"door\"");
    expect_one(&hook(&good.replace("\"call\", \"door\"", "")), "12:1", "events names none", "for all");
    let secret = "secret-file = \"hunter2\"\n";
    expect_one(&hook(&format!("{good}{secret}")), "13:15", "secret-file is no path", "beginning with /");
    let open = "secret = \"hunter2\"\n";
    expect_one(&hook(&format!("{good}{open}")), "13:1", "holds a secret", "name that with secret-file");
    let two = "secret-file = \"/a\"\nsecret-credential = \"a\"\n";
    expect_one(
        &hook(&format!("{good}{two}")),
        "14:21",
        "two sources",
        "keep secret-file or secret-credential",
    );
    for (line, range) in
        [("timeout = \"0s\"", "\"1s\" to \"1min\""), ("give-up-after = \"1s\"", "\"10s\" to \"24h\"")]
    {
        let found = diagnose_as(&hook(&format!("{good}{line}\n")));
        assert!(
            found.len() == 1 && found[0].contains("out of range") && found[0].contains(range),
            "{found:?}"
        );
    }
    let many = format!("[[webhook]]\n{good}").repeat(17);
    let found = diagnose_as(&with(&many));
    assert!(found.len() == 1 && found[0].contains("17 webhooks are too many"), "{found:?}");
}

#[test]
fn a_collector_has_an_address_that_nobody_listens_in_on() {
    let telemetry = |lines: &str| with(&format!("[telemetry]\n{lines}"));
    assert_eq!(diagnose_as(&telemetry("otlp = \"http://127.0.0.1:4318\"\n")), Vec::<String>::new());
    expect_one(
        &telemetry("protocol = \"grpc\"\n"),
        "10:1",
        "[telemetry] has no otlp",
        "http://127.0.0.1:4318",
    );
    let plain = "otlp = \"http://collector.example:4318\"\n";
    expect_one(&telemetry(plain), "11:8", "is not encrypted", "allow-plaintext = true");
    let protocol = "otlp = \"http://127.0.0.1:4317\"\nprotocol = \"json\"\n";
    expect_one(&telemetry(protocol), "12:12", "protocol cannot be \"json\"", "\"http\", \"grpc\"");
}
