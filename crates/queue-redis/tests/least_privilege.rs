//! The public suite once more, as a user who may do no more than the rules in `acl.txt`.

mod server;

use forebay_queue_conformance::Timing;

use server::Private;

server::suite!(|_, _| Private::restricted(Timing::NETWORK));
