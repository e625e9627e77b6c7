//! The public suite on Valkey.

mod server;

use forebay_tests::redis::Kind;

use server::Public;

server::suite!(|group, name| Public::of(Kind::Valkey, group, name));
