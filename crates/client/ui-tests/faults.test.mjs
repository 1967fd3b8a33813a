// What can go wrong, and what the page says of it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { freePort, screenshot, startPage, startServer, stop } from "./programs.mjs";
import { choose, complained, done, INJECTION, PATIENCE, problem, run, said, shared, tab } from "./tabs.mjs";

test("what cannot be used is said, with what to do", async () => {
  const page = await tab();
  const cases = [
    ["prompt-guard", "", /The text is empty; pass a text/],
    ["prompt-guard", "word ".repeat(5000), /25,000 bytes; shorten it to 20,000/],
    ["prompt-guard", "word ".repeat(60_000), /300,000 bytes; shorten it to 20,000/],
    ["names-gpt", "Mar", /no letter 'M'; use only these: a b c/],
    ["names-gpt", "abcdefghijklmnop", /pass at most 15/],
  ];
  for (const [circuit, text, words] of cases) {
    await choose(page, circuit);
    await run(page, text);
    assert.match(await problem(page), words);
    assert.equal(await page.getAttribute("#text", "aria-invalid"), "true");
    assert.equal(await page.isVisible("#retry"), false);
    if (text === "Mar") await screenshot(page, "bad-input");
    await page.fill("#text", "a");
    assert.equal(await page.getAttribute("#text", "aria-invalid"), null);
  }
  const numbers = [
    ["count", "", /"How many" must be a number/],
    ["count", "21", /from 1 to 20/],
    ["count", "-1", /from 1 to 20/],
    ["count", "1.5", /from 1 to 20/],
    ["count", "1e30", /from 1 to 20/],
    ["temperature", "", /"Temperature" must be a number/],
    ["temperature", "-1", /temperature -1/],
  ];
  for (const [field, number, words] of numbers) {
    await page.fill(`#${field}`, number);
    await page.press(`#${field}`, "Enter");
    await page.waitForSelector(`#${field}[aria-invalid]`);
    assert.match(await problem(page), words);
    if (number === "1e30") await screenshot(page, "bad-number");
    await page.fill(`#${field}`, "1");
  }
});

test("a mistake of the page itself is said, and is not hidden from the console", async () => {
  const page = await tab();
  await page.evaluate(() => document.getElementById("verdict-label").remove());
  await run(page, INJECTION);
  assert.match(await problem(page), /made a mistake.*TypeError/);
  assert.equal(await said(page), "Not done.");
  await page.waitForSelector("#run:not([hidden])");
  await screenshot(page, "mistake");
  complained(page, "TypeError");
});

test("a server that is not there is said, and used once it is", async () => {
  const elsewhere = await freePort();
  const other = await startPage(elsewhere);
  const page = await tab({}, other.address);
  assert.match(await problem(page), /There is no server at .*start one with/);
  assert.equal(await page.isEnabled("#run"), false);
  await screenshot(page, "server-down");
  await stop(shared.server); // the data folder is one server's at a time
  shared.server = await startServer(elsewhere);
  shared.port = elsewhere; // it stays there
  await page.click("#retry");
  await page.waitForFunction(() => !document.getElementById("run").disabled);
  assert.equal(await page.isVisible("#problem"), false);
  await run(page, INJECTION);
  await done(page);

  await stop(shared.server);
  await run(page, INJECTION);
  await page.waitForFunction(() => document.getElementById("status").textContent.startsWith("The server does not answer"));
  await screenshot(page, "server-lost");
  shared.server = await startServer(elsewhere);
  await done(page);
  assert.equal(await page.textContent("#verdict-label"), "injection", "it went on by itself");
  await stop(other.child);
});

test("a server that says nothing is waited for, and the page says so", async () => {
  const sockets = [];
  const silent = createServer((socket) => sockets.push(socket)).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const other = await startPage(silent.address().port);
  const page = await tab({ ready: false }, other.address);
  await page.waitForFunction(() => document.getElementById("status").textContent.startsWith("No answer"));
  assert.match(await page.textContent("#circuits"), /still waiting/);
  await screenshot(page, "server-silent");
  silent.close();
  sockets.forEach((socket) => socket.destroy());
  assert.match(await problem(page), /The server cannot be used/);
  await stop(other.child);
});

test("a page whose program has ended says so", async () => {
  const other = await startPage(shared.port);
  const page = await tab({}, other.address);
  await stop(other.child);
  await page.evaluate(() => document.getElementById("retry").click());
  assert.match(await problem(page), /lost its program/);
  assert.equal(await page.textContent("#layer"), "Idle");
  await screenshot(page, "program-ended");
  complained(page, "ERR_CONNECTION_REFUSED"); // the browser does
});

test("a program that ends in the middle of a name leaves no name growing", async () => {
  const other = await startPage(shared.port);
  const page = await tab({}, other.address);
  await choose(page, "names-gpt");
  await page.fill("#temperature", "0");
  await run(page, "mar");
  await page.waitForSelector("#name.growing", PATIENCE);
  await stop(other.child, "SIGKILL");
  assert.match(await problem(page), /lost its program/);
  assert.equal(await page.locator("#name.growing").count(), 0);
  assert.equal(await page.textContent("#layer"), "Idle");
  assert.equal(await said(page), "Disconnected.");
  await screenshot(page, "program-lost");
  complained(page, "ERR_INCOMPLETE_CHUNKED_ENCODING");
});
