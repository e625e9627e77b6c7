//! The public suite over TLS, with an authority of its own.

mod server;

use forebay_tests::redis::Kind;

use server::Public;

server::suite!(|group, name| Public::of(Kind::Tls, group, name));
