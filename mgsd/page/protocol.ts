/**
 * Calls from the page to its worker: a request goes in, events come on the way, a reply or an error ends it. A panel
 * has a table of them, `{ name: handler }`, which worker.ts serves; the page knows the table by its type alone.
 */

/** What a handler is given beside its request. */
export interface Told<E> {
  /** Sends an event to whoever called. */
  readonly emit: (event: E) => void;
  /** Aborts when the caller cancels. */
  readonly signal: AbortSignal;
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Answers one kind of call. Requests, events and replies must survive `structuredClone`. */
export type Handler<Q, R, E = never> = (request: Q, told: Told<E>) => Promise<R>;
export type Calls = Readonly<Record<string, Handler<never, unknown, unknown>>>;

type Request<H> = H extends (request: infer Q, told: never) => unknown ? Q : never;
type Reply<H> = H extends (request: never, told: never) => Promise<infer R> ? R : never;
type Event<H> = H extends (request: never, told: Told<infer E>) => unknown ? E : never;

type ToWorker =
  | { readonly id: number; readonly call: string; readonly request: unknown }
  | { readonly id: number; readonly cancel: true };
type FromWorker =
  | { readonly id: number; readonly event: unknown }
  | { readonly id: number; readonly reply: unknown }
  | { readonly id: number; readonly error: string };

/** How a call is watched and cancelled. */
export interface CallOptions<E> {
  readonly onEvent?: (event: E) => void;
  readonly signal?: AbortSignal;
}

/** The page's side of a worker. */
export interface Connection<C extends Calls> {
  /** @throws Error with the worker's message; the signal's reason if it aborted */
  readonly call: <N extends keyof C>(
    name: N,
    request: Request<C[N]>,
    options?: CallOptions<Event<C[N]>>,
  ) => Promise<Reply<C[N]>>;
  /** Ends the worker with all that it does. */
  readonly stop: () => void;
}

/** Connects to a worker that serves these calls. */
export function connect<C extends Calls>(worker: Worker): Connection<C> {
  interface Pending {
    readonly onEvent: ((event: never) => void) | undefined;
    readonly resolve: (reply: never) => void;
    readonly reject: (error: Error) => void;
  }
  const pending = new Map<number, Pending>();
  let next = 0;
  let ended: Error | undefined;
  const end = (error: Error) => {
    ended = error;
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  };
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    const found = pending.get(data.id);
    if (!found) return; // cancelled
    if ('event' in data) {
      found.onEvent?.(data.event as never);
      return;
    }
    pending.delete(data.id);
    if ('error' in data) found.reject(new Error(data.error));
    else found.resolve(data.reply as never);
  };
  worker.onerror = ({ message }) => end(new Error(`the worker has ended (${message || 'its script does not load'})`));
  return {
    call: (name, request, { onEvent, signal } = {}) =>
      new Promise((resolve, reject) => {
        const failure = ended ?? (signal?.aborted ? (signal.reason as Error) : undefined);
        if (failure) {
          reject(failure);
          return;
        }
        const id = next++;
        const send = (message: ToWorker) => worker.postMessage(message);
        pending.set(id, { onEvent, resolve, reject });
        signal?.addEventListener('abort', () => {
          if (!pending.delete(id)) return;
          send({ id, cancel: true });
          reject(signal.reason as Error);
        });
        send({ id, call: String(name), request });
      }),
    stop: () => {
      worker.terminate();
      end(new Error('the worker was stopped'));
    },
  };
}

/** Within the worker: answers the calls of these tables. Calls run side by side; `useDevice` makes them take turns. */
export function serve(calls: Calls): void {
  const running = new Map<number, AbortController>();
  const send = (message: FromWorker) => globalThis.postMessage(message);
  const answer = async (id: number, name: string, request: unknown): Promise<FromWorker> => {
    const controller = new AbortController();
    running.set(id, controller);
    try {
      const handler = calls[name];
      if (!handler) throw new Error(`nobody answers the call ${name}`);
      const told: Told<unknown> = { signal: controller.signal, emit: event => send({ id, event }) };
      return { id, reply: await handler(request as never, told) };
    } catch (error) {
      return { id, error: messageOf(error) };
    } finally {
      running.delete(id);
    }
  };
  globalThis.onmessage = ({ data }: MessageEvent<ToWorker>) => {
    if ('cancel' in data) running.get(data.id)?.abort();
    else void answer(data.id, data.call, data.request).then(send);
  };
}
