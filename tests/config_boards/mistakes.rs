//! Mistakes planted into a correct board: each is named with its place and its cure.

use callbox::config::Config;

use super::folder;

/// A correct door station of a Raspberry Pi 4 to plant mistakes into.
const DOOR: &str = r#"inherit = "rpi4"
[[input]]
name = "exit"
function = "exit"
offset = 22
[[led]]
name = "door"
function = "door"
offset = 16
[[output]]
name = "strike"
function = "strike"
offset = 26
max-on = "5s"
"#;

/// Each: what is replaced by what, the back-end, where it is found, what is said, and the cure.
type Mistake = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

const MISTAKES: [Mistake; 16] = [
    // A line with two uses, also by another name of it.
    (
        "offset = 16",
        "offset = 22",
        "gpiocdev",
        "6:1",
        "led \"door\" is on pinctrl-bcm2711 line 22, and so is input \"exit\"",
        "give each its own line",
    ),
    (
        "offset = 16",
        "line-name = \"GPIO26\"",
        "gpiocdev",
        "10:1",
        "output \"strike\" is on pinctrl-bcm2711 line 26, and so is led \"door\"",
        "give each its own line",
    ),
    // Something without a function.
    (
        "function = \"exit\"\n",
        "",
        "gpiocdev",
        "2:1",
        "input \"exit\" has no function",
        "add function = \"exit\"",
    ),
    (
        "function = \"door\"\n",
        "",
        "gpiocdev",
        "6:1",
        "led \"door\" has no function",
        "add function = \"status\"",
    ),
    // A door that nothing shuts.
    (
        "max-on = \"5s\"\n",
        "",
        "gpiocdev",
        "10:1",
        "output \"strike\" is a strike without max-on",
        "add max-on = \"10s\"",
    ),
    (
        "max-on",
        "initial = true\nmax-on",
        "gpiocdev",
        "14:11",
        "output \"strike\" is on from the start",
        "remove initial",
    ),
    (
        "max-on",
        "max-on",
        "rppal",
        "10:1",
        "output \"strike\" stays on when the process is killed",
        "one-shot = true",
    ),
    // Lines that belong to somebody else, or to nobody.
    (
        "offset = 16",
        "offset = 0",
        "gpiocdev",
        "9:10",
        "led \"door\" is on line 0, which belongs to the ID EEPROM of a HAT",
        "choose another line",
    ),
    (
        "offset = 16",
        "offset = 28",
        "gpiocdev",
        "9:10",
        "led \"door\" is on line 28, which is on no pin of the header",
        "choose one from 4 to 27",
    ),
    (
        "offset = 16",
        "offset = 16\nchip = \"pinctrl-rp1\"",
        "gpiocdev",
        "10:8",
        "led \"door\" is on chip \"pinctrl-rp1\", which this board does not have",
        "its chips are pinctrl-bcm2711",
    ),
    // What the back-end cannot do.
    (
        "offset = 16",
        "offset = 16\ndrive = \"open-drain\"",
        "rppal",
        "6:1",
        "led \"door\" is not push-pull",
        "backend = \"gpiocdev\"",
    ),
    (
        "offset = 16",
        "offset = 16\nbrightness = 20",
        "gpiocdev",
        "6:1",
        "led \"door\" has a brightness",
        "leave brightness out",
    ),
    // Names and values.
    (
        "name = \"exit\"",
        "name = \"call\"",
        "gpiocdev",
        "2:1",
        "input \"call\" has the name of a button",
        "give each its own name",
    ),
    (
        "offset = 16",
        "offset = 16\nbrightness = 0",
        "gpiocdev",
        "10:14",
        "brightness = 0 is out of range",
        "from 1 to 100",
    ),
    (
        "offset = 22",
        "offset = 22\nglitch-filter = \"1s\"",
        "gpiocdev",
        "6:17",
        "glitch-filter = \"1s\" is out of range",
        "from \"0ms\" to \"100ms\"",
    ),
    (
        "function = \"exit\"",
        "function = \"exit-button\"",
        "gpiocdev",
        "4:12",
        "function cannot be \"exit-button\"",
        "\"exit\", \"tamper\", \"door-contact\", \"hook\"",
    ),
];

#[test]
fn each_mistake_is_named_with_its_line_and_its_cure() {
    let with = |backend: &str, text: &str| {
        let (here, boards) = folder(&[("door", text)]);
        let config =
            format!("[auth]\nmethod = \"none\"\n[board]\nfile = \"door\"\nbackend = \"{backend}\"\n");
        let prefix = format!("{}/", here.path().display());
        match Config::parse(&config, "callbox.toml", &boards) {
            Ok(_) => Vec::new(),
            Err(found) => found.iter().map(|one| one.to_string().replace(&prefix, "")).collect::<Vec<_>>(),
        }
    };
    assert_eq!(with("gpiocdev", DOOR), Vec::<String>::new());
    assert_eq!(with("rppal", &format!("{DOOR}one-shot = true\n")), Vec::<String>::new());
    for (from, to, backend, place, what, cure) in MISTAKES {
        assert!(DOOR.contains(from), "{from:?} is not in the board");
        let one_shot = if what.contains("stays on") || backend != "rppal" { "" } else { "one-shot = true\n" };
        let found = with(backend, &format!("{}{one_shot}", DOOR.replacen(from, to, 1)));
        let [only] = found.as_slice() else { panic!("{to:?}: {found:#?}") };
        let (said, cured) = only.split_once("; ").unwrap();
        assert!(said.starts_with(&format!("door.toml:{place}: {what}")), "{to:?}: {only}");
        assert!(cured.contains(cure), "{to:?}: {only}");
    }
}

/// What may be meant so is let through, and said.
#[test]
fn what_may_be_meant_is_noted() {
    let notes = |more: &str, backend: &str| {
        let (_keep, boards) = folder(&[("door", &format!("{DOOR}{more}"))]);
        let config =
            format!("[auth]\nmethod = \"none\"\n[board]\nfile = \"door\"\nbackend = \"{backend}\"\n");
        let notes = Config::parse(&config, "callbox.toml", &boards).unwrap().board.notes;
        notes
            .iter()
            .map(|note| format!("{}: {}; {}", note.place.line, note.what, note.cure))
            .collect::<Vec<_>>()
    };
    let kept = notes("", "gpiocdev");
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(kept[0].starts_with("10: output \"strike\" may stay on when the process is killed"), "{kept:?}");
    assert!(kept[0].contains("dtparam=strict_gpiod"), "{kept:?}");
    assert_eq!(notes("one-shot = true\n", "gpiocdev"), Vec::<String>::new());
    assert_eq!(notes("", "mock"), Vec::<String>::new());
    // A channel of a PWM chip is no line of the header.
    let dim = "one-shot = true\n[[led]]\nname = \"x\"\nfunction = \"fault\"\nchip = \"pwmchip0\"\noffset = 0\npwm = true\nbrightness = 20\n";
    assert_eq!(notes(dim, "gpiocdev"), Vec::<String>::new());
    let i2c = notes("[[led]]\nname = \"x\"\nfunction = \"fault\"\noffset = 3\n", "mock");
    assert_eq!(
        i2c,
        [
            "18: led \"x\" is on line 3, which I2C uses where that is switched on; switch that off, or choose another line"
        ]
    );
    let idle = notes("[[button]]\nname = \"x\"\noffset = 4\nbias = \"pull-up\"\n", "mock");
    assert!(
        idle[0].starts_with("18: button \"x\" is pressed as long as nothing touches its wire"),
        "{idle:?}"
    );
}
