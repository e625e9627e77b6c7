//! The users of a server whose default user is off.

use std::iter::repeat_with;

/// What the queue's own user may do: rules of Redis' access lists, one or more a line, and
/// comments. The backend's documents print the same file.
pub const RULES: &str = include_str!("../../../crates/queue-redis/src/acl.txt");

/// The queue's own user.
const USER: &str = "forebay";
/// Whoever looks after the server, which in a test is the test.
const ADMIN: &str = "admin";
const PASSWORD_LENGTH: usize = 24;

/// Two users with passwords of their own: one with as little as the queue needs, one that
/// may do everything.
#[derive(Clone)]
pub(super) struct Accounts {
    rules: String,
    password: String,
    admin_password: String,
}

impl Accounts {
    /// Users with new passwords; `rules` says what the first may do, in the form of [`RULES`].
    pub(super) fn new(rules: &str) -> Self {
        Self {
            rules: one_line(rules),
            password: password(),
            admin_password: password(),
        }
    }

    /// The lines of the server's configuration that make these the only users.
    pub(super) fn lines(&self) -> String {
        let Self {
            rules,
            password,
            admin_password,
        } = self;
        format!(
            // Nobody logs in as it, yet it is as it that Redis loads its append-only file: without
            // permissions, what scripts have written would be left out.
            "user default off ~* &* +@all\n\
             user {ADMIN} on >{admin_password} ~* &* +@all\n\
             user {USER} on >{password} {rules}\n"
        )
    }

    /// What stands before the host in the URL of the queue's own user.
    pub(super) fn prefix(&self) -> String {
        format!("{USER}:{}@", self.password)
    }

    /// What stands before the host in the administrator's URL.
    pub(super) fn admin_prefix(&self) -> String {
        format!("{ADMIN}:{}@", self.admin_password)
    }

    /// The command with which the administrator enters.
    pub(super) fn admin_entrance(&self) -> [&str; 3] {
        ["AUTH", ADMIN, &self.admin_password]
    }
}

/// Without the passwords.
impl std::fmt::Debug for Accounts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Accounts");
        shown.field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// The server is on loopback and lives for one run: this keeps strangers on the same machine
/// out by accident, not by force.
fn password() -> String {
    repeat_with(fastrand::alphanumeric)
        .take(PASSWORD_LENGTH)
        .collect()
}

fn one_line(rules: &str) -> String {
    let lines = rules.lines().map(str::trim);
    let lines: Vec<_> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    lines.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_line_ends_are_left_out_of_the_rules() {
        assert_eq!(one_line("# why\n~a:*  \n\n+get +set\n"), "~a:* +get +set");
    }

    #[test]
    fn passwords_differ_and_are_not_shown() {
        let accounts = Accounts::new(RULES);
        assert_ne!(accounts.password, accounts.admin_password);
        let shown = format!("{accounts:?}");
        assert!(!shown.contains(&accounts.password));
        assert!(!shown.contains(&accounts.admin_password));
    }
}
