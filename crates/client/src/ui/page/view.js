// What is to be seen. Everything that comes from elsewhere is put in as text, never as markup.

import { draw, hex } from "./picture.js";
import { bytes, count, ratio, sentence, size, time } from "./words.js";

export const $ = (id) => document.getElementById(id);

/** An element with classes and contents. */
export function element(name, className, ...contents) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...contents);
  return made;
}

export const status = (text) => {
  if ($("status").textContent !== text) $("status").textContent = text; // said aloud, so only when it changes
};

export function problem(title, text, retry) {
  $("problem-title").textContent = title;
  $("problem-text").textContent = sentence(text);
  $("retry").hidden = !retry;
  $("problem").hidden = false;
  $("problem").scrollIntoView({ block: "nearest" });
}

const cut = $("tokens-figures").textContent;

/** Everything of the last run goes. */
export function clean() {
  for (const id of ["problem", "verdict", "names", "timeline"]) $(id).hidden = true;
  for (const id of ["notes", "done-names", "tokens", "verdict-scores", "name"]) $(id).replaceChildren();
  for (const id of ["answer-figures", "luts"]) $(id).textContent = "";
  $("tokens-figures").textContent = cut;
  for (const packet of ["request", "response"]) emptyPacket(packet);
  $("answer-idle").hidden = false;
  $("server-hex").textContent = "Nothing yet.";
  $("server-clear").hidden = true;
  layers("Waiting", 0, 0);
}

export function circuits(overview, choose) {
  const choices = overview.circuits.map(({ name, description, circuit, problem }, at) => {
    const input = element("input", "");
    Object.assign(input, { type: "radio", name: "circuit", value: name, disabled: !circuit });
    input.addEventListener("change", () => choose(at));
    const words = element("span", "", element("b", "", name), element("small", "", problem?.message ?? description));
    return element("label", "", input, words);
  });
  const legend = $("circuits").querySelector("legend");
  const none = element("p", "quiet", overview.problem ? "Circuits are listed when the server is there." : "The server has no circuit.");
  $("circuits").replaceChildren(legend, ...(choices.length ? choices : [none]));
}

/** The server has taken the question, and says nothing. */
export function stillAsking() {
  const words = "No answer from the server yet; still waiting for it.";
  status(words);
  $("asking")?.replaceChildren(words);
}

export const server = (address) => {
  $("server-name").textContent = address;
};

/** The circuit and the keys, before anything runs. */
export function chosen({ name, description, parameter_set, circuit }) {
  const { generates, entries, labels, longest_prefix, security_bits } = circuit;
  const does = generates
    ? `continues texts of ${entries - 1} letters, up to ${longest_prefix + 1} in all`
    : `knows ${count(entries, "feature", "features")} of a text, tells ${labels} labels apart`;
  $("server-circuit").textContent = `${name}: ${description} It ${does}; ${parameter_set}, ${security_bits} bits of security.`;
  $("knows").textContent = `the circuit's name, ${generates ? "how many letters there are" : "sizes, which are the same for all texts"}, times, an evaluation key that opens nothing`;
  $("text-label").textContent = generates ? "Names begin with" : "Text to classify";
  $("text").rows = generates ? 1 : 3;
  $("text-hint").textContent = generates
    ? `Up to ${longest_prefix} letters, or none. Enter runs.`
    : "Enter runs, Shift+Enter begins a new line.";
  $("drawing").hidden = !generates;
  keys(circuit.keys);
}

export function keys(made) {
  $("making").hidden = $("uploading").hidden = true;
  $("passphrase").hidden = !made?.protected;
  if (!made) {
    $("secret-key").textContent = "None yet. They are made at the first run, in a second or so, and kept on this computer.";
    $("evaluation-key").textContent = "Made and sent at the first run. The server computes with it; it opens nothing.";
    return;
  }
  $("secret-key").textContent = `Secret key: ${bytes(made.secret_key_bytes)}. It never leaves this computer, nor reaches this page.`;
  const key = size(made.evaluation_key_bytes);
  $("evaluation-key").textContent = made.registered
    ? `${key}: the server has it. It computes with it, and can open nothing.`
    : `${key}: sent at the first run. The server computes with it, and can open nothing.`;
}

export function makingKeys(part) {
  $("making").hidden = false;
  $("secret-key").textContent = `Making keys, once: ${part} …`;
}

export function uploading(sent, total) {
  $("making").hidden = true;
  $("uploading").hidden = false;
  $("secret-key").textContent = "The secret key stays on this computer.";
  Object.assign($("uploading"), { max: total, value: sent });
  $("evaluation-key").textContent = `Sending ${size(sent)} of ${size(total)}, once …`;
}

export function tokens(list, generates, dropped) {
  const chips = list.map((token) => {
    const [, kind, rest] = generates ? [] : (/^([a-zA-Z]\d?:)(.+)$/s.exec(token) ?? []);
    return rest ? element("li", "", element("small", "", kind), rest) : element("li", "", token);
  });
  $("tokens").replaceChildren(...chips);
  $("tokens-figures").textContent = generates
    ? `${count(list.length, "token", "tokens")}, the start mark first; each is encrypted on its own.`
    : `${count(list.length, "feature", "features")} that the circuit knows, as one encrypted bag; all bags have the same size.`;
  const notes = [];
  if (dropped.words) notes.push(`The text is longer than the circuit takes: the last ${count(dropped.words, "word was", "words were")} not looked at.`);
  if (dropped.features) notes.push(`It has more features than the circuit takes: ${dropped.features} were dropped.`);
  if (!list.length) notes.push("The circuit knows no word of this text, so the verdict says little.");
  $("notes").replaceChildren(...notes.map((note) => element("li", "", note)));
}

const drawn = new Map();

function picture(canvas, data) {
  drawn.set(canvas, data);
  draw(canvas, data);
}

/** Pictures have the page's colours. */
export function redraw() {
  drawn.forEach((data, canvas) => draw(canvas, data));
}

function emptyPacket(id) {
  const packet = $(id);
  packet.querySelector(".bytes").hidden = packet.querySelector(".clear").hidden = true;
  delete packet.dataset.clear;
  $(`${id}-idle`).hidden = false;
  $(`${id}-size`).textContent = "";
}

/** A ciphertext that travels, and what it would be in the clear, if that is known. */
export function packet(id, data, clear) {
  emptyPacket(id);
  $(`${id}-idle`).hidden = true;
  $(`${id}-size`).textContent = bytes(data.length);
  const box = $(id).querySelector(".bytes");
  box.hidden = false;
  picture(box.querySelector("canvas"), data);
  box.querySelector(".hex").textContent = hex(data, 24);
  if (clear) clearPacket(id, clear, data.length);
}

/** The server has the request. */
export function arrived() {
  $("server-hex").textContent = hex(drawn.get($("request").querySelector(".bytes canvas")));
}

export function clearPacket(id, clear, encrypted) {
  const box = $(id).querySelector(".clear");
  $(id).dataset.clear = "known";
  picture(box.querySelector("canvas"), new TextEncoder().encode(clear.text));
  box.querySelector("pre").textContent = clear.text;
  box.querySelector(".clear-size").textContent =
    `${bytes(clear.bytes)}; encrypted, ${ratio(encrypted, clear.bytes)} times as many`;
  if (id === "request") $("server-clear").querySelector("pre").textContent = clear.text;
  compare();
}

/** Shows or hides what is in the clear. */
export function compare() {
  const on = $("compare").checked;
  $("clear-note").hidden = !on;
  for (const id of ["request", "response"]) {
    $(id).querySelector(".clear").hidden = !on || !$(id).dataset.clear;
  }
  $("server-clear").hidden = !on || !$("request").dataset.clear;
}

/** How far the evaluation is. */
export function layers(words, done, all) {
  $("layer").textContent = words;
  const bar = $("layers");
  bar.style.setProperty("--done", done);
  bar.style.setProperty("--all", Math.max(1, all));
  bar.setAttribute("aria-valuemax", Math.max(1, all));
  bar.setAttribute("aria-valuenow", done);
}

/** Nothing runs any more. */
export function idle() {
  layers("Idle", 0, 0);
  $("luts").textContent = "";
  $("name").className = "name";
}

export function evaluated(words, luts, ms) {
  const all = Number($("layers").getAttribute("aria-valuemax"));
  layers(words, all, all);
  $("luts").textContent = `${count(luts, "LUT", "LUTs")} (bootstraps) in ${time(ms)}, as the server says.`;
}

/** Where columns are stacked, the answer may be out of sight. */
const showAnswer = () => $("answer").scrollIntoView({ block: "nearest" });

export function verdict({ label, labels, scores, response_bytes, decrypt_ms }) {
  $("answer-idle").hidden = true;
  $("verdict").hidden = false;
  $("verdict-label").textContent = label;
  const largest = Math.max(...scores.map(Math.abs), Number.MIN_VALUE);
  const rows = labels.flatMap((name, at) => {
    const fill = element("i", "");
    const width = (50 * Math.abs(scores[at])) / largest;
    fill.style.width = `${width}%`;
    fill.style.left = scores[at] < 0 ? `${50 - width}%` : "50%";
    const track = element("dd", name === label ? "best" : "", element("span", "track", fill));
    track.setAttribute("aria-hidden", "true");
    const sign = scores[at] > 0 ? "+" : "";
    return [element("dt", "", name), track, element("dd", "number", `${sign}${scores[at]}`)];
  });
  $("verdict-scores").replaceChildren(...rows);
  $("answer-figures").textContent =
    `${bytes(response_bytes)} opened in ${time(decrypt_ms)}. Scores are rounded, to hide the ciphertext's noise.`;
  showAnswer();
}

export function nameBegins(prefix) {
  $("answer-idle").hidden = true;
  $("names").hidden = false;
  $("name").className = "name growing";
  $("name").replaceChildren(element("span", "given", prefix));
  showAnswer();
}

export function letter(text) {
  $("name").append(element("span", "drawn", text));
}

export function nameEnds(name) {
  $("name").className = "name";
  const seconds = element("small", "", ` ${name.seconds_per_token.toFixed(2)} s a letter`);
  $("done-names").append(element("li", "", name.text, seconds));
}

export function letterFigures(total) {
  $("answer-figures").textContent =
    `Each letter is drawn here, from ${total.logits} logits, decrypted and rounded. So far ${count(total.steps, "answer", "answers")}: ` +
    `${size(total.request)} sent, ${size(total.response)} received.`;
}

/** Where the time of all requests went, and that of keys if they were made. */
export function timeline(times, ms) {
  const parts = [
    ["encrypt", "Encrypting", times.encrypt, "your machine"],
    ["travel", "Wire and waiting", Math.max(0, times.roundTrip - times.server), "there, in the queue, and back"],
    ["evaluate", "Evaluating", times.server, "the server"],
    ["decrypt", "Decrypting", times.decrypt, "your machine"],
  ];
  if (times.keys) parts.unshift(["keys", "Keys", times.keys, "made and sent, once"]);
  const all = parts.reduce((sum, [, , spent]) => sum + spent, 0);
  for (const part of $("timeline").querySelectorAll(".bar i")) part.style.width = "0";
  const rows = parts.map(([part, words, spent, where]) => {
    $("timeline").querySelector(`.bar .${part}`).style.width = `${(100 * spent) / all}%`;
    return element("div", "", element("dt", "", element("i", part), words), element("dd", "", time(spent), element("small", "", where)));
  });
  $("times").replaceChildren(...rows);
  $("total").textContent = `${time(ms)} in all`;
  $("timeline").hidden = false;
}
