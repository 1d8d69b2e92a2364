/** Threads of our own: questions to one, and its answers in order. Both ends of the channel are here. */
import { parentPort, Worker } from 'node:worker_threads';
import { messageOf } from '../errors.ts';

type Answer<A> = { readonly kind: 'done'; readonly value: A } | { readonly kind: 'failed'; readonly message: string };

interface Waiting<A> {
  resolve(value: A): void;
  reject(error: Error): void;
}

/** A thread that answers questions of type Q by values of type A, one at a time. */
export class Thread<Q, A> {
  readonly #worker: Worker;
  readonly #waiting: Waiting<A>[] = [];
  /** Why it answers nothing any more. */
  #end: Error | undefined;

  /**
   * @param file built code that calls `answerQuestions`
   * @param name what messages and debuggers call it
   */
  constructor(file: URL, name: string) {
    this.#worker = new Worker(file, { name });
    this.#worker.on('message', (answer: Answer<A>) => {
      const question = this.#waiting.shift();
      if (answer.kind === 'failed') question?.reject(new Error(answer.message));
      else question?.resolve(answer.value);
    });
    this.#worker.on('error', (error) => this.#failAll(error instanceof Error ? error : new Error(messageOf(error))));
    this.#worker.on('exit', () => this.#failAll(new Error(`the ${name} has stopped`)));
  }

  /** Questions that are not answered yet. */
  get nWaiting(): number {
    return this.#waiting.length;
  }

  /** Whether it has ended, by itself or by `close`. */
  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  /**
   * Its answer to a question.
   * @param transfer buffers of the question that change hands without a copy
   * @throws Error with what the thread threw, or that it has stopped
   */
  ask(question: Q, transfer: readonly ArrayBuffer[] = []): Promise<A> {
    return new Promise((resolve, reject) => {
      if (this.#end) throw this.#end;
      // What cannot be sent is thrown here, and nobody waits for an answer to it.
      this.#worker.postMessage(question, [...transfer]);
      this.#waiting.push({ resolve, reject });
    });
  }

  /** Ends it at once; what it has not answered is an error. */
  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #failAll(error: Error): void {
    this.#end ??= error;
    for (const question of this.#waiting.splice(0)) question.reject(error);
  }
}

/**
 * The thread's own side.
 * @param transferred buffers of an answer that change hands without a copy
 */
export const answerQuestions = <Q, A>(
  answer: (question: Q) => A | Promise<A>,
  transferred: (value: A, question: Q) => readonly ArrayBuffer[],
): void => {
  let last: Promise<void> = Promise.resolve();
  parentPort?.on('message', (question: Q) => {
    last = last.then(async () => {
      try {
        const value = await answer(question);
        parentPort?.postMessage({ kind: 'done', value } satisfies Answer<A>, [...transferred(value, question)]);
      } catch (error) {
        parentPort?.postMessage({ kind: 'failed', message: messageOf(error) } satisfies Answer<A>);
      }
    });
  });
};
