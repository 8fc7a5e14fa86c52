//! What a file of Rust mentions, read from its tokens.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path in a file, such as `crate::audio::Frame`, split at its `::`.
pub struct Mention {
    pub path: Vec<String>,
    /// It may begin with a crate: neither a method nor a lone word.
    pub may_be_foreign: bool,
    pub line: usize,
}

/// What one file says.
#[derive(Default)]
pub struct Source {
    pub mentions: Vec<Mention>,
    /// Names that hide a crate of the same name: modules declared here, things imported.
    pub hidden: BTreeSet<String>,
    /// `#[cfg(test)] mod NAME;`: that file is a test.
    pub test_modules: BTreeSet<String>,
    pub has_unsafe: bool,
}

impl Source {
    pub fn read(text: &str) -> Self {
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("not Rust: {error}"));
        let mut source = Source::default();
        source.walk(tokens, &[], 0);
        source
    }

    /// `prefix` is what stands before the braces of a `use` tree; `depth`
    /// counts modules inside the file, which `super` climbs first.
    fn walk(&mut self, tokens: TokenStream, prefix: &[String], depth: usize) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            if is_cfg_test(&tokens, at) {
                let end = item_end(&tokens, at + 2);
                if let [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Punct(_)] =
                    &tokens[at + 2..end]
                    && word == "mod"
                {
                    self.test_modules.insert(name.to_string());
                }
                self.has_unsafe |= mentions_unsafe(tokens[at..end].iter().cloned().collect());
                at = end;
                continue;
            }
            match &tokens[at] {
                TokenTree::Ident(word) => {
                    self.has_unsafe |= word == "unsafe";
                    if word == "mod"
                        && let Some(TokenTree::Ident(name)) = tokens.get(at + 1)
                    {
                        self.hidden.insert(name.to_string());
                        if let Some(TokenTree::Group(body)) = tokens.get(at + 2) {
                            self.walk(body.stream(), &[], depth + 1);
                            at += 3;
                            continue;
                        }
                        at += 2;
                        continue;
                    }
                    at = self.path(&tokens, at, prefix, depth);
                }
                TokenTree::Group(group) => {
                    self.walk(group.stream(), prefix, depth);
                    at += 1;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
            }
        }
    }

    /// Reads one path that begins at `at`; answers where it ends.
    fn path(&mut self, tokens: &[TokenTree], mut at: usize, prefix: &[String], depth: usize) -> usize {
        let line = tokens[at].span().start().line;
        let mut path = prefix.to_vec();
        let before = at.checked_sub(1).map(|before| tokens[before].to_string()).unwrap_or_default();
        loop {
            match tokens.get(at) {
                Some(TokenTree::Ident(word)) => path.push(word.to_string()),
                Some(TokenTree::Punct(star)) if star.as_char() == '*' => path.push("*".to_owned()),
                // The braces of a use tree; the mentions are inside.
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    self.walk(group.stream(), &path, depth);
                    return at + 1;
                }
                Some(TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_)) | None => break,
            }
            at += 1;
            if !is_double_colon(tokens, at) {
                break;
            }
            at += 2;
        }
        // `super` inside an inner module may still be this file's own.
        let climbed = path.iter().take_while(|word| *word == "super").count();
        if climbed > 0 && climbed <= depth {
            path = [&["self".to_owned()], &path[climbed..]].concat();
        } else if climbed > 0 && depth > 0 {
            path.drain(..depth);
        }
        if path.len() > 1 && matches!(path[0].as_str(), "crate" | "self" | "super") {
            self.hidden.extend(path.last().cloned());
        }
        let may_be_foreign = before != "." && (path.len() > 1 || before == "use" || before == "crate");
        self.mentions.push(Mention { path, may_be_foreign, line });
        at
    }
}

fn is_double_colon(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon(at) && colon(at + 1)
}

/// `#[cfg(test)]` and nothing wider: `any(test, ...)` is shipped.
fn is_cfg_test(tokens: &[TokenTree], at: usize) -> bool {
    let hash = matches!(&tokens[at], TokenTree::Punct(punct) if punct.as_char() == '#');
    let Some(TokenTree::Group(attribute)) = tokens.get(at + 1) else { return false };
    hash && attribute.to_string().replace(' ', "") == "[cfg(test)]"
}

/// The item after an attribute ends with its braces or its semicolon.
fn item_end(tokens: &[TokenTree], mut at: usize) -> usize {
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                // `use a::{b};` goes on to its semicolon.
                let more = matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ';');
                return at + usize::from(more);
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => return at,
            TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Ident(_) | TokenTree::Literal(_) => {}
        }
    }
    at
}

fn mentions_unsafe(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => word == "unsafe",
        TokenTree::Group(group) => mentions_unsafe(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// The path of a file below src, as module names: `audio/alsa.rs` is `[audio, alsa]`.
pub fn module_of(file: &str) -> Vec<String> {
    let mut module: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|name| name == "mod") {
        module.pop();
    }
    module
}

/// The path from the crate's root, if it is a path of this crate.
pub fn from_root(path: &[String], module: &[String]) -> Option<Vec<String>> {
    match path[0].as_str() {
        "crate" | "callbox" => Some(path[1..].to_vec()),
        "self" => Some([module, &path[1..]].concat()),
        "super" => {
            let climbed = path.iter().take_while(|word| *word == "super").count();
            let above = &module[..module.len().saturating_sub(climbed)];
            Some([above, &path[climbed..]].concat())
        }
        _ => None,
    }
}
