//! A real cluster over real sockets: answers, load, losses, strangers.

mod answers;
mod harness;
mod losses;
mod model;
mod protected;
mod puppet;
mod silent;
mod slow;
mod strangers;
mod stuck;
