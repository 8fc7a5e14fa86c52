//! Reads one TOML table key by key, noting everything that is wrong.
//!
//! A derived deserialiser stops at the first error; a person with a box on a
//! wall wants all of them, each with its line. So: every getter notes what it
//! finds and answers `None`, and [`Section::finish`] notes keys nobody asked for.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::diagnostic::{Asked, Place, Problem, Report, quoted};
use super::value;

/// A value and the byte offset where it stands.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) at: usize,
}

/// One table of a file.
pub(super) struct Section<'a> {
    pub(super) report: &'a Report<'a>,
    table: &'a DeTable<'a>,
    /// The header's byte offset.
    pub(super) at: usize,
    /// As people write it, such as `[core]`.
    title: String,
    asked: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub(super) fn new(report: &'a Report<'a>, table: &'a DeTable<'a>, at: usize, title: String) -> Self {
        Self { report, table, at, title, asked: Vec::new() }
    }

    /// The table's keys and where they stand, for tables with free names.
    pub(super) fn keys(&self) -> impl Iterator<Item = Located<&'a str>> {
        self.table.keys().map(|key| Located { value: key.get_ref().as_ref(), at: key.span().start })
    }

    /// A text under a free name.
    pub(super) fn free_text(&self, name: &str) -> Option<Located<&'a str>> {
        let (at, value) = self.find(name)?;
        self.as_text(name, at, value)
    }

    /// A table under a free name; `None`, and no word, for anything else.
    pub(super) fn free_section(&self, name: &str) -> Option<Section<'a>> {
        let (at, value) = self.find(name)?;
        match value {
            DeValue::Table(table) => {
                Some(Section::new(self.report, table, at, format!("{name} in {}", self.title)))
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => None,
        }
    }

    /// Where a key stands, if it is there.
    pub(super) fn key_at(&self, key: &str) -> Option<usize> {
        self.keys().find(|found| found.value == key).map(|found| found.at)
    }

    /// Where a key's value stands, if it is there.
    pub(super) fn value_at(&self, key: &str) -> Option<usize> {
        self.find(key).map(|(at, _)| at)
    }

    /// Where this section stands.
    pub(super) fn place(&self) -> Place {
        self.report.place(self.at)
    }

    /// Notes a problem at a value of this section.
    pub(super) fn note(&self, at: usize, problem: Problem) {
        self.report.note(at, problem);
    }

    pub(super) fn has(&mut self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<Located<&'a str>> {
        self.ask(key, "text");
        self.plain_text(key)
    }

    fn plain_text(&mut self, key: &'static str) -> Option<Located<&'a str>> {
        let (at, value) = self.value(key)?;
        self.as_text(key, at, value)
    }

    /// A text that must be there. The example shows what would be right.
    pub(super) fn required_text(&mut self, key: &'static str, example: &str) -> Option<Located<&'a str>> {
        if !self.has(key) {
            self.missing(key, example);
        }
        self.text(key)
    }

    /// Notes that a key is missing.
    pub(super) fn missing(&self, key: &str, example: &str) {
        let what = format!("{} has no {key}", self.title);
        self.note(self.at, Problem::new(what, format!("add {key} = {example}")));
    }

    /// A text with a meaning of its own.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Option<Located<T>> {
        self.ask(key, "text");
        self.plain_parsed(key, parse)
    }

    fn plain_parsed<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Option<Located<T>> {
        let text = self.plain_text(key)?;
        match parse(text.value) {
            Ok(value) => Some(Located { value, at: text.at }),
            Err(problem) => {
                self.note(text.at, problem);
                None
            }
        }
    }

    /// A path; a relative one counts from `base`.
    pub(super) fn path(&mut self, key: &'static str, base: &Path) -> Option<Located<PathBuf>> {
        self.ask(key, "path");
        self.plain_parsed(key, |text| {
            if text.is_empty() || text.contains('\0') {
                Err(Problem::new(format!("{key} names no file"), "write a path, or leave the key out"))
            } else {
                Ok(base.join(text))
            }
        })
    }

    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.ask(key, "`true` or `false`");
        let (at, value) = self.value(key)?;
        match value {
            DeValue::Boolean(value) => Some(*value),
            other => self.wrong_type(key, at, other, "true or false"),
        }
    }

    pub(super) fn integer(&mut self, key: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        self.ask(key, &format!("number, {} to {}", range.start(), range.end()));
        let (at, value) = self.value(key)?;
        self.as_integer(key, at, value, &range)
    }

    fn as_integer(
        &self,
        key: &str,
        at: usize,
        value: &'a DeValue<'a>,
        range: &RangeInclusive<u32>,
    ) -> Option<u32> {
        let DeValue::Integer(digits) = value else {
            return self.wrong_type(key, at, value, "a whole number");
        };
        let number = u32::from_str_radix(digits.as_str(), digits.radix()).ok().filter(|n| range.contains(n));
        if number.is_none() {
            self.note(
                at,
                Problem::new(
                    format!("{key} = {digits} is out of range"),
                    format!("write a number from {} to {}", range.start(), range.end()),
                ),
            );
        }
        number
    }

    pub(super) fn duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let [from, to] = [range.start(), range.end()].map(|end| value::in_words(*end));
        self.ask(key, &format!("duration, {from} to {to}"));
        let (at, value) = self.value(key)?;
        let DeValue::String(text) = value else {
            return self.wrong_type(key, at, value, "a duration in double quotes such as \"30s\"");
        };
        let read = value::duration(text).and_then(|duration| {
            if range.contains(&duration) {
                Ok(duration)
            } else {
                let what = format!("{key} = {} is out of range", quoted(text));
                Err(Problem::new(what, format!("write a duration from \"{from}\" to \"{to}\"")))
            }
        });
        match read {
            Ok(duration) => Some(duration),
            Err(problem) => {
                self.note(at, problem);
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let all: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        self.ask(key, &all.join(", "));
        self.plain_parsed(key, |text| choose(key, text, words)).map(|located| located.value)
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<Located<&'a str>>> {
        self.ask(key, "list of texts");
        let (at, value) = self.value(key)?;
        let DeValue::Array(items) = value else {
            return self.wrong_type(key, at, value, "a list of texts such as [\"one\", \"two\"]");
        };
        let read = items.iter().map(|item| self.as_text(key, item.span().start, item.get_ref()));
        let all: Vec<_> = read.collect();
        all.into_iter().collect()
    }

    /// A text, or a list of texts; nothing for anything else.
    pub(super) fn one_or_more_texts(&mut self, key: &'static str) -> Vec<Located<&'a str>> {
        match self.value(key) {
            Some((at, DeValue::String(text))) => vec![Located { value: text.as_ref(), at }],
            Some(_) | None => self.texts(key).unwrap_or_default(),
        }
    }

    /// A list of whole numbers.
    pub(super) fn integers(&mut self, key: &'static str, range: RangeInclusive<u32>) -> Option<Vec<u32>> {
        self.ask(key, &format!("list of numbers, {} to {}", range.start(), range.end()));
        let (at, value) = self.value(key)?;
        let DeValue::Array(items) = value else {
            return self.wrong_type(key, at, value, "a list of whole numbers such as [2, 3]");
        };
        let read = |item: &'a toml::Spanned<DeValue<'a>>| {
            self.as_integer(key, item.span().start, item.get_ref(), &range)
        };
        let all: Vec<Option<u32>> = items.iter().map(read).collect();
        all.into_iter().collect()
    }

    /// A table inside this one.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Section<'a>> {
        self.ask(key, "table");
        let title =
            if self.title.is_empty() { format!("[{key}]") } else { format!("{key} in {}", self.title) };
        let (at, value) = self.value(key)?;
        match value {
            DeValue::Table(table) => Some(Section::new(self.report, table, at, title)),
            other => self.wrong_type(key, at, other, "a table"),
        }
    }

    /// A list of small tables. The example shows what would be right.
    pub(super) fn tables(&mut self, key: &'static str, example: &str) -> Vec<Section<'a>> {
        self.ask(key, "list of tables");
        let Some((at, value)) = self.value(key) else { return Vec::new() };
        let expected = format!("a list of tables such as {example}");
        let DeValue::Array(items) = value else {
            self.wrong_type::<()>(key, at, value, &expected);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items.iter() {
            let at = item.span().start;
            match item.get_ref() {
                DeValue::Table(table) => {
                    let title = format!("{key} in {}", self.title);
                    tables.push(Section::new(self.report, table, at, title));
                }
                other => {
                    self.wrong_type::<()>(key, at, other, &expected);
                }
            }
        }
        tables
    }

    /// `[[key]]`, any number of times.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let Some((at, value)) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = value else {
            let what = format!("{key} is {}", kind(value));
            self.note(at, Problem::new(what, format!("write [[{key}]] with two brackets")));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items.iter() {
            let at = item.span().start;
            match item.get_ref() {
                DeValue::Table(table) => {
                    sections.push(Section::new(self.report, table, at, format!("[[{key}]]")));
                }
                other => {
                    self.wrong_type::<()>(key, at, other, &format!("a table: write [[{key}]]"));
                }
            }
        }
        sections
    }

    /// Notes every key that nobody asked for.
    pub(super) fn finish(self) {
        for key in self.keys() {
            if self.asked.contains(&key.value) {
                continue;
            }
            let place = if self.title.is_empty() { "at the top" } else { "in" };
            let place = format!("{place} {}", self.title);
            let place = place.trim_end();
            if looks_secret(key.value) {
                let what = format!("{} {place} holds a secret", quoted(key.value));
                let mut known = self.asked.iter().filter(|known| known.ends_with("-file"));
                let file = known.find(|known| looks_secret(known.trim_end_matches("-file")));
                let file = file.copied().unwrap_or("client-secret-file");
                let cure = format!("put it into a file of mode 600 and name that with {file}");
                self.note(key.at, Problem::new(what, cure));
                continue;
            }
            let cure = match value::nearest(key.value, self.asked.iter().copied()) {
                Some(nearest) => format!("did you mean {nearest}?"),
                None => {
                    let mut known = self.asked.clone();
                    known.sort_unstable();
                    known.dedup();
                    format!("known keys are {}", known.join(", "))
                }
            };
            let what = format!("unknown key {} {place}", quoted(key.value));
            self.note(key.at, Problem::new(what, cure));
        }
    }

    fn ask(&self, key: &'static str, takes: &str) {
        self.report.ask(Asked { section: self.title.clone(), key, takes: takes.to_owned() });
    }

    fn value(&mut self, key: &'static str) -> Option<(usize, &'a DeValue<'a>)> {
        self.asked.push(key);
        self.find(key)
    }

    fn find(&self, key: &str) -> Option<(usize, &'a DeValue<'a>)> {
        let (_, value) = self.table.iter().find(|(name, _)| name.get_ref() == key)?;
        Some((value.span().start, value.get_ref()))
    }

    fn as_text(&self, key: &str, at: usize, value: &'a DeValue<'a>) -> Option<Located<&'a str>> {
        match value {
            DeValue::String(text) => Some(Located { value: text.as_ref(), at }),
            other => self.wrong_type(key, at, other, "text in double quotes"),
        }
    }

    fn wrong_type<T>(&self, key: &str, at: usize, value: &DeValue<'_>, expected: &str) -> Option<T> {
        let what = format!("{} is {}", quoted(key).trim_matches('"'), kind(value));
        self.note(at, Problem::new(what, format!("write {expected}")));
        None
    }
}

/// Finds a word's meaning, or lists the words.
pub(super) fn choose<T: Copy>(key: &str, text: &str, words: &[(&str, T)]) -> Result<T, Problem> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let all: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        Problem::new(format!("{key} cannot be {}", quoted(text)), format!("write one of {}", all.join(", ")))
    })
}

/// Keys under which people write secrets into configurations.
pub(super) fn looks_secret(key: &str) -> bool {
    let key = key.to_lowercase().replace('_', "-");
    let names_a_place = key.ends_with("-file") || key.ends_with("-credential");
    let holds = ["secret", "password", "passwd", "api-key"].iter().any(|word| key.contains(word));
    !names_a_place && (holds || key == "token" || key == "access-token")
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
