//! Prints the table of all metrics in Markdown: `cargo run -p forebay-telemetry --example metrics_table`.

use forebay_telemetry::METRICS;

fn main() {
    println!("| metric | type | labels | meaning |");
    println!("|---|---|---|---|");
    for metric in METRICS {
        let labels: Vec<String> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
        println!(
            "| `{}` | {} | {} | {} |",
            metric.name,
            metric.kind.as_str(),
            labels.join(", "),
            metric.help
        );
    }
}
