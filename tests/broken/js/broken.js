// Breaks when it is told to.

function divide(all) {
  return all / 0n; // It throws here.
}

function spin() {
  for (;;); // It stays here.
}

function decide({ what: { tag, val } }) {
  if (tag === "message" && val.id === "broken/divide") divide(7n);
  if (tag === "message" && val.id === "broken/spin") spin();
  return { tag: "done", val: { answer: { tag: "nothing" }, effects: [], more: [] } };
}

export const plugin = {
  describe: () => ({
    name: "broken", version: "1.0.0", encoding: "json", maxBatch: 1, events: [], others: [],
    snapshotWrites: null, snapshotReads: [], channels: [],
    subscriptions: [], users: false, missed: false, more: [],
  }),
  start: () => {},
  stop: () => {},
};

// Of what is thrown the gateway gets the message; what is thrown here has the lines as well.
export const handler = {
  handle: (events) => {
    try {
      return events.map(decide);
    } catch (error) {
      throw `${error}\n${error.stack}`;
    }
  },
};

export const snapshot = { save: () => { throw "it has no state"; }, load: () => {} };
