use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Display;

use crate::Error;

/// One variable that a program reads, for its table in the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name, in capitals.
    pub name: &'static str,
    /// What holds when it is not set; empty where nothing does.
    pub default: &'static str,
    /// What is allowed.
    pub allowed: &'static str,
    /// What it is for.
    pub meaning: &'static str,
}

impl Variable {
    /// A Markdown table of variables, for the documents.
    pub fn table<'a>(variables: impl IntoIterator<Item = &'a Self>) -> String {
        let row = |variable: &Self| {
            let default = match variable.default {
                "" => "unset".to_owned(),
                default => format!("`{default}`"),
            };
            let Self {
                name,
                allowed,
                meaning,
                ..
            } = variable;
            format!("| `{name}` | {default} | {allowed} | {meaning} |\n")
        };
        let head = "| variable | default | allowed | what for |\n|---|---|---|---|\n".to_owned();
        variables
            .into_iter()
            .fold(head, |table, variable| table + &row(variable))
    }
}

/// Settings by name, as they come from the environment. Only binaries and the facade read the environment;
/// everyone else is handed this.
///
/// ```
/// use forebay_queue_core::Settings;
///
/// let settings = Settings::from_iter([("QUEUE_CAPACITY", "ten")]);
/// let error = settings.parse::<usize>("QUEUE_CAPACITY", "a whole number from 1").unwrap_err();
/// assert_eq!(error.to_string(), "QUEUE_CAPACITY=ten: allowed: a whole number from 1");
/// ```
#[derive(Clone, Default)]
pub struct Settings(BTreeMap<String, String>);

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Settings {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(k, v)| (k.into(), v.into()))
                .collect(),
        )
    }
}

impl fmt::Debug for Settings {
    /// Prints names only: a value may be a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Settings {
    /// The value of a variable; an empty one counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|v| !v.is_empty())
    }

    /// Sets a variable.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// A value through its `FromStr`.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] naming variable, value and what is allowed.
    pub fn parse<T: std::str::FromStr>(
        &self,
        name: &str,
        allowed: &str,
    ) -> Result<Option<T>, Error> {
        self.parse_with(name, allowed, |v| v.parse().ok())
    }

    /// A value through a reader of one's own.
    ///
    /// # Errors
    /// As [`Settings::parse`].
    pub fn parse_with<T>(
        &self,
        name: &str,
        allowed: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(invalid(name, &shown(value), allowed)),
        }
    }

    /// A span of time such as `30s`, `100ms` or `30d`, between two bounds.
    ///
    /// # Errors
    /// As [`Settings::parse`].
    pub fn duration(
        &self,
        name: &str,
        least: std::time::Duration,
        most: std::time::Duration,
    ) -> Result<Option<std::time::Duration>, Error> {
        let allowed = format!(
            "a duration from {} to {}, such as 30s",
            humantime::format_duration(least),
            humantime::format_duration(most)
        );
        self.parse_with(name, &allowed, |v| {
            humantime::parse_duration(v)
                .ok()
                .filter(|d| (least..=most).contains(d))
        })
    }

    /// A whole number between two bounds.
    ///
    /// # Errors
    /// As [`Settings::parse`].
    pub fn number<T>(&self, name: &str, least: T, most: T) -> Result<Option<T>, Error>
    where
        T: std::str::FromStr + PartialOrd + Display + Copy,
    {
        let allowed = format!("a whole number from {least} to {most}");
        self.parse_with(name, &allowed, |v| {
            v.parse().ok().filter(|n| (least..=most).contains(n))
        })
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// As [`Settings::parse`].
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        self.parse(name, "true or false")
    }

    /// A value that must not be shown, such as a URL with a password.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] without the value.
    pub fn secret<T>(
        &self,
        name: &str,
        allowed: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(invalid(name, "(value withheld)", allowed)),
        }
    }
}

fn invalid(name: &str, value: &str, allowed: &str) -> Error {
    Error::InvalidSetting {
        name: name.to_owned(),
        value: value.to_owned(),
        allowed: allowed.to_owned(),
    }
}

/// One line at most, without control characters.
fn shown(value: &str) -> String {
    const MOST: usize = 80;
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut text: String = value.chars().take(MOST).map(clean).collect();
    if value.chars().count() > MOST {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_wrong_value_is_named_with_what_is_allowed_on_one_line() {
        let settings = Settings::from_iter([
            ("A", "soon"),
            ("B", "0"),
            ("C", "maybe\nnot"),
            ("D", "redis://user:canary@host"),
            ("E", ""),
        ]);
        let day = Duration::from_hours(24);
        let cases = [
            settings
                .duration("A", Duration::from_secs(1), day)
                .unwrap_err(),
            settings.number::<u32>("B", 1, 9).map(|_| ()).unwrap_err(),
            settings.flag("C").map(|_| ()).unwrap_err(),
            settings.secret("D", "a URL", |_| None::<()>).unwrap_err(),
        ];
        let texts = cases.map(|e| e.to_string());
        assert_eq!(
            texts[0],
            "A=soon: allowed: a duration from 1s to 1day, such as 30s"
        );
        assert_eq!(texts[1], "B=0: allowed: a whole number from 1 to 9");
        assert_eq!(texts[2], "C=maybe\u{fffd}not: allowed: true or false");
        assert_eq!(texts[3], "D=(value withheld): allowed: a URL");
        assert!(settings.flag("E").unwrap().is_none());
        assert!(!format!("{settings:?}").contains("canary"));
    }
}
