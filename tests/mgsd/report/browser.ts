/** A headless Chromium over its debugging pipe: no driver package, no port, nothing that goes out to the network. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

export interface View {
  readonly width: number;
  readonly height: number;
  readonly dark?: boolean;
  readonly touch?: boolean;
}

export class Browser {
  /** Errors and warnings of the console, and exceptions, since the page was opened. */
  readonly problems: string[] = [];
  /** Every address that was asked for. */
  readonly requests: string[] = [];
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #waiting = new Map<
    number,
    { resolve: (result: Record<string, unknown>) => void; reject: (error: Error) => void }
  >();
  readonly #listeners = new Map<string, () => void>();
  #session: string | undefined;
  #next = 1;

  private constructor(executable: string) {
    this.#profile = fs.mkdtempSync(path.join(os.tmpdir(), 'mgsd-chromium-'));
    const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-pipe', '--no-first-run'];
    const quiet = [
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--hide-scrollbars',
    ];
    this.#process = spawn(executable, [...flags, ...quiet, `--user-data-dir=${this.#profile}`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    });
    let text = '';
    (this.#process.stdio[4] as Readable).setEncoding('utf8').on('data', (chunk: string) => {
      const parts = (text + chunk).split('\0');
      text = parts.pop()!;
      for (const part of parts) this.#receive(JSON.parse(part) as Message);
    });
    this.#process.once('exit', code => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`Chromium ended with code ${String(code)}`));
    });
  }

  static async launch(executable: string): Promise<Browser> {
    const browser = new Browser(executable);
    const { targetInfos } = (await browser.send('Target.getTargets')) as {
      targetInfos: { type: string; targetId: string }[];
    };
    const { targetId } = targetInfos.find(({ type }) => type === 'page')!;
    const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true });
    browser.#session = sessionId as string;
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await browser.send(`${domain}.enable`);
    await browser.send('Emulation.setFocusEmulationEnabled', { enabled: true });
    return browser;
  }

  #receive({ id, method = '', params = {}, result = {}, error }: Message): void {
    if (id !== undefined) {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) waiting?.reject(new Error(error.message));
      else waiting?.resolve(result);
      return;
    }
    const { type, entry, request } = params as {
      type?: string;
      entry?: { level: string; text: string };
      request?: { url: string };
    };
    if (method === 'Runtime.exceptionThrown') this.problems.push(JSON.stringify(params));
    if (method === 'Runtime.consoleAPICalled' && type !== 'log') this.problems.push(JSON.stringify(params));
    if (method === 'Log.entryAdded' && entry?.level !== 'info') this.problems.push(entry?.text ?? '');
    if (method === 'Network.requestWillBeSent') this.requests.push(request!.url);
    this.#listeners.get(method)?.();
  }

  /** A command of the DevTools protocol and its answer. */
  async send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = this.#next++;
    const answer = new Promise<Record<string, unknown>>((resolve, reject) =>
      this.#waiting.set(id, { resolve, reject }),
    );
    const session = this.#session === undefined ? {} : { sessionId: this.#session };
    (this.#process.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    return await answer;
  }

  /** Opens a file in a window of this size. */
  async open(file: string, { width, height, dark = false, touch = false }: View): Promise<void> {
    this.problems.length = 0;
    this.requests.length = 0;
    await this.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: touch });
    await this.send('Emulation.setEmulatedMedia', {
      features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }],
    });
    const loaded = new Promise<void>(resolve => this.#listeners.set('Page.loadEventFired', resolve));
    await this.send('Page.navigate', { url: pathToFileURL(file).href });
    await loaded;
  }

  /** The value of a JavaScript expression in the page. @throws Error with the page's own message */
  async evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = (await this.send('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
    })) as { result: { value: unknown; description?: string }; exceptionDetails?: object };
    if (exceptionDetails) throw new Error(result.description ?? JSON.stringify(exceptionDetails));
    return result.value;
  }

  /** What the window shows, as PNG. */
  async screenshot(): Promise<Buffer> {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png' });
    return Buffer.from(data as string, 'base64');
  }

  async close(): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#session = undefined;
    await this.send('Browser.close');
    await ended;
    fs.rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }); // helpers end later
  }
}
