// The lines that the page holds: the newest LIMIT of them, under numbers that only grow, and what of them is shown.

const LIMIT = 200_000;
const SLACK = 20_000;
/** A line that grows beyond this many characters is broken. */
const LONGEST = 1 << 16;
const LEVEL = /\b(?:(trace|debug|dbg)|(info|notice)|(warn|warning)|(error|err|fatal|critical|panic))\b/i;

/** The level that a line seems to have (1 debug to 4 error, 0 none), and where in it the word is. */
function levelOf(text) {
  const found = LEVEL.exec(text.length > 160 ? text.slice(0, 160) : text);
  if (!found) return [0, 0, 0];
  const level = found[1] ? 1 : found[2] ? 2 : found[3] ? 3 : 4;
  return [level, found.index, found.index + found[0].length];
}

class Lines {
  constructor() {
    this.clear();
    this.filter = { streams: new Set(["stdout", "stderr", "log"]), level: 0, only: false };
    /** What is searched for, and how often that has changed. Results come later, and are kept in the lines. */
    this.pattern = null;
    this.asked = 0;
    this.ask = () => {};
  }

  clear() {
    this.first = 0;
    this.all = [];
    /** Numbers of the lines shown, ascending, and of those that match the search. */
    this.shown = [];
    this.hits = [];
    /** By source and stream: the style in which the next line begins, and the number of a line that is not complete. */
    this.styles = new Map();
    this.open = new Map();
    this.seen = new Set();
    this.gaps = 0;
    this.gapBytes = 0;
    /** Where a reclassification has got to; null when none is under way. */
    this.cursor = null;
    this.turn = (this.turn ?? 0) + 1;
  }

  get end() { return this.first + this.all.length; }
  get(number) { return this.all[number - this.first]; }

  /** Adds a piece of output, a gap or a note as the feed delivers them. Returns the numbers of older lines that changed. */
  push(record) {
    if (record.gap !== undefined) {
      this.gaps++;
      this.gapBytes += record.gap;
      // What follows a gap does not continue what was before it.
      for (const key of this.open.keys()) if (key.startsWith(`${record.source}\n`)) this.open.delete(key);
      this.append({ kind: "gap", source: record.source, time: this.all.at(-1)?.time ?? 0, text: `${record.gap.toLocaleString()} bytes skipped` });
    } else if (record.note !== undefined) {
      this.append({ kind: "note", time: record.time, text: record.note });
    } else {
      return this.output(record);
    }
    return [];
  }

  output(record) {
    const changed = [];
    if (!this.seen.has(record.source)) {
      this.seen.add(record.source);
      if (record.offset) this.append({ kind: "note", source: record.source, time: record.time, text: `${record.offset.toLocaleString()} earlier bytes of ${record.source} are no longer held` });
    }
    const key = `${record.source}\n${record.stream}`;
    // Another process: it goes on neither in a line nor in a style.
    if (record.fresh) { this.open.delete(key); this.styles.delete(key); }
    const parts = record.data.split("\n");
    let offset = record.offset;
    parts.forEach((part, i) => {
      const last = i === parts.length - 1;
      const number = this.open.get(key);
      const begun = number === undefined ? undefined : this.get(number);
      if (begun && begun.raw.length < LONGEST) {
        begun.raw += part;
        begun.partial = last;
        this.interpret(begun, key);
        if (part || !last) changed.push(number);
      } else if (part || !last) {
        const line = { kind: "line", source: record.source, stream: record.stream, time: record.time, offset, raw: part, partial: last, before: this.styles.get(key) };
        this.interpret(line, key);
        this.append(line);
        if (last) this.open.set(key, this.end - 1);
      }
      if (!last) this.open.delete(key);
      // Right for ASCII; elsewhere the server's own offsets correct it with the next piece.
      offset += part.length + 1;
    });
    for (const number of changed) {
      this.reconsider(number);
      // What is known about it stays until the answer comes.
      if (this.pattern) this.ask(number);
    }
    return changed;
  }

  /** Works out how a line looks, and in which style the next line of its stream begins. */
  interpret(line, key) {
    const escapes = line.raw.includes("\x1b");
    if (escapes) {
      const { style } = runs(line.raw, line.before);
      if (Object.keys(style).length) this.styles.set(key, style);
      else this.styles.delete(key);
    }
    line.text = plainText(line.raw);
    const [level, from, to] = levelOf(line.text);
    line.level = level;
    line.levelAt = escapes || line.before ? null : [from, to];
  }

  append(line) {
    this.all.push(line);
    if (this.cursor === null) this.classify(this.end - 1, line);
  }

  /** Decides anew about a line that has grown. */
  reconsider(number) {
    const line = this.get(number);
    if (!line || (this.cursor !== null && number >= this.cursor)) return;
    const match = this.matches(line);
    place(this.hits, number, match);
    place(this.shown, number, this.passes(line) && (match || !this.filter.only || !this.pattern));
  }

  classify(number, line) {
    if (this.pattern && line.kind === "line" && line.found?.asked !== this.asked) this.ask(number);
    const match = this.matches(line);
    if (match) this.hits.push(number);
    if (this.passes(line) && (match || !this.filter.only || !this.pattern)) this.shown.push(number);
  }

  /** Takes what the search found in a line; whether that changes how it looks. */
  found(number, ranges) {
    const line = this.get(number);
    if (!line) return false;
    const before = this.matches(line);
    line.found = { asked: this.asked, ranges };
    this.reconsider(number);
    return before || ranges !== null;
  }

  matches(line) {
    return this.pattern !== null && line.found?.asked === this.asked && line.found.ranges !== null;
  }

  passes(line) {
    if (line.kind !== "line") return true;
    return this.filter.streams.has(line.stream) && line.level >= this.filter.level;
  }

  /** Drops the oldest lines beyond the limit; returns how many of the shown ones went. */
  trim() {
    if (this.all.length <= LIMIT + SLACK) return 0;
    const drop = this.all.length - LIMIT;
    this.all.splice(0, drop);
    this.first += drop;
    const gone = lowerBound(this.shown, this.first);
    this.shown.splice(0, gone);
    this.hits.splice(0, lowerBound(this.hits, this.first));
    return gone;
  }

  /** Decides anew about every line, a slice at a time so that the page stays responsive. `done` is called after each. */
  reclassify(done) {
    this.shown = [];
    this.hits = [];
    this.cursor = this.first;
    const turn = ++this.turn;
    const slice = () => {
      if (turn !== this.turn) return;
      const until = performance.now() + 12;
      let number = Math.max(this.cursor, this.first);
      while (number < this.end) {
        this.classify(number, this.get(number));
        number++;
        if ((number & 255) === 0 && performance.now() > until) break;
      }
      this.cursor = number < this.end ? number : null;
      if (this.cursor !== null) setTimeout(slice);
      done();
    };
    slice();
  }

  /** What is painted of a line: runs of text with their styles. */
  pieces(line) {
    if (line.kind !== "line") return [[line.text, PLAIN]];
    if (line.levelAt === null) return runs(overwritten(line.raw), line.before).out;
    const [from, to] = line.levelAt;
    if (from === to) return [[line.text, PLAIN]];
    return [[line.text.slice(0, from), PLAIN], [line.text.slice(from, to), { lv: true }], [line.text.slice(to), PLAIN]];
  }

  /** The ranges of a line that match the search. */
  marks(line) {
    const marks = [];
    const ranges = this.matches(line) ? line.found.ranges : [];
    for (let i = 0; i < ranges.length; i += 2) marks.push([ranges[i], ranges[i + 1]]);
    return marks;
  }
}

/** Makes an ascending array hold a number, or not. */
function place(array, number, there) {
  const at = lowerBound(array, number);
  if ((array[at] === number) === there) return;
  if (there) array.splice(at, 0, number);
  else array.splice(at, 1);
}

/** The first position in the ascending array whose value is at least `value`. */
function lowerBound(array, value) {
  let low = 0;
  let high = array.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (array[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
