// The page: asks the client program on this computer, and shows what it tells. No key is ever here.

import { fromBase64 } from "./picture.js";
import * as program from "./program.js";
import * as view from "./view.js";
import { $ } from "./view.js";
import { bytes, count, number, time } from "./words.js";

/** After so many milliseconds without an answer the page says so: longer than a run may wait for another one to end. */
const LONG = 6000;

/** What the client program said of the server, and which of its circuits is chosen. */
let overview = { circuits: [] };
let offer = null;
/** The run under way: what aborts it, and what it has told so far. */
let run = null;

// Asking

async function load() {
  view.status("Asking the server what it has …");
  const slow = setTimeout(view.stillAsking, LONG);
  try {
    overview = await program.overview();
    show();
  } catch (error) {
    failed(error);
  }
  clearTimeout(slow);
  enable();
  document.documentElement.dataset.ready ??= Math.round(performance.now());
}

function show() {
  view.server(overview.server);
  view.circuits(overview, choose);
  if (overview.problem) {
    view.problem("The server cannot be used.", overview.problem.message, true);
    view.status("No server.");
    offer = null;
  } else {
    $("problem").hidden = true;
    view.status("Ready.");
    chooseFirst();
  }
}

/** What was asked or shown did not come to its end. */
function failed(error) {
  if (error.name === "AbortError") return ended("Cancelled.");
  if (error instanceof program.Lost) {
    view.problem("This page has lost its program.", "Start `cipherformer-client ui` again, and open the address that it prints.", true);
    return ended("Disconnected.");
  }
  console.error(error);
  run?.abort.abort(); // nobody would see what is still to come
  view.problem("This page has made a mistake.", `Reload it, and please report this: ${error}`, false);
  ended("Not done.");
}

/** A circuit that classifies, if there is one: it answers at once. */
function chooseFirst() {
  const usable = [...overview.circuits.keys()].filter((at) => overview.circuits[at].circuit);
  const first = usable.find((at) => !overview.circuits[at].circuit.generates) ?? usable[0];
  if (first === undefined) return;
  document.querySelectorAll("#circuits input")[first].checked = true;
  choose(first);
}

function choose(at) {
  if (offer?.name !== overview.circuits[at].name) $("text").value = "";
  offer = overview.circuits[at];
  view.chosen(offer);
  valid();
}

function enable() {
  const usable = Boolean(offer?.circuit);
  $("run").disabled = !usable;
  $("text").disabled = !usable;
  const focused = [$("run"), $("cancel"), $("cancel-below")].includes(document.activeElement);
  $("run").hidden = Boolean(run);
  $("cancel").hidden = $("cancel-below").hidden = !run;
  document.querySelectorAll("#circuits input").forEach((input, at) => {
    input.disabled = Boolean(run) || !overview.circuits[at].circuit;
  });
  if (focused) $(run ? "cancel" : "run").focus({ preventScroll: true });
}

// Running

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!run && offer?.circuit) start();
});

async function start() {
  if (!fieldsAreFine()) return;
  run = {
    abort: new AbortController(),
    prefix: $("text").value,
    generates: offer.circuit.generates,
    times: { keys: 0, encrypt: 0, roundTrip: 0, server: 0, decrypt: 0 },
    total: { steps: 0, request: 0, response: 0 },
  };
  const slow = setTimeout(view.stillAsking, LONG);
  try {
    view.clean();
    view.status("Asking the server …");
    enable();
    for await (const event of program.run(order(), run.abort.signal)) {
      clearTimeout(slow);
      on[event.event](event);
    }
  } catch (error) {
    failed(error);
  }
  clearTimeout(slow);
  run = null;
  enable();
}

function order() {
  const order = { circuit: offer.name, text: $("text").value };
  if (run.generates) Object.assign(order, { count: $("count").valueAsNumber, temperature: $("temperature").valueAsNumber });
  return order;
}

function ended(words) {
  view.status(words);
  view.idle();
  if (offer?.circuit) view.keys(offer.circuit.keys);
}

/** What to show of each event. */
const on = {
  tokenized({ tokens, dropped_features, dropped_words }) {
    view.status("Tokenized on this computer.");
    view.tokens(tokens, run.generates, { features: dropped_features, words: dropped_words });
  },
  making_keys({ part }) {
    run.newKeys = true;
    view.status("Making keys, once.");
    view.makingKeys(part);
  },
  uploading({ sent, total }) {
    run.newKeys = true;
    view.status("Sending the evaluation key, once.");
    view.uploading(sent, total);
  },
  keys(made) {
    if (run.newKeys) run.times.keys = made.ms;
    offer.circuit.keys = { ...made, protected: offer.circuit.keys?.protected, registered: true };
    view.keys(offer.circuit.keys);
  },
  clear(clear) {
    run.clear = clear;
    // A name begins with what was given, whole again.
    if (run.generates && !run.growing) {
      run.growing = true;
      view.nameBegins(run.prefix);
    }
  },
  sent({ base64 }) {
    view.status(run.generates ? "Letter by letter: encrypted here, evaluated there." : "Encrypted and sent.");
    view.packet("request", fromBase64(base64), run.clear);
  },
  queued({ position }) {
    atWork();
    view.layers(`Number ${position} in the queue`, 0, 0);
  },
  evaluating({ done, total, layer, layers, seconds_left }) {
    atWork();
    if (!run.generates) view.status("The server evaluates what it cannot read.");
    view.layers(layers ? `Layer ${layer} of ${layers}` : "Evaluating", layer, layers);
    const left = seconds_left == null ? "" : `, about ${time(1000 * seconds_left)} left`;
    $("luts").textContent = `${done} of ${count(total, "LUT", "LUTs")} (bootstraps)${left}`;
  },
  waiting({ lost, seconds }) {
    const why = lost ? "The server does not answer" : "The server is busy";
    view.status(`${why}; trying again.`);
    view.layers(`${why}; next try in ${time(1000 * seconds)}`, 0, 0);
  },
  received({ base64 }) {
    atWork();
    run.response = fromBase64(base64);
    view.packet("response", run.response, null);
  },
  verdict(answer) {
    view.clearPacket("response", answer.clear, answer.response_bytes);
    view.evaluated("Done", answer.luts, answer.server_ms);
    view.verdict(answer);
    add(answer);
    view.status(`Decrypted on this computer: ${answer.label}.`);
  },
  letter(step) {
    if (step.letter) view.letter(step.letter);
    view.evaluated(step.letter ? "A letter done" : "Name done", step.luts, step.server_ms);
    add(step);
    run.total.logits = step.logits;
    run.total.steps += 1;
    run.total.request += step.request_bytes;
    run.total.response += step.response_bytes;
    view.letterFigures(run.total);
  },
  name(name) {
    run.growing = false;
    view.nameEnds(name);
    view.status(`Decrypted on this computer: ${name.text}.`);
  },
  done({ ms }) {
    view.timeline(run.times, ms);
  },
  cancelled() {
    ended("Cancelled.");
  },
  error({ message, field }) {
    view.problem("No answer.", message, !field);
    ended("Not done.");
    if (field) blame($(field));
  },
};

/** The server has the request, and the key: also one that it had lost. */
function atWork() {
  view.arrived();
  view.keys(offer.circuit.keys);
}

function add({ encrypt_ms, round_trip_ms, server_ms, decrypt_ms }) {
  run.times.encrypt += encrypt_ms;
  run.times.roundTrip += round_trip_ms;
  run.times.server += server_ms;
  run.times.decrypt += decrypt_ms;
}

// Fields

/** The program checks what it gets; here is what it cannot get. */
function fieldsAreFine() {
  const size = new TextEncoder().encode($("text").value).length;
  if (size > overview.longest_text) return refused($("text"), `The text has ${bytes(size)}; shorten it to ${number(overview.longest_text)}.`);
  const numbers = offer.circuit.generates ? [$("count"), $("temperature")] : [];
  const wrong = numbers.find((field) => !Number.isFinite(field.valueAsNumber));
  return !wrong || refused(wrong, `"${wrong.labels[0].textContent}" must be a number, such as ${wrong.defaultValue}.`);
}

function refused(field, why) {
  view.problem("Nothing was sent.", why, false);
  view.status("Not done.");
  blame(field);
  return false;
}

function blame(field) {
  field.setAttribute("aria-invalid", "true");
  field.focus({ preventScroll: true });
}

function valid() {
  for (const id of ["text", "count", "temperature"]) $(id).removeAttribute("aria-invalid");
}

$("form").addEventListener("input", valid);

$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("form").requestSubmit();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") cancel();
});

const cancel = () => run?.abort.abort();
$("cancel").addEventListener("click", cancel);
$("cancel-below").addEventListener("click", cancel);

$("retry").addEventListener("click", () => {
  $("problem").hidden = true;
  if (offer?.circuit) start();
  else load();
});

$("compare").addEventListener("change", view.compare);

// Colours

$("theme").addEventListener("change", ({ target }) => {
  if (target.value === "light dark") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = target.value;
  view.redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", view.redraw);

load();
