//! From news to the lines of a screen. Pure: no clock, no terminal.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::feed::News;
use crate::cli::remote::{door, pairs, sound_of, text};

/// Events kept; more than any screen has rows.
const KEPT: usize = 200;

/// A press that led to a call did so within this time.
const PRESS_TO_CALL_US: u64 = 2_000_000;

/// Where a line's text begins, after its label.
const INDENT: usize = 9;

/// dB at the left end of a level bar, and its cells.
const QUIET_DB: f64 = -60.0;
const CELLS: usize = 12;

/// A line of the screen, no longer than it is wide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub text: String,
    /// Something is wrong.
    pub alarm: bool,
}

/// What was heard so far.
#[derive(Default)]
pub(super) struct Scene {
    status: Value,
    gone: Option<String>,
    events: VecDeque<Value>,
    /// When each button acted last, and by which gesture.
    presses: BTreeMap<String, (u64, String)>,
    last_press_us: Option<u64>,
    call: TimeLine,
}

/// What happened in the last call.
#[derive(Default)]
struct TimeLine {
    id: String,
    from_us: u64,
    steps: Vec<(u64, String)>,
    talking_us: Option<u64>,
}

impl Scene {
    pub fn take(&mut self, news: News) {
        match news {
            News::Gone(why) => self.gone = Some(why),
            News::Status(status) => {
                (self.status, self.gone) = (status, None);
            }
            News::Event(event) => self.event(event),
        }
    }

    fn event(&mut self, event: Value) {
        // Told from the beginning: by another process, or by the same one again.
        if self.events.back().is_some_and(|last| event["seq"].as_u64() <= last["seq"].as_u64()) {
            *self = Self { status: self.status.take(), gone: self.gone.take(), ..Self::default() };
        }
        let t_us = event["t_us"].as_u64().unwrap_or_default();
        match text(&event["kind"]) {
            "button" => {
                let gesture = text(&event["gesture"]).to_owned();
                self.presses.insert(text(&event["button"]).to_owned(), (t_us, gesture));
                self.last_press_us = Some(t_us);
            }
            "call" | "step" => self.call.note(t_us, &event, self.last_press_us),
            _ => {}
        }
        if self.events.len() == KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// The screen, `rows` lines at most.
    pub fn lines(&self, columns: usize, rows: usize) -> Vec<Line> {
        let mut page = Page { columns, lines: Vec::new() };
        self.head(&mut page);
        match &self.gone {
            Some(why) => page.put("GONE", why, 3, true),
            None => self.facts(&mut page),
        }
        let room = rows.saturating_sub(page.lines.len());
        for event in self.events.iter().skip(self.events.len().saturating_sub(room)) {
            let time = text(&event["time"]).get(11..19).unwrap_or_default();
            page.put(time, text(&event["text"]), 1, false);
        }
        page.lines.truncate(rows);
        page.lines
    }

    fn head(&self, page: &mut Page) {
        let name = format!("callbox {}, up {}", text(&self.status["version"]), ago(self.uptime_s()));
        let hint = "q ends";
        let gap = page.columns.saturating_sub(name.chars().count() + hint.len());
        page.push(format!("{name}{}{hint}", " ".repeat(gap)), false);
    }

    fn facts(&self, page: &mut Page) {
        let status = &self.status;
        let registered = status["session"] == "registered";
        let session = format!("{} {}", text(&status["session"]), text(&status["session_detail"]));
        page.put("session", &session, 2, !registered);
        self.calls(page);
        self.sound(page);
        page.put("volume", sound_of(status).trim_start_matches("volume").trim_start(), 1, false);
        page.put("buttons", &self.buttons(), 1, false);
        page.put("lamps", &pairs(&status["leds"]), 2, false);
        page.put("outputs", &pairs(&status["outputs"]), 1, false);
        if status["inputs"].as_object().is_some_and(|inputs| !inputs.is_empty()) {
            page.put("inputs", &pairs(&status["inputs"]), 1, false);
        }
        if status["door"].is_object() {
            page.put("door", &door(&status["door"]), 1, status["door"]["tampered"] == true);
        }
        for hook in status["webhooks"].as_array().into_iter().flatten() {
            if let Some(why) = hook["trouble"].as_str() {
                page.put("webhook", &format!("{}: {why}", text(&hook["server"])), 1, true);
            }
        }
        for fault in status["faults"].as_array().into_iter().flatten().take(4) {
            let told = format!("{}: {}", text(&fault["fault"]), text(&fault["detail"]));
            page.put("FAULT", &told, 3, true);
        }
    }

    fn calls(&self, page: &mut Page) {
        let status = &self.status;
        let talking = self.call.talking_us.filter(|_| status["call"] == "in-call");
        let talked = talking.map(|at| format!(" for {}", ago(self.since(at)))).unwrap_or_default();
        page.put("call", &format!("{} {}{talked}", text(&status["call"]), text(&status["peer"])), 1, false);
        for call in status["calls"].as_array().into_iter().flatten().skip(1).take(3) {
            let held = if call["held"] == true { ", held" } else { "" };
            page.put("", &format!("{} {}{held}", text(&call["state"]), text(&call["peer"])), 1, false);
        }
        let steps: Vec<String> =
            self.call.steps.iter().map(|(us, what)| format!("{} {what}", short(*us))).collect();
        if !steps.is_empty() {
            page.put("", &steps.join(", "), 4, false);
        }
    }

    fn sound(&self, page: &mut Page) {
        let audio = &self.status["audio"];
        let level = |name: &str| {
            let db = audio[name].as_f64().unwrap_or(f64::NAN);
            format!("{} {db:.0} dB", bar(db))
        };
        let both = format!("mic {}, speaker {}", level("capture_level_db"), level("playback_level_db"));
        page.put("sound", &both, 1, false);
        let call = &audio["call"];
        if !call.is_object() {
            return;
        }
        let count = |name: &str| call[name].as_f64().unwrap_or_default();
        let (lost, all) = (count("packets_lost"), count("packets_lost") + count("packets_received"));
        let echo = audio["echo_return_loss_db"].as_f64().map(|db| format!(", echo {db:.0} dB down"));
        let round_trip =
            call["round_trip_us"].as_f64().map(|us| format!(", round trip {:.0} ms", us / 1000.0));
        let quality = format!(
            "MOS {:.1}, jitter {:.0} ms, lost {:.1} %, delay {:.0} ms{}{}",
            call["mos_cq"].as_f64().unwrap_or_default(),
            audio["jitter_ms"].as_f64().unwrap_or_default(),
            if all > 0.0 { 100.0 * lost / all } else { 0.0 },
            audio["playout_delay_ms"].as_f64().unwrap_or_default(),
            round_trip.unwrap_or_default(),
            echo.unwrap_or_default(),
        );
        page.put("", &quality, 2, false);
    }

    fn buttons(&self) -> String {
        let told = self
            .presses
            .iter()
            .map(|(button, (at, gesture))| format!("{button}: {gesture} {} ago", ago(self.since(*at))));
        let told: Vec<String> = told.collect();
        if told.is_empty() { "none was pressed yet".to_owned() } else { told.join(", ") }
    }

    fn uptime_s(&self) -> u64 {
        self.status["uptime_s"].as_u64().unwrap_or_default()
    }

    /// Whole seconds since a time of the event log.
    fn since(&self, t_us: u64) -> u64 {
        self.uptime_s().saturating_sub(t_us / 1_000_000)
    }
}

impl TimeLine {
    fn note(&mut self, t_us: u64, event: &Value, pressed_us: Option<u64>) {
        let id = text(&event["call_id"]);
        // What follows its end belongs to the call all the same.
        if id != self.id && event["state"] != "releasing" && event["state"] != "idle" {
            let pressed = pressed_us.filter(|at| t_us.saturating_sub(*at) < PRESS_TO_CALL_US);
            *self = Self { id: id.to_owned(), from_us: pressed.unwrap_or(t_us), ..Self::default() };
        }
        if event["state"] == "in-call" {
            self.talking_us.get_or_insert(t_us);
        }
        self.steps.push((t_us.saturating_sub(self.from_us), text(&event["text"]).to_owned()));
        // Digits of an hour are not what the line is for.
        if self.steps.len() > KEPT {
            self.steps.remove(0);
        }
    }
}

/// What a change is a change of: all but figures that always move.
pub(super) fn summary(status: &Value) -> String {
    let names = |key: &str, name: &str| {
        let each = status[key].as_array().into_iter().flatten().map(|one| text(&one[name]).to_owned());
        let each: Vec<String> = each.collect();
        if each.is_empty() { "none".to_owned() } else { each.join(" ") }
    };
    let muted = if status["muted"] == true { ", muted" } else { "" };
    let door =
        if status["door"].is_object() { format!("  door {}", door(&status["door"])) } else { String::new() };
    let all = format!(
        "session {}  call {} {}  volume {} %{muted}  lamps {}  outputs {}  inputs {}{door}  faults {}",
        text(&status["session"]),
        text(&status["call"]),
        text(&status["peer"]),
        status["volume"],
        pairs(&status["leds"]),
        pairs(&status["outputs"]),
        pairs(&status["inputs"]),
        names("faults", "fault"),
    );
    printable(&all)
}

/// Lines that fit.
struct Page {
    columns: usize,
    lines: Vec<Line>,
}

impl Page {
    fn push(&mut self, text: String, alarm: bool) {
        let text = text.chars().take(self.columns).collect::<String>().trim_end().to_owned();
        self.lines.push(Line { text, alarm });
    }

    /// A label and its text on at most so many lines; of more the last ones.
    fn put(&mut self, label: &str, text: &str, most: usize, alarm: bool) {
        let width = self.columns.saturating_sub(INDENT).max(1);
        let all = wrap(&printable(text), width);
        let skipped = all.len().saturating_sub(most);
        // Of one line the beginning says most; of a time line its end.
        let kept = if most == 1 { all.get(..1) } else { all.get(skipped..) };
        for (row, part) in kept.unwrap_or_default().iter().enumerate() {
            let label = if row == 0 { label } else { "" };
            self.push(format!("{label:<INDENT$}{part}"), alarm);
        }
    }
}

/// Breaks a text between words; a word that is too long is broken itself.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        while !rest.is_empty() {
            let Some(line) = lines.last_mut() else { return lines };
            let used = line.chars().count();
            let gap = usize::from(used > 0);
            if used + gap + rest.len() <= width {
                line.push_str(if gap > 0 { " " } else { "" });
                line.extend(rest.drain(..));
            } else if used == 0 {
                line.extend(rest.drain(..width));
            } else {
                lines.push(String::new());
            }
        }
    }
    lines
}

/// What comes from the network must not steer a person's terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn bar(db: f64) -> String {
    let share = ((db - QUIET_DB) / -QUIET_DB).clamp(0.0, 1.0);
    // Not a number counts as silence.
    let filled = (share * CELLS as f64).round() as usize;
    format!("[{}{}]", "#".repeat(filled), "-".repeat(CELLS - filled))
}

/// Seconds for people.
fn ago(seconds: u64) -> String {
    match seconds {
        0..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..=86_399 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A moment of a call's time line.
fn short(us: u64) -> String {
    if us < 1_000_000 { format!("{} ms", us / 1000) } else { format!("{:.1} s", us as f64 / 1e6) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(uptime_s: u64) -> News {
        News::Status(json!({
            "session": "registered", "session_detail": "", "call": "in-call", "peer": "+4722222222",
            "calls": [], "muted": false, "volume": 80, "leds": { "call": "on" }, "outputs": { "strike": false },
            "inputs": {}, "door": null, "webhooks": [], "uptime_s": uptime_s, "version": "1.2.3",
            "faults": [{ "fault": "line-lost", "detail": format!("the line {} is gone; plug it in", "x".repeat(80)) }],
            "audio": { "capture_level_db": -30.0, "playback_level_db": null, "jitter_ms": 2.4, "playout_delay_ms": 41.0,
                "echo_return_loss_db": 45.2, "selftest": {},
                "call": { "mos_cq": 4.3, "packets_lost": 1, "packets_received": 99, "round_trip_us": 12_300 } },
        }))
    }

    /// Numbered by its time.
    fn event(t_us: u64, kind: &str, state: &str, text: &str) -> News {
        News::Event(json!({
            "seq": t_us, "t_us": t_us, "time": "2026-11-22T18:00:00.000Z", "kind": kind, "state": state, "call_id": "a",
            "button": "call", "gesture": "press", "text": text,
        }))
    }

    fn scene() -> Scene {
        let mut scene = Scene::default();
        scene.take(status(100));
        scene.take(event(10_000_000, "button", "", "call: press"));
        scene.take(event(10_000_800, "step", "", "Offer sent"));
        scene.take(event(11_500_000, "call", "in-call", "both can talk"));
        scene
    }

    #[test]
    fn all_that_matters_is_on_a_screen_of_80_by_24() {
        let lines = scene().lines(80, 24);
        assert!(lines.len() <= 24 && lines.iter().all(|line| line.text.chars().count() <= 80));
        let all = lines.iter().map(|line| format!("{}\n", line.text)).collect::<String>();
        for part in [
            "callbox 1.2.3, up 1 min 40 s",
            "session  registered",
            "call     in-call +4722222222 for 1 min 29 s",
            "0 ms Offer sent, 1.5 s both can talk",
            "mic [######------] -30 dB, speaker [------------] NaN dB",
            "MOS 4.3, jitter 2 ms, lost 1.0 %, delay 41 ms, round trip 12 ms, echo\n         45 dB down",
            "volume   80 %",
            "buttons  call: press 1 min 30 s ago",
            "lamps    call=on",
            "outputs  strike=off",
            "18:00:00 both can talk",
        ] {
            assert!(all.contains(part), "no {part:?} in\n{all}");
        }
        assert!(lines.iter().any(|line| line.alarm && line.text.contains("plug it in")), "no cure in\n{all}");
    }

    #[test]
    fn no_size_of_a_screen_breaks_it() {
        for columns in [0, 1, 8, 9, 10, 40, 80, 200] {
            for rows in [0, 1, 2, 10, 24, 100] {
                let lines = scene().lines(columns, rows);
                assert!(lines.len() <= rows, "{columns} x {rows}: {} lines", lines.len());
                assert!(lines.iter().all(|line| line.text.chars().count() <= columns), "{columns} x {rows}");
            }
        }
    }

    #[test]
    fn nothing_that_comes_from_elsewhere_steers_the_terminal() {
        let mut scene = scene();
        scene.take(event(12_000_000, "call", "in-call", "\u{1b}[2J\u{1b}]0;gone\u{7}\u{9b}31m\r\n"));
        let lines = scene.lines(80, 24);
        assert!(lines.iter().all(|line| !line.text.contains(char::is_control)), "{lines:?}");
    }

    #[test]
    fn a_box_that_starts_again_begins_a_new_page() {
        let mut scene = scene();
        scene.take(News::Gone("no callbox answers".to_owned()));
        assert!(scene.lines(80, 24)[1].text.contains("no callbox answers"));
        scene.take(status(2));
        scene.take(event(1_000, "session", "offline", "not connected"));
        let all = format!("{:?}", scene.lines(80, 24));
        assert!(!all.contains("Offer sent") && !all.contains("no callbox answers"), "{all}");
    }

    #[test]
    fn what_always_moves_is_no_change() {
        let (News::Status(mut one), News::Status(other)) = (status(1), status(2)) else { panic!() };
        assert_eq!(summary(&one), summary(&other));
        one["leds"]["call"] = json!("fast");
        assert_ne!(summary(&one), summary(&other));
    }
}
