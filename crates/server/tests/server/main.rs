//! The server as its clients meet it: the router in process, and the program.

mod bad_input;
mod bad_sessions;
mod circuits;
mod deletion;
mod durability;
mod evaluations;
mod leaving;
mod logs;
mod names;
mod openapi;
mod operation;
mod owners;
mod program;
mod random_bytes;
mod room;
mod sessions;
mod shutdown;
mod socket;
mod storage;
mod texts;
mod uploads;
mod world;
