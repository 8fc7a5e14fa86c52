//! Who is called, and how a call goes.

use super::Chapter;

pub(super) const CHAPTERS: &[Chapter] = &[
    Chapter {
        title: "[core]",
        heading: "",
        about: "The voice core.",
        keys: &[
            (
                "endpoint",
                "\"https://api.wgtwo.com:443\"",
                "\"https://core.example:443\"",
                "Scheme, host and port. `http://` only to this machine, or with allow-plaintext.",
            ),
            (
                "allow-plaintext",
                "false",
                "true",
                "Takes `http://` to other machines, where nobody can listen in.",
            ),
            (
                "ca-file",
                "(the public roots)",
                "\"/etc/callbox/core-ca.pem\"",
                "Certificates to trust instead, PEM.",
            ),
            (
                "keep-alive-interval",
                "\"10s\"",
                "\"30s\"",
                "From an answer to the next PING; in a call 1.5 s at most. A core that finds it too often is asked less.",
            ),
            (
                "keep-alive-timeout",
                "\"5s\"",
                "\"10s\"",
                "A PING unanswered for so long ends the session; in a call 3 s at most.",
            ),
            ("connect-timeout", "\"10s\"", "\"20s\"", "For name, connection, TLS and request together."),
        ],
    },
    Chapter {
        title: "[auth]",
        heading: "",
        about: "How to be let in by the voice core: OAuth 2.0 client credentials. The table must be there.",
        keys: &[
            ("method", "\"client-credentials\"", "\"none\"", "`none` for a core that asks for no token."),
            ("client-id", "(none: must be given)", "\"door-17\"", "The id that the operator gave you."),
            (
                "client-secret-file",
                "(none: this or the next)",
                "\"/etc/callbox/client-secret\"",
                "The file with the secret.",
            ),
            (
                "client-secret-credential",
                "(none)",
                "\"client-secret\"",
                "The systemd credential with the secret.",
            ),
            (
                "token-url",
                "\"https://id.wgtwo.com/oauth2/token\"",
                "\"https://id.example/token\"",
                "The token server.",
            ),
            (
                "scope",
                "\"call.control.answer_and_initiate\"",
                "\"\"",
                "Words with a space between; empty for none.",
            ),
            (
                "allow-plaintext",
                "false",
                "true",
                "Takes `http://` to a token server elsewhere: gives the secret away.",
            ),
            (
                "ca-file",
                "(the public roots)",
                "\"/etc/callbox/token-ca.pem\"",
                "Certificates to trust instead, PEM.",
            ),
        ],
    },
    Chapter {
        title: "[contacts]",
        heading: "",
        about: "Names for numbers: `NAME = \"+4722222222\"`, or a table with these keys. A number is + and 2 to 15 digits.",
        keys: &[],
    },
    Chapter {
        title: "NAME in [contacts]",
        heading: "NAME = { … } in [contacts]",
        about: "A contact with more than a number.",
        keys: &[
            ("number", "(none: must be given)", "\"+4722222222\"", "The number, E.164."),
            ("ring-time", "(ring-timeout of [call])", "\"20s\"", "How long to let it ring."),
        ],
    },
    Chapter {
        title: "[incoming]",
        heading: "",
        about: "Who may call the box, when, and what happens then. Names of [contacts] or numbers.",
        keys: &[
            ("allow", "(everybody)", "[\"home\", \"+4790000001\"]", "Who may call."),
            ("deny", "[]", "[\"+4790000009\"]", "Who may not."),
            (
                "deny-hidden",
                "false",
                "true",
                "Refuses callers who hide their number. With allow they never may call.",
            ),
            (
                "do-not-disturb",
                "[]",
                "[{ from = \"22:00\", to = \"06:00\" }]",
                "Hours in which calls do not ring, but for those of priority. Needs time-zone in [terminal].",
            ),
            ("priority", "[]", "[\"home\"]", "Who rings in those hours, too."),
            ("answer", "\"ring\"", "\"auto\"", "Ring, answer at once, or reject."),
            (
                "while-busy",
                "\"busy\"",
                "\"busy\"",
                "A call that comes while another is up: rejected, or with multi-pipe it waits, or a person goes to and fro.",
            ),
        ],
    },
    Chapter {
        title: "do-not-disturb in [incoming]",
        heading: "do-not-disturb = [{ … }] in [incoming]",
        about: "A window of the day.",
        keys: WINDOW,
    },
    Chapter {
        title: "[call]",
        heading: "",
        about: "Times and limits of calls.",
        keys: &[
            ("ring-timeout", "\"45s\"", "\"30s\"", "How long to let the other side ring, and to ring here."),
            ("hunt-cycles", "1", "3", "How many times to go through the list of a button."),
            (
                "acknowledge",
                "(none)",
                "\"1\"",
                "A digit that the callee must send before a call counts as answered, so that no voicemail is taken for a person.",
            ),
            (
                "acknowledge-timeout",
                "(\"20s\")",
                "\"10s\"",
                "How long to wait for it before the next one is called.",
            ),
            ("media-timeout", "\"10s\"", "\"20s\"", "From the answer to working sound."),
            ("media-lost-after", "\"30s\"", "\"2min\"", "A call whose sound is gone ends after this."),
            (
                "longest",
                "(no limit)",
                "\"5min\"",
                "The longest time of a call; `0s` for none, else 15 s at least.",
            ),
            (
                "warn-before",
                "\"10s\"",
                "\"20s\"",
                "Beeps warn so long before its end; `0s` for none. Needs longest.",
            ),
            (
                "no-media-timeout",
                "\"60s\"",
                "\"2min\"",
                "A call whose other side sends nothing, though not on hold, ends; `0s` for never.",
            ),
            ("end-tone", "\"2s\"", "\"0s\"", "How long the tone at a call's end plays."),
            ("peer-lifetime", "\"10min\"", "\"1h\"", "How long a prepared connection stays fresh."),
            ("keep-mute", "false", "true", "A muted microphone stays so for the next call."),
        ],
    },
    Chapter {
        title: "[check-call]",
        heading: "",
        about: "Calls that the box makes by itself, to show that it can (EN 81-28). Without the table none.",
        keys: &[
            ("to", "(none: must be given)", "\"home\"", "Whom to call: a name of [contacts] or a number."),
            ("every", "\"24h\"", "\"72h\"", "How often."),
            (
                "at",
                "(any time)",
                "\"03:00\"",
                "Not before this time of day, give or take an hour. Needs time-zone in [terminal].",
            ),
            ("overdue-after", "2", "3", "So many times every without a good one are a fault."),
        ],
    },
    Chapter {
        title: "[backoff]",
        heading: "",
        about: "Reconnecting waits a random time up to base, doubled at each failure up to ceiling.",
        keys: &[
            ("base", "\"1s\"", "\"5s\"", "The limit of the first wait."),
            ("ceiling", "\"60s\"", "\"10min\"", "The greatest limit; not below base."),
            ("healthy-after", "\"60s\"", "\"10min\"", "A session this old starts again from base."),
            ("rate-limit", "\"30s\"", "\"1min\"", "The least wait when the core asks for fewer requests."),
        ],
    },
    Chapter {
        title: "[media]",
        heading: "",
        about: "Codecs and addresses.",
        keys: &[
            (
                "codecs",
                "[\"opus\", \"pcmu\", \"pcma\"]",
                "[\"opus\"]",
                "In order of preference, of these three.",
            ),
            (
                "addresses",
                "[]",
                "[\"192.168.1.20\"]",
                "Addresses of this machine to offer; none offers all that are usable.",
            ),
            ("loopback", "false", "true", "Offers loopback addresses, too."),
            (
                "opus-bitrate",
                "32000",
                "24000",
                "Bits a second, without headers; up to twice as many and at most 64000 while packets get lost on the way.",
            ),
            (
                "frame",
                "\"auto\"",
                "\"20ms\"",
                "Sound in each packet: 20 ms, and 10 ms on a good network; 10 ms from the start; or never less than 20 ms.",
            ),
            ("ice-check-interval", "\"5ms\"", "\"50ms\"", "Time between ICE checks at the start of a call."),
        ],
    },
];

/// The keys of a window of the day.
pub(super) const WINDOW: &[super::Key] = &[
    ("from", "(none: must be given)", "\"22:00\"", "When it begins, hours and minutes."),
    (
        "to",
        "(none: must be given)",
        "\"06:00\"",
        "When it ends; over midnight if earlier than from. `24:00` is the day's end.",
    ),
    (
        "days",
        "(every day)",
        "[\"sat\", \"sun\"]",
        "On which days it begins: mon, tue, wed, thu, fri, sat, sun.",
    ),
];
