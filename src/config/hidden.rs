//! A configuration's text for people who may read it but not its secrets.
//!
//! Each secret's text is replaced by a numbered mark, and a mark that comes
//! back in a changed text stands for the secret that was there: a person can
//! change a line of the file in a browser and never sees a door code.

use std::ops::Range;

use secrecy::{ExposeSecret, SecretString};
use toml::de::{DeTable, DeValue};

use super::section::looks_secret;

/// Keys whose values are secrets although their names do not say so.
const SECRET_KEYS: [(&str, &str); 2] = [("door", "codes"), ("webhook", "url")];

/// A text without its secrets, and the secrets. They do not print.
#[derive(Debug)]
pub struct Hidden {
    /// With `"(hidden N)"` in the place of each secret; empty if the text is no TOML.
    pub text: String,
    secrets: Vec<SecretString>,
}

impl Hidden {
    /// Hides the secrets of a text. A text that is no TOML is hidden whole:
    /// nobody can say what in it is a secret.
    pub fn new(text: &str) -> Self {
        let mut hidden = Self { text: String::new(), secrets: Vec::new() };
        if DeTable::parse(text).is_err() {
            return hidden;
        }
        let mut from = 0;
        for span in secret_spans(text) {
            hidden.text.push_str(text.get(from..span.start).unwrap_or_default());
            hidden.text.push_str(&mark(hidden.secrets.len() + 1));
            hidden.secrets.push(SecretString::from(text.get(span.clone()).unwrap_or_default()));
            from = span.end;
        }
        hidden.text.push_str(text.get(from..).unwrap_or_default());
        hidden
    }

    /// A changed text with the secrets back in the place of their marks, and
    /// only where a secret belongs: elsewhere a mark could be read again. Line
    /// numbers stay as they are.
    pub fn reveal(&self, text: &str) -> String {
        let mut revealed = String::new();
        let mut from = 0;
        for span in secret_spans(text) {
            let marked = text.get(span.clone()).unwrap_or_default();
            let number = (1..=self.secrets.len()).find(|number| mark(*number) == marked);
            let Some(secret) = number.and_then(|number| self.secrets.get(number - 1)) else { continue };
            revealed.push_str(text.get(from..span.start).unwrap_or_default());
            revealed.push_str(secret.expose_secret());
            from = span.end;
        }
        revealed.push_str(text.get(from..).unwrap_or_default());
        revealed
    }
}

/// Where the values of secret keys stand, in the order of the text; nowhere in
/// a text that is no TOML.
fn secret_spans(text: &str) -> Vec<Range<usize>> {
    let Ok(table) = DeTable::parse(text) else { return Vec::new() };
    let mut spans = Vec::new();
    in_table(table.get_ref(), "", &mut spans);
    spans.sort_by_key(|span| span.start);
    spans
}

fn mark(number: usize) -> String {
    format!("\"(hidden {number})\"")
}

fn in_table(table: &DeTable<'_>, name: &str, spans: &mut Vec<Range<usize>>) {
    for (key, value) in table {
        let key = key.get_ref().as_ref();
        let secret = looks_secret(key) || SECRET_KEYS.contains(&(name, key));
        in_value(value.get_ref(), value.span(), key, secret, spans);
    }
}

fn in_value(value: &DeValue<'_>, span: Range<usize>, key: &str, secret: bool, spans: &mut Vec<Range<usize>>) {
    match value {
        DeValue::Array(items) => {
            for item in items {
                in_value(item.get_ref(), item.span(), key, secret, spans);
            }
        }
        DeValue::Table(table) => in_table(table, key, spans),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {
            if secret {
                spans.push(span);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# a box\n[door]\ncodes = [\"1234\", '*9'] # not for all\npulse = \"3s\"\n\
                        [mqtt]\npassword = \"hunter2\"\nclient-secret-file = \"/etc/s\"\n";

    #[test]
    fn secrets_go_and_everything_else_stays() {
        let hidden = Hidden::new(TEXT);
        assert_eq!(
            hidden.text,
            "# a box\n[door]\ncodes = [\"(hidden 1)\", \"(hidden 2)\"] # not for all\npulse = \"3s\"\n\
             [mqtt]\npassword = \"(hidden 3)\"\nclient-secret-file = \"/etc/s\"\n"
        );
        assert!(!format!("{hidden:?}").contains("1234"), "{hidden:?}");
    }

    #[test]
    fn what_was_hidden_comes_back_where_its_mark_is_left() {
        let hidden = Hidden::new(TEXT);
        assert_eq!(hidden.reveal(&hidden.text), TEXT);
        let changed = hidden.text.replace("\"(hidden 1)\", ", "").replace("3s", "4s");
        assert_eq!(hidden.reveal(&changed), TEXT.replace("\"1234\", ", "").replace("3s", "4s"));
    }

    #[test]
    fn a_mark_where_no_secret_belongs_reveals_nothing() {
        let hidden = Hidden::new(TEXT);
        let asked = "[contacts]\nme = \"(hidden 1)\"\n";
        assert_eq!(hidden.reveal(asked), asked);
    }

    #[test]
    fn a_text_that_is_no_toml_is_hidden_whole() {
        assert_eq!(Hidden::new("[door\ncodes = [\"1234\"]").text, "");
    }
}
