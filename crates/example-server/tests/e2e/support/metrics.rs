//! The text that `/metrics` answers.

/// One reading of all metrics.
pub(crate) struct Metrics(pub(crate) String);

impl Metrics {
    /// The sum over all series of this name that have all of these labels; 0 if there is none. Only for metrics that
    /// count.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let has_labels = |set: &str| {
            labels
                .iter()
                .all(|(label, value)| set.contains(&format!("{label}=\"{value}\"")))
        };
        self.series()
            .filter(|(series, set, _)| *series == name && has_labels(set))
            .map(|(series, _, value)| {
                let count = value.parse::<u64>();
                count.unwrap_or_else(|_| panic!("{series} is {value}"))
            })
            .sum()
    }

    /// How many deliveries ended so.
    pub(crate) fn processed(&self, outcome: &str) -> u64 {
        self.sum("messaging_worker_processed_total", &[("outcome", outcome)])
    }

    /// How many publishes ended so.
    pub(crate) fn sent(&self, outcome: &str) -> u64 {
        self.sum(
            "messaging_client_sent_messages_total",
            &[("outcome", outcome)],
        )
    }

    /// Messages scheduled, ready and leased.
    pub(crate) fn depth(&self) -> u64 {
        self.sum("messaging_queue_depth", &[])
    }

    /// Dead letters kept.
    pub(crate) fn dead_letters(&self) -> u64 {
        self.sum("messaging_dead_letters", &[])
    }

    /// Every name that has a type, with the type.
    pub(crate) fn types(&self) -> Vec<(&str, &str)> {
        self.0
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .filter_map(|line| line.split_once(' '))
            .collect()
    }

    /// Name, labels and value of every series.
    pub(crate) fn series(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let lines = self.0.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            Some((name, labels.trim_end_matches('}'), value))
        })
    }
}
