//! The public suite on Redis: a server of its own for each case, that writes everything to its disk at once.

mod server;

use forebay_queue_conformance::Timing;

use server::Private;

server::suite!(|_, _| Private::start(Timing::NETWORK));
