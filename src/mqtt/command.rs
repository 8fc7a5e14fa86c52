//! Commands over the broker: what they may be, and how many.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::appliance::action::Action;
use crate::config::mqtt::Permission;
use crate::handle::Handle;

/// At most so many commands within [`WINDOW`].
const MOST: usize = 10;
const WINDOW: Duration = Duration::from_secs(10);

/// Longer than any command.
const LONGEST: usize = 1024;

/// Judges commands.
pub(super) struct Desk {
    permitted: Vec<Permission>,
    recent: VecDeque<Instant>,
}

/// What becomes of a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The appliance is asked.
    Ask(Action),
    /// Not for this desk, and why.
    Refuse(String),
}

impl Desk {
    pub fn new(permitted: Vec<Permission>) -> Self {
        Self { permitted, recent: VecDeque::new() }
    }

    /// `{"action": "call", "to": ["reception"]}`, or for short the action's word alone.
    pub fn judge(&mut self, payload: &[u8], now: Instant) -> Verdict {
        while self.recent.front().is_some_and(|at| now.duration_since(*at) > WINDOW) {
            self.recent.pop_front();
        }
        if self.recent.len() >= MOST {
            return Verdict::Refuse(format!("more than {MOST} commands in {} s", WINDOW.as_secs()));
        }
        self.recent.push_back(now);
        let action = match read(payload) {
            Ok(action) => action,
            Err(why) => return Verdict::Refuse(why),
        };
        match permission(&action) {
            Some(needed) if self.permitted.contains(&needed) => Verdict::Ask(action),
            Some(_) | None => Verdict::Refuse("not permitted: see commands in [mqtt]".to_owned()),
        }
    }
}

impl Verdict {
    /// Asks the appliance where that is the verdict; the answer as JSON.
    pub async fn carry_out(self, handle: &Handle) -> String {
        let refused = match self {
            Verdict::Ask(action) => handle.act(action).await.err().map(|refusal| refusal.to_string()),
            Verdict::Refuse(why) => Some(why),
        };
        match refused {
            None => json!({ "ok": true }),
            Some(why) => json!({ "ok": false, "why": why }),
        }
        .to_string()
    }
}

fn read(payload: &[u8]) -> Result<Action, String> {
    if payload.len() > LONGEST {
        return Err(format!("longer than {LONGEST} bytes"));
    }
    let text = std::str::from_utf8(payload).map_err(|error| format!("not text: {error}"))?.trim();
    let value = match serde_json::from_str::<Value>(text) {
        Ok(value @ Value::Object(_)) => value,
        Ok(_) | Err(_) => json!({ "action": text }),
    };
    serde_json::from_value(value).map_err(|error| format!("no command: {error}"))
}

/// What an action needs; `None` for what is not done over a broker.
fn permission(action: &Action) -> Option<Permission> {
    match action {
        Action::Answer => Some(Permission::Answer),
        Action::Call { .. } => Some(Permission::Call),
        Action::HangUp => Some(Permission::HangUp),
        Action::Mute { .. } => Some(Permission::Mute),
        Action::OpenDoor { .. } => Some(Permission::OpenDoor),
        Action::ToPhone => Some(Permission::ToPhone),
        Action::Swap
        | Action::Merge
        | Action::TakeOver
        | Action::Dtmf { .. }
        | Action::Talk { .. }
        | Action::Volume { .. }
        | Action::SelfTest
        | Action::ResetTamper => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(verdict: &Verdict) -> &str {
        match verdict {
            Verdict::Refuse(why) => why,
            Verdict::Ask(action) => panic!("{action:?} was let through"),
        }
    }

    #[test]
    fn a_command_needs_its_permission() {
        let mut desk = Desk::new(vec![Permission::HangUp, Permission::Call]);
        let now = Instant::now();
        assert_eq!(desk.judge(b"hang-up", now), Verdict::Ask(Action::HangUp));
        let call = br#"{"action": "call", "to": ["home"]}"#;
        assert!(matches!(desk.judge(call, now), Verdict::Ask(Action::Call { .. })));
        assert!(refused(&desk.judge(b"answer", now)).contains("not permitted"));
        assert!(refused(&desk.judge(br#"{"action": "dtmf", "digits": "1"}"#, now)).contains("not permitted"));
    }

    #[test]
    fn nonsense_is_refused() {
        let mut desk = Desk::new(Permission::WORDS.map(|(_, permission)| permission).to_vec());
        let now = Instant::now();
        let long = vec![b'a'; LONGEST + 1];
        let bad: [&[u8]; 7] =
            [b"", b"\xff\xfe", b"open-sesame", b"[1]", b"{}", br#"{"action": "call", "x": 1}"#, &long];
        for payload in bad {
            assert!(!refused(&desk.judge(payload, now)).is_empty());
        }
    }

    #[test]
    fn a_storm_is_refused_until_it_is_over() {
        let mut desk = Desk::new(vec![Permission::Answer]);
        let begin = Instant::now();
        for _ in 0..MOST {
            assert_eq!(desk.judge(b"answer", begin), Verdict::Ask(Action::Answer));
        }
        assert!(refused(&desk.judge(b"answer", begin + WINDOW)).contains("more than"));
        let later = begin + WINDOW + Duration::from_millis(1);
        assert_eq!(desk.judge(b"answer", later), Verdict::Ask(Action::Answer));
    }
}
