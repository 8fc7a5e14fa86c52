//! What is wrong with a configuration, where, and what would be right.

use std::cell::RefCell;
use std::fmt;

/// One thing that is wrong in a configuration or board file.
///
/// Prints as `FILE:LINE:COLUMN: what is wrong; what would be right`. Never
/// holds a secret: values of keys that may hold one are not quoted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// Where, as the reader may find it: a path, or `built-in:NAME.toml`.
    pub place: Place,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub cure: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.what, self.cure)
    }
}

/// A position in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's name.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters, as editors count.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Place {
    /// The file's first character, for what concerns the whole file.
    pub fn start_of(file: &str) -> Self {
        Self { file: file.to_owned(), line: 1, column: 1 }
    }

    /// What is wrong at this place.
    pub fn diagnose(&self, problem: Problem) -> Diagnostic {
        Diagnostic { place: self.clone(), what: problem.what, cure: problem.cure }
    }
}

/// What is wrong with a value, and the cure, before it is known where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub cure: String,
}

impl Problem {
    /// A problem and its cure.
    pub fn new(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { what: what.into(), cure: cure.into() }
    }
}

/// Quotes a value from a file: control characters escaped, long ones cut.
pub(super) fn quoted(value: &str) -> String {
    const LONGEST: usize = 60;
    if value.chars().count() > LONGEST {
        let head: String = value.chars().take(LONGEST).collect();
        format!("{head:?} and more")
    } else {
        format!("{value:?}")
    }
}

/// A question that the parser asked of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    /// The table, as people write it; empty for the top.
    pub(super) section: String,
    pub(super) key: &'static str,
    /// What may stand there, for people.
    pub(super) takes: String,
}

/// Collects what is wrong with one text, and what was asked of it. Shared by
/// everything that reads it.
pub(super) struct Report<'a> {
    file: &'a str,
    text: &'a str,
    found: RefCell<Vec<Diagnostic>>,
    asked: RefCell<Vec<Asked>>,
}

impl<'a> Report<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, found: RefCell::default(), asked: RefCell::default() }
    }

    /// Notes a problem at a byte offset of the text.
    pub(super) fn note(&self, offset: usize, problem: Problem) {
        self.add(self.place(offset).diagnose(problem));
    }

    /// Notes what another file's reader found.
    pub(super) fn add(&self, diagnostic: Diagnostic) {
        let mut found = self.found.borrow_mut();
        if !found.contains(&diagnostic) {
            found.push(diagnostic);
        }
    }

    /// Line and column of a byte offset; one past the end is allowed.
    pub(super) fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }

    /// Notes a question.
    pub(super) fn ask(&self, asked: Asked) {
        self.asked.borrow_mut().push(asked);
    }

    /// Every question, in the order in which they were asked.
    pub(super) fn into_asked(self) -> Vec<Asked> {
        self.asked.into_inner()
    }

    /// Everything noted, in the order of the text.
    pub(super) fn into_found(self) -> Vec<Diagnostic> {
        let mut found = self.found.into_inner();
        found.sort();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let report = Report::new("f", "å = 1\nøl = 2\n");
        let at = |offset| report.place(offset).to_string();
        assert_eq!(at(0), "f:1:1");
        assert_eq!(at("å".len()), "f:1:2");
        assert_eq!(at("å = 1\nøl".len()), "f:2:3");
        assert_eq!(at("å = 1\nøl = 2\n".len()), "f:3:1");
    }

    #[test]
    fn an_offset_inside_a_character_or_past_the_end_does_not_panic() {
        let report = Report::new("f", "å");
        assert_eq!(report.place(1).column, 2);
        assert_eq!(report.place(99).column, 2);
    }

    #[test]
    fn quoting_escapes_and_cuts() {
        assert_eq!(quoted("a\u{1b}[31m"), "\"a\\u{1b}[31m\"");
        assert!(quoted(&"x".repeat(100)).ends_with("and more"));
    }
}
