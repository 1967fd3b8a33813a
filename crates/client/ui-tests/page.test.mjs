// The page of `cipherformer-client ui` in a real browser, with a real server and the real circuits.

import assert from "node:assert/strict";
import { test } from "node:test";
import { screenshot } from "./programs.mjs";
import { choose, done, INJECTION, PATIENCE, run, said, tab } from "./tabs.mjs";

test("the page can be used soon after it was opened, and asks nobody else", async (t) => {
  const page = await tab();
  t.diagnostic(`interactive ${await page.getAttribute("html", "data-ready")} ms after loading began`);
  assert.equal(await page.isEnabled("#run"), true);
  assert.equal(await page.isChecked('input[value="prompt-guard"]'), true);
  assert.match(await page.textContent("#secret-key"), /None yet/);
  assert.equal(await said(page), "Ready.");
  await screenshot(page, "idle");
});

test("keys are made and sent once, and a prompt gets its verdict", async () => {
  const page = await tab();
  await page.evaluate(() => {
    window.statuses = [];
    new MutationObserver(() => window.statuses.push(document.getElementById("status").textContent)).observe(
      document.getElementById("status"), { childList: true });
  });
  await run(page, INJECTION);
  // Where all is fast, the verdict is there before anybody has looked.
  await page.waitForSelector("#uploading:not([hidden]), #timeline:not([hidden])", PATIENCE);
  await screenshot(page, "keys");
  await done(page);
  assert.equal(await page.textContent("#verdict-label"), "injection");
  assert.equal(await page.textContent("#request-size"), "65,729 bytes");
  assert.equal(await page.textContent("#response-size"), "4,320 bytes");
  assert.match(await page.textContent("#luts"), /^16 LUTs/);
  assert.match(await page.textContent("#tokens"), /b:all previous/);
  const statuses = await page.evaluate(() => window.statuses);
  for (const status of ["Making keys, once.", "Sending the evaluation key, once.", "Encrypted and sent."]) {
    assert.ok(statuses.includes(status), `${status}: ${statuses}`);
  }
  await screenshot(page, "verdict");

  await run(page, "What is the capital of France?");
  await page.waitForFunction(() => document.getElementById("verdict-label").textContent === "benign", null, PATIENCE);
  await done(page);
  assert.equal(await page.textContent("#request-size"), "65,729 bytes", "of the same size whatever it says");
  assert.doesNotMatch(await page.textContent("#times"), /Keys/);
});

test("the ciphertext is drawn from its bytes, and changes with every encryption", async () => {
  const page = await tab({ colorScheme: "light" });
  const look = () => page.evaluate(() => {
    const canvas = document.querySelector("#request .bytes canvas");
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    const [low, high] = [getComputedStyle(canvas).backgroundColor, getComputedStyle(canvas).color].map((color) => Number(color.match(/\d+/)[0]));
    const bytes = document.querySelector("#request .hex").textContent.split(" ").slice(0, -1).map((digits) => parseInt(digits, 16));
    const red = Array.from(data.filter((_, at) => at % 4 === 0));
    return { height: canvas.height, red, expected: bytes.map((byte) => Math.round(low + ((high - low) * byte) / 255)) };
  });
  const pictures = [];
  for (let times = 0; times < 2; times++) {
    await run(page, INJECTION);
    await done(page);
    const { height, red, expected } = await look();
    assert.equal(height, 257, "65,729 bytes in rows of 256");
    assert.equal(expected.length, 24);
    assert.deepEqual(red.slice(0, 24), expected);
    assert.ok(new Set(red).size > 200, "all shades there are between two colours");
    pictures.push(red.join());
  }
  assert.notEqual(pictures[0], pictures[1]);
});

test("a switch shows the same request in the clear, which was never sent", async () => {
  const page = await tab();
  await run(page, INJECTION);
  await done(page);
  assert.equal(await page.isVisible("#request .clear"), false);
  await page.check("#compare");
  assert.equal(await page.textContent("#request pre"), JSON.stringify({ text: INJECTION }));
  assert.match(await page.textContent("#request .clear-size"), /^72 bytes; encrypted, 913 times/);
  assert.match(await page.textContent("#response pre"), /^{"label":"injection"/);
  assert.equal(await page.isVisible("#server-clear"), true);
  assert.match(await page.textContent("#clear-note"), /never sent/);
  await screenshot(page, "in-the-clear");
  await page.uncheck("#compare");
  assert.equal(await page.isVisible("#server-clear"), false);
});

test("a name appears letter by letter, with progress layer by layer", async () => {
  const page = await tab();
  await choose(page, "names-gpt");
  await page.evaluate(() => {
    window.layers = new Set();
    const layers = document.getElementById("layers");
    new MutationObserver(() => window.layers.add(layers.getAttribute("aria-valuenow"))).observe(layers, { attributes: true });
  });
  await page.fill("#temperature", "0"); // so that the name does not end at once
  await run(page, "mar");
  await page.waitForSelector("#name .drawn", PATIENCE);
  assert.equal(await page.isVisible("#timeline"), false, "the first letter is there before the name is done");
  await screenshot(page, "letters");
  await done(page);
  const name = await page.textContent("#name");
  assert.match(name, /^mar[a-z]+$/);
  assert.ok((await page.textContent("#done-names")).startsWith(name));
  assert.equal(await page.locator("#name .drawn").count(), name.length - 3);
  const layers = await page.evaluate(() => window.layers.size);
  assert.ok(layers > 5, `${layers} different layers were shown`);
  assert.match(await page.textContent("#answer-figures"), /from 27 logits, decrypted and rounded/);
  await page.check("#compare");
  assert.match(await page.textContent("#request pre"), /^{"tokens":\["[a-z]"\]}$/);
  await screenshot(page, "name");
});

test("long texts are read in part, and the page says so", async () => {
  const page = await tab();
  await run(page, "the weather is fine today and so am i ".repeat(30));
  await done(page);
  assert.match(await page.textContent("#notes"), /last 110 words were not looked at/);
});

test("Escape cancels, and the next run begins", async () => {
  const page = await tab();
  await choose(page, "names-gpt");
  await page.fill("#count", "5");
  await run(page, "");
  await page.waitForSelector("#response .bytes:not([hidden])", PATIENCE);
  await page.keyboard.press("Escape");
  await page.waitForSelector("#run:not([hidden])");
  assert.equal(await said(page), "Cancelled.");
  await screenshot(page, "cancelled");
  await choose(page, "prompt-guard");
  await run(page, INJECTION);
  await done(page);
});
