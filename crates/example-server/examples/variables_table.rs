//! Prints the table of the server's own variables, for the documents. Those of the queue are in the facade's table.

use forebay::Variable;
use forebay_example_server::settings::VARIABLES;

fn main() {
    let of_queue = |name| forebay::VARIABLES.iter().any(|v| v.name == name);
    let own = VARIABLES.iter().filter(|v| !of_queue(v.name));
    print!("{}", Variable::table(own));
}
