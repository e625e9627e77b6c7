//! A Rust file taken apart into code, strings and test code.

use std::ops::Range;
use std::sync::LazyLock;

use proc_macro2::{Delimiter, LineColumn, Span, TokenStream, TokenTree};
use regex::Regex;

/// A Rust file.
pub(crate) struct Source {
    /// From the root.
    pub(crate) path: String,
    /// The lines as they stand.
    pub(crate) lines: Vec<String>,
    /// The same lines with comments and the insides of strings blanked.
    pub(crate) code: Vec<String>,
    /// Every string literal, with the index of its first line.
    pub(crate) strings: Vec<(usize, String)>,
    tests: Vec<Range<usize>>,
}

impl Source {
    /// Takes a file apart.
    ///
    /// # Panics
    ///
    /// When it is not Rust.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let tokens: TokenStream = text
            .parse()
            .unwrap_or_else(|error| panic!("{path} is not Rust: {error}"));
        let mut sheet = Sheet::new(&lines);
        sheet.copy(tokens);
        let code: Vec<String> = sheet
            .blank
            .iter()
            .map(|line| line.iter().collect::<String>().trim_end().to_owned())
            .collect();
        Self {
            path: path.to_owned(),
            tests: test_modules(&code),
            lines,
            code,
            strings: sheet.strings,
        }
    }

    /// How many lines are neither blank nor only comment.
    pub(crate) fn lines_of_code(&self) -> usize {
        self.code.iter().filter(|line| !line.is_empty()).count()
    }

    /// Whether the line is in code that only tests run.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        is_test_file(&self.path) || self.tests.iter().any(|range| range.contains(&line))
    }

    /// `path:line: ` and what is wrong there.
    pub(crate) fn finding(&self, line: usize, what: &str) -> String {
        format!("{}:{}: {what}", self.path, line + 1)
    }

    /// A finding for every line of code that the pattern matches and `holds` confirms.
    pub(crate) fn findings(
        &self,
        pattern: &Regex,
        what: &str,
        holds: impl Fn(usize) -> bool,
    ) -> Vec<String> {
        let lines = self.code.iter().enumerate();
        lines
            .filter(|(line, code)| pattern.is_match(code) && holds(*line))
            .map(|(line, _)| self.finding(line, what))
            .collect()
    }
}

/// Whether everything in the file is test code: by its folder, or by its name.
pub(crate) fn is_test_file(path: &str) -> bool {
    let mut parts: Vec<_> = path.split('/').collect();
    let name = parts.pop().unwrap_or_default();
    parts.iter().any(|part| *part == "tests" || *part == "fuzz")
        || name == "tests.rs"
        || name.ends_with("_tests.rs")
}

/// The blank copy of a file that tokens are written on.
struct Sheet {
    original: Vec<Vec<char>>,
    blank: Vec<Vec<char>>,
    strings: Vec<(usize, String)>,
}

impl Sheet {
    fn new(lines: &[String]) -> Self {
        let original: Vec<Vec<char>> = lines.iter().map(|line| line.chars().collect()).collect();
        Self {
            blank: original.iter().map(|line| vec![' '; line.len()]).collect(),
            original,
            strings: Vec::new(),
        }
    }

    fn copy(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => {
                    // A doc comment arrives as `#[doc = "…"]` whose parts all lie at the
                    // comment: there is no bracket in the file where the group begins.
                    if self.is_comment(group.span_open()) {
                        continue;
                    }
                    if group.delimiter() != Delimiter::None {
                        self.write(group.span_open());
                        self.write(group.span_close());
                    }
                    self.copy(group.stream());
                }
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    if text.contains('"') && !text.starts_with('\'') && !text.starts_with("b'") {
                        self.write_quotes(literal.span());
                        self.strings.push((literal.span().start().line - 1, text));
                    } else {
                        self.write(literal.span());
                    }
                }
                TokenTree::Ident(ident) => self.write(ident.span()),
                TokenTree::Punct(punct) => {
                    if punct.as_char() == '/' || !self.is_comment(punct.span()) {
                        self.write(punct.span());
                    }
                }
            }
        }
    }

    fn is_comment(&self, span: Span) -> bool {
        let LineColumn { line, column } = span.start();
        self.original[line - 1].get(column) == Some(&'/')
    }

    fn write(&mut self, span: Span) {
        let (start, end) = (span.start(), span.end());
        for line in start.line..=end.line {
            let length = self.original[line - 1].len();
            let from = if line == start.line { start.column } else { 0 };
            let to = if line == end.line { end.column } else { length };
            for column in from..to.min(length) {
                self.blank[line - 1][column] = self.original[line - 1][column];
            }
        }
    }

    /// Every line of a string counts as code, whatever it says.
    fn write_quotes(&mut self, span: Span) {
        let (start, end) = (span.start(), span.end());
        self.blank[start.line - 1][start.column] = '"';
        self.blank[end.line - 1][end.column - 1] = '"';
        for line in start.line + 1..end.line {
            if let Some(first) = self.blank[line - 1].first_mut() {
                *first = '"';
            }
        }
    }
}

/// The lines of `#[cfg(test)] mod … { … }`.
fn test_modules(code: &[String]) -> Vec<Range<usize>> {
    static HEAD: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"#\[cfg\((all\(\s*)?test\b[^\]]*\]\s*(#\[[^\]]*\]\s*)*(pub(\([^)]*\))?\s+)?mod\s+\w+\s*\{")
            .expect("the pattern is right")
    });
    let text = code.join("\n");
    HEAD.find_iter(&text)
        .map(|head| {
            let mut depth = 1;
            let rest = &text[head.end()..];
            let length = rest
                .find(|character| {
                    depth += match character {
                        '{' => 1,
                        '}' => -1,
                        _ => 0,
                    };
                    depth == 0
                })
                .unwrap_or(rest.len());
            let line_at = |offset: usize| text[..offset].matches('\n').count();
            line_at(head.start())..line_at(head.end() + length) + 1
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_not_code() {
        let source = Source::new(
            "a.rs",
            "//! doc\n\n/// more\nfn a() { // why\n    b(\"c d\"); /* no */ e('x', r#\"f\"#);\n}\n",
        );
        assert_eq!(source.code[0], "");
        assert_eq!(source.code[3], "fn a() {");
        assert_eq!(source.code[4], "    b(\"   \");          e('x', \"    \");");
        assert_eq!(source.lines_of_code(), 3);
        let strings: Vec<_> = source
            .strings
            .iter()
            .map(|(_, text)| text.as_str())
            .collect();
        assert_eq!(strings, ["\"c d\"", "r#\"f\"#"]);
    }

    #[test]
    fn test_modules_are_told_from_the_rest() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n";
        let source = Source::new("crates/x/src/a.rs", text);
        let tests: Vec<_> = (0..6).filter(|line| source.is_test(*line)).collect();
        assert_eq!(tests, [1, 2, 3, 4]);
        assert!(Source::new("crates/x/tests/a.rs", text).is_test(0));
    }
}
