//! Which lines cannot be used, from all who use lines.

use std::collections::BTreeMap;

use super::LineError;

/// A line that failed, or works again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineHealth {
    /// It cannot be used; also sent when the reason changes.
    Lost(LineError),
    /// The line of this name was lost and works again.
    Back(String),
}

/// The lines that are lost now.
#[derive(Debug, Default)]
pub struct LostLines {
    reasons: BTreeMap<String, String>,
}

impl LostLines {
    /// Takes news of one line.
    pub fn note(&mut self, news: LineHealth) {
        match news {
            LineHealth::Lost(error) => {
                self.reasons.insert(error.name, error.reason);
            }
            LineHealth::Back(name) => {
                self.reasons.remove(&name);
            }
        }
    }

    /// For people: every lost line, those with one reason together. `None` if none is lost.
    pub fn detail(&self) -> Option<String> {
        let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, reason) in &self.reasons {
            by_reason.entry(reason).or_default().push(name);
        }
        let parts: Vec<String> =
            by_reason.iter().map(|(reason, names)| format!("{}: {reason}", names.join(", "))).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(name: &str, reason: &str) -> LineHealth {
        LineHealth::Lost(LineError { name: name.into(), reason: reason.into() })
    }

    #[test]
    fn the_fault_lasts_until_the_last_line_is_back_and_names_each_reason_once() {
        let mut lines = LostLines::default();
        assert_eq!(lines.detail(), None);
        for news in
            [lost("lamp status", "no chip"), lost("button call", "no chip"), lost("lamp call", "busy")]
        {
            lines.note(news);
        }
        assert_eq!(lines.detail().unwrap(), "lamp call: busy; button call, lamp status: no chip");
        lines.note(LineHealth::Back("button call".into()));
        lines.note(lost("lamp status", "busy"));
        assert_eq!(lines.detail().unwrap(), "lamp call, lamp status: busy");
        lines.note(LineHealth::Back("lamp call".into()));
        lines.note(LineHealth::Back("lamp status".into()));
        assert_eq!(lines.detail(), None);
    }
}
