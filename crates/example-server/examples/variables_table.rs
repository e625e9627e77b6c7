//! Prints the table of the server's own variables, for the documents. Those of the queue are in the facade's table.

use forebay_example_server::settings::VARIABLES;

fn main() {
    println!("| variable | default | allowed | what for |\n|---|---|---|---|");
    let of_queue = |name| forebay::VARIABLES.iter().any(|v| v.name == name);
    for variable in VARIABLES.iter().filter(|v| !of_queue(v.name)) {
        let default = match variable.default {
            "" => "unset".to_owned(),
            default => format!("`{default}`"),
        };
        println!(
            "| `{}` | {default} | {} | {} |",
            variable.name, variable.allowed, variable.meaning
        );
    }
}
