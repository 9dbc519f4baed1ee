// Sends what happens in a page to a Tengen gateway, in batches, over a WebSocket of its own or one that is there already.
//
//   const telemetry = startTelemetry({ url: 'ws://127.0.0.1:8080/ws', namespace: 'shop' });
//   telemetry.say({ kind: 'action', message: 'paid', data: { items: 3 } });
//
// What waits is bounded; what found no room, or was refused, is counted, and told.
function startTelemetry(options) {
  const settings = { namespace: 'page', batch: 10, every: 1000, most: 500, ...options };
  const counts = { sent: 0, accepted: 0, filtered: 0, dropped: 0 };
  const waiting = [];
  const original = { warn: console.warn, error: console.error, fetch: window.fetch };
  let socket, ready = false, underWay = null, timer = 0, pause = 500, told = 0, number = 0;

  const cut = (text, most) => String(text).slice(0, most);
  const failure = error => error instanceof Error
    ? { name: error.name, message: cut(error.message, 2000), stack: cut(error.stack || '', 8000) }
    : { message: cut(error, 2000) };
  const plain = url => cut(url, 500).split(/[?#]/)[0];

  function say(signal) {
    if (waiting.length >= settings.most && waiting.shift()) counts.dropped++;
    waiting.push({ at: Date.now(), namespace: settings.namespace, ...signal });
    if (waiting.length >= settings.batch) flush();
    else timer ||= setTimeout(flush, settings.every);
  }

  // One batch at a time: the next one goes when this one is answered.
  function flush() {
    timer = clearTimeout(timer);
    if (!ready || underWay || !waiting.length) return;
    if (counts.dropped > told) {
      const dropped = counts.dropped - told;
      told += dropped;
      waiting.unshift({ at: Date.now(), namespace: settings.namespace, kind: 'warning', id: 'telemetry/dropped',
        message: `${dropped} signals were dropped in the page`, data: { dropped } });
    }
    underWay = { callback: `t${++number}`, signals: waiting.splice(0, settings.batch) };
    counts.sent += underWay.signals.length;
    const data = { sent: Date.now(), signals: underWay.signals };
    socket.send(JSON.stringify([['tengen/telemetry', data], underWay.callback]));
  }

  function answered(value) {
    const { signals } = underWay;
    const fault = value['tengen/error'];
    underWay = null;
    if (!fault) {
      for (const fate of ['accepted', 'filtered', 'dropped']) counts[fate] += value[fate];
    } else if (fault.id === 'rate-limited') {
      putBack(signals);
      timer ||= setTimeout(flush, fault['retry-after-ms'] || settings.every);
      return;
    } else {
      counts.dropped += signals.length;
      original.warn.call(console, 'telemetry:', fault.message);
    }
    if (waiting.length) timer ||= setTimeout(flush, waiting.length >= settings.batch ? 0 : settings.every);
  }

  function putBack(signals) {
    counts.sent -= signals.length;
    waiting.unshift(...signals);
    counts.dropped += waiting.splice(settings.most).length;
  }

  function connect() {
    socket = new WebSocket(settings.url, 'tengen.v1.json');
    socket.onmessage = message => {
      const [first, callback] = JSON.parse(message.data);
      if (first[0] === 'chsk/handshake') {
        [ready, pause] = [true, 500];
        flush();
      } else if (first === 'chsk/ws-ping') {
        socket.send('[["chsk/ws-pong"]]');
      } else if (underWay && callback === underWay.callback) {
        answered(first);
      }
    };
    socket.onclose = () => {
      ready = false;
      // Nobody knows whether it came: once more may be twice, never not at all.
      if (underWay) putBack(underWay.signals);
      underWay = null;
      setTimeout(connect, pause * (0.5 + Math.random()));
      pause = Math.min(pause * 2, 30000);
    };
  }

  addEventListener('error', event => say({ kind: 'error', id: 'page/error', message: event.message || 'a resource failed',
    error: failure(event.error || event.message || 'a resource failed'), data: { source: plain(event.filename || event.target?.src || ''), line: event.lineno } }), true);
  addEventListener('unhandledrejection', event => say({ kind: 'error', id: 'page/rejection', message: 'a promise failed', error: failure(event.reason) }));
  addEventListener('click', event => {
    const target = event.target.closest?.('[data-action]');
    if (target) say({ kind: 'action', id: 'page/action', message: target.dataset.action, data: { tag: target.tagName } });
  }, true);
  for (const level of ['warn', 'error']) {
    console[level] = (...said) => {
      original[level].apply(console, said);
      say({ kind: 'console', level, id: `console/${level}`, message: cut(said.map(String).join(' '), 2000) });
    };
  }
  window.fetch = async (...request) => {
    const url = plain(request[0]?.url || request[0]), start = performance.now();
    const tell = (level, data) => say({ kind: 'network', level, id: 'fetch/failed', message: `fetch ${url} failed`, data: { url, ms: performance.now() - start, ...data } });
    try {
      const response = await original.fetch(...request);
      if (!response.ok) tell('warn', { status: response.status });
      return response;
    } catch (error) {
      tell('error', { why: error.message });
      throw error;
    }
  };
  new PerformanceObserver(list => list.getEntries().forEach(entry => say({ kind: 'performance', id: `performance/${entry.entryType}`,
    message: entry.entryType, data: { name: plain(entry.name), ms: entry.duration, start: entry.startTime } }))).observe({ entryTypes: ['navigation', 'longtask', 'measure'] });

  connect();
  return { say, counts, waiting };
}
