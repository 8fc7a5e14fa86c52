//! Home Assistant's MQTT discovery, one message for the whole device
//! (home-assistant.io, "MQTT", "Device discovery payload", 2024.12 and newer).

use serde_json::{Map, Value, json};

use super::MqttSettings;
use crate::config::mqtt::Permission;

/// Topic and payload; `None` where nobody should find the box.
pub(super) fn message(settings: &MqttSettings) -> Option<(String, String)> {
    let prefix = settings.discovery.as_ref()?;
    let id = format!("callbox-{}", settings.name);
    let mut parts = Map::new();
    let mut part = |key: String, mut body: Value| {
        body["unique_id"] = json!(format!("{id}-{key}"));
        parts.insert(key, body);
    };
    sensors(settings, &mut part);
    buttons(settings, &mut part);
    commands(settings, &mut part);
    let payload = json!({
        "device": {
            "identifiers": [id],
            "name": settings.name,
            "manufacturer": "callbox",
            "model": settings.model,
            "sw_version": env!("CARGO_PKG_VERSION"),
        },
        "origin": { "name": "callbox", "sw_version": env!("CARGO_PKG_VERSION") },
        "availability_topic": settings.topic("availability"),
        "qos": 1,
        "components": parts,
    });
    Some((format!("{prefix}/device/{id}/config"), payload.to_string()))
}

fn sensors(settings: &MqttSettings, part: &mut impl FnMut(String, Value)) {
    let state = settings.topic("state");
    let binary = |name: &str, class: Option<&str>, template: String| {
        let mut body = json!({
            "platform": "binary_sensor",
            "name": name,
            "state_topic": state,
            "value_template": format!("{{{{ 'ON' if {template} else 'OFF' }}}}"),
        });
        if let Some(class) = class {
            body["device_class"] = json!(class);
        }
        body
    };
    let registered = "value_json.session == 'registered'".to_owned();
    part("session".to_owned(), binary("Registered", Some("connectivity"), registered));
    part("fault".to_owned(), binary("Fault", Some("problem"), "value_json.faults".to_owned()));
    part(
        "call".to_owned(),
        json!({
            "platform": "sensor",
            "name": "Call",
            "device_class": "enum",
            "options": ["idle", "outgoing", "ringing", "incoming", "connecting", "in-call", "releasing"],
            "state_topic": state,
            "value_template": "{{ value_json.call }}",
        }),
    );
    part(
        "peer".to_owned(),
        json!({
            "platform": "sensor",
            "name": "Other party",
            "state_topic": state,
            "value_template": "{{ value_json.peer or '' }}",
        }),
    );
    for output in &settings.outputs {
        let template = format!("value_json.outputs['{output}']");
        part(format!("output-{output}"), binary(output, None, template));
    }
}

fn buttons(settings: &MqttSettings, part: &mut impl FnMut(String, Value)) {
    for button in &settings.buttons {
        part(
            format!("button-{button}"),
            json!({
                "platform": "event",
                "name": button,
                "device_class": "doorbell",
                "event_types": ["press", "hold", "double-press"],
                "state_topic": settings.topic(&format!("button/{button}")),
            }),
        );
    }
}

fn commands(settings: &MqttSettings, part: &mut impl FnMut(String, Value)) {
    let topic = settings.topic("command");
    let mut press = |key: &str, name: &str| {
        part(
            format!("do-{key}"),
            json!({
                "platform": "button",
                "name": name,
                "command_topic": topic,
                "payload_press": json!({ "action": key }).to_string(),
            }),
        );
    };
    for permission in &settings.commands {
        match permission {
            Permission::Answer => press("answer", "Answer"),
            Permission::HangUp => press("hang-up", "Hang up"),
            Permission::OpenDoor => press("open-door", "Open the door"),
            Permission::ToPhone => press("to-phone", "To the phone"),
            // Whom to call is not in a button: an automation sends the command.
            Permission::Call | Permission::Mute => {}
        }
    }
    if settings.commands.contains(&Permission::Mute) {
        let mute = |on: bool| json!({ "action": "mute", "on": on }).to_string();
        part(
            "mute".to_owned(),
            json!({
                "platform": "switch",
                "name": "Microphone muted",
                "state_topic": settings.topic("state"),
                "value_template": "{{ 'ON' if value_json.muted else 'OFF' }}",
                "state_on": "ON",
                "state_off": "OFF",
                "command_topic": topic,
                "payload_on": mute(true),
                "payload_off": mute(false),
            }),
        );
    }
}
