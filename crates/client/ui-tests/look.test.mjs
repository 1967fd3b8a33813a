// The page for everybody: with the keyboard alone, on phones, in the dark, without motion.

import assert from "node:assert/strict";
import { test } from "node:test";
import { screenshot } from "./programs.mjs";
import { done, INJECTION, run, tab } from "./tabs.mjs";

test("everything can be done with the keyboard alone, and the focus is always to be seen", async () => {
  const page = await tab();
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.value || document.activeElement.name);
  const stops = [];
  for (let presses = 0; presses < 12 && stops.at(-1) !== "text"; presses++) {
    await page.keyboard.press("Tab");
    stops.push(await focused());
    const outlined = await page.evaluate(() => {
      const element = document.activeElement;
      return [element, element.nextElementSibling].some((shown) => shown && getComputedStyle(shown).outlineStyle === "solid");
    });
    assert.ok(outlined, `the focus on ${stops.at(-1)} cannot be seen`);
  }
  assert.deepEqual(stops, ["light dark", "prompt-guard", "text"]);
  await page.keyboard.type(INJECTION);
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("now");
  await page.keyboard.press("Enter");
  await done(page);
  assert.equal(await page.inputValue("#text"), `${INJECTION}\nnow`);
  assert.equal(await page.textContent("#verdict-label"), "injection");
  for (let presses = 0; presses < 12 && (await focused()) !== "compare"; presses++) await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  assert.equal(await page.isVisible("#request .clear"), true);
  await screenshot(page, "keyboard");
});

async function noOverflow(page) {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= window, `${content} pixels in a window of ${window}`);
}

for (const width of [320, 390]) {
  test(`on a phone ${width} pixels wide nothing sticks out`, async () => {
    const page = await tab({ viewport: { width, height: 780 }, hasTouch: true, isMobile: true });
    await noOverflow(page);
    await screenshot(page, `phone-${width}-idle`);
    await page.check("#compare");
    await run(page, `${INJECTION} ${"verylongword".repeat(12)}`);
    await done(page);
    await noOverflow(page);
    await screenshot(page, `phone-${width}-verdict`);
    await page.locator("#request").scrollIntoViewIfNeeded();
    await screenshot(page, `phone-${width}-wire`);
    await page.locator("#timeline").scrollIntoViewIfNeeded();
    await screenshot(page, `phone-${width}-server`);
  });
}

/** The smallest contrast of any text with what is behind it, by WCAG. */
function contrast() {
  const parse = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = color.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color.slice(0, 3);
    }
    return [255, 255, 255];
  };
  let worst = { ratio: Infinity };
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.textContent.trim()).join("");
    if (!text || !element.checkVisibility() || element.closest(":disabled")) continue;
    const [a, b] = [parse(getComputedStyle(element).color).slice(0, 3), behind(element)].map(luminance);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst.ratio) worst = { ratio, text };
  }
  return worst;
}

test("in a dark room the page is dark, and everything can be read", async (t) => {
  const page = await tab({ colorScheme: "dark" });
  const brightness = () => page.evaluate(() => Math.max(...getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g).map(Number)));
  assert.ok((await brightness()) < 40);
  await page.check("#compare");
  await run(page, INJECTION);
  await done(page);
  await screenshot(page, "dark");
  for (const theme of ["dark", "light"]) {
    await page.check(`input[name="theme"][value="${theme}"]`);
    const worst = await page.evaluate(contrast);
    t.diagnostic(`smallest contrast, ${theme}: ${worst.ratio.toFixed(2)} of "${worst.text}"`);
    assert.ok(worst.ratio >= 4.5, `${worst.text}: ${worst.ratio}`);
  }
  assert.ok((await brightness()) > 200, "light was asked for");
});

test("who wants no motion gets none", async () => {
  const page = await tab({ reducedMotion: "reduce" });
  await run(page, INJECTION);
  await done(page);
  assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
});
