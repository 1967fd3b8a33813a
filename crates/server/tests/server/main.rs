//! The server as its clients meet it: the router in process, and the program.

mod bad_input;
mod circuits;
mod evaluations;
mod program;
mod random_bytes;
mod storage;
mod world;
