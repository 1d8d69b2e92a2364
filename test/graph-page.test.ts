/// <reference lib="dom" />
/** The page of a graph in a real browser: opened from disk, without a network. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pictured } from '../src/commands/graph/output.ts';
import { viewOf } from '../src/graph/print/view.ts';
import { scratch } from './fixtures.ts';
import { graphFor } from './graph-models.ts';

const browserFile = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome'].find(
  (path) => path && existsSync(path),
);
if (!browserFile)
  console.warn('skipped: the page of a graph, because there is no Chromium here (set CHROMIUM to its path)');

describe.skipIf(!browserFile)('the page of DeepSeek-V3', () => {
  let browser: Browser;
  let page: Page;
  const errors: string[] = [];
  const asked: string[] = [];

  beforeAll(async () => {
    const { graph, sizes } = await graphFor('deepseek-v3', { tokens: 16 });
    const html = (await pictured(viewOf(graph, sizes), 'html', 'V3 <decoder>', { theme: 'light', scale: 1 })) as string;
    const file = join(scratch, 'graph.html');
    writeFileSync(file, html);
    browser = await chromium.launch({ executablePath: browserFile!, args: ['--no-sandbox'] });
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (entry) => entry.type() === 'error' && errors.push(entry.text()));
    page.on('request', (request) => /^(file|data):/.test(request.url()) || asked.push(request.url()));
    await page.goto(pathToFileURL(file).href);
    await page.waitForSelector('body[data-ready]');
  });
  afterAll(() => browser?.close());

  const boxes = () =>
    page.locator('g.node').evaluateAll((nodes) => nodes.map((node) => (node as HTMLElement).dataset.id));

  it('begins with closed layers, alike ones once, and asks nobody for anything', async () => {
    expect(await boxes()).toEqual(expect.arrayContaining(['tokens', 'blk.0', 'blk.3', 'output logits']));
    expect((await boxes()).length).toBeLessThan(15);
    expect(await page.locator('g.node[data-id="blk.3"]').textContent()).toContain('×58');
    expect(await page.title()).toBe('V3 <decoder>');
    expect([errors, asked]).toEqual([[], []]);
  });

  it('opens and closes a layer by keyboard alone', async () => {
    await page.locator('g.node[data-id="blk.0"]').focus();
    expect(await page.locator('#details h2').textContent()).toBe('blk.0');
    await page.keyboard.press('Enter');
    expect(await boxes()).toEqual(expect.arrayContaining(['blk.0/mla', 'blk.0/ffn']));
    await page.locator('g.cluster[data-group="blk.0"]').focus();
    await page.keyboard.press('Enter');
    expect(await boxes()).not.toContain('blk.0/mla');
  });

  it('finds a tensor in any layer, opens what is around it, and tells all about it', async () => {
    await page.keyboard.press('/');
    await page.keyboard.type('blk.40.ffn_gate_exps');
    await page.keyboard.press('Enter');
    expect(await boxes()).toContain('blk.40.ffn_gate_exps.weight');
    const details = await page.locator('#details').textContent();
    expect(details).toContain('3,758,096,384');
    expect(details).toContain('f16');
    await page.locator('#details .link').first().click();
    const operation = await page.locator('#details').textContent();
    expect(operation).toContain('X[i]*Y');
    expect(operation).toMatch(/FLOPs[\d,]{9,}/);
    await page.click('#close');
    expect((await boxes()).length).toBeLessThan(20);
  });

  it('moves and grows by mouse and keys', async () => {
    const place = () => page.locator('#stage').evaluate((stage) => (stage as HTMLElement).style.transform);
    const seen = new Set([await place()]);
    await page.mouse.move(200, 500);
    await page.mouse.down();
    await page.mouse.move(300, 560, { steps: 4 });
    await page.mouse.up();
    seen.add(await place());
    await page.mouse.wheel(0, -300);
    await page.waitForTimeout(100);
    seen.add(await place());
    await page.locator('#fit').focus();
    for (const key of ['ArrowLeft', '+']) {
      await page.keyboard.press(key);
      seen.add(await place());
    }
    expect(seen.size).toBe(5);
  });

  it.each([1400, 800, 390])(
    'shows no text over another and none outside its box, %d pixels wide, light and dark',
    async (width) => {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 800 });
        await page.click('#fit');
        const wrong = await page.evaluate(() => {
          const texts = [...document.querySelectorAll('#stage text')].map((text) => ({
            text,
            box: text.getBoundingClientRect(),
          }));
          const overlaps = texts.flatMap(({ text, box: a }, i) =>
            texts
              .slice(i + 1)
              .filter(({ box: b }) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
              .map((other) => `${text.textContent} / ${other.text.textContent}`),
          );
          const outside = texts
            .filter(({ text, box }) => {
              const node = text.closest('g.node')?.querySelector('polygon, path, ellipse')?.getBoundingClientRect();
              return node && (box.left < node.left - 1 || box.right > node.right + 1);
            })
            .map(({ text }) => text.textContent);
          return [...overlaps, ...outside];
        });
        expect(wrong, colorScheme).toEqual([]);
      }
    },
  );
});
