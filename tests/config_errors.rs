//! A wrong configuration is met by a person on a ladder with a phone. What
//! they read must name the line, the column and the cure, all mistakes at
//! once, and never a secret.
#![allow(clippy::unwrap_used, clippy::panic)]

mod config_support;

use std::path::PathBuf;

use callbox::config::{BoardLoader, Config};
use config_support::{GOOD, diagnose_as, expect_one, with};
use proptest::prelude::*;
#[test]
fn the_base_of_these_tests_is_right() {
    assert_eq!(diagnose_as(GOOD), Vec::<String>::new());
}

#[test]
fn an_unknown_key_names_the_nearest() {
    let text = with("[core]\nend-point = \"https://core.example:443\"\n");
    expect_one(&text, "11:1", "unknown key \"end-point\" in [core]", "did you mean endpoint?");
}

#[test]
fn an_unknown_key_far_from_all_lists_them() {
    expect_one(
        &with("[log]\n  colour = true\n"),
        "11:3",
        "unknown key \"colour\" in [log]",
        "known keys are level",
    );
}

#[test]
fn an_unknown_section_names_the_nearest() {
    expect_one(&with("[contact]\n"), "10:2", "unknown key \"contact\"", "did you mean contacts?");
}

#[test]
fn a_wrong_type_names_the_right_one() {
    expect_one(&with("[media]\nopus-bitrate = \"32k\"\n"), "11:16", "opus-bitrate is text", "a whole number");
    expect_one(&with("[media]\nframe = 20\n"), "11:9", "frame is a whole number", "text in double quotes");
    expect_one(&with("[media]\nframe = \"5ms\"\n"), "11:9", "frame cannot be \"5ms\"", "\"10ms\"");
    expect_one(&with("[media]\nloopback = 1\n"), "11:12", "loopback is a whole number", "true or false");
    expect_one(&with("[media]\ncodecs = \"opus\"\n"), "11:10", "codecs is text", "a list");
    expect_one(&with("[call]\nring-timeout = 45\n"), "11:16", "ring-timeout is a whole number", "\"30s\"");
    expect_one(
        &with("[media]\ncodecs = [\"opus\", 8]\n"),
        "11:19",
        "codecs is a whole number",
        "double quotes",
    );
    expect_one(&format!("log = 3\n{GOOD}"), "1:7", "log is a whole number", "a table");
}

#[test]
fn an_unknown_word_lists_all() {
    let text = format!("[terminal]\nmode = \"piep\"\n{GOOD}");
    expect_one(&text, "2:8", "mode cannot be \"piep\"", "\"pipe\", \"multi-pipe\"");
    let text = GOOD.replace("\"desktop-mock\"", "\"desktop-mock\"\nprofile = \"lift\"");
    expect_one(&text, "5:11", "profile cannot be \"lift\"", "\"usual\", \"en81-28\", \"gai-tronics\"");
    let text = with("[incoming]\nanswer = \"never\"\n");
    expect_one(&text, "11:10", "\"never\"", "\"ring\", \"auto\", \"reject\"");
    expect_one(
        &with("[media]\ncodecs = [\"opus\", \"g729\"]\n"),
        "11:19",
        "\"g729\"",
        "\"opus\", \"pcmu\", \"pcma\"",
    );
}

#[test]
fn an_unknown_action_lists_all_and_says_nothing_of_its_other_keys() {
    let text = GOOD.replace("action = \"call\", to", "action = \"dial\", to");
    expect_one(&text, "9:20", "action cannot be \"dial\"", "\"call\", \"answer\", \"hang-up\"");
}

#[test]
fn a_missing_key_says_where_to_add_it() {
    let text = GOOD.replace("file = \"desktop-mock\"\n", "");
    let found = diagnose_as(&text);
    assert_eq!(
        found,
        [
            "callbox.toml:3:1: [board] has no file; add file = \"rpi4-doorstation\", or another board or the path of one"
        ]
    );
    let text = GOOD.replace("name = \"call\"\n", "");
    expect_one(&text, "7:1", "[[button]] has no name", "add name = ");
    let text = GOOD.replace(", to = [\"home\"]", "");
    expect_one(&text, "9:9", "press in [[button]] has no to", "add to = ");
}

#[test]
fn a_bad_number_is_quoted_and_the_right_form_shown() {
    let text = GOOD.replace("+4722222222", "004722222222");
    let found = diagnose_as(&text);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!(
        found[0],
        "callbox.toml:6:8: \"004722222222\" is not a phone number; write + and 2 to 15 digits, such as \"+4722222222\""
    );
}

#[test]
fn a_contact_that_is_not_defined_names_the_nearest() {
    expect_one(
        &GOOD.replace("[\"home\"]", "[\"hone\"]"),
        "9:34",
        "\"hone\" is not in [contacts]",
        "did you mean \"home\"?",
    );
    expect_one(
        &with("[incoming]\nallow = [\"home\", \"caretaker\"]\n"),
        "11:18",
        "\"caretaker\"",
        "[contacts]",
    );
    expect_one(
        &GOOD.replace("[\"home\"]", "[\"+47\", \"+4\"]"),
        "9:41",
        "\"+4\" is not a phone number",
        "15 digits",
    );
    expect_one(&GOOD.replace("[\"home\"]", "[]"), "9:28", "names nobody", "to = [\"NAME\"]");
}

#[test]
fn a_button_that_the_board_has_not_names_the_nearest() {
    let text = GOOD.replace("name = \"call\"", "name = \"cal\"");
    expect_one(&text, "8:8", "desktop-mock has no button \"cal\"", "did you mean \"call\"?");
    let text = GOOD.replace("name = \"call\"", "name = \"doorbell\"");
    expect_one(&text, "8:8", "no button \"doorbell\"", "its buttons are call, exit, hang-up");
}

#[test]
fn a_second_button_or_contact_of_one_name_is_refused() {
    let text = with("[[button]]\nname = \"call\"\n");
    expect_one(&text, "11:8", "the first is at callbox.toml:8:8", "join the two");
    let text = GOOD.replace("[[button]]", "home = \"+4733333333\"\n[[button]]");
    expect_one(&text, "7:1", "duplicate key", "keep one of the two");
}

#[test]
fn an_endpoint_without_scheme_port_or_encryption_is_refused() {
    let core = |endpoint: &str| with(&format!("[core]\nendpoint = \"{endpoint}\"\n"));
    expect_one(
        &core("core.example:443"),
        "11:12",
        "does not begin with https://",
        "\"https://api.wgtwo.com:443\"",
    );
    expect_one(&core("https://core.example"), "11:12", "has no port", "\"https://core.example:443\"");
    expect_one(&core("http://core.example:80"), "11:12", "is not encrypted", "allow-plaintext = true");
    assert!(diagnose_as(&core("http://127.0.0.1:8080")).is_empty());
    assert!(diagnose_as(&(core("http://core.example:80") + "allow-plaintext = true\n")).is_empty());
}

#[test]
fn client_credentials_need_an_id_and_a_secret() {
    let text = GOOD.replace("method = \"none\"", "method = \"client-credentials\"");
    let found = diagnose_as(&text);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].starts_with("callbox.toml:1:1: [auth] has no client-id; add client-id = "),
        "{found:#?}"
    );
    assert!(found[1].starts_with("callbox.toml:1:1: [auth] has no client-secret-file; add "), "{found:#?}");
    let text = GOOD.replace("method = \"none\"", "client-id = \" \"\nclient-secret-file = \"/s\"");
    expect_one(&text, "2:13", "client-id is empty", "operator");
}

#[test]
fn a_plaintext_token_server_is_refused_unless_it_is_this_machine() {
    let auth = |url: &str| {
        let lines = format!("client-id = \"x\"\nclient-secret-file = \"/s\"\ntoken-url = \"{url}\"");
        GOOD.replace("method = \"none\"", &lines)
    };
    expect_one(&auth("http://id.example/token"), "4:13", "is not encrypted", "allow-plaintext");
    assert!(diagnose_as(&auth("http://[::1]:9000/token")).is_empty());
}

#[test]
fn a_secret_in_the_open_is_refused_and_never_repeated() {
    for key in ["client-secret", "client_secret", "secret", "password", "client-secrett"] {
        let lines = format!("client-id = \"x\"\n{key} = \"hunter2-TOP\"");
        let found = diagnose_as(&GOOD.replace("method = \"none\"", &lines)).join("\n");
        assert!(found.contains("callbox.toml:3:1: "), "{found}");
        assert!(found.contains("mode 600") && found.contains("client-secret-file"), "{found}");
        assert!(!found.contains("hunter2"), "{found}");
    }
    // The secret itself where its file's name belongs, or of a wrong type, or after a slip of the keyboard.
    for line in [
        "client-secret-file = \"hunter2-TOP\"",
        "client-secret-credential = \"hunter2/TOP\"",
        "client-secret = [\"hunter2-TOP\"]",
        "client-secret = \"hunter2-TOP",
        "client-secret = hunter2-TOP",
        "client-secret = \"hunter2\\qTOP\"",
        "client-secret-file = \"/s\"\ntoken-url = \"https://me:hunter2@id.example/token\"",
    ] {
        let found = diagnose_as(&GOOD.replace("method = \"none\"", &format!("client-id = \"x\"\n{line}")));
        assert!(!found.is_empty(), "{line} was accepted");
        assert!(!found.join("\n").contains("hunter2"), "{found:#?}");
    }
}

#[test]
fn a_duration_out_of_range_or_without_sense_shows_the_right_form() {
    let call = |value: &str| with(&format!("[call]\nring-timeout = \"{value}\"\n"));
    expect_one(&call("45 seconds"), "11:16", "\"45 seconds\" is not a duration", "\"10min\"");
    expect_one(&call("0s"), "11:16", "is out of range", "from \"1s\" to \"10min\"");
    expect_one(
        &with("[backoff]\nceiling = \"100ms\"\n"),
        "11:1",
        "ceiling is below base",
        "at least as long",
    );
}

#[test]
fn a_number_out_of_range_shows_the_range() {
    for number in ["5", "-1", "99999999999999999999"] {
        let text = with(&format!("[media]\nopus-bitrate = {number}\n"));
        expect_one(&text, "11:16", "is out of range", "from 6000 to 128000");
    }
}

#[test]
fn numbers_are_read_in_every_way_toml_writes_them() {
    for number in ["32000", "32_000", "0x7d00", "+32000"] {
        let text = with(&format!("[media]\nopus-bitrate = {number}\n"));
        let config = Config::parse(&text, "f", &BoardLoader::default()).unwrap();
        assert_eq!(config.media.opus_bitrate, 32_000, "{number}");
    }
}

#[test]
fn one_pair_of_brackets_where_two_belong_is_named() {
    let text = GOOD.replace("[[button]]", "[button]");
    expect_one(&text, "7:1", "button is a table", "[[button]]");
    let text = with("[[log]]\n");
    expect_one(&text, "10:1", "log is a list", "a table");
}

#[test]
fn addresses_and_sound_devices_are_checked() {
    expect_one(&with("[panel]\nlisten = \"8080\"\n"), "11:10", "\"8080\"", "\"127.0.0.1:8080\"");
    expect_one(
        &with("[media]\naddresses = [\"eth0\"]\n"),
        "11:14",
        "\"eth0\" is no IP address",
        "192.168.1.20",
    );
    expect_one(&with("[audio]\ncapture = \"synth:tone=5\"\n"), "11:11", "no synthetic sound", "20 to 20000");
    expect_one(
        &with("[audio]\nplayback = \"synth:tone=440\"\n"),
        "11:12",
        "cannot be a loudspeaker",
        "synth:silence",
    );
    expect_one(&with("[audio]\nplayback = \"wav:\"\n"), "11:12", "names no file", "wav:FILE");
    expect_one(&with("[audio]\nprocessing = \"duplex\"\n"), "11:14", "\"duplex\"", "half-duplex");
    expect_one(&with("[audio]\necho-canceller = \"speex\"\n"), "11:18", "\"speex\"", "sonora");
    expect_one(
        &with("[audio]\nnoise-suppression = \"yes\"\n"),
        "11:21",
        "noise-suppression",
        "true or false",
    );
    expect_one(&with("[audio]\ngain-control = 1\n"), "11:16", "gain-control", "true or false");
    let off = with("[audio]\nprocessing = \"off\"\ngain-control = true\n");
    expect_one(&off, "12:1", "does nothing", "leave gain-control out");
    expect_one(&with("[door]\ncodes = [\"12x\"]\n"), "11:10", "no DTMF digits", "0 to 9");
}

#[test]
fn the_panels_permissions_and_its_pair_of_files_are_checked() {
    for key in ["allow-test", "allow-door", "allow-config", "allow-metrics"] {
        let text = with(&format!("[panel]\n{key} = \"yes\"\n"));
        let column = key.len() + 4;
        expect_one(&text, &format!("11:{column}"), &format!("{key} is text"), "true or false");
    }
    expect_one(
        &with("[panel]\nalow-test = true\n"),
        "11:1",
        "\"alow-test\" in [panel]",
        "did you mean allow-test?",
    );
    let alone = with("[panel]\ntls-cert-file = \"/c.pem\"\n");
    expect_one(&alone, "10:1", "[panel] has no tls-key-file", "add tls-key-file = ");
    let alone = with("[panel]\ntls-key-file = \"/k.pem\"\n");
    expect_one(&alone, "10:1", "[panel] has no tls-cert-file", "add tls-cert-file = ");
    let text = with("[panel]\nlisten = \"0.0.0.0:8443\"\nallow-door = true\n");
    let config = Config::parse(&text, "f", &BoardLoader::default()).unwrap();
    assert!(config.panel.allow_door && !config.panel.allow_test && config.panel.tls.is_none());
}

#[test]
fn broken_toml_names_the_place_and_the_cure() {
    let found = diagnose_as("[auth\nmethod = \"none\"\n");
    assert!(found[0].starts_with("callbox.toml:1:6: "), "{found:#?}");
    assert!(found[0].contains("; write "), "{found:#?}");
    let found = diagnose_as(&with("[log]\nlevel = \"info\n"));
    assert!(found[0].starts_with("callbox.toml:11:"), "{found:#?}");
    for word in ["info", "debug", "10min", "true1", "/etc/x"] {
        expect_one(&with(&format!("[log]\nlevel = {word}\n")), "11:9", "quoted text", "in double quotes");
    }
}

#[test]
fn columns_count_characters_not_bytes() {
    let text = with("[log]\n# åøæ\nlevel = { \"ø\" = 1 }\n");
    expect_one(&text, "12:9", "level is a table", "double quotes");
    let text = GOOD
        .replace("home = ", "\"hjørnet på ø\" = \"+4733333333\"\nhome = ")
        .replace("[\"home\"]", "[\"ø\", \"hjem\"]");
    let found = diagnose_as(&text);
    assert!(
        found.iter().any(|line| line.starts_with("callbox.toml:10:39: \"hjem\" is not in")),
        "{found:#?}"
    );
}

#[test]
fn all_mistakes_are_reported_at_once_and_in_order() {
    let text = r#"[terminal]
mode = "piep"
[core]
endpoint = "core.example"
ca_file = "x"
[auth]
method = "none"
[board]
file = "desktop-mock"
[[button]]
name = "bell"
press = { action = "call", to = ["nobody"] }
hold-after = "soon"
[call]
ring-timeout = 3
"#;
    let places: Vec<String> = diagnose_as(text)
        .iter()
        .map(|line| line.split_once(": ").unwrap().0.replace("callbox.toml:", ""))
        .collect();
    assert_eq!(places, ["2:8", "4:12", "5:1", "11:8", "12:34", "13:14", "15:16"]);
}

#[test]
fn a_file_that_is_not_there_not_text_or_a_folder_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let says = |path: &PathBuf| Config::load(path).unwrap_err()[0].to_string();
    let path = folder.path().join("callbox.toml");
    assert_eq!(
        says(&path),
        format!(
            "{}:1:1: there is no such file; write one (examples are in board/examples), or name another with --config",
            path.display()
        )
    );
    std::fs::write(&path, b"[auth]\n# \xff\n").unwrap();
    assert_eq!(
        says(&path),
        format!("{}:2:3: a byte here is not UTF-8; save the file as UTF-8", path.display())
    );
    assert!(says(&folder.path().to_owned()).contains("not a regular file"));
    std::fs::write(&path, "#".repeat((1 << 20) + 1)).unwrap();
    assert!(says(&path).contains("larger than 1 MiB"));
}

#[test]
fn an_empty_file_asks_for_what_must_be_there() {
    let found = diagnose_as("");
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("callbox.toml:1:1: there is no [auth]; add [auth]"), "{found:#?}");
    assert!(found[1].starts_with("callbox.toml:1:1: there is no [board]; add [board]"), "{found:#?}");
}

fn example(index: usize) -> &'static str {
    [
        include_str!("../board/examples/door-intercom.toml"),
        include_str!("../board/examples/push-to-call-box.toml"),
        include_str!("../board/examples/headless-field-device.toml"),
    ][index % 3]
}

/// Every commented setting switched on, so that all readers see the damage.
fn uncommented(text: &str) -> String {
    let on = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
        Some(_) | None => format!("{line}\n"),
    };
    text.lines().map(on).collect()
}

/// Whatever is read, every place named lies inside the text.
fn survives(text: &str) -> Result<(), TestCaseError> {
    if let Err(found) = Config::parse(text, "f", &BoardLoader::new(Vec::new())) {
        prop_assert!(!found.is_empty());
        let lines: Vec<&str> = text.split('\n').collect();
        for diagnostic in found {
            let line = lines.get(diagnostic.place.line - 1);
            let width = line.map(|line| line.chars().count());
            prop_assert!(width.is_some_and(|width| diagnostic.place.column <= width + 1), "{}", diagnostic);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_truncated_file_never_panics(which in 0usize..3, cut in 0usize..6000) {
        let text = uncommented(example(which));
        let mut cut = cut % (text.len() + 1);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        survives(&text[..cut])?;
    }

    #[test]
    fn flipped_bytes_never_panic(which in 0usize..3, flips in prop::collection::vec((0usize..6000, any::<u8>()), 1..6)) {
        let mut bytes = uncommented(example(which)).into_bytes();
        for (at, value) in flips {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        survives(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn swapped_lines_never_panic(which in 0usize..3, swaps in prop::collection::vec((0usize..200, 0usize..200), 1..8)) {
        let text = uncommented(example(which));
        let mut lines: Vec<&str> = text.lines().collect();
        for (a, b) in swaps {
            let (a, b) = (a % lines.len(), b % lines.len());
            lines.swap(a, b);
        }
        survives(&lines.join("\n"))?;
    }
}
