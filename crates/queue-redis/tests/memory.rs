//! The public suite on a server that keeps nothing: all is gone when it dies, and the suite asks for just that.

mod server;

use forebay_queue_conformance::Timing;

use server::Private;

server::suite!(|_, _| Private::forgetful(Timing::NETWORK));
