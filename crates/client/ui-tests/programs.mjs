// The programs as users run them, from target/release, and a browser that is watched.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
const screenshots = join(root, "target/ui-screenshots");
const folder = mkdtempSync(join(tmpdir(), "cipherformer-ui-"));
const running = new Set();

function start(name, ...options) {
  const program = join(root, "target/release", name);
  assert.ok(existsSync(program), `${program} is missing; run cargo build --release --workspace --bins`);
  const environment = Object.entries(process.env).filter(([variable]) => !variable.startsWith("CIPHERFORMER_"));
  const child = spawn(program, options, { stdio: ["ignore", "pipe", "ignore"], env: Object.fromEntries(environment) });
  running.add(child);
  return child;
}

/** Ends a program as Ctrl-C does. */
export async function stop(child, signal = "SIGINT") {
  if (!running.delete(child) || child.exitCode !== null) return;
  child.kill(signal);
  await once(child, "exit");
}

/** A port that was free a moment ago. */
export async function freePort() {
  for (;;) {
    const port = randomInt(20_000, 30_000); // below those that systems give to programs that ask for any
    const socket = createServer().listen(port, "127.0.0.1");
    const taken = await once(socket, "listening").then(() => false, () => true);
    if (taken) continue;
    socket.close();
    await once(socket, "close");
    return port;
  }
}

/** A server with the real circuits. */
export async function startServer(port) {
  const data = join(folder, "server");
  const listen = `127.0.0.1:${port}`;
  const child = start("cipherformer-server", "--circuits", join(root, "circuits"), "--data-dir", data, "--listen", listen);
  child.stdout.resume();
  for (let tries = 0; tries < 300; tries++) {
    const ready = await fetch(`http://${listen}/readyz`).catch(() => null);
    if (ready?.ok) return child;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error("the server is not ready after half a minute");
}

/** The page, with the address that the program prints. */
export async function startPage(port) {
  const server = `http://127.0.0.1:${port}`;
  const child = start("cipherformer-client", "ui", "--server", server, "--home", join(folder, "home"));
  const [address] = await once(createInterface({ input: child.stdout }), "line");
  return { child, address };
}

export async function startBrowser() {
  // The sandbox of Chromium does not work for root, as which containers run.
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
}

/** A tab of its own, and all that it asked for and complained of. */
export async function open(browser, address, { ready = true, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 1150 }, ...options });
  const page = await context.newPage();
  await page.addInitScript(() => delete ReadableStream.prototype[Symbol.asyncIterator]); // as in browsers that have none
  const seen = { foreign: [], complaints: [] };
  const origin = new URL(address).origin;
  page.on("request", (request) => {
    if (!request.url().startsWith(`${origin}/`)) seen.foreign.push(request.url());
  });
  page.on("console", (message) => seen.complaints.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => seen.complaints.push(String(error)));
  await page.goto(address);
  if (ready) await page.waitForFunction(() => document.documentElement.dataset.ready);
  return { page, seen };
}

/** Nothing was loaded from elsewhere, nothing went wrong. */
export function clean({ foreign, complaints }) {
  assert.deepEqual(foreign, []);
  assert.deepEqual(complaints, []);
}

/** For people to look at: target/ui-screenshots/NAME.png. */
export async function screenshot(page, name) {
  mkdirSync(screenshots, { recursive: true });
  await page.evaluate(() => Promise.all(document.getAnimations().filter((a) => a.effect.getTiming().iterations === 1).map((a) => a.finished)));
  await page.screenshot({ path: join(screenshots, `${name}.png`) });
}

/** Ends all programs, and forgets their keys and data. */
export async function stopAll() {
  await Promise.all([...running].map((child) => stop(child)));
  rmSync(folder, { recursive: true, force: true });
}

process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));
