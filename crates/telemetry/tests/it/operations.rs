//! The dashboard and the alert rules speak of metrics and labels that exist, and of all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use forebay_telemetry::{METRICS, MetricKind};
use promql_parser::label::Matchers;
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{self, Expr, LabelModifier, token};
use serde::Deserialize;
use serde_json::Value;

type Labels = BTreeSet<String>;

/// Labels that Prometheus adds to everything it scrapes.
const TARGET_LABELS: [&str; 2] = ["job", "instance"];

fn docs(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(docs(path)).unwrap()
}

/// Checks expressions and keeps the names of the metrics that they use.
#[derive(Default)]
struct Checker {
    used: BTreeSet<&'static str>,
}

impl Checker {
    /// Checks one expression; answers the labels of its result.
    #[track_caller]
    fn check(&mut self, text: &str) -> Labels {
        let plain = text.replace("$__rate_interval", "5m");
        let expr = parser::parse(&plain).unwrap_or_else(|e| panic!("{text}: {e}"));
        self.labels(&expr)
    }

    fn labels(&mut self, expr: &Expr) -> Labels {
        match expr {
            Expr::VectorSelector(s) => self.select(s.name.as_deref(), &s.matchers),
            Expr::MatrixSelector(m) => self.select(m.vs.name.as_deref(), &m.vs.matchers),
            Expr::Paren(p) => self.labels(&p.expr),
            Expr::Aggregate(a) => {
                let inner = self.labels(&a.expr);
                let Some(modifier) = &a.modifier else {
                    return Labels::new();
                };
                let named = named(modifier, &inner, &a.to_string());
                match modifier {
                    LabelModifier::Include(_) => named,
                    LabelModifier::Exclude(_) => &inner - &named,
                }
            }
            Expr::Call(call) => {
                let args = call.args.args.iter();
                let mut labels: Labels = args.flat_map(|a| self.labels(a)).collect();
                match call.func.name {
                    "histogram_quantile" => assert!(labels.remove("le"), "{call} lacks le"),
                    "absent" => labels.clear(),
                    _ => {}
                }
                labels
            }
            Expr::Binary(b) => self.binary(b),
            Expr::NumberLiteral(_) => Labels::new(),
            other => panic!("teach the test about {other}"),
        }
    }

    fn binary(&mut self, binary: &parser::BinaryExpr) -> Labels {
        let (left, right) = (self.labels(&binary.lhs), self.labels(&binary.rhs));
        let both_vectors = [&binary.lhs, &binary.rhs]
            .iter()
            .all(|side| side.value_type() == ValueType::Vector);
        let modifier = binary.modifier.as_ref();
        if let Some(matching) = modifier.and_then(|m| m.matching.as_ref()) {
            named(matching, &left, &binary.to_string());
            named(matching, &right, &binary.to_string());
        } else if both_vectors && binary.op.id() != token::T_LOR {
            assert_eq!(left, right, "{binary}: sides of other labels match nothing");
        }
        if both_vectors || binary.lhs.value_type() == ValueType::Vector {
            left
        } else {
            right
        }
    }

    fn select(&mut self, name: Option<&str>, matchers: &Matchers) -> Labels {
        let name = name.expect("a selector names its metric");
        let bare = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix));
        let metric = METRICS
            .iter()
            .find(|m| match m.kind {
                MetricKind::Histogram { .. } => bare == Some(m.name),
                _ => m.name == name,
            })
            .unwrap_or_else(|| panic!("no metric {name}"));
        self.used.insert(metric.name);
        let mut labels: Labels = metric.labels.iter().map(|&l| l.to_owned()).collect();
        if name.ends_with("_bucket") {
            labels.insert("le".to_owned());
        }
        for matcher in &matchers.matchers {
            let known =
                labels.contains(&matcher.name) || TARGET_LABELS.contains(&matcher.name.as_str());
            assert!(known, "{name} has no label {}", matcher.name);
        }
        labels
    }
}

/// The labels of a `by`, `without`, `on` or `ignoring`, all of which must be there.
fn named(modifier: &LabelModifier, known: &Labels, place: &str) -> Labels {
    let named: Labels = modifier.labels().labels.iter().cloned().collect();
    for label in &named {
        assert!(
            known.contains(label) || TARGET_LABELS.contains(&label.as_str()),
            "{place}: no label {label}"
        );
    }
    named
}

/// What stands between each `open` and `close`.
fn between<'a>(text: &'a str, open: &'a str, close: char) -> impl Iterator<Item = &'a str> {
    let pieces = text.split(open).skip(1);
    pieces.map(move |piece| piece.split(close).next().unwrap().trim())
}

#[test]
fn the_dashboard_shows_every_metric_and_nothing_else() {
    let dashboard: Value =
        serde_json::from_str(&read("operations/grafana-dashboard.json")).unwrap();
    let mut checker = Checker::default();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id");
        if panel["type"] == "row" {
            continue;
        }
        assert!(
            !panel["description"].as_str().unwrap().is_empty(),
            "{title}"
        );
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let labels = checker.check(target["expr"].as_str().unwrap());
            for label in between(target["legendFormat"].as_str().unwrap(), "{{", '}') {
                assert!(labels.contains(label), "{title}: no label {label}");
            }
        }
    }
    let all: BTreeSet<_> = METRICS.iter().map(|m| m.name).collect();
    assert_eq!(
        checker.used, all,
        "every metric has its place on the dashboard"
    );
}

#[test]
fn the_variables_of_the_dashboard_exist_and_are_used() {
    let text = read("operations/grafana-dashboard.json");
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut checker = Checker::default();
    let mut names = Vec::new();
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap();
        names.push(name);
        assert!(text.contains(&format!("${name}")) || text.contains(&format!("${{{name}}}")));
        if variable["type"] == "datasource" {
            assert_eq!(variable["query"], "prometheus");
            continue;
        }
        let query = variable["query"]["query"].as_str().unwrap();
        let inside = query.strip_prefix("label_values(").unwrap();
        let (selector, label) = inside.strip_suffix(')').unwrap().rsplit_once(", ").unwrap();
        assert!(checker.check(selector).contains(label), "{query}");
    }
    assert_eq!(names, ["datasource", "queue", "backend", "kind"]);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    alert: String,
    expr: String,
    #[serde(default, rename = "for")]
    lasting: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

fn rules() -> Vec<Rule> {
    let file: RuleFile = serde_saphyr::from_str(&read("operations/alerts.yaml")).unwrap();
    let groups = file.groups.into_iter();
    groups
        .inspect(|group| assert!(!group.name.is_empty()))
        .flat_map(|group| group.rules)
        .collect()
}

#[test]
fn the_alerts_speak_of_metrics_and_labels_that_exist() {
    let mut names = BTreeSet::new();
    for rule in rules() {
        let labels = Checker::default().check(&rule.expr);
        let lasting = rule.lasting.as_deref().unwrap_or("1m");
        assert!(
            lasting.ends_with(['m', 'h']) && lasting[..lasting.len() - 1].parse::<u32>().is_ok(),
            "{}: {lasting}",
            rule.alert
        );
        let severity = rule.labels["severity"].as_str();
        assert!(["info", "warning", "critical"].contains(&severity));
        for text in ["summary", "description"].map(|name| &rule.annotations[name]) {
            for label in between(text, "$labels.", ' ').map(|l| l.trim_end_matches('}')) {
                assert!(labels.contains(label), "{}: no label {label}", rule.alert);
            }
        }
        assert!(names.insert(rule.alert.clone()), "{} twice", rule.alert);
    }
    assert!(names.len() >= 10);
}

/// A link into the troubleshooting page that leads nowhere helps nobody at night.
#[test]
fn every_runbook_is_a_section_of_the_troubleshooting_page() {
    const PAGE: &str = "https://github.com/forebay/forebay/blob/main/docs/troubleshooting.md#";
    let page = fs::read_to_string(docs("troubleshooting.md")).ok();
    for rule in rules() {
        let url = &rule.annotations["runbook_url"];
        let anchor = url.strip_prefix(PAGE).unwrap_or_else(|| panic!("{url}"));
        assert!(!anchor.is_empty() && anchor.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
        if let Some(page) = &page {
            assert!(anchors(page).contains(anchor), "no section #{anchor}");
        }
    }
}

/// The anchors of a page, as GitHub makes them of its headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}
