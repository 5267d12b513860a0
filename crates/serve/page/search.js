// Search runs in a worker: an expression that takes for ever takes nobody's time but its own, and is given up.

/** Milliseconds that a batch may take, and how large it is: an expression that is not catastrophic needs a few of them. */
const SEARCH_LIMIT = 3000;
const BATCH_LINES = 4000;
const BATCH_CHARACTERS = 1 << 18;

/** The worker's whole program: for each text null, or the ranges that match, [from, to, from, to, ...]. */
function searcher() {
  const MARKS = 200;
  onmessage = ({ data: { pattern, texts } }) => {
    postMessage(texts.map((text) => {
      let marks = null;
      pattern.lastIndex = 0;
      for (let found; (marks?.length ?? 0) < 2 * MARKS && (found = pattern.exec(text)); ) {
        marks ??= [];
        if (found[0] === "") pattern.lastIndex++;
        else marks.push(found.index, found.index + found[0].length);
      }
      return marks;
    }));
  };
  postMessage("ready");
}

class Search {
  /** `text(number)` gives a line's text, if it is still held; `on.found` gets [number, ranges or null] pairs, and `on.slow` is called
   * when an expression was given up. */
  constructor(text, on) {
    Object.assign(this, { text, on, pattern: null, queue: [], batch: null, worker: null, ready: false });
  }

  /** Searches for another pattern, a RegExp with the flag g; null for none. What was asked for is forgotten. */
  set(pattern) {
    this.pattern = pattern;
    this.queue = [];
    if (this.batch) this.end();
  }

  /** Has a line looked at. */
  ask(number) {
    this.queue.push(number);
    if (!this.batch) this.send();
  }

  get busy() { return this.batch !== null || this.queue.length > 0; }

  send() {
    this.worker ??= this.begin();
    if (!this.ready || !this.queue.length) return;
    const numbers = [];
    const texts = [];
    for (let size = 0; numbers.length < Math.min(BATCH_LINES, this.queue.length) && size < BATCH_CHARACTERS; ) {
      const number = this.queue[numbers.length];
      numbers.push(number);
      texts.push(this.text(number) ?? "");
      size += texts.at(-1).length;
    }
    this.queue.splice(0, numbers.length);
    const timer = setTimeout(() => { this.set(null); this.on.slow(); }, SEARCH_LIMIT);
    this.batch = { numbers, timer };
    this.worker.postMessage({ pattern: this.pattern, texts });
  }

  begin() {
    const address = URL.createObjectURL(new Blob([`(${searcher})()`], { type: "text/javascript" }));
    const worker = new Worker(address);
    worker.onmessage = ({ data }) => {
      if (data === "ready") {
        URL.revokeObjectURL(address);
        this.ready = true;
      } else {
        clearTimeout(this.batch.timer);
        const { numbers } = this.batch;
        this.batch = null;
        this.on.found(numbers.map((number, i) => [number, data[i]]));
      }
      this.send();
    };
    return worker;
  }

  /** Stops a worker that is at work. */
  end() {
    clearTimeout(this.batch.timer);
    this.batch = null;
    this.worker.onmessage = null;
    this.worker.terminate();
    this.worker = null;
    this.ready = false;
  }
}
