// The page around the telemetry: buttons that make things go wrong, and what became of that.
const telemetry = startTelemetry({ url: `ws://${location.host}/ws`, namespace: 'example' });

const on = (id, does) => document.getElementById(id).addEventListener('click', does);
on('throw', () => setTimeout(() => { throw new TypeError('thrown on purpose'); }));
on('reject', () => void Promise.reject(new Error('rejected on purpose')));
on('warn', () => console.warn('warned on purpose'));
on('fetch', () => fetch('/nothing/here?token=not-for-you').catch(() => {}));
on('measure', () => performance.measure('on-purpose', { start: performance.now() - 5, duration: 5 }));
on('flood', () => {
  for (let number = 0; number < 2000; number++) telemetry.say({ kind: 'console', level: 'debug', message: `number ${number}` });
});

setInterval(() => {
  for (const [name, count] of Object.entries({ ...telemetry.counts, waiting: telemetry.waiting.length })) {
    document.getElementById(name).textContent = count;
  }
}, 200);
