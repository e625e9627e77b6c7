//! `forebay-compact DIRECTORY`: gives the space of what was removed from a store back to the file system.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(path), None) = (arguments.next().map(PathBuf::from), arguments.next()) else {
        eprintln!("usage: forebay-compact DIRECTORY (that of QUEUE_PATH, with nobody using it)");
        return ExitCode::from(2);
    };
    match forebay_queue_embedded::compact(&path) {
        Ok(compacted) => {
            println!(
                "{}: {} bytes before, {} after",
                path.display(),
                compacted.before,
                compacted.after
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
