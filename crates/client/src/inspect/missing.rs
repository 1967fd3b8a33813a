//! What a client never gets.

/// What a client does not get, one sentence each.
pub const NOT_RECEIVED: &[&str] = &[
    "weights: the integers, steps and biases of every layer stay on the server",
    "tables: neither the embedding's rows nor the functions that LUTs compute are sent",
    "widths and heads: no field says them; but the numbers of operations, LUTs and ring products that come with answers \
     grow with a circuit's depth and width, so a client can tell roughly how large it is",
    "hidden values: only the output layer's values are encrypted in a response",
    "parameters: their name is sent, the numbers are this program's own",
    "training data: nothing of it but the vocabulary, which was chosen from it",
    "other clients' keys, texts or answers",
];
