//! The public suite on a cluster of three nodes, over which the queues of the cases are spread.

mod server;

use forebay_tests::redis::Kind;

use server::Public;

server::suite!(|group, name| Public::of(Kind::Cluster, group, name));
