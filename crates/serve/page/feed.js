// A follow request that reconnects where it broke off: newline-delimited JSON over one long answer.

class Feed {
  /** `address(cursors)` gives what to ask for; `on` gets batches of records, and the state "live", "lost" or "ended". */
  constructor(address, on) {
    this.address = address;
    this.on = on;
    this.cursors = new Map();
    this.resume();
  }

  stop() { this.stopped.abort(); }

  /** Goes on after a stop, where it was. */
  resume() {
    this.stopped = new AbortController();
    this.run();
  }

  async run() {
    const signal = this.stopped.signal;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        const answer = await fetch(this.address(this.cursors), { signal, cache: "no-store" });
        if (!answer.ok) {
          const why = (await answer.text()).trim();
          // An offset from before a restart: begin again, with a word about it.
          if (answer.status === 416 && this.cursors.size) {
            this.cursors.clear();
            this.on.records([{ note: "the service was restarted", time: Date.now() }]);
            continue;
          }
          throw new Error(why || `HTTP ${answer.status}`);
        }
        this.on.state("live");
        failures = 0;
        if (await this.read(answer.body, signal)) { this.on.state("ended"); return; }
        throw new Error("the connection was closed");
      } catch (error) {
        if (signal.aborted) return;
        this.on.state("lost", error.message);
        await new Promise((resume) => setTimeout(resume, Math.min(5000, 250 * 2 ** failures)));
      }
    }
  }

  /** Reads records until the answer ends; true if it said that nothing will follow. */
  async read(body, signal) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    let ended = false;
    for (;;) {
      const { value, done } = await reader.read();
      if (done || signal.aborted) return ended;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      const records = [];
      for (const line of lines) {
        if (!line) continue;
        const record = JSON.parse(line);
        if (record.next !== undefined) this.cursors.set(record.source, record.next);
        if (record.end) ended = true;
        else records.push(record);
      }
      if (records.length) this.on.records(records);
    }
  }
}
