//! The server as its clients meet it: the router in process, and the program.

mod bad_input;
mod bad_sessions;
mod circuits;
mod evaluations;
mod names;
mod program;
mod random_bytes;
mod sessions;
mod storage;
mod texts;
mod world;
