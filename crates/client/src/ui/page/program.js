// The client program on this computer, as the page asks it.

/** It does not answer, or stopped in the middle. */
export class Lost extends Error {}

/** The server, its circuits, the keys on this computer. */
export async function overview() {
  const response = await reached(fetch("state"));
  if (!response.ok) throw new Lost(`status ${response.status}`); // another program has its port
  return reached(response.json());
}

/** A run: its events, as they come. It is cancelled by the signal. */
export async function* run(order, signal) {
  const headers = { "content-type": "application/json" };
  const response = await reached(fetch("run", { method: "POST", headers, body: JSON.stringify(order), signal }));
  if (!response.ok) {
    const reason = (await reached(response.text())) || `status ${response.status}`;
    yield { event: "error", message: `the program refused: ${reason}`, field: null };
    return;
  }
  for await (const line of lines(response.body)) {
    const event = JSON.parse(line);
    yield event;
    if (["done", "cancelled", "error"].includes(event.event)) return;
  }
  throw new Lost("it ended early");
}

/** With a reader, as not all browsers can iterate over a stream. */
async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reached(reader.read());
    if (done) return;
    const whole = (rest + value).split("\n");
    rest = whole.pop();
    yield* whole;
  }
}

/** What comes of asking the program; only that, and no mistake of the page, means that it is lost. */
async function reached(answer) {
  try {
    return await answer;
  } catch (error) {
    throw error.name === "AbortError" ? error : new Lost(error.message);
  }
}
