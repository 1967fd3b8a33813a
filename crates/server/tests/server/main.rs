//! The server as its clients meet it: the router in process, and the program.

mod bad_input;
mod bad_sessions;
mod circuits;
mod deletion;
mod durability;
mod evaluations;
mod names;
mod owners;
mod program;
mod random_bytes;
mod room;
mod sessions;
mod storage;
mod texts;
mod uploads;
mod world;
