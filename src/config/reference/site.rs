//! What is around the box: its fronts, what it tells others, what it keeps.

use super::Chapter;

pub(super) const CHAPTERS: &[Chapter] = &[
    Chapter {
        title: "[panel]",
        heading: "",
        about: "The web page of the box, and /metrics and /healthz for machines.",
        keys: &[
            (
                "listen",
                "(no panel)",
                "\"127.0.0.1:8080\"",
                "Address and port. Any other than loopback has TLS and a password, shown at the first start.",
            ),
            (
                "tls-cert-file",
                "(its own)",
                "\"/etc/callbox/panel.pem\"",
                "A certificate with those that lead to its root, PEM. Needs tls-key-file.",
            ),
            (
                "tls-key-file",
                "(its own)",
                "\"/etc/callbox/panel.key\"",
                "Its private key, PEM. Needs tls-cert-file.",
            ),
            ("allow-test", "false", "true", "The page may press buttons of a real board."),
            ("allow-door", "false", "true", "The page may open the door."),
            ("allow-config", "false", "true", "The page may change this file, but for [panel] itself."),
            ("allow-metrics", "false", "true", "/metrics is read without the password."),
        ],
    },
    Chapter {
        title: "[mqtt]",
        heading: "",
        about: "The box on an MQTT broker: its state, its events, and commands. Home Assistant finds it by itself.",
        keys: &[
            (
                "broker",
                "(none: must be given)",
                "\"mqtts://broker.example:8883\"",
                "`mqtt://` only to this machine, or with allow-plaintext.",
            ),
            ("allow-plaintext", "false", "true", "Takes `mqtt://` to other machines."),
            (
                "name",
                "(none: must be given)",
                "\"front-door\"",
                "In topics and entities: lower-case letters, digits, - and _.",
            ),
            ("topic", "\"callbox\"", "\"building/doors\"", "What all topics begin with."),
            ("discovery", "\"homeassistant\"", "\"off\"", "Where Home Assistant looks, or off."),
            (
                "ca-file",
                "(the public roots)",
                "\"/etc/callbox/home-ca.pem\"",
                "Certificates to trust instead, PEM.",
            ),
            ("user", "(none)", "\"front-door\"", "The name that the broker knows. Needs a password."),
            (
                "password-file",
                "(none)",
                "\"/etc/callbox/mqtt-password\"",
                "The file with the password. Needs user.",
            ),
            (
                "password-credential",
                "(none)",
                "\"mqtt-password\"",
                "The systemd credential with the password. Needs user.",
            ),
            (
                "commands",
                "[]",
                "[\"hang-up\", \"mute\"]",
                "What may be asked for: answer, call, hang-up, mute, open-door, to-phone.",
            ),
        ],
    },
    Chapter {
        title: "[[webhook]]",
        heading: "",
        about: "A server that is told what happens by HTTPS POST. Up to 16 of these.\n\nThe body is one entry of the event log, as \
`callbox events --json` prints it. Headers are those of Standard Webhooks 1.0 (standardwebhooks.com), whose libraries check them: \
`webhook-id` (the same at every attempt, so that a receiver knows what it has had already), `webhook-timestamp` (seconds since \
1970, of the attempt) and `webhook-signature`: `v1,` and the base64 of the HMAC-SHA256 of `ID.TIMESTAMP.BODY`. The key is what \
the secret's file holds or, where that begins with `whsec_`, the base64 behind it. A receiver should refuse what is older \
than a few minutes. The answer 2xx means that the event was taken; 400, 413, 415 and 422 that it never will be. After anything \
else it comes again after a random time that grows to 1 min, or after what `Retry-After` asks for (5 min at most). Events keep \
their order. 256 wait at most; what is dropped is counted in `callbox status` and /metrics. Redirects are not followed.",
        keys: &[
            (
                "url",
                "(none: must be given)",
                "\"https://hooks.example/callbox\"",
                "Never shown or logged beyond its host and port.",
            ),
            ("allow-plaintext", "false", "true", "Takes `http://` to other machines."),
            (
                "events",
                "(everything)",
                "[\"call\", \"door\"]",
                "Kinds of events: button, session, call, step, fault, ignored, refused, statistics, door, do-not-disturb, self-test.",
            ),
            (
                "secret-file",
                "(no signature)",
                "\"/etc/callbox/hook-secret\"",
                "The file with the secret that signs.",
            ),
            ("secret-credential", "(no signature)", "\"hook\"", "The systemd credential with it."),
            (
                "ca-file",
                "(the public roots)",
                "\"/etc/callbox/hook-ca.pem\"",
                "Certificates to trust instead, PEM.",
            ),
            ("timeout", "\"10s\"", "\"5s\"", "For one attempt as a whole."),
            ("give-up-after", "\"10min\"", "\"1h\"", "An event that was not taken for so long is dropped."),
        ],
    },
    Chapter {
        title: "[telemetry]",
        heading: "",
        about: "Traces of calls for an OpenTelemetry collector: a span from the press to the hang-up, one in it for each state of \
the call, and its steps as their events. Numbers that people call are not in them. Without the table there are none.",
        keys: &[
            (
                "otlp",
                "(none: must be given)",
                "\"http://127.0.0.1:4318\"",
                "The collector. `http://` only to this machine, or with allow-plaintext. With protocol http /v1/traces is added.",
            ),
            (
                "protocol",
                "\"http\"",
                "\"grpc\"",
                "Protobuf over HTTP, usually port 4318, or gRPC, usually 4317.",
            ),
            ("allow-plaintext", "false", "true", "Takes `http://` to other machines."),
            (
                "ca-file",
                "(the public roots)",
                "\"/etc/callbox/collector-ca.pem\"",
                "Certificates to trust instead, PEM.",
            ),
        ],
    },
    Chapter {
        title: "[state]",
        heading: "",
        about: "What outlives a restart.",
        keys: &[(
            "dir",
            "(StateDirectory of systemd, else /var/lib/callbox)",
            "\"/var/lib/callbox\"",
            "The folder.",
        )],
    },
    Chapter {
        title: "[control]",
        heading: "",
        about: "Where `callbox status` and the other commands reach the box.",
        keys: &[("socket", "(/run/callbox/control.sock)", "\"/run/callbox/control.sock\"", "The socket.")],
    },
    Chapter {
        title: "[log]",
        heading: "",
        about: "The program's own log, on standard error.",
        keys: &[("level", "\"info\"", "\"debug\"", "How much to say. RUST_LOG goes before it.")],
    },
];
